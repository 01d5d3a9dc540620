"""Points as an x coordinate and a bit of y, in the two spellings in use: arkworks' and gnark's.

    arkworks   x little-endian (c0, c1); flags in the top two bits of the last byte: 10 larger y, 01 infinity
    gnark      x big-endian (c1, c0); flags in the top two bits of the first byte: 10 smaller y, 11 larger y, 01 infinity

The larger of y and -y is the larger number; over Fq2 the imaginary halves decide unless both are zero.

Source: ark-serialize 0.4, `SWFlags`; gnark-crypto, ecc/bn254/marshal.go.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from gmpy2 import legendre, mpz, powmod

from mpc.errors import DecodeError, ParameterError
from zk.curve import G1, G2, TWIST_B, Fq2, Q, fq2_mul, parse_g1, parse_g2

__all__ = ["ARKWORKS", "GNARK", "PointCodec", "Points", "twist_point"]

_HALF = (Q - 1) // 2
_HALF_INVERSE = (Q + 1) // 2


def _sqrt(value: int) -> int | None:
    """A square root in Fq (q = 3 mod 4), None for a non-residue."""
    if value % Q and legendre(mpz(value), mpz(Q)) != 1:
        return None
    return int(powmod(mpz(value), (Q + 1) // 4, mpz(Q)))


def _sqrt2(value: Fq2) -> Fq2 | None:
    """A square root in Fq2 by the complex method, None for a non-residue."""
    a, b = value
    if b == 0:
        # -1 is a non-residue, so one of a and -a has a root
        root = _sqrt(a)
        return (root, 0) if root is not None else (0, _sqrt(Q - a) or 0)
    norm = _sqrt((a * a + b * b) % Q)
    if norm is None:
        return None
    for sign in (norm, -norm):
        c0 = _sqrt((a + sign) * _HALF_INVERSE % Q)
        if c0:
            return c0, b * pow(2 * c0, -1, Q) % Q
    return None


def twist_point(x: Fq2) -> G2 | None:
    """A point of the twist with this x, of any order, None when there is none."""
    x3 = fq2_mul(fq2_mul(x, x), x)
    y = _sqrt2(((x3[0] + TWIST_B[0]) % Q, (x3[1] + TWIST_B[1]) % Q))
    return None if y is None else G2(x, y)


def _larger(y: Fq2) -> bool:
    return y[1] > _HALF if y[1] else y[0] > _HALF


class Points(Protocol):
    """A way to write points; every point has one spelling."""

    g1_bytes: ClassVar[int]
    g2_bytes: ClassVar[int]

    def encode_g1(self, point: G1) -> bytes: ...
    def encode_g2(self, point: G2) -> bytes: ...
    def decode_g1(self, data: bytes) -> G1: ...
    def decode_g2(self, data: bytes) -> G2: ...


@dataclass(frozen=True, slots=True)
class PointCodec:
    """One tool's spelling of compressed points.

    >>> from zk.curve import G1_GENERATOR
    >>> ARKWORKS.decode_g1(ARKWORKS.encode_g1(G1_GENERATOR)) == G1_GENERATOR
    True
    """

    g1_bytes: ClassVar[int] = 32
    g2_bytes: ClassVar[int] = 64

    order: Literal["little", "big"]
    smaller: int
    larger: int
    infinity: int = 0b01

    def _pack(self, x: tuple[int, ...], flags: int) -> bytes:
        halves = x if self.order == "little" else x[::-1]
        body = bytearray(b"".join(half.to_bytes(32, self.order) for half in halves))
        body[-1 if self.order == "little" else 0] |= flags << 6
        return bytes(body)

    def _unpack(self, data: bytes, size: int) -> tuple[tuple[int, ...], bool]:
        if len(data) != size:
            raise DecodeError(f"a compressed point has {size} bytes here, got {len(data)}")
        body = bytearray(data)
        at = -1 if self.order == "little" else 0
        flags, body[at] = body[at] >> 6, body[at] & 0x3F
        if flags == self.infinity:
            raise DecodeError("point at infinity where none is allowed")
        if flags not in (self.smaller, self.larger):
            raise DecodeError("flags of a compressed point that mean nothing")
        halves = tuple(int.from_bytes(body[i : i + 32], self.order) for i in range(0, size, 32))
        if any(half >= Q for half in halves):
            raise DecodeError("coordinate not reduced modulo the field prime")
        return (halves if self.order == "little" else halves[::-1]), flags == self.larger

    def encode_g1(self, point: G1) -> bytes:
        """32 bytes; infinity is never written."""
        if point.is_infinity:
            raise ParameterError("no key or proof holds the point at infinity")
        return self._pack((point.x,), self.larger if point.y > _HALF else self.smaller)

    def encode_g2(self, point: G2) -> bytes:
        """64 bytes; infinity is never written."""
        if point.is_infinity:
            raise ParameterError("no key or proof holds the point at infinity")
        return self._pack(point.x, self.larger if _larger(point.y) else self.smaller)

    def decode_g1(self, data: bytes) -> G1:
        """The point these 32 bytes spell.

        Raises: DecodeError for a wrong length, x >= Q, flags that mean nothing, infinity, or x of no point.
        """
        (x,), larger = self._unpack(data, 32)
        y = _sqrt((x * x * x + 3) % Q)
        if y is None:
            raise DecodeError("no point of the curve has this x")
        return parse_g1(x, y if (y > _HALF) == larger else Q - y)

    def decode_g2(self, data: bytes) -> G2:
        """The point these 64 bytes spell.

        Raises: as `decode_g1`, and DecodeError for a point outside the subgroup of order R.
        """
        (c0, c1), larger = self._unpack(data, 64)
        point = twist_point((c0, c1))
        if point is None:
            raise DecodeError("no point of the twist has this x")
        return parse_g2(*(point if _larger(point.y) == larger else -point))


ARKWORKS = PointCodec("little", smaller=0b00, larger=0b10)
GNARK = PointCodec("big", smaller=0b10, larger=0b11)
