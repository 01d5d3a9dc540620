"""Binary files: round trips, and headers that lie about sizes, fields, counts and points."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream
from zk import groth16
from zk.curve import Q, R, in_g2_subgroup
from zk.formats import circom, load_verifying_key, snarkjs
from zk.formats.compressed import twist_point
from zk.formats.iden3 import read_sections, write_sections
from zk.formats.numbers import distinct_integers, distinct_limbs
from zk.formats.r1cs_file import decode_r1cs, encode_r1cs
from zk.formats.wtns import decode_witness, encode_witness
from zk.formats.zkey import encode_zkey, read_proving_key, read_verifying_key
from zk.limbs import g2_array
from zk.r1cs import WitnessError

SNARKJS = Path(__file__).parents[1] / "vectors" / "groth16" / "external" / "snarkjs"
ZKEY, WTNS, R1CS_FILE = ((SNARKJS / f"fx.{end}").read_bytes() for end in ("zkey", "wtns", "r1cs"))
KEY = snarkjs.decode_verifying_key((SNARKJS / "verification_key.json").read_bytes())


def stream(label: bytes) -> Stream:
    return Stream(bytes(32), label)


def test_r1cs_and_witness_of_circom_fit() -> None:
    circuit, info = decode_r1cs(SNARKJS / "fx.r1cs")
    assert (circuit.n_public, info.n_outputs, info.n_public_inputs, info.n_private_inputs) == (3, 2, 1, 1)
    witness = decode_witness(SNARKJS / "fx.wtns")
    circuit.check(np.array(witness, dtype=object))
    assert witness[3] == 11 and witness[2] == 7 * 7 + 11


def test_files_are_written_as_read() -> None:
    assert encode_witness(decode_witness(WTNS)) == WTNS
    circuit, info = decode_r1cs(R1CS_FILE)
    again, same = decode_r1cs(encode_r1cs(circuit, info))
    assert again.digest == circuit.digest and same == info
    key = read_proving_key(ZKEY)
    assert encode_zkey(read_proving_key(encode_zkey(key))) == encode_zkey(key)
    ours, theirs = (read_sections(data, b"zkey", 1, range(1, 11)) for data in (encode_zkey(key), ZKEY))
    for kind in (1, 2, 3, 5, 6, 7, 8, 9):
        assert ours[kind] == theirs[kind]
    assert sorted(_entries(ours[4])) == sorted(_entries(theirs[4]))


def _entries(section: memoryview) -> list[bytes]:
    return [bytes(section[i : i + 44]) for i in range(4, len(section), 44)]


def test_verifying_key_inside_a_zkey() -> None:
    assert read_verifying_key(ZKEY) == load_verifying_key(SNARKJS / "fx.zkey") == KEY


def test_setup_here_has_the_matrices_snarkjs_writes() -> None:
    """Rows in the same order, consistency rows included: the same digest of the two matrices."""
    circuit, _ = decode_r1cs(R1CS_FILE)
    ours, _ = groth16.setup(circuit, stream(b"setup"), unsafe_single_party=True)
    theirs = read_proving_key(ZKEY)
    assert (ours.n_public, ours.n_wires, ours.domain) == (theirs.n_public, theirs.n_wires, theirs.domain)
    for mine, other in ((ours.matrix_a, theirs.matrix_a), (ours.matrix_b, theirs.matrix_b)):
        assert _cells(mine) == _cells(other)


def _cells(matrix: Any) -> dict[tuple[int, int], int]:
    cells: dict[tuple[int, int], int] = {}
    for row, wire, value in zip(matrix.rows, matrix.wires, matrix.coefficients, strict=True):
        cells[int(row), int(wire)] = (cells.get((int(row), int(wire)), 0) + int(value)) % R
    return cells


@pytest.mark.parametrize("with_circuit", [False, True])
def test_proof_from_a_snarkjs_zkey_and_witness(with_circuit: bool) -> None:
    circuit = decode_r1cs(R1CS_FILE)[0] if with_circuit else None
    proof, publics = circom.prove(read_proving_key(ZKEY), decode_witness(WTNS), stream(b"p"), circuit=circuit)
    groth16.verify(KEY, publics, proof)


@pytest.mark.parametrize("with_circuit", [False, True])
@pytest.mark.parametrize("wire", [1, 3, 4, 100, 243])
def test_wrong_witness_gives_no_proof(with_circuit: bool, wire: int) -> None:
    circuit = decode_r1cs(R1CS_FILE)[0] if with_circuit else None
    witness = decode_witness(WTNS)
    witness[wire] = (witness[wire] + 1) % R
    with pytest.raises(WitnessError):
        circom.prove(read_proving_key(ZKEY), witness, stream(b"p"), circuit=circuit)


@pytest.mark.parametrize("wire", [0, 2, 5])
def test_key_with_a_point_outside_the_subgroup_never_gives_a_proof(wire: int) -> None:
    """B would lie outside the subgroup by the wire's value times that point, and tell it modulo the small factors."""
    key = read_proving_key(ZKEY)
    k = 1
    while (outside := twist_point((k, 0))) is None or in_g2_subgroup(outside):
        k += 1
    poisoned = key.b2.copy()
    poisoned[wire] = g2_array([outside])[0]
    circuit, _ = decode_r1cs(R1CS_FILE)
    with pytest.raises(WitnessError):
        circom.prove(replace(key, b2=poisoned), decode_witness(WTNS), stream(b"p"), circuit=circuit)


def test_witness_of_another_length_or_constant() -> None:
    key, witness = read_proving_key(ZKEY), decode_witness(WTNS)
    for bad in (witness[:-1], [*witness, 0], [2, *witness[1:]]):
        with pytest.raises(WitnessError):
            circom.prove(key, bad, stream(b"p"))


def replaced(data: bytes, kind: int, edit: Callable[[bytes], bytes]) -> bytes:
    """The same file with one section edited."""
    magic, version = data[:4], int.from_bytes(data[4:8], "little")
    sections = read_sections(data, magic, version, range(1, 20))
    return write_sections(
        magic, version, [(k, edit(bytes(v)) if k == kind else bytes(v)) for k, v in sections.items()]
    )


def at(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body[:offset] + value + body[offset + len(value) :]


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


FIELD_R = 4
SIZES = 4 + 32 + 4 + 32
ALPHA, BETA_2 = SIZES + 12, SIZES + 12 + 128
OFF_CURVE = (1).to_bytes(32, "little") * 2


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("another_magic", b"zkex" + ZKEY[4:]),
        ("another_version", ZKEY[:4] + u32(2) + ZKEY[8:]),
        ("sections_of_gigabytes", ZKEY[:8] + u32(0xFFFFFFFF) + ZKEY[12:]),
        ("section_longer_than_file", ZKEY[:16] + (1 << 60).to_bytes(8, "little") + ZKEY[24:]),
        ("section_missing", ZKEY[:8] + u32(9) + ZKEY[12:]),
        ("trailing_byte", ZKEY + b"\0"),
        ("cut_short", ZKEY[:-1]),
        ("section_twice", write_sections(b"zkey", 1, [(1, u32(1)), (1, u32(1))])),
        ("section_unknown", write_sections(b"zkey", 1, [(77, b"")])),
        ("plonk", replaced(ZKEY, 1, at(0, u32(2)))),
        ("another_base_field", replaced(ZKEY, 2, at(4, R.to_bytes(32, "little")))),
        ("elements_of_48_bytes", replaced(ZKEY, 2, at(0, u32(48)))),
        ("wires_of_gigabytes", replaced(ZKEY, 2, at(SIZES, u32(0xFFFFFFFF)))),
        ("more_publics_than_wires", replaced(ZKEY, 2, at(SIZES + 4, u32(999)))),
        ("fewer_publics", replaced(ZKEY, 2, at(SIZES + 4, u32(2)))),
        ("domain_not_a_power_of_two", replaced(ZKEY, 2, at(SIZES + 8, u32(255)))),
        ("domain_zero", replaced(ZKEY, 2, at(SIZES + 8, u32(0)))),
        ("alpha_off_curve", replaced(ZKEY, 2, at(ALPHA, OFF_CURVE))),
        ("alpha_infinity", replaced(ZKEY, 2, at(ALPHA, bytes(64)))),
        ("alpha_unreduced", replaced(ZKEY, 2, at(ALPHA, Q.to_bytes(32, "little")))),
        ("beta_infinity", replaced(ZKEY, 2, at(BETA_2, bytes(128)))),
        ("header_longer", replaced(ZKEY, 2, lambda body: body + b"\0")),
        ("ic_short", replaced(ZKEY, 3, lambda body: body[:-64])),
        ("ic_infinity", replaced(ZKEY, 3, at(64, bytes(64)))),
        ("ic_off_curve", replaced(ZKEY, 3, at(64, OFF_CURVE))),
        ("coefficients_of_gigabytes", replaced(ZKEY, 4, at(0, u32(0xFFFFFFFF)))),
        ("coefficient_of_no_matrix", replaced(ZKEY, 4, at(4, u32(2)))),
        ("coefficient_of_no_row", replaced(ZKEY, 4, at(8, u32(256)))),
        ("coefficient_of_no_wire", replaced(ZKEY, 4, at(12, u32(244)))),
        ("coefficient_unreduced", replaced(ZKEY, 4, at(16, R.to_bytes(32, "little")))),
        ("a_off_curve", replaced(ZKEY, 5, at(64, OFF_CURVE))),
        ("b2_off_twist", replaced(ZKEY, 7, at(0, OFF_CURVE * 2))),
        ("c_short", replaced(ZKEY, 8, lambda body: body[:-64])),
        ("h_unreduced", replaced(ZKEY, 9, at(0, b"\xff" * 32))),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_zkey_that_lies(name: str, data: bytes) -> None:
    with pytest.raises(DecodeError):
        read_proving_key(data)


def test_zkey_with_beta_of_two_minds() -> None:
    """beta in G1 is replaced by alpha: on the curve, but another number than beta in G2."""
    alpha = bytes(read_sections(ZKEY, b"zkey", 1, range(1, 11))[2][ALPHA : ALPHA + 64])
    with pytest.raises(DecodeError, match="beta or delta differs"):
        read_proving_key(replaced(ZKEY, 2, at(ALPHA + 64, alpha)))


def test_key_with_commitments_does_not_fit_a_zkey() -> None:
    key = read_proving_key(ZKEY)
    with pytest.raises(ParameterError):
        encode_zkey(replace(key, c=key.c[3:]))


def test_zkey_with_phase_2_skipped() -> None:
    header = bytes(read_sections(ZKEY, b"zkey", 1, range(1, 11))[2])
    gamma = header[BETA_2 + 128 : BETA_2 + 256]
    with pytest.raises(DecodeError, match="phase"):
        read_verifying_key(replaced(ZKEY, 2, at(len(header) - 128, gamma)))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("empty", b""),
        ("another_field", replaced(WTNS, 1, at(4, Q.to_bytes(32, "little")))),
        ("count_of_gigabytes", replaced(WTNS, 1, at(36, u32(0xFFFFFFFF)))),
        ("count_too_small", replaced(WTNS, 1, at(36, u32(2)))),
        ("unreduced", replaced(WTNS, 2, at(64, R.to_bytes(32, "little")))),
        ("constant_not_one", replaced(WTNS, 2, at(0, bytes(32)))),
        ("ragged", replaced(WTNS, 2, lambda body: body + b"\0")),
        ("no_values", write_sections(b"wtns", 2, [(1, WTNS[24:60] + u32(0)), (2, b"")])),
        ("section_missing", write_sections(b"wtns", 2, [(1, b"")])),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_witness_that_lies(name: str, data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_witness(data)


HEADER = 4 + 32


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("another_field", replaced(R1CS_FILE, 1, at(4, Q.to_bytes(32, "little")))),
        ("wires_of_gigabytes", replaced(R1CS_FILE, 1, at(HEADER, u32(0xFFFFFFFF)))),
        ("more_inputs_than_wires", replaced(R1CS_FILE, 1, at(HEADER + 4, u32(9999)))),
        ("rows_of_gigabytes", replaced(R1CS_FILE, 1, at(HEADER + 24, u32(0xFFFFFFFF)))),
        ("row_missing", replaced(R1CS_FILE, 1, at(HEADER + 24, u32(242)))),
        ("row_left_over", replaced(R1CS_FILE, 1, at(HEADER + 24, u32(240)))),
        ("terms_of_gigabytes", replaced(R1CS_FILE, 2, at(0, u32(0xFFFFFFFF)))),
        ("wire_out_of_range", replaced(R1CS_FILE, 2, at(4, u32(244)))),
        ("coefficient_unreduced", replaced(R1CS_FILE, 2, at(8, R.to_bytes(32, "little")))),
        ("labels_short", replaced(R1CS_FILE, 3, lambda body: body[:-8])),
        ("custom_gates", write_sections(b"r1cs", 1, [(1, b""), (2, b""), (3, b""), (4, b"\1\0\0\0\0")])),
        ("section_missing", write_sections(b"r1cs", 1, [(1, b"")])),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_r1cs_that_lies(name: str, data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_r1cs(data)


def test_numbers_of_few_values_and_of_many() -> None:
    values = np.array([1, -1, 5, R - 1, 2**200, 1], dtype=object)
    rows = distinct_limbs(values, 7)
    assert distinct_integers(rows, pow(7, -1, R)).tolist() == [1, -1, 5, -1, 2**200, 1]
    assert distinct_integers(rows[:3], pow(7, -1, R)).dtype == np.int64
    assert len(distinct_integers(rows[:0], 1)) == 0


def test_unreadable_paths(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    for name in ("empty", "none"):
        with pytest.raises(DecodeError):
            decode_witness(tmp_path / name)
