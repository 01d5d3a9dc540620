"""Just enough of edwards25519 for base transfers: decoding, adding, and the map to X25519's coordinate.

Scalar multiplications are left to X25519 and Ed25519 themselves, in constant time inside OpenSSL; what is
added here are points that travel in the open.

Source: RFC 8032 section 5.1.3; RFC 7748 section 4.1 (the birational map).
"""

from dataclasses import dataclass

from mpc.errors import DecodeError

__all__ = ["ORDER", "Point"]

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, P) % P
_SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)


@dataclass(frozen=True, slots=True)
class Point:
    """An affine point; `Point(0, 1)` is the neutral element."""

    x: int
    y: int

    @classmethod
    def decode(cls, data: bytes) -> "Point":
        """A point from its 32 bytes.

        Raises: DecodeError unless this is the one encoding of a point on the curve.
        """
        if len(data) != 32:
            raise DecodeError(f"a point has 32 bytes, got {len(data)}")
        raw = int.from_bytes(data, "little")
        y, odd = raw & (2**255 - 1), raw >> 255
        if y >= P:
            raise DecodeError("the coordinate is not reduced")
        square = (y * y - 1) * pow(_D * y * y + 1, -1, P) % P
        x = pow(square, (P + 3) // 8, P)
        if (x * x - square) % P:
            x = x * _SQRT_MINUS_ONE % P
        if (x * x - square) % P or (x == 0 and odd):
            raise DecodeError("not a point of the curve")
        return cls(x if x & 1 == odd else P - x, y)

    def encode(self) -> bytes:
        """Little-endian y, with the parity of x in the top bit."""
        return (self.y | (self.x & 1) << 255).to_bytes(32, "little")

    def __neg__(self) -> "Point":
        return Point(-self.x % P, self.y)

    def __add__(self, other: "Point") -> "Point":
        cross = _D * self.x * other.x * self.y * other.y % P
        x = (self.x * other.y + self.y * other.x) * pow(1 + cross, -1, P) % P
        y = (self.y * other.y + self.x * other.x) * pow(1 - cross, -1, P) % P
        return Point(x, y)

    def times(self, scalar: int) -> "Point":
        """The point that many times, for public scalars only: its time depends on them."""
        result, power = Point(0, 1), self
        while scalar:
            if scalar & 1:
                result = result + power
            power, scalar = power + power, scalar >> 1
        return result

    @property
    def is_neutral(self) -> bool:
        """Whether adding it changes nothing."""
        return (self.x, self.y) == (0, 1)

    @property
    def in_prime_subgroup(self) -> bool:
        """Whether the point has the large prime order, so that nothing hides in the cofactor."""
        return not self.is_neutral and self.times(ORDER).is_neutral

    @property
    def montgomery(self) -> bytes:
        """The u coordinate X25519 works on.

        Raises: DecodeError for the neutral element, which has none.
        """
        if self.y == 1:
            raise DecodeError("the neutral element is no public key")
        return ((1 + self.y) * pow(1 - self.y, -1, P) % P).to_bytes(32, "little")
