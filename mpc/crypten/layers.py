"""Layers that `from_torch` needs and CrypTen lacks.

Assumes: inverse square roots and exponentials are CrypTen's approximations; what enters them is of moderate size.
"""

from collections.abc import Callable
from typing import Any

import torch

from mpc.crypten.compat import load

load()

import crypten  # noqa: E402

__all__ = ["Apply", "Normalised", "Scaled"]


class Scaled(crypten.nn.Module):  # type: ignore[misc]
    """x * scale + shift, channel by channel: what normalisation by running statistics amounts to."""

    def __init__(self, scale: torch.Tensor, shift: torch.Tensor) -> None:
        super().__init__()
        self.register_parameter("scale", torch.nn.Parameter(scale.detach().clone()))
        self.register_parameter("shift", torch.nn.Parameter(shift.detach().clone()))

    def forward(self, x: Any) -> Any:
        """Shapes: [batch, channels, ...]."""
        shape = (-1, *(1,) * (x.dim() - 2))
        return x.mul(self.scale.view(*shape)).add(self.shift.view(*shape))


class Normalised(crypten.nn.Module):  # type: ignore[misc]
    """Normalisation of every example by its own mean and variance, in `groups` of channels (1: all of them)."""

    def __init__(
        self, groups: int, eps: float, weight: torch.Tensor | None, bias: torch.Tensor | None
    ) -> None:
        super().__init__()
        self.groups, self.eps = groups, eps
        if weight is not None:
            self.register_parameter("weight", torch.nn.Parameter(weight.detach().clone()))
        if bias is not None:
            self.register_parameter("bias", torch.nn.Parameter(bias.detach().clone()))

    def forward(self, x: Any) -> Any:
        """Shapes: [batch, channels, ...]; weight and bias [channels], or the shape of an example."""
        shape = tuple(x.size())
        grouped = x.reshape(shape[0] * self.groups, -1)
        centred = grouped.sub(grouped.mean(1, keepdim=True))
        variance = centred.square().mean(1, keepdim=True)
        y = centred.mul(_inverse_root(variance.add(self.eps))).reshape(*shape)
        for name, combine in (("weight", "mul"), ("bias", "add")):
            if hasattr(self, name):
                parameter = getattr(self, name)
                if parameter.dim() == 1 and x.dim() > 2:
                    parameter = parameter.view(-1, *(1,) * (x.dim() - 2))
                y = getattr(y, combine)(parameter)
        return y


def _inverse_root(x: Any) -> Any:
    """1 / sqrt(x): CrypTen's approximation, which is a third off for small x, and Newton's steps from there."""
    y = x.inv_sqrt()
    for _ in range(3):
        y = y.mul(x.mul(y.square()).neg().add(3.0)).mul(0.5)
    return y


class Apply(crypten.nn.Module):  # type: ignore[misc]
    """A function without parameters."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Any) -> Any:
        """The function of the value, or of the list of values."""
        return self.function(x)
