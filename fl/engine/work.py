"""The work of a run: which clients there are, what they train on and how; and one group of them trained.

Engines only decide where a group is trained. Groups depend on the work and on who takes part, never on the engine or
its number of processes, so that every engine gives the same bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.engine.cohort import gather
from fl.models.base import Model, Vector

if TYPE_CHECKING:  # algorithms are built on this package
    from fl.optim.base import Algorithm

__all__ = ["Trained", "Work"]

# a GPU is idle between small kernels, so it is given many clients at once
_GPU_COHORT = 32


@dataclass(frozen=True, slots=True)
class Trained:
    """What a client made of a round: a payload and what it remembers, or no payload and the reason.

    Shapes: payload [payload_size]; memory [memory_size].
    """

    payload: Vector | None
    memory: Vector
    reason: str = ""


@dataclass(frozen=True)
class Work:
    """Model, algorithm and the records of every client; clients count from 1, `shards[client - 1]` are its rows.

    Shapes: features [records, inputs] float32; labels [records] int64.
    """

    model: Model
    algorithm: "Algorithm"
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    shards: Sequence[NDArray[np.int64]]
    seed: int
    device: str = "cpu"

    @property
    def reproducible(self) -> bool:
        """Whether training again on such a machine gives the same bits: not on a GPU, nor in bfloat16."""
        return self.device == "cpu" and getattr(self.model, "reproducible", True)

    def groups(self, members: Sequence[int]) -> list[tuple[int, ...]]:
        """Who is trained with whom: clients of like size, so that little is padded, the largest first."""
        order = sorted(members, key=lambda client: (-len(self.shards[client - 1]), client))
        width = self.model.cohort if self.device == "cpu" else _GPU_COHORT
        return [tuple(order[first : first + width]) for first in range(0, len(order), width)]

    def train(
        self, group: Sequence[int], state: Vector, memories: Mapping[int, Vector], round: int
    ) -> dict[int, Trained]:
        """Train `group` from the public `state`; a client without an entry in `memories` starts from zeros."""
        cohort = gather(group, self.shards, *self._data, self.seed, round)
        size = self.algorithm.memory_size(self.model.size)
        zeros = np.zeros(size, dtype=np.float32)
        before = np.stack([memories.get(client, zeros) for client in cohort.clients])
        payloads, after = self.algorithm.local(
            self.model, cohort, state, torch.from_numpy(before).to(cohort.device), round
        )
        return {
            client: _checked(payload, old, new)
            for client, payload, old, new in zip(
                cohort.clients, payloads.cpu().numpy(), before, after.cpu().numpy(), strict=True
            )
        }

    @cached_property
    def _data(self) -> tuple[Tensor, Tensor]:
        return torch.from_numpy(self.features).to(self.device), torch.from_numpy(self.labels).to(self.device)


def _checked(payload: Vector, old: Vector, new: Vector) -> Trained:
    """A diverged client keeps what it remembered and uploads nothing."""
    if not (np.isfinite(payload).all() and np.isfinite(new).all()):
        return Trained(None, old, "training diverged: the update is not finite")
    return Trained(payload, new)
