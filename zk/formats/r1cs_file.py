"""`.r1cs`: the rows of a circuit as circom compiles it.

Wires come in the order of the project's own circuits (the constant, public outputs, public inputs, the rest), so a
`.r1cs` becomes an `R1CS` without moving anything.

Source: iden3/r1csfile, doc/r1cs_bin_format.md, version 1.
"""

import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpc.errors import DecodeError
from zk.field import R
from zk.formats.bulk import all_below, map_file
from zk.formats.iden3 import Cursor, read_sections, write_sections
from zk.formats.numbers import distinct_integers, distinct_limbs
from zk.linear import Linear
from zk.merge import weighted_sum
from zk.r1cs import R1CS, Named

__all__ = ["MAGIC", "CircomInfo", "decode_r1cs", "encode_r1cs"]

MAGIC = b"r1cs"
_VERSION = 1
_HEADER, _CONSTRAINTS, _LABELS = 1, 2, 3
_TERM = np.dtype([("wire", "<u4"), ("value", "<u8", 4)])
# a wire costs a prover five points, and a row may be empty: both are bounded by what a proof can hold
_MAX = 1 << 28


@dataclass(frozen=True, slots=True)
class CircomInfo:
    """What a `.r1cs` says beside its rows; outputs come first among the public wires."""

    n_outputs: int
    n_public_inputs: int
    n_private_inputs: int


def decode_r1cs(source: str | os.PathLike[str] | bytes) -> tuple[R1CS, CircomInfo]:
    """The circuit of a `.r1cs`.

    Raises: DecodeError for another field, custom gates, counts that do not fit, or wires and numbers out of range.
    """
    sections = read_sections(map_file(source), MAGIC, _VERSION, (_HEADER, _CONSTRAINTS, _LABELS, 4, 5))
    if missing := [kind for kind in (_HEADER, _CONSTRAINTS, _LABELS) if kind not in sections]:
        raise DecodeError(f"r1cs lacks section {missing[0]}")
    if any(len(sections.get(kind, b"")) > 4 or any(sections.get(kind, b"")) for kind in (4, 5)):
        raise DecodeError("r1cs with custom gates is for PLONK, not for Groth16")
    header = Cursor(sections[_HEADER], "r1cs header")
    header.field_header(R)
    n_wires, n_out, n_in, n_private = (header.u32() for _ in range(4))
    n_labels, n_rows = header.u64(), header.u32()
    header.finish()
    if not 1 + n_out + n_in + n_private <= n_wires <= _MAX or n_labels < n_wires:
        raise DecodeError(
            f"r1cs of {n_wires} wires, {n_out} + {n_in} + {n_private} of them inputs and outputs"
        )
    if len(sections[_LABELS]) != 8 * n_wires:
        raise DecodeError(f"r1cs: {n_wires} labels take {8 * n_wires} bytes, got {len(sections[_LABELS])}")
    # an empty row still takes its three counts
    if n_rows * 12 > len(sections[_CONSTRAINTS]):
        raise DecodeError(f"r1cs: {n_rows} rows announced in {len(sections[_CONSTRAINTS])} bytes")
    sides = _rows(sections[_CONSTRAINTS], n_rows, n_wires)
    n_public = n_out + n_in
    names = [
        ("1", 0, 1),
        ("out", 1, 1 + n_out),
        ("in", 1 + n_out, 1 + n_public),
        ("wire", 1 + n_public, n_wires),
    ]
    wires = tuple(Named(name, start, stop) for name, start, stop in names if stop > start)
    rows = (Named("row", 0, n_rows),) if n_rows else ()
    return R1CS(n_public, n_wires, (), *sides, wires, rows), CircomInfo(n_out, n_in, n_private)


def _rows(view: memoryview, n_rows: int, n_wires: int) -> tuple[Linear, Linear, Linear]:
    counts = np.zeros(3 * n_rows, dtype=np.int64)
    starts = np.zeros(3 * n_rows, dtype=np.int64)
    at, size = 0, len(view)
    for i in range(3 * n_rows):
        if at + 4 > size:
            raise DecodeError("r1cs: rows cut short")
        (count,) = struct.unpack_from("<I", view, at)
        counts[i], starts[i] = count, at + 4
        at += 4 + count * _TERM.itemsize
    if at != size:
        raise DecodeError("r1cs: bytes missing or left over after the last row")
    data = np.frombuffer(view, dtype=np.uint8)
    return (
        _side(data, starts[0::3], counts[0::3], n_wires),
        _side(data, starts[1::3], counts[1::3], n_wires),
        _side(data, starts[2::3], counts[2::3], n_wires),
    )


def _side(
    data: NDArray[np.uint8], starts: NDArray[np.int64], counts: NDArray[np.int64], n_wires: int
) -> Linear:
    total = int(counts.sum())
    before = np.cumsum(counts) - counts
    offsets = np.repeat(starts - before * _TERM.itemsize, counts) + np.arange(total) * _TERM.itemsize
    terms = data[offsets[:, None] + np.arange(_TERM.itemsize)].reshape(-1).view(_TERM)
    if (terms["wire"] >= n_wires).any():
        raise DecodeError("r1cs: a wire number out of range")
    values = np.ascontiguousarray(terms["value"])
    if not all_below(values, R):
        raise DecodeError("r1cs: a coefficient is not reduced modulo the field")
    rows = np.repeat(np.arange(len(counts)), counts)
    return Linear(len(counts), rows, terms["wire"].astype(np.int64), distinct_integers(values, 1))


def encode_r1cs(circuit: R1CS, info: CircomInfo | None = None) -> bytes:
    """A `.r1cs` that snarkjs sets up from; committed wires become private ones.

    Without `info` all public wires count as inputs.
    """
    split = info or CircomInfo(0, circuit.n_public, 0)
    header = struct.pack("<I", 32) + R.to_bytes(32, "little")
    header += struct.pack(
        "<IIII", circuit.n_wires, split.n_outputs, split.n_public_inputs, split.n_private_inputs
    )
    header += struct.pack("<QI", circuit.n_wires, circuit.n_rows)
    labels = np.arange(circuit.n_wires, dtype="<u8").tobytes()
    body = _interleaved([_packed(side) for side in (circuit.a, circuit.b, circuit.c)])
    return write_sections(MAGIC, _VERSION, [(_HEADER, header), (_CONSTRAINTS, body), (_LABELS, labels)])


def _packed(side: Linear) -> list[bytes]:
    """The bytes of each row's combination, like terms merged and wires in ascending order, as circom writes them."""
    merged = weighted_sum([(side, 1)])
    terms = np.zeros(len(merged.rows), dtype=_TERM)
    terms["wire"], terms["value"] = merged.wires, distinct_limbs(merged.coefficients, 1)
    bounds = np.searchsorted(merged.rows, np.arange(side.n + 1)).tolist()
    data, width = terms.tobytes(), _TERM.itemsize
    return [
        struct.pack("<I", stop - start) + data[start * width : stop * width]
        for start, stop in zip(bounds[:-1], bounds[1:], strict=True)
    ]


def _interleaved(sides: Sequence[Sequence[bytes]]) -> bytes:
    return b"".join(part for row in zip(*sides, strict=True) for part in row)
