"""Fourier transforms over the scalar field, and the quotient of a proof.

Decimation in frequency leaves coefficients in bit-reversed order and decimation in time takes them so, which saves the
reordering; the factors in between are stored in that order.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.field import R, inverse, root_of_unity
from zk.kernels.words import add, compiled, constants, multiply, subtract
from zk.limbs import Limbs, to_limbs

__all__ = ["powers_limbs", "quotient_limbs"]

_P = constants(R)


@compiled
def _get(x: Any, i: Any) -> Any:
    return x[i, 0], x[i, 1], x[i, 2], x[i, 3]


@compiled
def _put(x: Any, i: Any, v: Any) -> None:
    x[i, 0], x[i, 1], x[i, 2], x[i, 3] = v


@compiled
def _powers(first: Any, base: Any, out: Any) -> None:
    v, step = _get(first, 0), _get(base, 0)
    for i in range(len(out)):
        _put(out, i, v)
        v = multiply(v, step, _P)


@compiled
def _to_bit_reversed(x: Any, roots: Any) -> None:
    n = len(x)
    half = n // 2
    while half:
        stride = n // (2 * half)
        for start in range(0, n, 2 * half):
            for j in range(half):
                u, v = _get(x, start + j), _get(x, start + j + half)
                _put(x, start + j, add(u, v, _P))
                _put(x, start + j + half, multiply(subtract(u, v, _P), _get(roots, j * stride), _P))
        half //= 2


@compiled
def _from_bit_reversed(x: Any, roots: Any) -> None:
    n = len(x)
    half = 1
    while half < n:
        stride = n // (2 * half)
        for start in range(0, n, 2 * half):
            for j in range(half):
                u = _get(x, start + j)
                v = multiply(_get(x, start + j + half), _get(roots, j * stride), _P)
                _put(x, start + j, add(u, v, _P))
                _put(x, start + j + half, subtract(u, v, _P))
        half *= 2


@compiled
def _scale(x: Any, factors: Any) -> None:
    for i in range(len(x)):
        _put(x, i, multiply(_get(x, i), _get(factors, i), _P))


@compiled
def _product_minus(a: Any, b: Any, c: Any) -> None:
    for i in range(len(a)):
        _put(a, i, subtract(multiply(_get(a, i), _get(b, i), _P), _get(c, i), _P))


def powers_limbs(base: int, n: int, start: int = 1) -> Limbs:
    """start, start * base, ..., n terms in Montgomery form."""
    out = np.empty((n, 4), dtype=np.uint64)
    _powers(to_limbs([start]), to_limbs([base]), out)
    return out


@lru_cache(maxsize=4)
def _tables(log_size: int) -> tuple[Limbs, Limbs, Limbs]:
    """Roots, inverse roots, and w^k / n for the shift to the odd coset, k in bit-reversed order."""
    n = 1 << log_size
    root, shift = root_of_unity(log_size), root_of_unity(log_size + 1)
    order: NDArray[np.int64] = np.zeros(n, dtype=np.int64)
    for bit in range(log_size):
        order |= ((np.arange(n) >> bit) & 1) << (log_size - 1 - bit)
    shifts = powers_limbs(shift, n, inverse(n))[order]
    return powers_limbs(root, max(1, n // 2)), powers_limbs(inverse(root), max(1, n // 2)), shifts


def quotient_limbs(a: Limbs, b: Limbs, threads: int) -> Limbs:
    """(A B - C) at the odd roots of the double domain, where C interpolates the products of values of A and B.

    Shapes: a, b (n, 4), values at the n-th roots of unity; result (n, 4).
    """
    n = len(a)
    roots, inverse_roots, shifts = _tables(n.bit_length() - 1)
    c = a.copy()
    _scale(c, b)

    def to_coset(values: Limbs) -> Limbs:
        out = values.copy()
        _to_bit_reversed(out, inverse_roots)
        _scale(out, shifts)
        _from_bit_reversed(out, roots)
        return out

    if threads == 1:
        a, b, c = map(to_coset, (a, b, c))
    else:
        with ThreadPoolExecutor(threads) as pool:
            a, b, c = pool.map(to_coset, (a, b, c))
    _product_minus(a, b, c)
    return a
