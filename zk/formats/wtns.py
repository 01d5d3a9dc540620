"""`.wtns`: the witness of a circom circuit, every wire's value in order, the constant one first.

Leakage: the file holds the prover's secrets in the clear.
Source: iden3/snarkjs 0.7, src/wtns_utils.js.
"""

import os
import struct
from collections.abc import Sequence

from mpc.errors import DecodeError
from zk.field import R
from zk.formats.bulk import map_file, number_rows
from zk.formats.iden3 import Cursor, read_sections, write_sections

__all__ = ["MAGIC", "decode_witness", "encode_witness"]

MAGIC = b"wtns"
_VERSION = 2


def decode_witness(source: str | os.PathLike[str] | bytes) -> list[int]:
    """The values of all wires.

    Raises: DecodeError for another field, a count that does not match, unreduced values, or a first wire but 1.
    """
    sections = read_sections(map_file(source), MAGIC, _VERSION, (1, 2))
    if set(sections) != {1, 2}:
        raise DecodeError("wtns lacks a section")
    header = Cursor(sections[1], "wtns header")
    header.field_header(R)
    count = header.u32()
    header.finish()
    if count * 32 != len(sections[2]):
        raise DecodeError(f"wtns: {count} values announced, {len(sections[2])} bytes there")
    data = number_rows(sections[2], R, "wtns").tobytes()
    values = [int.from_bytes(data[i : i + 32], "little") for i in range(0, len(data), 32)]
    if not values or values[0] != 1:
        raise DecodeError("wtns: the first wire must be the constant one")
    return values


def encode_witness(values: Sequence[int]) -> bytes:
    """A `.wtns` that snarkjs proves from.

    >>> decode_witness(encode_witness([1, 5]))
    [1, 5]
    """
    header = struct.pack("<I", 32) + R.to_bytes(32, "little") + struct.pack("<I", len(values))
    body = b"".join(value.to_bytes(32, "little") for value in values)
    return write_sections(MAGIC, _VERSION, [(1, header), (2, body)])
