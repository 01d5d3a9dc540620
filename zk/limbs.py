"""Vectors of field elements as numpy arrays: four little-endian 64-bit limbs each, Montgomery form.

Element v of a field with prime p is stored as v * 2**256 mod p, which is what `.zkey` files and mcl's memory hold.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from zk.curve import G1, G2, Q
from zk.field import R

__all__ = [
    "Limbs",
    "from_limbs",
    "g1_array",
    "g1_points",
    "g2_array",
    "g2_points",
    "to_limbs",
]

Limbs = NDArray[np.uint64]

_SHIFT = 256
_TO = {p: pow(2, _SHIFT, p) for p in (Q, R)}
_FROM = {p: pow(2, -_SHIFT, p) for p in (Q, R)}


def to_limbs(values: Iterable[int], prime: int = R) -> Limbs:
    """Montgomery form of integers (any sign, any size).

    Shapes: n values, result (n, 4).
    """
    factor = _TO[prime]
    data = b"".join([(v * factor % prime).to_bytes(32, "little") for v in values])
    return np.frombuffer(data, dtype="<u8").reshape(-1, 4).astype(np.uint64, copy=False)


def from_limbs(limbs: Limbs, prime: int = R) -> list[int]:
    """The canonical integers of a vector in Montgomery form.

    Shapes: limbs (n, 4).
    """
    factor = _FROM[prime]
    data = np.ascontiguousarray(limbs, dtype="<u8").tobytes()
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


def g2_points(array: Limbs) -> list[G2]:
    """The points of a bulk array.

    Shapes: array (n, 16).
    """
    flat = from_limbs(array.reshape(-1, 4), Q)
    return [G2((flat[i], flat[i + 1]), (flat[i + 2], flat[i + 3])) for i in range(0, len(flat), 4)]
