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
from fl.models.convolution import patches
from fl.models.layers import Shape, draw, parts, total
from fl.models.scratch import scratch
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["LeNet"]

_FIRST, _SECOND, _HIDDEN = 8, 16, 32
_STRIDE = _PAD = 2


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
                images, w.flatten(0, 1), b.flatten(), _STRIDE, _PAD, groups=clients
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
        half, quarter = side // 2, side // 4

        seen = patches(features, side)
        inner = scratch("first maps, batch innermost", (clients, _FIRST, half * half * batch), features)
        torch.baddbmm(b1.unsqueeze(2), w1.view(clients, _FIRST, -1), seen, out=inner)
        maps1 = scratch("first maps", (batch, clients * _FIRST, half, half), features)
        maps1.view(batch, -1).copy_(inner.relu_().view(-1, batch).T)
        kernel = w2.flatten(0, 1)
        maps2 = functional.conv2d(maps1, kernel, b2.flatten(), _STRIDE, _PAD, groups=clients).relu_()
        flat = maps2.view(batch, clients, -1).transpose(0, 1)
        hidden = torch.baddbmm(b3.unsqueeze(1), flat, w3.transpose(1, 2)).relu_()
        logits = torch.baddbmm(b4.unsqueeze(2), w4, hidden.transpose(1, 2))

        error4 = softmax_error(logits, labels, weights).transpose(1, 2)
        error3 = rectifier_error(torch.bmm(error4, w4), hidden)
        error2 = scratch("second error", (batch, clients * _SECOND, quarter, quarter), features)
        torch.bmm(error3, w3, out=error2.view(batch, clients, -1).transpose(0, 1))
        rectifier_error(error2, maps2)
        error1, kernel_error, _ = torch.ops.aten.convolution_backward(
            error2, maps1, kernel, None, (_STRIDE, _STRIDE), (_PAD, _PAD), (1, 1), False, (0, 0), clients,
            (True, True, False),
        )  # fmt: skip
        turned = scratch("first error, batch innermost", (clients, _FIRST, half * half * batch), features)
        turned.view(-1, batch).copy_(rectifier_error(error1, maps1).view(batch, -1).T)

        torch.bmm(turned, seen.transpose(1, 2), out=into[0].view(clients, _FIRST, -1))
        into[1].copy_(turned.sum(2))
        into[2].copy_(kernel_error.view_as(w2))
        into[3].copy_(error2.sum((0, 2, 3)).view_as(b2))
        for weight, bias, error, below in ((4, 5, error3, flat), (6, 7, error4, hidden)):
            torch.bmm(error.transpose(1, 2), below, out=into[weight])
            into[bias].copy_(error.sum(1))
        return result

    def evaluate(
        self, parameters: Vector, features: Tensor | NDArray[np.float32], labels: Tensor | NDArray[np.int64]
    ) -> Evaluation:
        return evaluate_in_chunks(self, parameters, features, labels)
