"""`.ptau`: powers of tau of a public ceremony, as snarkjs writes them.

    1 sizes   2 tau G1   3 tau G2   4 alpha tau G1   5 beta tau G1   6 beta G2   7 contributions   12-15 prepared points

The contributions and the prepared points (Lagrange bases) are not used: who contributed is for snarkjs to verify
(`snarkjs powersoftau verify`), and bases are computed from the powers, which `Powers.check` can vouch for.

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
from zk.powers import Powers

__all__ = ["MAGIC", "decode_powers", "encode_powers"]

MAGIC = b"ptau"
_VERSION = 1
_NEEDED = (1, 2, 3, 4, 5, 6, 7)


def decode_powers(source: str | os.PathLike[str] | bytes, log_size: int | None = None) -> Powers:
    """The powers of a `.ptau`, or only those for a domain of 2^log_size; points are on their curves.

    Raises: DecodeError for a malformed file; ParameterError when it does not reach `log_size`.
    """
    sections = read_sections(map_file(source), MAGIC, _VERSION, (*_NEEDED, 12, 13, 14, 15))
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
    return Powers(
        wanted,
        g1_bulk(rows(2, 2 * full - 1, count, 64), count, "tau in G1"),
        g2_bulk(rows(3, full, n, 128), n, "tau in G2"),
        g1_bulk(rows(4, full, n, 64), n, "alpha tau"),
        g1_bulk(rows(5, full, n, 64), n, "beta tau"),
        g2(sections[6], "beta in G2"),
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
