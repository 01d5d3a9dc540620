"""The sum of everybody's integer vector on secret tensors, with or without a bound on their lengths.

Sums are exact: ring arithmetic without fixed-point scaling or truncation.

Leakage: the sum, and with a bound which vectors were within it.
Assumes: as `mpc.crypten.protocol`; without a bound nothing is multiplied, so no provider is trusted.
"""

from collections.abc import Mapping
from typing import Any

import torch

from mpc.crypten.compat import load
from mpc.crypten.protocol import on_tensors
from mpc.crypten.providers.dealer import deal_on_demand
from mpc.crypten.providers.transfer import transfer
from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.runtime.types import Protocol

load()

import crypten  # noqa: E402

__all__ = ["MAX_MAGNITUDE", "bounded_sum", "secure_aggregate"]

MAX_MAGNITUDE = 2**20
"""Of a number, so that the squared length of 2^20 of them stays below 2^61."""


def secure_aggregate(
    me: int, parties: tuple[int, ...], vector: list[int] | None, length: int, randomness: Stream,
    *, max_norm: int | None = None, dealer: int | None = None,
) -> Protocol[Any]:  # fmt: skip
    """One party's side: its vector in, the sum and who was in it out.

    With `max_norm`, vectors longer than that are left out; then two parties make triples by oblivious
    transfer, unless one of the parties is the `dealer`, which has no vector and returns how many it made.

    Raises: ParameterError for numbers that are too large, or a bound among three parties without a dealer.
    """
    computing = tuple(party for party in parties if party != dealer)
    if me == dealer:
        return deal_on_demand(me, computing, randomness)
    if vector is None or len(vector) != length or any(abs(v) > MAX_MAGNITUDE for v in vector):
        raise ParameterError(
            f"a party's vector has {length} integers of at most {MAX_MAGNITUDE} in magnitude"
        )
    if max_norm is not None and not 0 <= max_norm < 2**30:
        raise ParameterError("the largest length is from 0 to 2**30 - 1")
    needs_triples = max_norm is not None and dealer is None
    if needs_triples and len(computing) != 2:
        raise ParameterError("a bound on lengths among three parties or more needs a dealer")
    return on_tensors(
        me,
        computing,
        lambda: bounded_sum(torch.tensor(vector, dtype=torch.int64), max_norm),
        randomness,
        dealer=dealer,
        provider=transfer if needs_triples else None,
    )


def bounded_sum(vector: torch.Tensor, max_norm: int | None = None) -> Mapping[str, Any]:
    """What every party runs: `sum`, and `accepted` by rank.

    Shapes: vector [d], integers.
    """
    network = crypten.communicator.get()
    shared = [crypten.cryptensor(vector, src=rank, precision=0) for rank in range(network.get_world_size())]
    accepted = [True] * len(shared)
    if max_norm is not None:
        squares = crypten.stack([x.square().sum() for x in shared])
        too_long = (-squares + max_norm * max_norm) < 0
        accepted = [not bit for bit in too_long.get_plain_text().tolist()]
    kept = [x for x, is_in in zip(shared, accepted, strict=True) if is_in]
    total = torch.zeros_like(vector)
    if kept:
        share = kept[0]
        for x in kept[1:]:
            share = share + x
        total = share.reveal()
    return {"sum": total.tolist(), "accepted": accepted}
