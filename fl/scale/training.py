"""Clients that train when their shard is summed: ten thousand of them need the memory of a hundred."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from fl.engine import Work
from fl.models.base import Model, Vector
from fl.scale.clients import SimulatedClients
from mpc.codec import Codec
from mpc.errors import ParameterError

if TYPE_CHECKING:
    from fl.optim.base import Algorithm

__all__ = ["TrainingClients", "write_records"]


def write_records(folder: Path, features: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    """Put the records where every process can map them instead of holding a copy.

    Shapes: features [records, inputs]; labels [records].
    """
    np.save(folder / "features.npy", features)
    np.save(folder / "labels.npy", labels)


@lru_cache(maxsize=1)
def _mapped(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    # copy on write: torch wants arrays that it could change
    features, labels = (
        np.load(folder / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in ("features", "labels")
    )
    return features, labels


@dataclass(frozen=True)
class TrainingClients(SimulatedClients):
    """Clients that train from the public `state` on rows of the records in `folder` and send weighted, encoded payloads.

    `rows[client - 1]` are a client's records; its weight is their number. On a cluster every machine must see `folder`.

    Raises: ParameterError for an algorithm whose clients remember something between rounds.
    """

    model: Model
    algorithm: "Algorithm"
    rows: Sequence[NDArray[np.int64]] = field(repr=False)
    folder: Path
    state: Vector = field(repr=False)
    codec: Codec

    def __post_init__(self) -> None:
        if self.algorithm.memory_size(self.model.size):
            raise ParameterError(
                f"clients of {self.algorithm.name!r} remember things between rounds, which lazy clients cannot"
            )

    def updates(self, members: Sequence[int]) -> dict[int, NDArray[np.int64]]:
        torch.set_num_threads(1)
        work = Work(self.model, self.algorithm, *_mapped(self.folder), self.rows, self.seed)
        encoded = {}
        for group in work.groups(members):
            for client, trained in work.train(group, self.state, {}, self.round).items():
                if trained.payload is not None:
                    weight = len(self.rows[client - 1])
                    encoded[client] = self.codec.encode(trained.payload, weight=weight).values
        return encoded
