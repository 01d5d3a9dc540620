"""`.zkey`: the proving key of snarkjs, with the verifying key and the ceremony's contributions inside.

    2 sizes, alpha, beta, gamma, delta   3 IC   4 matrices A and B   5 A, 6 B1, 7 B2, 8 C, 9 H   10 contributions

Points are affine in Montgomery form, which is also how `ProvingKey` holds them, so loading is mapping the file.
Coefficients are in Montgomery form twice over. The rows that bind the public inputs are part of matrix A.

Source: iden3/snarkjs 0.7, src/zkey_utils.js (format) and src/zkey_new.js (order of the rows).
"""

import os
import struct
from dataclasses import dataclass

import numpy as np

from mpc.errors import DecodeError, ParameterError
from zk.curve import G1, G2, Q, R
from zk.field import TWO_ADICITY
from zk.formats.bulk import all_below, g1, g1_bulk, g2, g2_bulk, map_file
from zk.formats.gnark import same_exponent
from zk.formats.iden3 import Cursor, read_sections, write_sections
from zk.formats.numbers import distinct_integers, distinct_limbs
from zk.groth16 import VerifyingKey
from zk.keys import ProvingKey
from zk.limbs import Limbs, g1_array, g1_points, g2_array
from zk.linear import Linear

__all__ = ["MAGIC", "encode_zkey", "read_proving_key", "read_verifying_key"]

MAGIC = b"zkey"
_VERSION, _GROTH16 = 1, 1
_SECTIONS = range(1, 11)
_COEFFICIENT = np.dtype([("matrix", "<u4"), ("row", "<u4"), ("wire", "<u4"), ("value", "<u8", 4)])
# coefficients are stored as v * 2^512
_TWICE_MONTGOMERY = pow(2, 512, R)
_PLAIN = pow(_TWICE_MONTGOMERY, -1, R)

Source = str | os.PathLike[str] | bytes | memoryview


@dataclass(frozen=True, slots=True)
class _Header:
    n_wires: int
    n_public: int
    domain: int
    alpha_g1: G1
    beta_g1: G1
    beta_g2: G2
    gamma_g2: G2
    delta_g1: G1
    delta_g2: G2


def _open(source: Source) -> tuple[dict[int, memoryview], _Header]:
    sections = read_sections(map_file(source), MAGIC, _VERSION, _SECTIONS)
    if missing := [kind for kind in _SECTIONS if kind not in sections]:
        raise DecodeError(f"zkey lacks section {missing[0]}")
    kind = Cursor(sections[1], "zkey header")
    if (protocol := kind.u32()) != _GROTH16:
        raise DecodeError(f"zkey of protocol {protocol}, only Groth16 ({_GROTH16}) is read")
    kind.finish()
    cursor = Cursor(sections[2], "zkey header")
    cursor.field_header(Q)
    cursor.field_header(R)
    n_wires, n_public, domain = cursor.u32(), cursor.u32(), cursor.u32()
    if not n_public < n_wires or domain < 2 or domain & (domain - 1) or domain > 1 << TWO_ADICITY:
        raise DecodeError(f"zkey of {n_wires} wires, {n_public} public inputs and domain {domain}")
    alpha_g1, beta_g1 = (g1(cursor.take(64), what) for what in ("alpha", "beta in G1"))
    beta_g2, gamma_g2 = (g2(cursor.take(128), what) for what in ("beta", "gamma"))
    delta_g1, delta_g2 = g1(cursor.take(64), "delta in G1"), g2(cursor.take(128), "delta")
    cursor.finish()
    return sections, _Header(
        n_wires, n_public, domain, alpha_g1, beta_g1, beta_g2, gamma_g2, delta_g1, delta_g2
    )


def _ic(sections: dict[int, memoryview], header: _Header) -> tuple[G1, ...]:
    return tuple(g1_points(g1_bulk(sections[3], header.n_public + 1, "IC")))


def read_verifying_key(source: Source) -> VerifyingKey:
    """The verifying key inside a `.zkey`, checked.

    Raises: DecodeError for a malformed file or an unsound key.
    """
    sections, header = _open(source)
    key = VerifyingKey(
        header.alpha_g1, header.beta_g2, header.gamma_g2, header.delta_g2, _ic(sections, header)
    )
    key.check()
    return key


def read_proving_key(source: Source, *, check: bool = True) -> ProvingKey:
    """The proving key of a `.zkey`; its arrays are views into the file.

    With `check` every point is on its curve and the verifying key inside is sound; without, only sizes and ranges are
    looked at, for keys whose digest the caller knows already. That the points belong to one circuit and setup
    is not tested here: see `eppml ceremony verify`.

    Raises: DecodeError for a malformed file, or with `check` for points off their curve.
    """
    sections, h = _open(source)
    matrices = _matrices(sections[4], h)
    key = ProvingKey(
        n_public=h.n_public,
        n_wires=h.n_wires,
        domain=h.domain,
        alpha_g1=h.alpha_g1,
        beta_g1=h.beta_g1,
        beta_g2=h.beta_g2,
        gamma_g2=h.gamma_g2,
        delta_g1=h.delta_g1,
        delta_g2=h.delta_g2,
        ic=_ic(sections, h),
        matrix_a=matrices[0],
        matrix_b=matrices[1],
        a=g1_bulk(sections[5], h.n_wires, "A", infinity=True, check=check),
        b1=g1_bulk(sections[6], h.n_wires, "B1", infinity=True, check=check),
        b2=g2_bulk(sections[7], h.n_wires, "B2", infinity=True, check=check),
        c=g1_bulk(sections[8], h.n_wires - h.n_public - 1, "C", infinity=True, check=check),
        h=g1_bulk(sections[9], h.domain, "H", infinity=True, check=check),
    )
    if check:
        VerifyingKey(h.alpha_g1, h.beta_g2, h.gamma_g2, h.delta_g2, key.ic).check()
        if not same_exponent(h.beta_g1, h.beta_g2) or not same_exponent(h.delta_g1, h.delta_g2):
            raise DecodeError("zkey: beta or delta differs between the groups")
    return key


def _matrices(view: memoryview, header: _Header) -> tuple[Linear, Linear]:
    cursor = Cursor(view, "zkey coefficients")
    entries = np.frombuffer(cursor.take(cursor.u32() * _COEFFICIENT.itemsize), dtype=_COEFFICIENT)
    cursor.finish()
    in_range = (entries["matrix"] < 2) & (entries["row"] < header.domain) & (entries["wire"] < header.n_wires)
    if not in_range.all():
        raise DecodeError("zkey coefficients: a matrix, row or wire number out of range")
    if not all_below(entries["value"], R):
        raise DecodeError("zkey coefficients: a number is not reduced modulo the field")
    found = []
    for matrix in range(2):
        mine = entries[entries["matrix"] == matrix]
        mine = mine[np.argsort(mine["row"], kind="stable")]
        values = distinct_integers(np.ascontiguousarray(mine["value"]), _PLAIN)
        rows, wires = (mine[name].astype(np.int64) for name in ("row", "wire"))
        found.append(Linear(header.domain, rows, wires, values))
    return found[0], found[1]


def _coefficients(key: ProvingKey) -> bytes:
    parts = []
    for number, matrix in enumerate((key.matrix_a, key.matrix_b)):
        entries = np.zeros(len(matrix.rows), dtype=_COEFFICIENT)
        entries["matrix"], entries["row"], entries["wire"] = number, matrix.rows, matrix.wires
        entries["value"] = distinct_limbs(matrix.coefficients, _TWICE_MONTGOMERY)
        parts.append(entries)
    return struct.pack("<I", sum(map(len, parts))) + b"".join(part.tobytes() for part in parts)


def encode_zkey(key: ProvingKey) -> bytes:
    """A `.zkey` that snarkjs proves with; it lists no contributions.

    Raises: ParameterError for a key with commitments, which the format has no place for.
    """
    if len(key.c) != key.n_wires - key.n_public - 1:
        raise ParameterError("a .zkey holds keys without commitments only")

    def points(array: Limbs) -> bytes:
        return np.ascontiguousarray(array, dtype="<u8").tobytes()

    prime_q, prime_r = (struct.pack("<I", 32) + prime.to_bytes(32, "little") for prime in (Q, R))
    sizes = struct.pack("<III", key.n_wires, key.n_public, key.domain)
    header = [prime_q, prime_r, sizes, points(g1_array([key.alpha_g1, key.beta_g1]))]
    header += [points(g2_array([key.beta_g2, key.gamma_g2])), points(g1_array([key.delta_g1]))]
    header.append(points(g2_array([key.delta_g2])))
    bodies = [
        struct.pack("<I", _GROTH16),
        b"".join(header),
        points(g1_array(key.ic)),
        _coefficients(key),
        *(points(array) for array in (key.a, key.b1, key.b2, key.c, key.h)),
        bytes(64) + struct.pack("<I", 0),
    ]
    return write_sections(MAGIC, _VERSION, list(zip(_SECTIONS, bodies, strict=True)))
