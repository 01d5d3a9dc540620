"""The prime-order group secp256k1, for commitments to shares.

Its order is the field that verifiable shares live in; its points have one encoding and no cofactor. The
second generator H is the point whose x-coordinate is the SHA-256 hash of G's uncompressed encoding, so that
nobody knows its logarithm.

Source: SEC 2 version 2.0, section 2.4.1; H as in BIP 341.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import gmpy2

from mpc.errors import DecodeError

__all__ = [
    "GENERATOR",
    "IDENTITY",
    "ORDER",
    "POINT_BYTES",
    "SECOND_GENERATOR",
    "Point",
    "multiply_base",
    "sum_points",
]

FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
POINT_BYTES = 33

_P = gmpy2.mpz(FIELD)
Jacobian = tuple[gmpy2.mpz, gmpy2.mpz, gmpy2.mpz]
_ZERO: Jacobian = (gmpy2.mpz(1), gmpy2.mpz(1), gmpy2.mpz(0))


def _double(a: Jacobian) -> Jacobian:
    x, y, z = a
    if not z:
        return a
    yy = y * y % _P
    s = 4 * x * yy % _P
    m = 3 * x * x % _P
    x3 = (m * m - 2 * s) % _P
    return x3, (m * (s - x3) - 8 * yy * yy) % _P, 2 * y * z % _P


def _add(a: Jacobian, b: Jacobian) -> Jacobian:
    x1, y1, z1 = a
    x2, y2, z2 = b
    if not z1:
        return b
    if not z2:
        return a
    zz1, zz2 = z1 * z1 % _P, z2 * z2 % _P
    u1, u2 = x1 * zz2 % _P, x2 * zz1 % _P
    s1, s2 = y1 * z2 * zz2 % _P, y2 * z1 * zz1 % _P
    h, r = (u2 - u1) % _P, (s2 - s1) % _P
    if not h:
        return _double(a) if not r else _ZERO
    hh = h * h % _P
    hhh, v = h * hh % _P, u1 * hh % _P
    x3 = (r * r - hhh - 2 * v) % _P
    return x3, (r * (v - x3) - s1 * hhh) % _P, z1 * z2 * h % _P


@dataclass(frozen=True, slots=True)
class Point:
    """A point in affine coordinates; the identity is (0, 0).

    >>> GENERATOR * 2 == GENERATOR + GENERATOR
    True
    """

    x: int
    y: int

    def _lifted(self) -> Jacobian:
        return (gmpy2.mpz(self.x), gmpy2.mpz(self.y), gmpy2.mpz(1)) if self.x or self.y else _ZERO

    def __add__(self, other: "Point") -> "Point":
        return _affine(_add(self._lifted(), other._lifted()))

    def __neg__(self) -> "Point":
        return Point(self.x, -self.y % FIELD)

    def __mul__(self, scalar: int) -> "Point":
        return _affine(_scaled(self._lifted(), scalar % ORDER))

    __rmul__ = __mul__

    def to_bytes(self) -> bytes:
        """Compressed, 33 bytes; the identity is 33 zeros."""
        if not self.x and not self.y:
            return bytes(POINT_BYTES)
        return bytes([2 + self.y % 2]) + self.x.to_bytes(32, "big")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Point":
        """The point.

        Raises: DecodeError for anything that is not the compressed encoding of a point.
        """
        if len(data) != POINT_BYTES:
            raise DecodeError(f"a point has {POINT_BYTES} bytes, got {len(data)}")
        if data == bytes(POINT_BYTES):
            return IDENTITY
        x = int.from_bytes(data[1:], "big")
        if data[0] not in (2, 3) or x >= FIELD:
            raise DecodeError("not a compressed point")
        return lift_x(x, data[0] & 1)


def lift_x(x: int, parity: int) -> Point:
    """The point with this x-coordinate whose y has this parity.

    Raises: DecodeError when the curve has none.
    """
    square = (x * x * x + 7) % FIELD
    y = int(gmpy2.powmod(square, (FIELD + 1) // 4, FIELD))
    if y * y % FIELD != square:
        raise DecodeError("no point has this x-coordinate")
    return Point(x, y if y % 2 == parity else FIELD - y)


def _affine(a: Jacobian) -> Point:
    x, y, z = a
    if not z:
        return IDENTITY
    inverse = gmpy2.invert(z, _P)
    square = inverse * inverse % _P
    return Point(int(x * square % _P), int(y * square * inverse % _P))


def _scaled(a: Jacobian, scalar: int) -> Jacobian:
    result = _ZERO
    for bit in bin(scalar)[2:]:
        result = _double(result)
        if bit == "1":
            result = _add(result, a)
    return result


def sum_points(points: Iterable[Point]) -> Point:
    """The sum, with one inversion."""
    total = _ZERO
    for point in points:
        total = _add(total, point._lifted())
    return _affine(total)


def evaluate_commitments(commitments: Sequence[Point], x: int) -> Point:
    """sum_j x^j C_j, by Horner's rule: for a small x each step is a few doublings."""
    total = _ZERO
    for point in reversed(commitments):
        total = _add(_scaled(total, x), point._lifted())
    return _affine(total)


@lru_cache(maxsize=4)
def _table(base: Point) -> list[list[Jacobian]]:
    """base * (256^i * j), so that a multiplication is 32 additions."""
    rows = []
    step = base._lifted()
    for _ in range(32):
        row = [_ZERO]
        for _ in range(255):
            row.append(_add(row[-1], step))
        rows.append(row)
        step = _add(row[-1], step)
    return rows


def multiply_base(base: Point, scalar: int) -> Point:
    """base * scalar with a table, for the few bases that are used again and again.

    The table is indexed by the scalar's bytes: whoever watches this machine's caches may learn them.
    """
    total = _ZERO
    for row, byte in zip(_table(base), (scalar % ORDER).to_bytes(32, "little"), strict=True):
        if byte:
            total = _add(total, row[byte])
    return _affine(total)


IDENTITY = Point(0, 0)
GENERATOR = Point(
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
_UNCOMPRESSED = b"\x04" + GENERATOR.x.to_bytes(32, "big") + GENERATOR.y.to_bytes(32, "big")
SECOND_GENERATOR = lift_x(int.from_bytes(sha256(_UNCOMPRESSED).digest(), "big"), 0)
