"""Discrete Fourier transforms over the scalar field, on arrays of Python integers.

Source: Cooley and Tukey 1965; the order of roots is that of snarkjs and arkworks.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError
from zk.field import R, inverse, root_of_unity

__all__ = ["fft", "inverse_fft", "powers"]

Values = NDArray[Any]


def powers(base: int, n: int, start: int = 1) -> Values:
    """start, start * base, ..., n terms."""
    out = np.empty(n, dtype=object)
    out[0] = start % R
    filled = 1
    step = base % R
    while filled < n:
        more = min(filled, n - filled)
        out[filled : filled + more] = out[:more] * step % R
        filled += more
        step = step * step % R
    return out


@lru_cache(maxsize=8)
def _roots(log_size: int, inverted: bool) -> Values:
    root = root_of_unity(log_size)
    return powers(inverse(root) if inverted else root, max(1, (1 << log_size) // 2))


def _log_size(n: int) -> int:
    if n < 1 or n & (n - 1):
        raise ParameterError(f"a transform needs a power of two of values, got {n}")
    return n.bit_length() - 1


def _transform(values: Values, inverted: bool) -> Values:
    log_size = _log_size(len(values))
    roots = _roots(log_size, inverted)
    n = len(values)
    data = values.copy()
    # Stockham's order: no bit reversal, every step works on whole slices
    for level in range(log_size):
        stride = 1 << level
        half = data.reshape(2, n // 2)
        left, right = half
        twist = np.repeat(roots[::stride], stride) if stride > 1 else roots
        out = np.empty((n // (2 * stride), 2, stride), dtype=object)
        out[:, 0, :] = (left + right).reshape(-1, stride)
        out[:, 1, :] = ((left - right) * twist % R).reshape(-1, stride)
        data = out.reshape(n)
        if level % 8 == 7:
            data %= R
    return np.asarray(data % R)


def fft(coefficients: Values) -> Values:
    """Values of a polynomial at all n-th roots of unity.

    Shapes: n coefficients, n a power of two.
    """
    return _transform(coefficients, False)


def inverse_fft(values: Values) -> Values:
    """Coefficients of the polynomial with these values at the n-th roots of unity.

    Shapes: n values, n a power of two.
    """
    return np.asarray(_transform(values, True) * inverse(len(values)) % R)
