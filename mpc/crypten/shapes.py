"""Shapes of what torch's bilinear functions return, without running them."""

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from mpc.errors import ParameterError

__all__ = ["OPERATIONS", "Shape", "shape_of"]

Shape: TypeAlias = tuple[int, ...]

OPERATIONS = ("mul", "matmul", "conv1d", "conv2d", "conv_transpose1d", "conv_transpose2d")
_CONVOLUTION = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1}


def shape_of(operation: str, left: Shape, right: Shape, options: Mapping[str, Any]) -> Shape:
    """The shape of `operation(left, right)`.

    Raises: ParameterError for arrays or options that do not fit together.

    >>> shape_of("conv2d", (8, 3, 28, 28), (6, 3, 5, 5), {"stride": 2, "padding": (1, 1)})
    (8, 6, 13, 13)
    """
    try:
        if operation == "mul" and not options:
            return tuple(np.broadcast_shapes(left, right))
        if operation == "matmul" and not options:
            return _matmul(left, right)
        if operation.startswith("conv"):
            return _convolution(operation, left, right, options)
    except (RuntimeError, ValueError):
        pass
    raise ParameterError(f"no {operation} of {left} and {right} with {dict(options)}")


def _matmul(left: Shape, right: Shape) -> Shape:
    rows = left if len(left) > 1 else (1, *left)
    columns = right if len(right) > 1 else (*right, 1)
    if not left or not right or rows[-1] != columns[-2]:
        raise ValueError
    batch = tuple(np.broadcast_shapes(rows[:-2], columns[:-2]))
    return batch + rows[-2:-1] * (len(left) > 1) + columns[-1:] * (len(right) > 1)


def _convolution(operation: str, image: Shape, kernel: Shape, options: Mapping[str, Any]) -> Shape:
    """torch's documented sizes, for images with a batch axis."""
    axes = int(operation[-2])
    transposed = "transpose" in operation
    known = _CONVOLUTION | ({"output_padding": 0} if transposed else {})
    if len(image) != axes + 2 or len(kernel) != axes + 2 or set(options) - set(known):
        raise ValueError
    values = known | dict(options)
    groups = values.pop("groups")
    per_axis = {name: _per_axis(value, axes) for name, value in values.items()}
    inner, channels = (kernel[0], kernel[1] * groups) if transposed else (kernel[1] * groups, kernel[0])
    if (
        groups < 1
        or image[1] != inner
        or kernel[0] % groups
        or min(*per_axis["stride"], *per_axis["dilation"]) < 1
    ):
        raise ValueError
    sizes = []
    for axis, (size, width) in enumerate(zip(image[2:], kernel[2:], strict=True)):
        stride, padding, dilation = (per_axis[name][axis] for name in ("stride", "padding", "dilation"))
        reach = dilation * (width - 1)
        if transposed:
            sizes.append((size - 1) * stride - 2 * padding + reach + per_axis["output_padding"][axis] + 1)
        else:
            sizes.append((size + 2 * padding - reach - 1) // stride + 1)
    if min(sizes) < 1 or math.prod(kernel) < 1:
        raise ValueError
    return image[0], channels, *sizes


def _per_axis(value: Any, axes: int) -> tuple[int, ...]:
    numbers = (value,) * axes if isinstance(value, int) else tuple(value)
    if len(numbers) == 1:
        numbers *= axes
    if len(numbers) != axes or any(type(number) is not int for number in numbers):
        raise ValueError
    return numbers
