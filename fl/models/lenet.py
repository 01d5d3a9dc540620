"""A small LeNet in which strides replace pooling.

Source: after LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document recognition" (1998),
section II.B: two 5x5 convolutions and two dense layers.
"""

from dataclasses import dataclass
from math import isqrt
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fl.models.base import Evaluation, Vector, evaluate_in_chunks, rectifier_error, softmax_error
from fl.models.convolution import convolve, input_gradient, patches
from fl.models.layers import Shape, draw, parts, total
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["LeNet"]

_FIRST, _SECOND, _HIDDEN, _TAPS = 8, 16, 32, 5


@dataclass(frozen=True, slots=True)
class LeNet:
    """5x5 stride 2 to 8 channels, 5x5 stride 2 to 16, dense 32, dense: 28,874 parameters for grey 28x28 images.

    Shapes: records are grey square images whose side is a multiple of four, row by row. Parameters are weights
    [out, in, 5, 5] or [out, in], each followed by its biases [out].
    Raises: ParameterError for records that are no such images.
    """

    name: ClassVar[str] = "lenet"
    cohort: ClassVar[int] = 4

    inputs: int
    classes: int

    def __post_init__(self) -> None:
        side = isqrt(self.inputs)
        if side * side != self.inputs or side % 4:
            raise ParameterError(
                f"lenet reads grey square images whose side is a multiple of four, not {self.inputs} features"
            )

    @property
    def _shapes(self) -> list[Shape]:
        flat = _SECOND * self.inputs // 16
        weights = [(_FIRST, 1, 5, 5), (_SECOND, _FIRST, 5, 5), (_HIDDEN, flat), (self.classes, _HIDDEN)]
        return [shape for w in weights for shape in (w, w[:1])]

    @property
    def size(self) -> int:
        return total(self._shapes)

    def initial(self, seed: int) -> Vector:
        gains = [2.0, 0.0, 2.0, 0.0, 2.0, 0.0, 1.0, 0.0]
        return draw(generator(seed, "initial"), self._shapes, gains)

    def logits(self, parameters: Tensor, features: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3, w4, b4 = parts(parameters, self._shapes)
        clients, batch = features.shape[:2]
        side = isqrt(self.inputs)
        images = features.transpose(0, 1).reshape(batch, clients, side, side)
        for w, b in ((w1, b1), (w2, b2)):
            images = functional.conv2d(
                images, w.flatten(0, 1), b.flatten(), stride=2, padding=2, groups=clients
            ).relu()
        flat = images.view(batch, clients, -1).transpose(0, 1)
        hidden = torch.baddbmm(b3.unsqueeze(1), flat, w3.transpose(1, 2)).relu()
        return torch.baddbmm(b4.unsqueeze(1), hidden, w4.transpose(1, 2))

    def gradient(self, parameters: Tensor, features: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3, w4, b4 = parts(parameters, self._shapes)
        result = torch.empty_like(parameters)
        into = parts(result, self._shapes)
        clients, batch = features.shape[:2]
        side = isqrt(self.inputs)
        pixels = features.view(clients, batch, 1, side, side).permute(0, 2, 3, 4, 1)
        seen1 = patches("patches 1", pixels, side)
        maps1 = convolve("maps 1", seen1, w1, b1)
        seen2 = patches("patches 2", maps1.view(clients, _FIRST, side // 2, side // 2, batch), side // 2)
        maps2 = convolve("maps 2", seen2, w2, b2)
        flat = maps2.view(clients, -1, batch)
        hidden = torch.baddbmm(b3.unsqueeze(2), w3, flat).relu_()
        logits = torch.baddbmm(b4.unsqueeze(2), w4, hidden)
        error4 = softmax_error(logits.transpose(1, 2), labels, weights).transpose(1, 2)
        error3 = rectifier_error(torch.bmm(w4.transpose(1, 2), error4), hidden)
        error2 = rectifier_error(torch.bmm(w3.transpose(1, 2), error3), flat).view_as(maps2)
        error1 = rectifier_error(input_gradient(error2, w2, side // 2, batch).view_as(maps1), maps1)
        for layer, (error, seen) in enumerate(
            ((error1, seen1), (error2, seen2), (error3, flat), (error4, hidden))
        ):
            torch.bmm(error, seen.transpose(1, 2), out=into[2 * layer].flatten(2))
            into[2 * layer + 1].copy_(error.sum(2))
        return result

    def evaluate(
        self, parameters: Vector, features: Tensor | NDArray[np.float32], labels: Tensor | NDArray[np.int64]
    ) -> Evaluation:
        return evaluate_in_chunks(self, parameters, features, labels)
