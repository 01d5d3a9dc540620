"""Clients whose updates are made when their shard is summed, all from one secret: a simulation plays everybody."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fl.scale.hierarchy import Parties, Shard
from fl.seeds import generator
from mpc.prg import Stream
from mpc.runtime import Network
from mpc.secagg import IdentityKey, client, shared_checks

__all__ = ["SimulatedClients", "SyntheticClients"]

# a client that vanishes does so before one of the messages of its sum
_VANISH_BEFORE = 10


@dataclass(frozen=True)
class SimulatedClients(ABC):
    """Clients of one machine: identities and masks from `root` (32 secret bytes), and some of them vanish.

    `drop` is the chance of each to vanish in a round, drawn from the public `seed`.
    """

    root: bytes = field(repr=False)
    seed: int
    round: int
    drop: float

    @abstractmethod
    def updates(self, members: Sequence[int]) -> Mapping[int, NDArray[np.int64]]:
        """What each of `members` adds to the sum; one that is missing has nothing to say this round."""

    def parties(self, shard: Shard) -> Parties:
        secrets = Stream(self.root, b"eppml/simulated clients")
        keys = {i: IdentityKey.generate(secrets.derive("identity", i)) for i in shard.clients}
        # all in one process: a signature need not be checked by everybody
        identities = shared_checks({i: key.public() for i, key in keys.items()})
        protocols = {
            i: client(
                i,
                shard.parameters,
                keys[i],
                identities,
                values,
                # a blinding a client, as a commitment to its update would have
                secrets.derive("blinding", i, shard.parameters.context).integers_below(
                    shard.parameters.field, shard.parameters.field_dim
                ),
                randomness=secrets.derive("sum", i, shard.parameters.context),
            )
            for i, values in self.updates(shard.clients).items()
        }
        return Parties(identities, protocols, Network(vanish=self._vanishing(shard.clients)))

    def _vanishing(self, members: Sequence[int]) -> dict[int, int]:
        if not self.drop:
            return {}
        first = {}
        for i in members:
            rng = generator(self.seed, "vanish", self.round, i)
            if rng.random() < self.drop:
                first[i] = int(rng.integers(1, _VANISH_BEFORE + 1))
        return first


@dataclass(frozen=True)
class SyntheticClients(SimulatedClients):
    """Uniform integers of `bits` bits, sign included: the sum costs the same, nothing is trained."""

    dim: int
    bits: int = 16

    def updates(self, members: Sequence[int]) -> dict[int, NDArray[np.int64]]:
        limit = (1 << (self.bits - 1)) - 1
        return {
            i: generator(self.seed, "synthetic", self.round, i).integers(-limit, limit + 1, self.dim)
            for i in members
        }
