"""Multinomial logistic regression."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.models.base import Evaluation, Vector, evaluate_in_chunks, softmax_error
from fl.seeds import generator

__all__ = ["SoftmaxRegression"]


@dataclass(frozen=True, slots=True)
class SoftmaxRegression:
    """`inputs` x `classes` weights, then `classes` biases.

    Shapes: size = (inputs + 1) * classes.
    """

    name: ClassVar[str] = "softmax"
    cohort: ClassVar[int] = 20

    inputs: int
    classes: int

    @property
    def size(self) -> int:
        return (self.inputs + 1) * self.classes

    def initial(self, seed: int) -> Vector:
        """Small random weights from the training seed tree."""
        return generator(seed, "initial").normal(0.0, 0.01, self.size).astype(np.float32)

    def _parts(self, parameters: Tensor) -> tuple[Tensor, Tensor]:
        weights = parameters[:, : -self.classes].view(-1, self.inputs, self.classes)
        return weights, parameters[:, -self.classes :].unsqueeze(1)

    # products are taken with the few classes as rows: as columns they take three times as long
    def _turned(self, parameters: Tensor, features: Tensor) -> Tensor:
        weights, biases = self._parts(parameters)
        return torch.baddbmm(biases.transpose(1, 2), weights.transpose(1, 2), features.transpose(1, 2))

    def logits(self, parameters: Tensor, features: Tensor) -> Tensor:
        return self._turned(parameters, features).transpose(1, 2)

    def gradient(self, parameters: Tensor, features: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        error = softmax_error(self._turned(parameters, features), labels, weights)
        result = torch.empty_like(parameters)
        into, biases = self._parts(result)
        into.copy_(torch.bmm(error, features).transpose(1, 2))
        biases.copy_(error.sum(2).unsqueeze(1))
        return result

    def evaluate(
        self, parameters: Vector, features: Tensor | NDArray[np.float32], labels: Tensor | NDArray[np.int64]
    ) -> Evaluation:
        return evaluate_in_chunks(self, parameters, features, labels)
