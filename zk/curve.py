"""Points of alt_bn128 as immutable affine integers, and the one strict parser every point comes through.

    G1   y^2 = x^3 + 3 over Fq, prime order R
    G2   y^2 = x^3 + 3/(9+i) over Fq2 = Fq[i]/(i^2+1); the curve is larger than its subgroup of order R

An element c0 + c1*i of Fq2 is the tuple (c0, c1). Infinity is written with all coordinates zero, which is on neither curve.
Bytes are those of EIP-196 and EIP-197: big-endian, x || y for G1 and x.c1 || x.c0 || y.c1 || y.c0 for G2.

Source: EIP-196, EIP-197.
"""

from typing import NamedTuple, TypeAlias

from mpc.errors import DecodeError
from zk.field import R

__all__ = [
    "G1",
    "G1_BYTES",
    "G1_GENERATOR",
    "G1_INFINITY",
    "G2",
    "G2_BYTES",
    "G2_GENERATOR",
    "G2_INFINITY",
    "Q",
    "R",
    "Fq2",
    "decode_g1",
    "decode_g2",
    "in_g2_subgroup",
    "parse_g1",
    "parse_g2",
    "twist_frobenius",
]

Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583
G1_BYTES = 64
G2_BYTES = 128

Fq2: TypeAlias = tuple[int, int]


class G1(NamedTuple):
    """An affine point of G1; build one from outside data with `parse_g1` or `decode_g1` only."""

    x: int
    y: int

    @property
    def is_infinity(self) -> bool:
        """Whether this is the neutral element."""
        return self.x == 0 and self.y == 0

    def to_bytes(self) -> bytes:
        """The 64 bytes of EIP-196."""
        return self.x.to_bytes(32, "big") + self.y.to_bytes(32, "big")

    def __neg__(self) -> "G1":
        return self if self.is_infinity else G1(self.x, Q - self.y)


class G2(NamedTuple):
    """An affine point of G2; build one from outside data with `parse_g2` or `decode_g2` only."""

    x: Fq2
    y: Fq2

    @property
    def is_infinity(self) -> bool:
        """Whether this is the neutral element."""
        return self.x == (0, 0) and self.y == (0, 0)

    def to_bytes(self) -> bytes:
        """The 128 bytes of EIP-197 (imaginary halves first)."""
        return b"".join(c.to_bytes(32, "big") for c in (self.x[1], self.x[0], self.y[1], self.y[0]))

    def __neg__(self) -> "G2":
        if self.is_infinity:
            return self
        return G2(self.x, ((Q - self.y[0]) % Q, (Q - self.y[1]) % Q))


G1_INFINITY = G1(0, 0)
G2_INFINITY = G2((0, 0), (0, 0))
G1_GENERATOR = G1(1, 2)
G2_GENERATOR = G2(
    (
        10857046999023057135944570762232829481370756359578518086990519993285655852781,
        11559732032986387107991004021392285783925812861821192530917403151452391805634,
    ),
    (
        8495653923123431417604973247489272438418190587263600148770280649306958101930,
        4082367875863433681332203403145435568316851327593401208105741076214120093531,
    ),
)


def fq2_mul(a: Fq2, b: Fq2) -> Fq2:
    """The product in Fq2."""
    return (a[0] * b[0] - a[1] * b[1]) % Q, (a[0] * b[1] + a[1] * b[0]) % Q


def fq2_inverse(a: Fq2) -> Fq2:
    """The inverse in Fq2 of a non-zero element."""
    norm = pow(a[0] * a[0] + a[1] * a[1], -1, Q)
    return a[0] * norm % Q, -a[1] * norm % Q


TWIST_B: Fq2 = fq2_mul((3, 0), fq2_inverse((9, 1)))


def _coordinate(value: object) -> int:
    if type(value) is not int:
        raise DecodeError(f"a coordinate must be an int, got {type(value).__name__}")
    if not 0 <= value < Q:
        raise DecodeError("coordinate not reduced modulo the field prime")
    return value


def on_g1(x: int, y: int) -> bool:
    """Whether the affine point (x, y) satisfies the equation of G1."""
    return (y * y - x * x * x - 3) % Q == 0


def on_twist(x: Fq2, y: Fq2) -> bool:
    """Whether the affine point (x, y) satisfies the equation of the twist, which holds G2 as a subgroup."""
    x3, y2 = fq2_mul(fq2_mul(x, x), x), fq2_mul(y, y)
    return y2 == ((x3[0] + TWIST_B[0]) % Q, (x3[1] + TWIST_B[1]) % Q)


def parse_g1(x: object, y: object, *, infinity: bool = False) -> G1:
    """The point with these coordinates.

    Raises: DecodeError unless both are canonical and on the curve; infinity (0, 0) only where `infinity` allows it.

    >>> parse_g1(1, 2)
    G1(x=1, y=2)
    """
    point = G1(_coordinate(x), _coordinate(y))
    if point.is_infinity:
        if not infinity:
            raise DecodeError("point at infinity where none is allowed")
    elif not on_g1(*point):
        raise DecodeError("point not on the curve")
    return point


def parse_g2(
    x: tuple[object, object], y: tuple[object, object], *, infinity: bool = False, subgroup: bool = True
) -> G2:
    """The point with these coordinates, each a pair (c0, c1).

    Raises: DecodeError unless canonical, on the twist and of order R; infinity only where `infinity` allows it.
        `subgroup=False` leaves the test of the order to the caller, who must then make it before using the point.
    """
    if len(x) != 2 or len(y) != 2:
        raise DecodeError("a coordinate of G2 has two halves")
    point = G2((_coordinate(x[0]), _coordinate(x[1])), (_coordinate(y[0]), _coordinate(y[1])))
    if point.is_infinity:
        if not infinity:
            raise DecodeError("point at infinity where none is allowed")
    elif not on_twist(*point):
        raise DecodeError("point not on the twist")
    elif subgroup and not in_g2_subgroup(point):
        raise DecodeError("point on the twist but outside the subgroup")
    return point


def decode_g1(data: bytes, *, infinity: bool = False) -> G1:
    """The point of these 64 bytes (EIP-196).

    Raises: DecodeError unless they are the one canonical encoding of a point of G1.
    """
    if len(data) != G1_BYTES:
        raise DecodeError(f"want {G1_BYTES} bytes, got {len(data)}")
    return parse_g1(int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big"), infinity=infinity)


def decode_g2(data: bytes, *, infinity: bool = False, subgroup: bool = True) -> G2:
    """The point of these 128 bytes (EIP-197).

    Raises: DecodeError unless they are the one canonical encoding of a point of G2; `subgroup` as in `parse_g2`.
    """
    if len(data) != G2_BYTES:
        raise DecodeError(f"want {G2_BYTES} bytes, got {len(data)}")
    x1, x0, y1, y0 = (int.from_bytes(data[i : i + 32], "big") for i in range(0, G2_BYTES, 32))
    return parse_g2((x0, x1), (y0, y1), infinity=infinity, subgroup=subgroup)


def _fq2_pow(a: Fq2, exponent: int) -> Fq2:
    out: Fq2 = (1, 0)
    while exponent:
        if exponent & 1:
            out = fq2_mul(out, a)
        a = fq2_mul(a, a)
        exponent >>= 1
    return out


_PSI_X = _fq2_pow((9, 1), (Q - 1) // 3)
_PSI_Y = _fq2_pow((9, 1), (Q - 1) // 2)
_CURVE_U = 4965661367192848881


def twist_frobenius(point: G2) -> G2:
    """The q-power Frobenius carried to the twist, usually called psi; it multiplies points of the subgroup by q."""
    (x0, x1), (y0, y1) = point
    return G2(fq2_mul((x0, -x1), _PSI_X), fq2_mul((y0, -y1), _PSI_Y))


def in_g2_subgroup(point: G2) -> bool:
    """Whether a point of the twist has order R, by the Frobenius eigenvalue: psi(P) == [t - 1] P, t - 1 = 6 u^2.

    Exact: psi^2 - t psi + q = 0 on the twist, so psi(P) = [t - 1] P gives [(t-1)^2 - t(t-1) + q] P = [q + 1 - t] P
    = [R] P = 0; the converse holds because psi acts on the subgroup as q, and q = t - 1 modulo R.

    Source: eprint 2022/348, section 4.
    """
    if point.is_infinity:
        return True
    return _twist_multiple_equals(point, 6 * _CURVE_U * _CURVE_U, twist_frobenius(point))


def _twist_multiple_equals(point: G2, scalar: int, target: tuple[Fq2, Fq2]) -> bool:
    """Whether [scalar] point == target, in Jacobian coordinates on the twist (scalar below the group order)."""
    x, y, z = point.x, point.y, (1, 0)
    for bit in bin(scalar)[3:]:
        x, y, z = _double(x, y, z)
        if bit == "1":
            x, y, z = _add_affine(x, y, z, point)
    if z == (0, 0):
        return False
    z2 = fq2_mul(z, z)
    return x == fq2_mul(target[0], z2) and y == fq2_mul(target[1], fq2_mul(z2, z))


def _sub(a: Fq2, b: Fq2) -> Fq2:
    return (a[0] - b[0]) % Q, (a[1] - b[1]) % Q


def _double(x: Fq2, y: Fq2, z: Fq2) -> tuple[Fq2, Fq2, Fq2]:
    a, b = fq2_mul(x, x), fq2_mul(y, y)
    c = fq2_mul(b, b)
    s = fq2_mul(x, b)
    d = (4 * s[0], 4 * s[1])
    e = (3 * a[0], 3 * a[1])
    x3 = _sub(fq2_mul(e, e), (2 * d[0], 2 * d[1]))
    y3 = _sub(fq2_mul(e, _sub(d, x3)), (8 * c[0], 8 * c[1]))
    yz = fq2_mul(y, z)
    return x3, y3, (2 * yz[0] % Q, 2 * yz[1] % Q)


def _add_affine(x: Fq2, y: Fq2, z: Fq2, other: G2) -> tuple[Fq2, Fq2, Fq2]:
    z2 = fq2_mul(z, z)
    h = _sub(fq2_mul(other.x, z2), x)
    r = _sub(fq2_mul(other.y, fq2_mul(z2, z)), y)
    if h == (0, 0):
        return _double(x, y, z) if r == (0, 0) else ((1, 0), (1, 0), (0, 0))
    h2 = fq2_mul(h, h)
    h3, v = fq2_mul(h, h2), fq2_mul(x, h2)
    x3 = _sub(fq2_mul(r, r), (h3[0] + 2 * v[0], h3[1] + 2 * v[1]))
    y3 = _sub(fq2_mul(r, _sub(v, x3)), fq2_mul(y, h3))
    return x3, y3, fq2_mul(z, h)
