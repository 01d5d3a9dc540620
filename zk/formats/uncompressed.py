"""Points with both coordinates, in the spellings of arkworks and gnark.

arkworks   x, y little-endian (c0, c1), the same flags as compressed, in the last byte of y
gnark      x, y big-endian (c1, c0), no flags: the bytes of EIP-196 and EIP-197
"""

from dataclasses import dataclass
from typing import ClassVar

from mpc.errors import DecodeError, ParameterError
from zk.curve import G1, G2, decode_g1, decode_g2, parse_g1, parse_g2
from zk.formats.compressed import ARKWORKS

__all__ = ["ARKWORKS_RAW", "GNARK_RAW"]


@dataclass(frozen=True, slots=True)
class _Arkworks:
    """As `PointCodec`, with y written out; its flags must be those y has."""

    g1_bytes: ClassVar[int] = 64
    g2_bytes: ClassVar[int] = 128

    @staticmethod
    def _join(compressed: bytes, y: tuple[int, ...]) -> bytes:
        x, flags = bytearray(compressed), compressed[-1] & 0xC0
        x[-1] &= 0x3F
        body = bytearray(b"".join(half.to_bytes(32, "little") for half in y))
        body[-1] |= flags
        return bytes(x) + bytes(body)

    def encode_g1(self, point: G1) -> bytes:
        """64 bytes; infinity is never written."""
        return self._join(ARKWORKS.encode_g1(point), (point.y,))

    def encode_g2(self, point: G2) -> bytes:
        """128 bytes; infinity is never written."""
        return self._join(ARKWORKS.encode_g2(point), point.y)

    def decode_g1(self, data: bytes) -> G1:
        """The point these 64 bytes spell.

        Raises: DecodeError unless they are its one spelling.
        """
        x, y = _halves(data, 64)
        point = parse_g1(x[0], y[0])
        if self.encode_g1(point) != bytes(data):
            raise DecodeError("flags that do not fit the point")
        return point

    def decode_g2(self, data: bytes) -> G2:
        """The point these 128 bytes spell.

        Raises: DecodeError unless they are its one spelling.
        """
        x, y = _halves(data, 128)
        point = parse_g2((x[0], x[1]), (y[0], y[1]))
        if self.encode_g2(point) != bytes(data):
            raise DecodeError("flags that do not fit the point")
        return point


def _halves(data: bytes, size: int) -> tuple[list[int], list[int]]:
    """The numbers of x and of y, flags cleared."""
    if len(data) != size:
        raise DecodeError(f"an uncompressed point has {size} bytes here, got {len(data)}")
    body = bytearray(data)
    if body[-1] >> 6 == ARKWORKS.infinity:
        raise DecodeError("point at infinity where none is allowed")
    body[-1] &= 0x3F
    numbers = [int.from_bytes(body[i : i + 32], "little") for i in range(0, size, 32)]
    return numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]


@dataclass(frozen=True, slots=True)
class _Gnark:
    """The bytes of EIP-196 and EIP-197."""

    g1_bytes: ClassVar[int] = 64
    g2_bytes: ClassVar[int] = 128

    def encode_g1(self, point: G1) -> bytes:
        """64 bytes; infinity is never written."""
        if point.is_infinity:
            raise ParameterError("no key or proof holds the point at infinity")
        return point.to_bytes()

    def encode_g2(self, point: G2) -> bytes:
        """128 bytes; infinity is never written."""
        if point.is_infinity:
            raise ParameterError("no key or proof holds the point at infinity")
        return point.to_bytes()

    def decode_g1(self, data: bytes) -> G1:
        """The point these 64 bytes spell.

        Raises: DecodeError unless they are its one spelling.
        """
        return decode_g1(data)

    def decode_g2(self, data: bytes) -> G2:
        """The point these 128 bytes spell.

        Raises: DecodeError unless they are its one spelling.
        """
        return decode_g2(data)


ARKWORKS_RAW, GNARK_RAW = _Arkworks(), _Gnark()
