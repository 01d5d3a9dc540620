"""BabyJubJub: the twisted Edwards curve whose base field is the scalar field of alt_bn128.

    a x^2 + y^2 = 1 + d x^2 y^2,   a = 168700,  d = 168696,  order 8 L

Its points are pairs of numbers a circuit computes with directly, so a key, signature or commitment made here is
checked inside a ZoKrates or circom program with a few thousand rows.

Source: EIP-2494 (curve and generator); Hisil, Wong, Carter, Dawson 2008, sections 3.1 and 3.3 (formulas).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from gmpy2 import invert, legendre, mpz, powmod

from mpc.errors import DecodeError, ParameterError
from zk.field import R as P

__all__ = [
    "A",
    "BASE8",
    "BASE8_TABLE",
    "COFACTOR",
    "D",
    "FixedBase",
    "GENERATOR",
    "IDENTITY",
    "L",
    "ORDER",
    "P",
    "Point",
    "multi_scalar",
    "square_root",
]

A = 168700
D = 168696
ORDER = 21888242871839275222246405745257275088614511777268538073601725287587578984328
COFACTOR = 8
L = ORDER // COFACTOR

_P = mpz(P)
_D = mpz(D)
# 2^28 divides p - 1; 5 generates the field's multiplicative group
_ODD, _TWO_ADICITY = (P - 1) >> 28, 28
_NON_RESIDUE_POWER = powmod(mpz(5), _ODD, _P)
_HALF = (P - 1) // 2

# (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z
_Extended = tuple[Any, Any, Any, Any]
_ZERO: _Extended = (mpz(0), mpz(1), mpz(1), mpz(0))


def square_root(value: int) -> int | None:
    """The smaller of the two square roots of `value` mod P, None for a non-residue.

    Source: Tonelli-Shanks.

    >>> square_root(9)
    3
    """
    n = mpz(value) % _P
    if n == 0:
        return 0
    if legendre(n, _P) != 1:
        return None
    order, c = _TWO_ADICITY, _NON_RESIDUE_POWER
    t = powmod(n, _ODD, _P)
    root = powmod(n, (_ODD + 1) // 2, _P)
    while t != 1:
        squarings, probe = 0, t
        while probe != 1:
            probe = probe * probe % _P
            squarings += 1
        factor = powmod(c, 1 << (order - squarings - 1), _P)
        order, c = squarings, factor * factor % _P
        t = t * c % _P
        root = root * factor % _P
    return int(min(root, _P - root))


def _add(p: _Extended, q: _Extended) -> _Extended:
    x1, y1, z1, t1 = p
    x2, y2, z2, t2 = q
    a, b, c, d = x1 * x2 % _P, y1 * y2 % _P, t1 * t2 % _P * _D, z1 * z2
    e = ((x1 + y1) * (x2 + y2) - a - b) % _P
    f, g, h = d - c, (d + c) % _P, (b - A * a) % _P
    f %= _P
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _double(p: _Extended) -> _Extended:
    x, y, z, _ = p
    a, b, c = x * x % _P, y * y % _P, 2 * z * z
    d = A * a
    e = ((x + y) * (x + y) - a - b) % _P
    g = (d + b) % _P
    f, h = (g - c) % _P, (d - b) % _P
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def _negate(p: _Extended) -> _Extended:
    return -p[0], p[1], p[2], -p[3]


def _signed_digits(scalar: int, width: int) -> list[int]:
    """Non-adjacent form with odd digits below 2^(width-1) in magnitude, lowest first."""
    digits, full, half = [], 1 << width, 1 << (width - 1)
    while scalar:
        digit = 0
        if scalar & 1:
            digit = scalar & (full - 1)
            digit -= full if digit >= half else 0
            scalar -= digit
        digits.append(digit)
        scalar >>= 1
    return digits


def _straus(terms: Sequence[tuple[_Extended, int]]) -> _Extended:
    """sum of scalar * point, all doublings shared."""
    width = 5
    columns = []
    for point, scalar in terms:
        twice = _double(point)
        odd = [point]
        for _ in range((1 << (width - 2)) - 1):
            odd.append(_add(odd[-1], twice))
        columns.append((odd, _signed_digits(scalar, width)))
    total = _ZERO
    for position in range(max((len(digits) for _, digits in columns), default=0) - 1, -1, -1):
        total = _double(total)
        for odd, digits in columns:
            digit = digits[position] if position < len(digits) else 0
            if digit > 0:
                total = _add(total, odd[digit >> 1])
            elif digit < 0:
                total = _add(total, _negate(odd[-digit >> 1]))
    return total


def _affine(p: _Extended) -> "Point":
    inverse = invert(p[2], _P)
    return Point._trusted(int(p[0] * inverse % _P), int(p[1] * inverse % _P))


@dataclass(frozen=True)
class Point:
    """A point of the curve in affine coordinates; construction checks range and curve equation.

    The whole curve is admitted (order 8 L); ask `in_subgroup()` where the prime order matters. Multiplication takes
    time that depends on the scalar: secret scalars belong on a machine its owner trusts.

    Raises: DecodeError for coordinates that are not reduced or not on the curve.

    >>> 8 * GENERATOR == BASE8
    True
    """

    x: int
    y: int

    def __post_init__(self) -> None:
        for name, value in (("x", self.x), ("y", self.y)):
            if type(value) is not int or not 0 <= value < P:
                raise DecodeError(f"BabyJubJub {name} is not a whole number below the field's modulus")
        xx, yy = mpz(self.x) * self.x % _P, mpz(self.y) * self.y % _P
        if (A * xx + yy - 1 - D * xx * yy) % _P:
            raise DecodeError("not a point of BabyJubJub")

    @classmethod
    def _trusted(cls, x: int, y: int) -> "Point":
        point = object.__new__(cls)
        object.__setattr__(point, "x", x)
        object.__setattr__(point, "y", y)
        return point

    @cached_property
    def _extended(self) -> _Extended:
        x, y = mpz(self.x), mpz(self.y)
        return x, y, mpz(1), x * y % _P

    def __add__(self, other: "Point") -> "Point":
        return _affine(_add(self._extended, other._extended))

    def __neg__(self) -> "Point":
        return Point._trusted((P - self.x) % P, self.y)

    def __sub__(self, other: "Point") -> "Point":
        return self + -other

    def __rmul__(self, scalar: int) -> "Point":
        if type(scalar) is not int:
            raise ParameterError("a point is multiplied by an int")
        return multi_scalar([(self, scalar)])

    def in_subgroup(self) -> bool:
        """Whether the point has order L or is the identity; the last thousand answers are remembered."""
        return _in_subgroup(self)

    @classmethod
    def from_y(cls, y: int, *, odd_x: bool) -> "Point":
        """The point with this y whose x is odd or even.

        Raises: DecodeError when no such point exists; x = 0 counts as even only.
        """
        if not 0 <= y < P:
            raise DecodeError("BabyJubJub y is not below the field's modulus")
        yy = mpz(y) * y % _P
        x = square_root(int((1 - yy) * invert((A - D * yy) % _P, _P) % _P))
        if x is None:
            raise DecodeError("no point of BabyJubJub has this y")
        if x & 1 != odd_x:
            x = P - x
        if x == P:
            raise DecodeError("sign bit on x = 0")
        return cls(x, y)

    def to_circom(self) -> bytes:
        """32 bytes as circomlibjs packs them: y little-endian, top bit set when x > (P - 1) / 2."""
        return (self.y | (self.x > _HALF) << 255).to_bytes(32, "little")

    @classmethod
    def from_circom(cls, data: bytes) -> "Point":
        """The point that circomlibjs packs to `data`.

        Raises: DecodeError for a wrong length, y >= P, no such point, or a sign on x = 0.
        """
        number = _exactly_32(data, "little")
        y, large = number & ((1 << 255) - 1), number >> 255
        even = cls.from_y(y, odd_x=False)
        if (even.x > _HALF) == bool(large):
            return even
        if even.x == 0:
            raise DecodeError("sign bit on x = 0")
        return -even

    def to_zokrates(self) -> bytes:
        """32 bytes as zokrates-pycrypto compresses them: y big-endian, top bit set when x is odd."""
        return (self.y | (self.x & 1) << 255).to_bytes(32, "big")

    @classmethod
    def from_zokrates(cls, data: bytes) -> "Point":
        """The point that zokrates-pycrypto compresses to `data`.

        Raises: DecodeError for a wrong length, y >= P, no such point, or a sign on x = 0.
        """
        number = _exactly_32(data, "big")
        return cls.from_y(number & ((1 << 255) - 1), odd_x=bool(number >> 255))


@lru_cache(maxsize=1024)
def _in_subgroup(point: Point) -> bool:
    return L * point == IDENTITY


def _exactly_32(data: bytes, order: Any) -> int:
    if len(data) != 32:
        raise DecodeError(f"a packed point has 32 bytes, got {len(data)}")
    return int.from_bytes(data, order)


def multi_scalar(terms: Sequence[tuple[Point, int]]) -> Point:
    """sum of scalar * point in one pass; negative scalars count as their negation.

    >>> multi_scalar([(GENERATOR, 3), (GENERATOR, -3)]) == IDENTITY
    True
    """
    signed = [(p._extended if k >= 0 else _negate(p._extended), abs(k)) for p, k in terms]
    return _affine(_straus(signed))


class FixedBase:
    """Multiples of one point of order L from a table of 8-bit windows: about 32 additions a product.

    >>> FixedBase(BASE8).times(5) == 5 * BASE8
    True
    """

    _WINDOW = 8

    def __init__(self, base: Point) -> None:
        if not base.in_subgroup():
            raise ParameterError("a fixed base must lie in the subgroup of order L")
        self.base = base
        self._rows: list[list[_Extended]] = []

    def _table(self) -> list[list[_Extended]]:
        if not self._rows:
            step = self.base._extended
            for _ in range(0, L.bit_length(), self._WINDOW):
                row = [_ZERO, step]
                for _ in range(2, 1 << self._WINDOW):
                    row.append(_add(row[-1], step))
                self._rows.append(row)
                step = _add(row[-1], step)
        return self._rows

    def times(self, scalar: int) -> Point:
        """scalar * base, the scalar taken mod L."""
        scalar %= L
        total = _ZERO
        for row in self._table():
            total = _add(total, row[scalar & 0xFF])
            scalar >>= self._WINDOW
        return _affine(total)


IDENTITY = Point(0, 1)
GENERATOR = Point(
    995203441582195749578291179787384436505546430278305826713579947235728471134,
    5472060717959818805561601436314318772137091100104008585924551046643952123905,
)
BASE8 = Point(
    5299619240641551281634865583518297030282874472190772894086521144482721001553,
    16950150798460657717958625567821834550301663161624707787222815936182638968203,
)
BASE8_TABLE = FixedBase(BASE8)
