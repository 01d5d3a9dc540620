"""Conjugate gradients over secure sums: ridge regression on everybody's records, whoever holds which.

The curvature of the global problem is the mean of the clients', so its product with public directions is one sum: the
iterates are those of a machine that holds all records, up to the codec's rounding, and no partition can slow them down.
All classes share one curvature, so their directions are searched together: as many at once as there are classes.

Source: O'Leary, "The block conjugate gradient algorithm and related methods" (1980), section 2.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fl.engine import LocalSGD, full_gradient
from fl.engine.cohort import Cohort
from fl.models import Model, Vector
from fl.models.least_squares import LeastSquares
from fl.optim.base import Double, OneVector
from mpc.errors import ParameterError

__all__ = ["ConjugateGradients"]


# a direction shorter than this part of the longest is rounding: the classes' residuals add up to nothing
_DEPENDENT = 1e-9


@dataclass(frozen=True, slots=True)
class ConjugateGradients(OneVector):
    """Round 0 sums the gradient, every later one the curvature along a direction a class; `ridge` times |w|^2 / 2 is added.

    Of `sgd` nothing is used. Directions are sent out with their lengths taken off, so that what clients upload is at
    most the largest curvature of their data, whatever the round.

    Shapes: the state is [w | residual | direction], each [inputs + 1, classes] row by row.
    Assumes: (almost) all members are in every sum, since a client that comes and goes changes the system being solved;
        the mean weights clients by their samples.
    Raises: ParameterError for a negative ridge.
    """

    name: ClassVar[str] = "conjugate-gradients"
    kept: ClassVar[int] = 2

    sgd: LocalSGD = LocalSGD()
    ridge: float = 3e-6
    classes: int = 10

    def __post_init__(self) -> None:
        if not 0 <= self.ridge < 1e6:
            raise ParameterError(f"ridge must not be negative, got {self.ridge}")

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        """Raises: ParameterError for a model whose gradient is not affine in its parameters, or of other classes."""
        if not isinstance(model, LeastSquares) or model.classes != self.classes:
            raise ParameterError(
                f"conjugate gradients need the model least-squares with {self.classes} classes, not {model.name}"
            )
        w, _, direction = state.astype(np.float64).reshape(3, -1, self.classes)
        if round == 0:
            return full_gradient(model, cohort, cohort.tensor(w.ravel().astype(np.float32))), memory
        unit = cohort.tensor((direction / _lengths(direction)).ravel().astype(np.float32))
        # the gradient is affine: its change along the directions is the curvature, wherever that is taken
        at_zero = full_gradient(model, cohort, torch.zeros_like(unit))
        return full_gradient(model, cohort, unit) - at_zero, memory

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        w, residual, direction = state.astype(np.float64).reshape(3, -1, self.classes)
        mean = mean.reshape(w.shape)
        if round == 0:
            residual = -mean - self.ridge * w
            return np.concatenate([w, residual, residual], axis=None).astype(np.float32)
        curvature = mean * _lengths(direction) + self.ridge * direction
        before = residual.T @ residual
        pace = _solve(direction.T @ curvature, before)
        w = w + direction @ pace
        residual = residual - curvature @ pace
        direction = residual + direction @ _solve(before, residual.T @ residual)
        return np.concatenate([w, residual, direction], axis=None).astype(np.float32)


def _lengths(columns: Double) -> Double:
    """The columns' lengths; 1 for a column of zeros. Shapes: [1, columns]."""
    lengths: Double = np.linalg.norm(columns, axis=0, keepdims=True)
    return np.where(lengths > 0, lengths, 1.0)


def _solve(matrix: Double, right: Double) -> Double:
    """The least solution of `matrix` x = `right`, with directions left out that are only rounding."""
    symmetric = (matrix + matrix.T) / 2
    solution: Double = np.linalg.pinv(symmetric, rcond=_DEPENDENT, hermitian=True) @ right
    return solution
