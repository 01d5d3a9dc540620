"""Arithmetic mod p = 2^61 - 1 on numpy uint64 arrays.

There are no 128-bit integers in numpy, so a factor is split into 30 high and 31 low bits; p's shape makes the
reduction two shifts and an addition. Work is cut into chunks that stay in cache. With numba installed (extra
`fast`) compiled kernels take over; the numpy code is their oracle, and runs where numba does not.

All inputs are reduced: below p. All results are.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import ParameterError

__all__ = [
    "P61",
    "add",
    "evaluate",
    "has_numba",
    "inverse",
    "matmul",
    "multiply",
    "negate",
    "subtract",
    "total",
    "using",
    "weighted_sum",
]

P61 = (1 << 61) - 1
UInt64s = npt.NDArray[np.uint64]

_P = np.uint64(P61)
_LOW31, _LOW30 = np.uint64((1 << 31) - 1), np.uint64((1 << 30) - 1)
_S1, _S30, _S31, _S61 = (np.uint64(s) for s in (1, 30, 31, 61))
# 4,096 elements: a factor, a result and three scratch rows fill 160 KB, well inside a second-level cache
_CHUNK = 4096

# compiled kernels take half a second to load: not worth it for less than this
_WORTH_LOADING = 4096
_backend = "auto"


@lru_cache(maxsize=1)
def _kernels() -> ModuleType | None:
    try:
        return import_module("mpc._numba61")
    except ImportError:
        return None


def _kernels_for(size: int) -> ModuleType | None:
    """The compiled kernels, where they are wanted for so many elements."""
    if _backend == "numba" or (_backend == "auto" and size >= _WORTH_LOADING):
        return _kernels()
    return None


def has_numba() -> bool:
    """Whether the compiled kernels are there."""
    return _kernels() is not None


@contextmanager
def using(backend: str) -> Iterator[None]:
    """Within this context "numpy" or "numba" does the work: for tests and comparisons, not per thread.

    Raises: ParameterError for a backend that is not there.
    """
    global _backend
    if backend not in ("numpy", "numba") or (backend == "numba" and not has_numba()):
        raise ParameterError(f"backend {backend!r} is not available")
    before, _backend = _backend, backend
    try:
        yield
    finally:
        _backend = before


def _reduce_once(values: UInt64s) -> UInt64s:
    """values below 2p -> below p, in place: x - p wraps to something huge exactly when x < p."""
    np.minimum(values, values - _P, out=values)
    return values


def add(a: UInt64s, b: UInt64s) -> UInt64s:
    """a + b."""
    return _reduce_once(np.asarray(a + b))


def subtract(a: UInt64s, b: UInt64s) -> UInt64s:
    """a - b."""
    return _reduce_once(np.asarray(a + (_P - b)))


def negate(a: UInt64s) -> UInt64s:
    """-a."""
    return _reduce_once(np.asarray(_P - a))


class _Scratch:
    """Rows of temporaries for one call, so that no product allocates."""

    __slots__ = ("high", "low", "mid")

    def __init__(self, n: int) -> None:
        self.high, self.low, self.mid = (np.empty(min(n, _CHUNK), dtype=np.uint64) for _ in range(3))


def _multiply_chunk(a: Any, b: Any, out: UInt64s, scratch: _Scratch) -> None:
    """out = a * b; `a` is an array of out's length, `b` an array or a scalar; out may be a."""
    n = out.size
    high, low, mid = scratch.high[:n], scratch.low[:n], scratch.mid[:n]
    b_high, b_low = b >> _S31, b & _LOW31
    np.right_shift(a, _S31, out=high)
    np.bitwise_and(a, _LOW31, out=low)
    np.multiply(high, b_low, out=mid)
    np.multiply(high, b_high, out=high)
    # the product is high 2^62 + mid 2^31 + low with 2^62 = 2 and 2^61 = 1
    cross = np.multiply(low, b_high, out=out) if b is not out else low * b_high
    np.add(mid, cross, out=mid)
    np.multiply(low, b_low, out=low)
    np.left_shift(high, _S1, out=high)
    np.add(low, high, out=low)
    np.right_shift(mid, _S30, out=high)
    np.add(low, high, out=low)
    np.bitwise_and(mid, _LOW30, out=mid)
    np.left_shift(mid, _S31, out=mid)
    np.add(low, mid, out=low)
    _fold(low, out, high)


def _fold(value: UInt64s, out: UInt64s, scratch: UInt64s) -> None:
    """out = value mod p, for any 64-bit value."""
    np.right_shift(value, _S61, out=scratch)
    np.bitwise_and(value, _P, out=out)
    np.add(out, scratch, out=out)
    np.subtract(out, _P, out=scratch)
    np.minimum(out, scratch, out=out)


def multiply(a: UInt64s, b: UInt64s | int) -> UInt64s:
    """a * b, elementwise with broadcasting.

    >>> multiply(np.array([P61 - 1], dtype=np.uint64), P61 - 1).tolist()
    [1]
    """
    if isinstance(b, int):
        b = np.asarray(b % P61, dtype=np.uint64)
    left, right = np.broadcast_arrays(a, b) if a.shape != b.shape and b.ndim else (a, b)
    shape = left.shape
    flat_a, flat_b = np.ascontiguousarray(left).reshape(-1), np.ascontiguousarray(right).reshape(-1)
    out = np.empty(flat_a.size, dtype=np.uint64)
    if flat_b.size == 1 and flat_a.size != 1:
        _scale_into(flat_a, int(flat_b[0]), out)
    elif (kernels := _kernels_for(out.size)) is not None:
        kernels.multiply(flat_a, flat_b, out)
    else:
        scratch = _Scratch(out.size)
        for s in range(0, out.size, _CHUNK):
            part = slice(s, s + _CHUNK)
            _multiply_chunk(flat_a[part], flat_b[part], out[part], scratch)
    return out.reshape(shape)


def _scale_into(a: UInt64s, factor: int, out: UInt64s) -> None:
    if (kernels := _kernels_for(out.size)) is not None:
        kernels.scale(a, np.uint64(factor), out)
        return
    scratch = _Scratch(out.size)
    scalar = np.uint64(factor)
    for s in range(0, out.size, _CHUNK):
        part = slice(s, s + _CHUNK)
        _multiply_chunk(a[part], scalar, out[part], scratch)


def evaluate(coefficients: UInt64s, points: Sequence[int]) -> UInt64s:
    """Values of many polynomials at the same points, by Horner's rule.

    Shapes: coefficients [degree + 1, m], lowest degree first -> [points, m].
    """
    rows, m = coefficients.shape
    xs = np.array([x % P61 for x in points], dtype=np.uint64)
    out = np.empty((len(points), m), dtype=np.uint64)
    if rows == 0:
        out[:] = 0
        return out
    if (kernels := _kernels_for(out.size)) is not None:
        kernels.evaluate(np.ascontiguousarray(coefficients), xs, out)
        return out
    scratch = _Scratch(m)
    for s in range(0, m, _CHUNK):
        part = slice(s, s + _CHUNK)
        for j, x in enumerate(points):
            value = out[j, part]
            value[:] = coefficients[rows - 1, part]
            # a factor below 2^k leaves room for a whole addition before the next reduction
            step = _small_step if 0 <= x < 1 << 20 else _large_step
            for i in range(rows - 2, -1, -1):
                step(value, np.uint64(x % P61), coefficients[i, part], scratch)
    return out


def _small_step(value: UInt64s, x: np.uint64, c: UInt64s, scratch: _Scratch) -> None:
    """value = value * x + c for x below 2^20: one word product a half."""
    high, low = scratch.high[: value.size], scratch.low[: value.size]
    np.right_shift(value, _S31, out=high)
    np.bitwise_and(value, _LOW31, out=low)
    np.multiply(high, x, out=high)
    np.multiply(low, x, out=low)
    np.add(low, c, out=low)
    np.right_shift(high, _S30, out=value)
    np.add(low, value, out=low)
    np.bitwise_and(high, _LOW30, out=high)
    np.left_shift(high, _S31, out=high)
    np.add(low, high, out=low)
    _fold(low, value, high)


def _large_step(value: UInt64s, x: np.uint64, c: UInt64s, scratch: _Scratch) -> None:
    _multiply_chunk(value, x, value, scratch)
    np.add(value, c, out=value)
    _reduce_once(value)


def weighted_sum(weights: Sequence[int], rows: Sequence[UInt64s] | UInt64s) -> UInt64s:
    """sum_i weights[i] * rows[i].

    Shapes: k rows of m -> [m].
    """
    if len(weights) != len(rows) or not len(rows):
        raise ParameterError(f"{len(weights)} weights for {len(rows)} rows")
    factors = [np.uint64(w % P61) for w in weights]
    out = np.zeros(rows[0].size, dtype=np.uint64)
    if (kernels := _kernels_for(out.size * len(rows))) is not None:
        for i, (factor, row) in enumerate(zip(factors, rows, strict=True)):
            kernels.add_scaled(np.ascontiguousarray(row), factor, out, i % 6 == 5 or i == len(rows) - 1)
        return out
    for s in range(0, out.size, _CHUNK):
        part = slice(s, s + _CHUNK)
        _weighted_chunk([row[part] for row in rows], factors, out[part])
    return out


def _weighted_chunk(rows: Sequence[UInt64s], factors: Sequence[np.uint64], out: UInt64s) -> None:
    """Sums of half products, so that the shifts of a product are paid once in three rows and at the end."""
    n = out.size
    high, mid, low = (np.zeros(n, dtype=np.uint64) for _ in range(3))
    top, bottom, term = (np.empty(n, dtype=np.uint64) for _ in range(3))
    for i, (row, w) in enumerate(zip(rows, factors, strict=True)):
        np.right_shift(row, _S31, out=top)
        np.bitwise_and(row, _LOW31, out=bottom)
        for half, factor, total in (
            (top, w >> _S31, high),
            (top, w & _LOW31, mid),
            (bottom, w >> _S31, mid),
            (bottom, w & _LOW31, low),
        ):
            np.multiply(half, factor, out=term)
            np.add(total, term, out=total)
        # a row adds less than 2^62 to each sum: three fit on top of what a fold leaves
        if i % 3 == 2 or i == len(rows) - 1:
            for total in (high, mid, low):
                np.right_shift(total, _S61, out=term)
                np.bitwise_and(total, _P, out=total)
                np.add(total, term, out=total)
    np.left_shift(high, _S1, out=high)
    np.add(low, high, out=low)
    np.right_shift(mid, _S30, out=term)
    np.add(low, term, out=low)
    np.bitwise_and(mid, _LOW30, out=mid)
    np.left_shift(mid, _S31, out=mid)
    np.add(low, mid, out=low)
    _fold(low, out, term)


def matmul(a: UInt64s, b: UInt64s) -> UInt64s:
    """The matrix product.

    Shapes: [n, k] x [k, m] -> [n, m].
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise ParameterError(f"cannot multiply shapes {a.shape} and {b.shape}")
    n, k, m = a.shape[0], a.shape[1], b.shape[1]
    out = np.zeros((n, m), dtype=np.uint64)
    if (kernels := _kernels_for(n * k * m)) is not None:
        kernels.matmul(np.ascontiguousarray(a), np.ascontiguousarray(b), out)
    elif m < k:
        columns = np.ascontiguousarray(b.T)
        for i, j in np.ndindex(n, m):
            out[i, j] = total(multiply(a[i], columns[j]))
    else:
        for i in range(n):
            out[i] = weighted_sum([int(w) for w in a[i]], b)
    return out


def total(values: UInt64s) -> int:
    """The sum of all elements."""
    halves = int((values >> _S31).sum()), int((values & _LOW31).sum())
    return ((halves[0] << 31) + halves[1]) % P61


def inverse(a: UInt64s) -> UInt64s:
    """Elementwise inverses, by Fermat: a^(p-2) with 61 squarings.

    Raises: ParameterError when an element is zero.
    """
    if a.size and not a.all():
        raise ParameterError("zero has no inverse")
    # p - 2 is 59 ones, a zero and a one
    result, power = a.copy(), a.copy()
    for bit in range(1, 61):
        power = multiply(power, power)
        if (P61 - 2) >> bit & 1:
            result = multiply(result, power)
    return result
