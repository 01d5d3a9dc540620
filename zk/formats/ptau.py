"""`.ptau`: powers of tau of a public ceremony, as snarkjs writes them.

    1 sizes   2 tau G1   3 tau G2   4 alpha tau G1   5 beta tau G1   6 beta G2   7 contributions   12-15 prepared points

Who contributed is for snarkjs to verify (`snarkjs powersoftau verify`); that the points are powers, and the prepared ones
(Lagrange bases of every size) are theirs, `Powers.check` finds out.

Source: iden3/snarkjs 0.7, src/powersoftau_utils.js.
"""

import os
import struct

import numpy as np

from mpc.errors import DecodeError, ParameterError
from zk.curve import Q
from zk.field import TWO_ADICITY
from zk.formats.bulk import g1_bulk, g2, g2_bulk, map_file
from zk.formats.iden3 import Cursor, read_sections, write_sections
from zk.limbs import Limbs, g2_array
from zk.powers import Powers, Prepared

__all__ = ["MAGIC", "decode_powers", "encode_powers"]

MAGIC = b"ptau"
_VERSION = 1
_NEEDED = (1, 2, 3, 4, 5, 6, 7)
_PREPARED = (12, 13, 14, 15)


def decode_powers(source: str | os.PathLike[str] | bytes, log_size: int | None = None) -> Powers:
    """The powers of a `.ptau`, or only those for a domain of 2^log_size; points are on their curves.

    Raises: DecodeError for a malformed file; ParameterError when it does not reach `log_size`.
    """
    sections = read_sections(map_file(source), MAGIC, _VERSION, (*_NEEDED, *_PREPARED))
    if missing := [kind for kind in _NEEDED if kind not in sections]:
        raise DecodeError(f"ptau lacks section {missing[0]}")
    header = Cursor(sections[1], "ptau header")
    header.field_header(Q)
    power, _ceremony_power = header.u32(), header.u32()
    header.finish()
    if not 1 <= power <= TWO_ADICITY:
        raise DecodeError(f"ptau of power {power}")
    wanted = power if log_size is None else log_size
    if not 1 <= wanted <= power:
        raise ParameterError(f"these powers reach 2^{power} rows, the circuit needs 2^{wanted}")
    n = 1 << wanted

    def rows(kind: int, stored: int, count: int, width: int) -> memoryview:
        if len(sections[kind]) != stored * width:
            raise DecodeError(
                f"ptau section {kind}: {stored} points announced, {len(sections[kind])} bytes there"
            )
        return sections[kind][: count * width]

    full = 1 << power
    count = min(2 * n, 2 * full - 1)
    prepared = _prepared(sections, power, wanted) if any(kind in sections for kind in _PREPARED) else None
    return Powers(
        wanted,
        g1_bulk(rows(2, 2 * full - 1, count, 64), count, "tau in G1"),
        g2_bulk(rows(3, full, n, 128), n, "tau in G2"),
        g1_bulk(rows(4, full, n, 64), n, "alpha tau"),
        g1_bulk(rows(5, full, n, 64), n, "beta tau"),
        g2(sections[6], "beta in G2"),
        prepared,
    )


def _prepared(sections: dict[int, memoryview], power: int, wanted: int) -> Prepared:
    """The bases for 2^wanted rows: section 12 holds those of 2^0 to 2^(power + 1), the others to 2^power."""
    if missing := [kind for kind in _PREPARED if kind not in sections]:
        raise DecodeError(f"ptau lacks section {missing[0]}")

    def basis(kind: int, top: int, log_size: int, width: int) -> memoryview:
        if len(sections[kind]) != ((2 << top) - 1) * width:
            raise DecodeError(f"ptau section {kind}: {len(sections[kind])} bytes are not bases up to 2^{top}")
        start = ((1 << log_size) - 1) * width
        return sections[kind][start : start + (width << log_size)]

    n = 1 << wanted
    return Prepared(
        g1_bulk(basis(12, power + 1, wanted, 64), n, "prepared tau in G1"),
        g2_bulk(basis(13, power, wanted, 128), n, "prepared tau in G2"),
        g1_bulk(basis(14, power, wanted, 64), n, "prepared alpha tau"),
        g1_bulk(basis(15, power, wanted, 64), n, "prepared beta tau"),
        g1_bulk(basis(12, power + 1, wanted + 1, 64), 2 * n, "prepared tau in G1, double size"),
    )


def encode_powers(given: Powers) -> bytes:
    """A `.ptau` with these powers and no contribution."""

    def points(array: Limbs) -> bytes:
        return np.ascontiguousarray(array, dtype="<u8").tobytes()

    header = (
        struct.pack("<I", 32) + Q.to_bytes(32, "little") + struct.pack("<II", given.log_size, given.log_size)
    )
    bodies = [header, *map(points, (given.tau_g1, given.tau_g2, given.alpha_tau_g1, given.beta_tau_g1))]
    bodies += [points(g2_array([given.beta_g2])), struct.pack("<I", 0)]
    return write_sections(MAGIC, _VERSION, list(zip(_NEEDED, bodies, strict=True)))
