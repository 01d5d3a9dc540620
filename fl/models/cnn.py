"""A small convolutional network with group normalisation for colour images.

Source: group normalisation instead of batch normalisation, whose statistics clients with unlike data spoil: Hsieh,
Phanishayee, Mutlu, Gibbons, "The non-IID data quagmire of decentralized machine learning" (2020), section 5.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fl.models.base import Evaluation, Vector, autograd_gradient, evaluate_in_chunks
from fl.models.layers import Shape, draw, parts, total
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["ConvNet"]

_SIDE, _CHANNELS = 32, (3, 32, 64, 128)
# the dense layer reads the means over a grid of this many places a side
_GRID = 4
_GROUPS = 8
# mean and deviation of what photographs hold, where black is 0 and white 1
_CENTRE, _SPREAD = 0.47, 0.25


@dataclass(frozen=True, slots=True)
class ConvNet:
    """Three times 3x3 convolution, pooling, group normalisation, rectifier; then dense: 114,186 parameters.

    Pixels are centred and scaled first: left as they are, the mean grey hides what differs, and training is slower.
    Pooling comes first because what follows is then four times cheaper; the last pooling, behind the rectifier, is
    the mean over each of 4x4 fields, because where something was seen tells much: with the mean over all places it
    learns far more slowly. `bfloat16` computes the convolutions in that precision: faster where the processor can,
    and no longer the same bits on another one.
    Shapes: records are images of 32x32 pixels in 3 channels, the channels innermost, as `fl.data` has them.
    Raises: ParameterError for other records.
    """

    cohort: ClassVar[int] = 1

    inputs: int
    classes: int
    bfloat16: bool = False

    def __post_init__(self) -> None:
        if self.inputs != _CHANNELS[0] * _SIDE * _SIDE:
            raise ParameterError(f"{self.name} reads images of 32x32x3, not {self.inputs} features")

    @property
    def name(self) -> str:
        return "cnn-bf16" if self.bfloat16 else "cnn"

    @property
    def reproducible(self) -> bool:
        return not self.bfloat16

    @property
    def _shapes(self) -> list[Shape]:
        shapes: list[Shape] = []
        for before, after in zip(_CHANNELS, _CHANNELS[1:], strict=False):
            shapes += [(after, before, 3, 3), (after,), (after,), (after,)]
        return [*shapes, (self.classes, _CHANNELS[-1] * _GRID * _GRID), (self.classes,)]

    @property
    def size(self) -> int:
        return total(self._shapes)

    def initial(self, seed: int) -> Vector:
        gains = [2.0, 0.0, -1.0, 0.0] * 3 + [1.0, 0.0]
        return draw(generator(seed, "initial"), self._shapes, gains)

    def logits(self, parameters: Tensor, features: Tensor) -> Tensor:
        *layers, dense, bias = parts(parameters, self._shapes)
        clients, batch = features.shape[:2]
        pixels = ((features - _CENTRE) / _SPREAD).view(clients, batch, _SIDE, _SIDE, -1)
        # for one client nothing is copied: the records already lie as a channels-last batch does
        images = pixels.permute(1, 0, 4, 2, 3).reshape(batch, -1, _SIDE, _SIDE)
        with torch.autocast(features.device.type, torch.bfloat16, enabled=self.bfloat16):
            for first in range(0, len(layers), 4):
                weights, biases, scales, shifts = (p.flatten(0, 1) for p in layers[first : first + 4])
                images = functional.conv2d(images, weights, biases, padding=1, groups=clients)
                if first < len(layers) - 4:
                    images = functional.max_pool2d(images, 2)
                images = functional.group_norm(images, clients * _GROUPS, scales, shifts).relu()
        fields = functional.avg_pool2d(images.to(features.dtype), images.shape[2] // _GRID)
        flat = fields.reshape(batch, clients, -1).transpose(0, 1)
        return torch.baddbmm(bias.unsqueeze(1), flat, dense.transpose(1, 2))

    def gradient(self, parameters: Tensor, features: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        return autograd_gradient(self, parameters, features, labels, weights)

    def evaluate(
        self, parameters: Vector, features: Tensor | NDArray[np.float32], labels: Tensor | NDArray[np.int64]
    ) -> Evaluation:
        return evaluate_in_chunks(self, parameters, features, labels)
