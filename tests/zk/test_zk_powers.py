"""Powers of tau: snarkjs's files, keys made from them against snarkjs's own, and files that lie."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.errors import DecodeError, InsecureError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import groth16
from zk.curve import G1_GENERATOR, Q, R
from zk.formats import circom
from zk.formats.iden3 import read_sections, write_sections
from zk.formats.ptau import decode_powers, encode_powers
from zk.formats.r1cs_file import decode_r1cs
from zk.formats.wtns import decode_witness
from zk.formats.zkey import encode_zkey, read_proving_key
from zk.limbs import g1_array
from zk.phase2 import Factors, check_consistent, new_keys, rerandomise
from zk.powers import Powers

SNARKJS = Path(__file__).parents[1] / "vectors" / "ceremony" / "external" / "snarkjs"
PTAU = (SNARKJS / "pot6.ptau").read_bytes()
CUBE, _ = decode_r1cs(SNARKJS / "cube.r1cs")
SECTIONS = range(1, 20)


def stream(label: bytes) -> Stream:
    return Stream(bytes(32), label)


@pytest.mark.parametrize("name", ["pot6.ptau", "pot6_prepared.ptau"])
def test_powers_of_snarkjs_are_powers(name: str) -> None:
    powers = decode_powers(SNARKJS / name)
    powers.check()
    assert (powers.log_size, len(powers.tau_g1), len(powers.tau_g2)) == (6, 127, 64)
    small = decode_powers(SNARKJS / name, 3)
    small.check()
    assert len(small.tau_g1) == 16


def test_powers_nobody_contributed_to_are_refused() -> None:
    with pytest.raises(DecodeError, match="nobody contributed"):
        decode_powers(SNARKJS / "pot6_untouched.ptau").check()


def test_round_trip() -> None:
    powers = decode_powers(PTAU)
    again = decode_powers(encode_powers(powers))
    assert np.array_equal(again.tau_g1, powers.tau_g1) and again.beta_g2 == powers.beta_g2


def test_keys_from_powers_are_snarkjs_s_point_for_point() -> None:
    ours, groups = new_keys(CUBE, decode_powers(PTAU))
    theirs = read_proving_key(SNARKJS / "cube_before_contributions.zkey", check=False)
    assert groups == ()
    for name in ("a", "b1", "b2", "c", "h"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    for name in ("alpha_g1", "beta_g1", "beta_g2", "gamma_g2", "delta_g1", "delta_g2", "ic", "domain"):
        assert getattr(ours, name) == getattr(theirs, name), name


@pytest.mark.parametrize("log_size", [3, 5, 6])
def test_prepared_points_are_those_computed_here(log_size: int) -> None:
    plain, prepared = (
        decode_powers(SNARKJS / name, log_size) for name in ("pot6.ptau", "pot6_prepared.ptau")
    )
    prepared.check()
    assert plain.prepared is None and prepared.prepared is not None
    computed, given = plain.lagrange(), prepared.lagrange()
    for name in ("tau_g1", "tau_g2", "alpha_tau_g1", "beta_tau_g1", "double_g1"):
        assert np.array_equal(getattr(computed, name), getattr(given, name)), name


@pytest.mark.parametrize("kind", [12, 13, 14, 15])
def test_a_wrong_prepared_point_is_found(kind: int) -> None:
    """The point of one row in the place of another: on the curve, of the right order, of another polynomial."""
    data = (SNARKJS / "pot6_prepared.ptau").read_bytes()
    width = 128 if kind == 13 else 64
    start = (8 - 1) * width

    def swap(body: bytes) -> bytes:
        a, b = body[start : start + width], body[start + width : start + 2 * width]
        return body[:start] + b + a + body[start + 2 * width :]

    sections = read_sections(data, b"ptau", 1, SECTIONS)
    changed = [(k, swap(bytes(v)) if k == kind else bytes(v)) for k, v in sections.items()]
    powers = decode_powers(write_sections(b"ptau", 1, changed), 3)
    with pytest.raises(DecodeError, match="do not belong"):
        powers.check()
    short = [(k, bytes(v[:-width]) if k == kind else bytes(v)) for k, v in sections.items()]
    missing = [(k, bytes(v)) for k, v in sections.items() if k != kind]
    for bad in (short, missing):
        with pytest.raises(DecodeError):
            decode_powers(write_sections(b"ptau", 1, bad), 3)


def test_key_without_a_contribution_is_refused() -> None:
    with pytest.raises(DecodeError, match="second phase"):
        read_proving_key(SNARKJS / "cube_before_contributions.zkey")


@pytest.mark.parametrize("log_size", [3, 4])
def test_contributed_key_proves_at_full_and_at_spare_size(log_size: int) -> None:
    """At the powers' full size tau^(2n-1) is missing from them; no proof needs it."""
    powers = Powers.generate(log_size, stream(b"powers"), unsafe_single_party=True)
    powers.check()
    initial = new_keys(CUBE, powers)
    final = rerandomise(rerandomise(initial, Factors.draw(stream(b"1"), 0)), Factors.draw(stream(b"2"), 0))
    check_consistent(initial, final)
    witness = decode_witness(SNARKJS / "cube.wtns")
    proof, publics = circom.prove(final[0], witness, stream(b"proof"), circuit=CUBE)
    key = final[0]
    vk = groth16.VerifyingKey(key.alpha_g1, key.beta_g2, key.gamma_g2, key.delta_g2, key.ic)
    groth16.verify(vk, publics, proof)
    assert publics == [3 * 27 - 4 + 5, 4]
    assert read_proving_key(encode_zkey(key)).ic == key.ic


def test_powers_too_small_for_the_circuit() -> None:
    with pytest.raises(ParameterError):
        decode_powers(PTAU, 7)
    with pytest.raises(ParameterError):
        new_keys(CUBE, Powers.generate(2, stream(b"p"), unsafe_single_party=True))


def test_powers_of_a_single_party_must_be_asked_for() -> None:
    with pytest.raises(InsecureError):
        Powers.generate(3, stream(b"p"), unsafe_single_party=False)


def replaced(kind: int, edit: Callable[[bytes], bytes]) -> bytes:
    sections = read_sections(PTAU, b"ptau", 1, SECTIONS)
    return write_sections(
        b"ptau", 1, [(k, edit(bytes(v)) if k == kind else bytes(v)) for k, v in sections.items()]
    )


def at(offset: int, value: bytes) -> Callable[[bytes], bytes]:
    return lambda body: body[:offset] + value + body[offset + len(value) :]


GENERATOR = g1_array([G1_GENERATOR]).tobytes()


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("another_field", replaced(1, at(4, R.to_bytes(32, "little")))),
        ("power_of_gigabytes", replaced(1, at(36, struct.pack("<I", 28)))),
        ("power_zero", replaced(1, at(36, struct.pack("<I", 0)))),
        ("power_too_small", replaced(1, at(36, struct.pack("<I", 5)))),
        ("section_missing", write_sections(b"ptau", 1, [(1, b"")])),
        ("point_off_curve", replaced(2, at(640, (1).to_bytes(32, "little") * 2))),
        ("point_infinity", replaced(4, at(64, bytes(64)))),
        ("point_unreduced", replaced(5, at(64, Q.to_bytes(32, "little")))),
        ("g2_off_twist", replaced(3, at(128, (1).to_bytes(32, "little") * 4))),
        ("beta_infinity", replaced(6, at(0, bytes(128)))),
        ("section_short", replaced(5, lambda body: body[:-64])),
        ("trailing_byte", PTAU + b"\0"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_malformed_powers(name: str, data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_powers(data)


@pytest.mark.parametrize("kind", [2, 4, 5])
@pytest.mark.parametrize("index", [1, 2, 40, 63])
def test_a_wrong_power_is_found(kind: int, index: int) -> None:
    """A point of the curve in the place of another: sizes, ranges and curve are right, the power is not."""
    with pytest.raises(DecodeError):
        decode_powers(replaced(kind, at(64 * index, GENERATOR))).check()


def test_a_wrong_power_in_g2_and_a_wrong_beta_are_found() -> None:
    third = bytes(read_sections(PTAU, b"ptau", 1, SECTIONS)[3][256:384])
    for kind, offset in ((3, 128), (3, 63 * 128), (6, 0)):
        with pytest.raises(DecodeError):
            decode_powers(replaced(kind, at(offset, third))).check()


KEY_PARTS = ["a", "b1", "b2", "c", "h", "ic", "delta_g1", "delta_g2", "alpha_g1", "beta_g2"]


@pytest.mark.parametrize("part", KEY_PARTS)
def test_a_key_with_one_part_changed_is_not_consistent(part: str) -> None:
    initial = new_keys(CUBE, decode_powers(PTAU))
    final, groups = rerandomise(initial, Factors.draw(stream(b"1"), 0))
    other, _ = rerandomise(initial, Factors.draw(stream(b"2"), 0))
    check_consistent(initial, (final, groups))
    value: Any = getattr(other, part)
    if part in ("a", "b1", "b2"):
        value = getattr(final, part).copy()
        value[np.flatnonzero(value.any(axis=1))[0]] = 0
    if part in ("ic", "alpha_g1"):
        value = -final.alpha_g1 if part == "alpha_g1" else final.ic[::-1]
    if part == "beta_g2":
        value = -final.beta_g2
    with pytest.raises(ProofRejected):
        check_consistent(initial, (replace(final, **{part: value}), groups))


@pytest.mark.node
def test_contributed_key_proves_in_snarkjs(snarkjs: Callable[..., Any], tmp_path: Path) -> None:
    final, _ = rerandomise(new_keys(CUBE, decode_powers(PTAU)), Factors.draw(stream(b"1"), 0))
    (tmp_path / "ours.zkey").write_bytes(encode_zkey(final))
    vk, proof, public = (tmp_path / f"{name}.json" for name in ("vk", "proof", "public"))
    assert (
        snarkjs("groth16", "prove", tmp_path / "ours.zkey", SNARKJS / "cube.wtns", proof, public).returncode
        == 0
    )
    assert snarkjs("zkey", "export", "verificationkey", tmp_path / "ours.zkey", vk).returncode == 0
    assert snarkjs("groth16", "verify", vk, public, proof).returncode == 0
