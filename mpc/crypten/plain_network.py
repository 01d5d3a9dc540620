"""Seeds over CrypTen's own communicator, for code that starts CrypTen by itself.

Leakage: as `mpc.crypten.agreement`, against whoever only listens: torch.distributed authenticates nobody, so
    an active stranger on the network can take a party's place. `run_parties` and `eppml party` do not use this.
"""

from typing import Any

import numpy as np
import torch

from mpc.crypten.agreement import agree
from mpc.prg import Stream

__all__ = ["agree_over"]


def agree_over(network: Any) -> dict[str, Stream]:
    """CrypTen's four streams: with either neighbour, private, and everybody's."""
    rank, world = network.get_rank(), network.get_world_size()
    randomness = Stream.from_os(b"crypten")
    local = randomness.derive("local")
    if world == 1:
        return {name: randomness.derive(name) for name in ("prev", "next", "global")} | {"local": local}
    protocol = agree(rank, tuple(range(world)), randomness)
    outbox = next(protocol)
    while True:
        try:
            outbox = protocol.send(_exchange(network, outbox))
        except StopIteration as stop:
            seeds = stop.value
            return {
                "next": seeds.to((rank + 1) % world, "zero"),
                "prev": seeds.from_((rank - 1) % world, "zero"),
                "global": seeds.public("global"),
                "local": local,
            }


def _exchange(network: Any, outbox: dict[int, bytes]) -> dict[int, bytes]:
    """One round by broadcasts: everybody's messages to everybody, who takes what is addressed to it."""
    rank, world = network.get_rank(), network.get_world_size()
    size = len(next(iter(outbox.values())))
    padded = -(-size // 8) * 8
    mine = bytearray(padded * world)
    for receiver, data in outbox.items():
        mine[padded * receiver : padded * receiver + size] = data
    words = torch.from_numpy(np.frombuffer(bytes(mine), dtype=np.int64).copy())
    everybody = [part.numpy().tobytes() for part in network.all_gather(words)]
    begin = padded * rank
    return {sender: everybody[sender][begin : begin + size] for sender in range(world) if sender != rank}
