"""The compiled twins of `mpc.field61`: same contract, one pass over memory. Imported only when numba is
there."""

import numpy as np
import numpy.typing as npt
from numba import njit

UInt64s = npt.NDArray[np.uint64]

_P = np.uint64((1 << 61) - 1)
_LOW31, _LOW30 = np.uint64((1 << 31) - 1), np.uint64((1 << 30) - 1)
_S1, _S30, _S31, _S61 = (np.uint64(s) for s in (1, 30, 31, 61))


@njit(inline="always")
def _product(a: np.uint64, b: np.uint64) -> np.uint64:
    """A value below 2^63 + 2^33 that is a * b mod p."""
    a_high, a_low = a >> _S31, a & _LOW31
    b_high, b_low = b >> _S31, b & _LOW31
    mid = a_high * b_low + a_low * b_high
    return np.uint64(((a_high * b_high) << _S1) + a_low * b_low + (mid >> _S30) + ((mid & _LOW30) << _S31))


@njit(inline="always")
def _fold(value: np.uint64) -> np.uint64:
    value = (value & _P) + (value >> _S61)
    return np.uint64(min(value, value - _P))


@njit(cache=True, nogil=True)
def multiply(a: UInt64s, b: UInt64s, out: UInt64s) -> None:
    """out[i] = a[i] b[i]."""
    for i in range(out.size):
        out[i] = _fold(_product(a[i], b[i]))


@njit(cache=True, nogil=True)
def scale(a: UInt64s, factor: np.uint64, out: UInt64s) -> None:
    """out[i] = a[i] factor."""
    for i in range(out.size):
        out[i] = _fold(_product(a[i], factor))


@njit(cache=True, nogil=True)
def evaluate(coefficients: UInt64s, points: UInt64s, out: UInt64s) -> None:
    """out[j, i] = the polynomial with coefficients[:, i] at points[j]."""
    rows, m = coefficients.shape
    chunk = 2048
    small = True
    for x in points:
        small = small and x < np.uint64(1 << 20)
    for start in range(0, m, chunk):
        stop = min(m, start + chunk)
        for j in range(points.size):
            x = points[j]
            for i in range(start, stop):
                out[j, i] = coefficients[rows - 1, i]
            for row in range(rows - 2, -1, -1):
                if small:
                    for i in range(start, stop):
                        value = out[j, i]
                        high = (value >> _S31) * x
                        low = (value & _LOW31) * x + coefficients[row, i]
                        out[j, i] = _fold(low + (high >> _S30) + ((high & _LOW30) << _S31))
                else:
                    for i in range(start, stop):
                        value = _fold(_product(out[j, i], x)) + coefficients[row, i]
                        out[j, i] = min(value, value - _P)


@njit(cache=True, nogil=True)
def add_scaled(row: UInt64s, factor: np.uint64, out: UInt64s, reduce: bool) -> None:
    """out[i] += row[i] factor, where six such additions to a reduced value fit before one with `reduce`."""
    if reduce:
        for i in range(out.size):
            value = _product(row[i], factor)
            out[i] = _fold((value & _P) + (value >> _S61) + out[i])
    else:
        for i in range(out.size):
            value = _product(row[i], factor)
            out[i] += (value & _P) + (value >> _S61)


@njit(cache=True, nogil=True)
def matmul(a: UInt64s, b: UInt64s, out: UInt64s) -> None:
    """out = a b."""
    n, k = a.shape
    m = b.shape[1]
    for i in range(n):
        for j in range(m):
            out[i, j] = np.uint64(0)
        for inner in range(k):
            w = a[i, inner]
            for j in range(m):
                value = _product(b[inner, j], w)
                out[i, j] = _fold((value & _P) + (value >> _S61) + out[i, j])
