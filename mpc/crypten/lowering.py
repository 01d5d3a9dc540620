"""Bilinear functions as matrix products, for providers that can make nothing else.

A convolution is a matrix product once every window of the image is written out as a row.
"""

from collections.abc import Callable, Generator
from typing import TypeAlias

import numpy as np

from mpc.crypten.items import Bilinear
from mpc.errors import ParameterError
from mpc.runtime.types import Inbox, Outbox, Protocol
from mpc.wire import Words

__all__ = ["Mixed", "mixed_terms"]

Mixed: TypeAlias = Callable[[Words, Words], Protocol[Words]]
"""`(a, b)` -> shares of a1 * b2 + a2 * b1, for each of two parties with its own a and b."""


def mixed_terms(
    item: Bilinear, left: Words, right: Words, mul: Mixed, matmul: Mixed
) -> Generator[Outbox, Inbox, Words]:
    """Shares of op(left1, right2) + op(left2, right1), from products element by element or of matrices.

    Raises: ParameterError for grouped or transposed convolutions.
    """
    if item.operation == "mul":
        a, b = np.broadcast_arrays(left, right)
        return (yield from mul(np.ascontiguousarray(a), np.ascontiguousarray(b)))
    if item.operation == "matmul":
        return (yield from _batches(item, left, right, matmul))
    options = dict(item.options)
    if "transpose" in item.operation or options.get("groups", 1) != 1:
        raise ParameterError(f"this provider makes no {item.operation} with {options}: use a dealer")
    axes = int(item.operation[-2])
    windows = _windows(left, right.shape[2:], axes, options)
    columns = np.ascontiguousarray(right.reshape(len(right), -1).T)
    flat = yield from matmul(windows, columns)
    batch, channels, *sizes = item.bound
    return np.ascontiguousarray(np.moveaxis(flat.reshape(batch, *sizes, channels), -1, 1))


def _batches(item: Bilinear, left: Words, right: Words, matmul: Mixed) -> Generator[Outbox, Inbox, Words]:
    """One product a matrix of the batch."""
    a = left if left.ndim > 1 else left[None, :]
    b = right if right.ndim > 1 else right[:, None]
    batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    rows = np.ascontiguousarray(np.broadcast_to(a, (*batch, *a.shape[-2:]))).reshape(-1, *a.shape[-2:])
    columns = np.ascontiguousarray(np.broadcast_to(b, (*batch, *b.shape[-2:]))).reshape(-1, *b.shape[-2:])
    products = []
    for one, other in zip(rows, columns, strict=True):
        products.append((yield from matmul(one, other)))
    stacked = np.stack(products) if products else np.zeros((0, a.shape[-2], b.shape[-1]), dtype=np.uint64)
    return stacked.reshape(item.bound)


def _windows(image: Words, width: tuple[int, ...], axes: int, options: dict[str, object]) -> Words:
    """Every window of a padded image as a row. Shapes: [n, c, *size] -> [n * places, c * window]."""

    def per_axis(name: str, otherwise: int) -> tuple[int, ...]:
        value = options.get(name, otherwise)
        numbers = (value,) if isinstance(value, int) else tuple(value)  # type: ignore[arg-type]
        return numbers * axes if len(numbers) == 1 else numbers

    padding, stride, dilation = per_axis("padding", 0), per_axis("stride", 1), per_axis("dilation", 1)
    padded = np.pad(image, [(0, 0), (0, 0), *((p, p) for p in padding)])
    reach = tuple(d * (w - 1) + 1 for d, w in zip(dilation, width, strict=True))
    views = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=tuple(range(2, 2 + axes)))
    steps = (slice(None), slice(None), *(slice(None, None, s) for s in (*stride, *dilation)))
    places_last = np.moveaxis(views[steps], 1, 1 + axes)
    return np.ascontiguousarray(places_last).reshape(
        int(np.prod(places_last.shape[: 1 + axes])), int(np.prod(places_last.shape[1 + axes :]))
    )
