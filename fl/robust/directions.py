"""The public directions of a round, from the coordinator's root set and the current model.

    root records of a class or two --gradient, or a few epochs of training--> one descent direction

Everybody can repeat this from the root set and the model, which are both public. The same set gives FLTrust's root update.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.engine import Cohort, LocalSGD, full_gradient, gather, local_sgd
from fl.models.base import Model, Vector
from mpc.errors import ParameterError

__all__ = ["RootSet", "gradient_directions", "root_update", "trained_directions"]


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
    """Minus the gradient of the mean loss on each class of the root set: enough for a linear model.

    Shapes: w [size] -> [classes, size].
    """
    cohort = root.cohort(root.by_class(), 0, 0)
    return _in_order(cohort, -full_gradient(model, cohort, torch.from_numpy(w)))


def trained_directions(
    model: Model, w: Vector, root: RootSet, how: LocalSGD, seed: int, round: int
) -> Vector:
    """What training makes of each class of the root set, and of each pair of classes.

    A deep model's update after several steps is no sum of what its classes do alone, as classes push against each other;
    pairs have that. Take for `how` what clients do, with about as many steps.

    Shapes: w [size] -> [classes * (classes + 1) / 2, size], classes first, then pairs in lexicographic order.
    """
    pairs = [root.rows(pair) for pair in combinations(range(root.classes), 2)]
    return _trained(model, w, root, [*root.by_class(), *pairs], how, seed, round)


def root_update(model: Model, w: Vector, root: RootSet, how: LocalSGD, seed: int, round: int) -> Vector:
    """What training on the whole root set makes of the model: FLTrust's server update. Shapes: [size] -> [size]."""
    update: Vector = _trained(model, w, root, [np.arange(len(root.labels))], how, seed, round)[0]
    return update


def _trained(
    model: Model,
    w: Vector,
    root: RootSet,
    groups: Sequence[NDArray[np.int64]],
    how: LocalSGD,
    seed: int,
    round: int,
) -> Vector:
    start = torch.from_numpy(w)
    found = []
    for first in range(0, len(groups), model.cohort):
        cohort = root.cohort(groups[first : first + model.cohort], seed, round)
        found.append(_in_order(cohort, local_sgd(model, cohort, start, how) - start))
    return np.concatenate(found)
