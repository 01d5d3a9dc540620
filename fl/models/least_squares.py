"""A linear model fitted to the labels as numbers: ridge regression, whose optimum is one system of equations."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fl.models.base import Evaluation, Vector, evaluate_in_chunks

__all__ = ["LeastSquares"]


@dataclass(frozen=True, slots=True)
class LeastSquares:
    """Scores x W + b that are to be 1 for the record's class and 0 for the others, less 1 / classes.

    The loss is half the squared distance, so the gradient is affine in the parameters; not `labelled`, all scores are to
    be 0 and it is linear: the curvature along the parameters. `evaluate` reports accuracy, and the cross-entropy of the
    scores like every other model.

    Shapes: `inputs` x `classes` weights, then `classes` biases: size = (inputs + 1) * classes.
    """

    name: ClassVar[str] = "least-squares"
    cohort: ClassVar[int] = 4

    inputs: int
    classes: int
    labelled: bool = True

    @property
    def size(self) -> int:
        return (self.inputs + 1) * self.classes

    def initial(self, seed: int) -> Vector:
        """Zeros: the problem is convex."""
        return np.zeros(self.size, dtype=np.float32)

    def logits(self, parameters: Tensor, features: Tensor) -> Tensor:
        weights, biases = self._parts(parameters)
        return torch.baddbmm(biases, features, weights)

    def gradient(self, parameters: Tensor, features: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        error = self.logits(parameters, features)
        if self.labelled:
            error -= functional.one_hot(labels, self.classes).to(parameters.dtype) - 1 / self.classes
        error *= weights.unsqueeze(-1)
        slopes = torch.bmm(features.transpose(1, 2), error)
        return torch.cat([slopes.flatten(1), error.sum(1)], dim=1)

    def evaluate(
        self, parameters: Vector, features: Tensor | NDArray[np.float32], labels: Tensor | NDArray[np.int64]
    ) -> Evaluation:
        return evaluate_in_chunks(self, parameters, features, labels)

    def _parts(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        weights = parameters[:, : -self.classes].view(-1, self.inputs, self.classes)
        return weights, parameters[:, -self.classes :].unsqueeze(1)
