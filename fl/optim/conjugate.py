"""Conjugate gradients over secure sums: ridge regression on everybody's records, whoever holds which.

The curvature of the global problem is the mean of the clients', so its product with public directions is one sum: the
iterates are those of a machine that holds all records, up to the codec's rounding, and no partition can slow them down.
All classes share one curvature, so their directions are searched together: as many at once as there are classes.

Source: O'Leary, "The block conjugate gradient algorithm and related methods" (1980), section 2; in the form of Dubrulle,
"Retooling the method of block conjugate gradients" (2001), algorithm BCGrQ, which keeps the residuals as orthonormal
columns times a small triangle: they become nearly dependent, and dividing by their products then loses every digit.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from torch import Tensor

from fl.engine import LocalSGD, full_gradient
from fl.engine.cohort import Cohort
from fl.models import Model, Vector
from fl.models.least_squares import LeastSquares
from fl.optim.base import Double, OneVector
from fl.optim.columns import gram, inverse, lengths, orthonormal, product
from mpc.errors import ParameterError

__all__ = ["ConjugateGradients"]

# curvature along a direction below this part of the largest is rounding
_FLAT = 1e-9


@dataclass(frozen=True, slots=True)
class ConjugateGradients(OneVector):
    """Round 0 sums the gradient, every later one the curvature along a direction a class; `ridge` times |w|^2 / 2 is added.

    Of `sgd` nothing is used. Directions are sent out with their lengths taken off, so that what clients upload is at
    most the largest curvature of their data, whatever the round.

    Shapes: the state is [w | basis | direction | triangle], the first three [inputs + 1, classes] row by row, the last
        [classes, classes]; basis times triangle is the residual.
    Assumes: (almost) all members are in every sum, since a client that comes and goes changes the system being solved;
        the mean weights clients by their samples.
    Raises: ParameterError for a negative ridge.
    """

    name: ClassVar[str] = "conjugate-gradients"

    sgd: LocalSGD = LocalSGD()
    ridge: float = 3e-6
    classes: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.ridge < 1e6:
            raise ParameterError(f"ridge must not be negative, got {self.ridge}")

    def state_size(self, size: int) -> int:
        return 3 * size + self.classes**2

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        """Raises: ParameterError for a model whose gradient is not affine in its parameters, or of other classes."""
        if not isinstance(model, LeastSquares) or model.classes != self.classes:
            raise ParameterError(
                f"conjugate gradients need the model least-squares with {self.classes} classes, not {model.name}"
            )
        w, _, direction, _ = self._parts(state)
        if round == 0:
            return full_gradient(model, cohort, cohort.tensor(w.ravel().astype(np.float32))), memory
        unit = cohort.tensor((direction / _scale(direction)).ravel().astype(np.float32))
        return full_gradient(replace(model, labelled=False), cohort, unit), memory

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        w, basis, direction, triangle = self._parts(state)
        mean = mean.reshape(w.shape)
        if round == 0:
            basis, triangle = orthonormal(-mean - self.ridge * w)
            return np.concatenate([w, basis, basis, triangle], axis=None).astype(np.float32)
        curvature = mean * _scale(direction) + self.ridge * direction
        along = gram(direction, curvature)
        pace = inverse((along + along.T) / 2, _FLAT)
        w = w + product(direction, product(pace, triangle))
        basis, turn = orthonormal(basis - product(curvature, pace))
        direction, triangle = basis + product(direction, turn.T), product(turn, triangle)
        return np.concatenate([w, basis, direction, triangle], axis=None).astype(np.float32)

    def _parts(self, state: Vector) -> tuple[Double, Double, Double, Double]:
        long, small = np.split(state.astype(np.float64), [-(self.classes**2)])
        w, basis, direction = long.reshape(3, -1, self.classes)
        return w, basis, direction, small.reshape(self.classes, self.classes)


def _scale(columns: Double) -> Double:
    """The columns' lengths; 1 for a column of zeros. Shapes: [rows, columns] -> [1, columns]."""
    long = lengths(columns)[None]
    return np.where(long > 0, long, 1.0)
