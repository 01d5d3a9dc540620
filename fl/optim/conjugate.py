"""Conjugate gradients over secure sums: ridge regression on everybody's records, whoever holds which.

The curvature of the global problem is the mean of the clients', so its product with a public direction is one sum: the
iterates are those of a machine that holds all records, up to the codec's rounding, and no partition can slow them down.

Source: Hestenes, Stiefel, "Methods of conjugate gradients for solving linear systems" (1952), section 3.
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
from fl.optim.base import Double
from mpc.errors import ParameterError

__all__ = ["ConjugateGradients"]


@dataclass(frozen=True, slots=True)
class ConjugateGradients:
    """Round 0 sums the gradient, every later one the curvature along the direction; `ridge` times |w|^2 / 2 is added.

    Of `sgd` nothing is used. The direction is sent out with its length taken off, so that what clients upload is at most
    the largest curvature of their data, whatever the round.

    Shapes: the state is [w | residual | direction].
    Assumes: (almost) all members are in every sum, since a client that comes and goes changes the system being solved;
        the mean weights clients by their samples.
    Raises: ParameterError for a negative ridge.
    """

    name: ClassVar[str] = "conjugate-gradients"

    sgd: LocalSGD = LocalSGD()
    ridge: float = 1e-5

    def __post_init__(self) -> None:
        if not 0 <= self.ridge < 1e6:
            raise ParameterError(f"ridge must not be negative, got {self.ridge}")

    def state_size(self, size: int) -> int:
        return 3 * size

    def payload_size(self, size: int) -> int:
        return size

    def memory_size(self, size: int) -> int:
        return 0

    def initial_state(self, w: Vector) -> Vector:
        return np.concatenate([w, np.zeros_like(w), np.zeros_like(w)])

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        """Raises: ParameterError for a model whose gradient is not affine in its parameters."""
        if not isinstance(model, LeastSquares):
            raise ParameterError(f"conjugate gradients need the model least-squares, not {model.name}")
        w, _, direction = np.split(state, 3)
        if round == 0:
            return full_gradient(model, cohort, cohort.tensor(w)), memory
        unit = cohort.tensor((direction / max(_length(direction), 1e-30)).astype(np.float32))
        # the gradient is affine: its change along the direction is the curvature, wherever that is taken
        at_zero = full_gradient(model, cohort, torch.zeros_like(unit))
        return full_gradient(model, cohort, unit) - at_zero, memory

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        w, residual, direction = np.split(state.astype(np.float64), 3)
        if round == 0:
            residual = -mean - self.ridge * w
            return np.concatenate([w, residual, residual]).astype(np.float32)
        curvature = mean * _length(direction) + self.ridge * direction
        along = direction @ curvature
        if not along > 0:  # solved, or nothing but rounding is left
            return state
        before = residual @ residual
        w = w + before / along * direction
        residual = residual - before / along * curvature
        direction = residual + residual @ residual / before * direction
        return np.concatenate([w, residual, direction]).astype(np.float32)


def _length(vector: Vector | Double) -> float:
    return float(np.linalg.norm(vector.astype(np.float64)))
