"""Vectors of field elements as numpy arrays: four little-endian 64-bit limbs each, Montgomery form.

Element v of a field with prime p is stored as v * 2**256 mod p, which is what `.zkey` files and mcl's memory hold.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zk import kernels
from zk.curve import G1, G2, Q
from zk.field import R

__all__ = [
    "Limbs",
    "from_limbs",
    "g1_array",
    "g1_points",
    "g2_array",
    "g2_points",
    "negated_g1",
    "to_limbs",
]

Limbs = NDArray[np.uint64]

_SHIFT = 256
# below this elements are converted in Python, before numba is loaded
_WORTH_COMPILING = 1 << 11
_TO = {p: pow(2, _SHIFT, p) for p in (Q, R)}
_FROM = {p: pow(2, -_SHIFT, p) for p in (Q, R)}


def to_limbs(values: Sequence[int], prime: int = R) -> Limbs:
    """Montgomery form of integers (any sign, any size).

    Shapes: n values, result (n, 4).
    """
    if len(values) >= _WORTH_COMPILING and kernels.available():
        from zk.kernels.montgomery import scale_in_place

        limbs = _pack([(v % prime).to_bytes(32, "little") for v in values]).copy()
        scale_in_place(limbs, _TO[prime] ** 2, prime)
        return limbs
    factor = _TO[prime]
    return _pack([(v * factor % prime).to_bytes(32, "little") for v in values])


def _pack(elements: Sequence[bytes]) -> Limbs:
    return np.frombuffer(b"".join(elements), dtype="<u8").reshape(-1, 4).astype(np.uint64, copy=False)


def from_limbs(limbs: Limbs, prime: int = R) -> list[int]:
    """The canonical integers of a vector in Montgomery form.

    Shapes: limbs (n, 4).
    """
    if len(limbs) >= _WORTH_COMPILING and kernels.available():
        from zk.kernels.montgomery import scale_in_place

        limbs = np.array(limbs, dtype=np.uint64)
        scale_in_place(limbs, 1, prime)
        factor = 1
    else:
        factor = _FROM[prime]
    data = np.ascontiguousarray(limbs, dtype="<u8").tobytes()
    if factor == 1:
        return [int.from_bytes(data[i : i + 32], "little") for i in range(0, len(data), 32)]
    return [int.from_bytes(data[i : i + 32], "little") * factor % prime for i in range(0, len(data), 32)]


def g1_array(points: Sequence[G1]) -> Limbs:
    """Points of G1 in bulk form.

    Shapes: n points, result (n, 8).
    """
    return to_limbs([c for p in points for c in (p.x, p.y)], Q).reshape(-1, 8)


def g2_array(points: Sequence[G2]) -> Limbs:
    """Points of G2 in bulk form.

    Shapes: n points, result (n, 16).
    """
    return to_limbs([c for p in points for c in (*p.x, *p.y)], Q).reshape(-1, 16)


def g1_points(array: Limbs) -> list[G1]:
    """The points of a bulk array.

    Shapes: array (n, 8).
    """
    flat = from_limbs(array.reshape(-1, 4), Q)
    return [G1(flat[i], flat[i + 1]) for i in range(0, len(flat), 2)]


def negated_g1(points: Limbs) -> Limbs:
    """The negatives of points of G1.

    Shapes: points and result (n, 8).
    """
    out = points.copy()
    borrow: NDArray[np.bool_] = np.zeros(len(points), dtype=np.bool_)
    finite = points[:, 4:].any(axis=1)
    for k in range(4):
        word, y = np.uint64((Q >> (64 * k)) % 2**64), points[:, 4 + k]
        difference = word - y
        out[:, 4 + k] = np.where(finite, difference - borrow, 0)
        borrow = (y > word) | (borrow & (difference == 0))
    return out


def g2_points(array: Limbs) -> list[G2]:
    """The points of a bulk array.

    Shapes: array (n, 16).
    """
    flat = from_limbs(array.reshape(-1, 4), Q)
    return [G2((flat[i], flat[i + 1]), (flat[i + 2], flat[i + 3])) for i in range(0, len(flat), 4)]
