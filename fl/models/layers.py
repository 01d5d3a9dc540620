"""A flat vector of parameters as the tensors of its layers, and their first values."""

from collections.abc import Sequence
from math import prod, sqrt

import numpy as np
from torch import Tensor

from fl.models.base import Vector

__all__ = ["Shape", "draw", "parts", "total"]

Shape = tuple[int, ...]


def total(shapes: Sequence[Shape]) -> int:
    """How many parameters layers of these `shapes` have."""
    return sum(prod(shape) for shape in shapes)


def parts(parameters: Tensor, shapes: Sequence[Shape]) -> list[Tensor]:
    """Views into `parameters`, one a layer. Shapes: [clients, size] -> [clients, *shape] each."""
    views, first = [], 0
    for shape in shapes:
        size = prod(shape)
        views.append(parameters[:, first : first + size].view(-1, *shape))
        first += size
    return views


def draw(rng: np.random.Generator, shapes: Sequence[Shape], gains: Sequence[float]) -> Vector:
    """First values: normal with variance gain / fan-in for weights, zeros for vectors, ones where the gain is negative.

    Fan-in is the product of all but the first dimension. Source: He, Zhang, Ren, Sun, "Delving deep into rectifiers"
    (2015), equation 10, with gain 2 for a layer that a rectifier follows.
    """
    values = []
    for shape, gain in zip(shapes, gains, strict=True):
        if len(shape) == 1:
            values.append(np.full(shape, 1.0 if gain < 0 else 0.0))
        else:
            values.append(rng.normal(0.0, sqrt(gain / prod(shape[1:])), shape))
    return np.concatenate([value.ravel() for value in values]).astype(np.float32)
