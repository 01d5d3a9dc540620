"""A perceptron with one hidden layer of rectifiers."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.models.base import Evaluation, Vector, evaluate_in_chunks, rectifier_error, softmax_error
from fl.models.layers import Shape, draw, parts, total
from fl.seeds import generator

__all__ = ["Perceptron"]


@dataclass(frozen=True, slots=True)
class Perceptron:
    """`inputs` - `hidden` - `classes`: 50,890 parameters for 784-64-10.

    Shapes: weights [inputs, hidden], biases [hidden], weights [hidden, classes], biases [classes].
    """

    name: ClassVar[str] = "mlp"
    cohort: ClassVar[int] = 5

    inputs: int
    classes: int
    hidden: int = 64

    @property
    def _shapes(self) -> list[Shape]:
        return [(self.inputs, self.hidden), (self.hidden,), (self.hidden, self.classes), (self.classes,)]

    @property
    def size(self) -> int:
        return total(self._shapes)

    def initial(self, seed: int) -> Vector:
        # drawn as [outputs, inputs], where fan-in is the last dimension, and stored transposed
        rng = generator(seed, "initial")
        first = draw(rng, [(self.hidden, self.inputs)], [2.0]).reshape(self.hidden, self.inputs).T
        second = draw(rng, [(self.classes, self.hidden)], [1.0]).reshape(self.classes, self.hidden).T
        biases = np.zeros(self.hidden, np.float32), np.zeros(self.classes, np.float32)
        return np.concatenate([first.ravel(), biases[0], second.ravel(), biases[1]])

    def logits(self, parameters: Tensor, features: Tensor) -> Tensor:
        w1, b1, w2, b2 = parts(parameters, self._shapes)
        hidden = torch.baddbmm(b1.unsqueeze(1), features, w1).relu()
        return torch.baddbmm(b2.unsqueeze(1), hidden, w2)

    def gradient(self, parameters: Tensor, features: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        w1, b1, w2, b2 = parts(parameters, self._shapes)
        result = torch.empty_like(parameters)
        into1, bias1, into2, bias2 = parts(result, self._shapes)
        hidden = torch.baddbmm(b1.unsqueeze(1), features, w1).relu_()
        logits = torch.baddbmm(b2.unsqueeze(2), w2.transpose(1, 2), hidden.transpose(1, 2))
        error = softmax_error(logits, labels, weights)
        back = rectifier_error(torch.bmm(error.transpose(1, 2), w2.transpose(1, 2)), hidden)
        torch.bmm(features.transpose(1, 2), back, out=into1)
        bias1.copy_(back.sum(1))
        into2.copy_(torch.bmm(error, hidden).transpose(1, 2))
        bias2.copy_(error.sum(2))
        return result

    def evaluate(
        self, parameters: Vector, features: Tensor | NDArray[np.float32], labels: Tensor | NDArray[np.int64]
    ) -> Evaluation:
        return evaluate_in_chunks(self, parameters, features, labels)
