"""The binary container of the circom and snarkjs tools: a four-letter magic, a version, sections with sizes.

Every size is checked against the bytes that are really there before anything is allocated, and the sections must
tile the file exactly: no gap, no overlap, no repetition, no trailing bytes.

Source: iden3/r1csfile, doc/r1cs_bin_format.md; iden3/binfileutils.
"""

import struct
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from mpc.errors import DecodeError

__all__ = ["Cursor", "read_sections", "write_sections"]

MAX_SECTIONS = 64


def read_sections(
    data: bytes | memoryview, magic: bytes, version: int, known: Collection[int]
) -> dict[int, memoryview]:
    """The sections of a file, by type, as views into `data`.

    Raises: DecodeError for another magic or version, an unknown or repeated section, or sizes that do not tile it.
    """
    view = memoryview(data)
    cursor = Cursor(view, f"{magic.decode()} file")
    if bytes(cursor.take(4)) != magic:
        raise DecodeError(f"not a {magic.decode()} file")
    if (found := cursor.u32()) != version:
        raise DecodeError(f"{magic.decode()} version {found}, only {version} is read")
    if (count := cursor.u32()) > MAX_SECTIONS:
        raise DecodeError(f"{count} sections announced, at most {MAX_SECTIONS} are read")
    sections: dict[int, memoryview] = {}
    for _ in range(count):
        kind, size = cursor.u32(), cursor.u64()
        if kind in sections:
            raise DecodeError(f"section {kind} appears twice")
        if kind not in known:
            raise DecodeError(f"unknown section {kind}")
        sections[kind] = cursor.take(size)
    cursor.finish()
    return sections


def write_sections(magic: bytes, version: int, sections: Sequence[tuple[int, bytes]]) -> bytes:
    """The file that `read_sections` reads back into `sections`."""
    parts = [magic, struct.pack("<II", version, len(sections))]
    for kind, body in sections:
        parts += [struct.pack("<IQ", kind, len(body)), body]
    return b"".join(parts)


@dataclass(slots=True)
class Cursor:
    """Reads little-endian fields off a view, never past its end.

    Raises: DecodeError when fewer bytes are left than asked for, or `finish()` finds some left over.
    """

    view: memoryview
    what: str
    at: int = field(default=0)

    def take(self, size: int) -> memoryview:
        left = len(self.view) - self.at
        if size > left:
            raise DecodeError(f"{self.what}: {size} bytes announced, {left} left")
        self.at += size
        return self.view[self.at - size : self.at]

    def u32(self) -> int:
        return int.from_bytes(self.take(4), "little")

    def u64(self) -> int:
        return int.from_bytes(self.take(8), "little")

    def number(self, modulus: int, what: str) -> int:
        """A 32-byte number below `modulus`."""
        value = int.from_bytes(self.take(32), "little")
        if value >= modulus:
            raise DecodeError(f"{self.what}: {what} is not reduced modulo the field")
        return value

    def field_header(self, modulus: int) -> None:
        """The element size and modulus that open most headers; both must be alt_bn128's."""
        if (size := self.u32()) != 32:
            raise DecodeError(f"{self.what}: elements of {size} bytes, want 32")
        if int.from_bytes(self.take(32), "little") != modulus:
            raise DecodeError(f"{self.what}: another field than alt_bn128's")

    def finish(self) -> None:
        if self.at != len(self.view):
            raise DecodeError(f"{self.what}: {len(self.view) - self.at} bytes left over")
