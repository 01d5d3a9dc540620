"""The public directions of a round, from the coordinator's root set and the current model.

    root records of a class --gradient--> one descent direction

Everybody can repeat this from the root set and the model, which are both public. The same set gives FLTrust's root update.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.engine import Cohort, LocalSGD, full_gradient, gather, local_sgd
from fl.models.base import Model, Vector
from mpc.errors import ParameterError

__all__ = ["RootSet", "gradient_directions", "root_update"]


@dataclass(frozen=True)
class RootSet:
    """Clean records that the coordinator publishes; every class must be there.

    Shapes: features [records, inputs] float32; labels [records] int64.
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int

    def __post_init__(self) -> None:
        missing = set(range(self.classes)) - set(self.labels.tolist())
        if missing:
            raise ParameterError(
                f"the root set has no record of class {min(missing)}, so it has no direction"
            )

    def rows(self, classes: Sequence[int]) -> NDArray[np.int64]:
        """The records of these classes."""
        return np.flatnonzero(np.isin(self.labels, classes))

    def cohort(self, groups: Sequence[NDArray[np.int64]], seed: int, round: int) -> Cohort:
        """Groups of records as if they were clients, so that the engine computes them at once."""
        return gather(
            range(1, len(groups) + 1),
            groups,
            torch.from_numpy(self.features),
            torch.from_numpy(self.labels),
            seed,
            round,
        )

    def by_class(self) -> list[NDArray[np.int64]]:
        return [self.rows([label]) for label in range(self.classes)]


def _in_order(cohort: Cohort, vectors: Tensor) -> Vector:
    """Vectors of a cohort, which is sorted by size, back in the order of their numbers."""
    result: Vector = vectors.numpy()[np.argsort(cohort.clients)]
    return result


def gradient_directions(model: Model, w: Vector, root: RootSet) -> Vector:
    """Minus the gradient of the mean loss on each class of the root set.

    Shapes: w [size] -> [classes, size].
    """
    cohort = root.cohort(root.by_class(), 0, 0)
    return _in_order(cohort, -full_gradient(model, cohort, torch.from_numpy(w)))


def root_update(model: Model, w: Vector, root: RootSet, how: LocalSGD, seed: int, round: int) -> Vector:
    """What training on the whole root set makes of the model: FLTrust's server update. Shapes: [size] -> [size]."""
    cohort, start = root.cohort([np.arange(len(root.labels))], seed, round), torch.from_numpy(w)
    update: Vector = (local_sgd(model, cohort, start, how) - start).numpy()[0]
    return update
