"""Models that are attacked, and the gradients an attacker can compute for them."""

from dataclasses import dataclass
from math import isqrt
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fl.models.layers import Shape, parts, total
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["SigmoidLeNet", "Victim", "gradients"]

_MAPS, _KERNEL, _STRIDES = 12, 5, (2, 2, 1)


@dataclass(frozen=True, slots=True)
class SigmoidLeNet:
    """The small convolutional network on which gradient inversion was first shown: twice differentiable throughout.

    Three convolutions of 12 maps, 5x5, strides 2, 2, 1, sigmoid after each, then one dense layer; for 28x28 pictures
    13,426 parameters. Pictures are square and grey.

    Source: the network of Zhao, Mopuri, Bilen 2020 (iDLG) and their published code, after Zhu, Liu, Han 2019, who put
        sigmoids for ReLUs and drew weights uniformly from [-0.5, 0.5].
    """

    inputs: int
    classes: int

    @property
    def name(self) -> str:
        return "sigmoid LeNet"

    @property
    def side(self) -> int:
        """Pixels along one edge. Raises: ParameterError when the inputs are no square picture."""
        side = isqrt(self.inputs)
        if side * side != self.inputs:
            raise ParameterError(f"a convolution wants square pictures, and {self.inputs} is not a square")
        return side

    @property
    def shapes(self) -> list[Shape]:
        """Weight and bias of every layer, in the order of the flat vector."""
        side, shapes = self.side, list[Shape]()
        for maps, stride in zip((1, _MAPS, _MAPS), _STRIDES, strict=True):
            shapes += [(_MAPS, maps, _KERNEL, _KERNEL), (_MAPS,)]
            side = -(-side // stride)
        return [*shapes, (self.classes, _MAPS * side * side), (self.classes,)]

    @property
    def size(self) -> int:
        return total(self.shapes)

    def initial(self, seed: int) -> NDArray[np.float32]:
        """Weights of the training seed tree."""
        return generator(seed, "initial").uniform(-0.5, 0.5, self.size).astype(np.float32)

    def logits(self, parameters: Tensor, features: Tensor) -> Tensor:
        """Shapes: parameters [clients, size]; features [clients, batch, inputs]; the result [clients, batch, classes]."""
        clients, batch, side = *features.shape[:2], self.side
        layers = parts(parameters, self.shapes)
        # a grouped convolution is one convolution a client: clients stand side by side as channels
        maps = features.view(clients, batch, side, side).transpose(0, 1)
        for weight, bias, stride in zip(layers[:-2:2], layers[1:-2:2], _STRIDES, strict=True):
            maps = functional.conv2d(
                maps, weight.flatten(0, 1), bias.flatten(), stride, padding=_KERNEL // 2, groups=clients
            ).sigmoid()
        weight, bias = layers[-2:]
        hidden = maps.view(batch, clients, -1).transpose(0, 1)
        return torch.baddbmm(bias[:, None], hidden, weight.transpose(1, 2))


class Victim(Protocol):
    """What the attacks ask of a model. Shapes: as in `fl.models`."""

    @property
    def name(self) -> str: ...
    @property
    def inputs(self) -> int: ...
    @property
    def size(self) -> int: ...
    def logits(self, parameters: Tensor, features: Tensor) -> Tensor: ...


def gradients(
    model: Victim, parameters: Tensor, features: Tensor, targets: Tensor, *, differentiable: bool = False
) -> Tensor:
    """The gradient of every client's mean cross-entropy; with `differentiable`, as a function of features and targets.

    Shapes: parameters [size] or [clients, size]; features [clients, batch, inputs]; targets: labels [clients, batch],
        or chances [clients, batch, classes]; the result [clients, size].
    """
    leaf = parameters.expand(len(features), -1).detach().requires_grad_(True)
    logits = model.logits(leaf, features)
    losses = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(0, 1), reduction="sum")
    (gradient,) = torch.autograd.grad(losses / features.shape[1], leaf, create_graph=differentiable)
    return gradient
