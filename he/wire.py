"""Canonical bytes: fixed-width numbers, length-prefixed minimal integers, and a reader that bounds
everything."""

from collections.abc import Sequence
from typing import Any

from gmpy2 import mpz

from mpc.errors import DecodeError
from mpc.json_text import read_json

__all__ = ["MAX_INTEGER_BYTES", "Reader", "Writer", "int_bytes", "json_object"]

MAX_INTEGER_BYTES = 1 << 12
"""No number in a key or a proof is longer: 32,768 bits."""


def int_bytes(value: int) -> bytes:
    """The minimal big-endian bytes of a number that is not negative; zero is no byte at all."""
    return int(value).to_bytes((value.bit_length() + 7) // 8, "big")


MAX_NESTING = 8


def json_object(text: str, limit: int) -> dict[str, Any]:
    """The JSON object that `text` spells.

    Raises: DecodeError for anything else, for more than `limit` bytes, and for deep nesting.
    """
    value = read_json(text, max_bytes=limit, max_depth=MAX_NESTING)
    if not isinstance(value, dict):
        raise DecodeError("not a JSON object")
    return value


class Writer:
    """Collects fields; each has one spelling only."""

    __slots__ = ("_parts",)

    def __init__(self, magic: bytes = b"") -> None:
        self._parts = [magic]

    def raw(self, data: bytes) -> "Writer":
        self._parts.append(data)
        return self

    def number(self, value: int, size: int = 4) -> "Writer":
        """`value` in exactly `size` bytes."""
        return self.raw(int(value).to_bytes(size, "big"))

    def blob(self, data: bytes) -> "Writer":
        return self.number(len(data)).raw(data)

    def integer(self, value: int) -> "Writer":
        """A number of any size that is not negative, length first, without leading zeros."""
        return self.blob(int_bytes(value))

    def integers(self, values: Sequence[int]) -> "Writer":
        self.number(len(values))
        for value in values:
            self.integer(value)
        return self

    def done(self) -> bytes:
        return b"".join(self._parts)


class Reader:
    """Reads what `Writer` wrote; everything else raises DecodeError, before anything large is allocated."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes, magic: bytes = b"") -> None:
        self._data, self._at = bytes(data), len(magic)
        if not self._data.startswith(magic):
            raise DecodeError(f"this does not start with {magic!r}")

    def raw(self, size: int) -> bytes:
        if size > len(self._data) - self._at:
            raise DecodeError(f"truncated: {size} bytes wanted, {len(self._data) - self._at} left")
        self._at += size
        return self._data[self._at - size : self._at]

    def number(self, size: int = 4, below: int | None = None) -> int:
        value = int.from_bytes(self.raw(size), "big")
        if below is not None and value >= below:
            raise DecodeError(f"{value} is out of range: it must be below {below}")
        return value

    def blob(self, limit: int | None = None) -> bytes:
        size = self.number()
        if limit is not None and size > limit:
            raise DecodeError(f"a field of {size} bytes where at most {limit} are allowed")
        return self.raw(size)

    def integer(self, limit: int = MAX_INTEGER_BYTES) -> mpz:
        data = self.blob(limit)
        if data[:1] == b"\0":
            raise DecodeError("a number with a leading zero")
        return mpz(int.from_bytes(data, "big"))

    def integers(self, count: int | None = None, limit: int = MAX_INTEGER_BYTES) -> tuple[mpz, ...]:
        """As many numbers as are announced; exactly `count` of them when it is given."""
        announced = self.number()
        if count is not None and announced != count:
            raise DecodeError(f"{announced} numbers where {count} were expected")
        # every number takes at least its four-byte length, so a lie about the count is seen before allocating
        if 4 * announced > len(self._data) - self._at:
            raise DecodeError(f"truncated: {announced} numbers announced")
        return tuple(self.integer(limit) for _ in range(announced))

    def end(self) -> None:
        if self._at != len(self._data):
            raise DecodeError(f"{len(self._data) - self._at} bytes too many")
