"""Compressed points and the keys and proofs of arkworks and gnark, against files their users published."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import DecodeError, ParameterError
from zk import backends, groth16
from zk.curve import G1_GENERATOR, G1_INFINITY, G2_GENERATOR, G2_INFINITY, Q, in_g2_subgroup
from zk.formats import arkworks, evm, gnark, load_proof, load_publics, load_verifying_key
from zk.formats.compressed import ARKWORKS, GNARK, PointCodec, twist_point
from zk.formats.uncompressed import ARKWORKS_RAW, GNARK_RAW

EXTERNAL = Path(__file__).parents[1] / "vectors" / "groth16" / "external"
ZKMIPS: dict[str, Any] = json.loads((EXTERNAL / "arkworks" / "zkmips.v1.json").read_bytes())
GROTH16PY: dict[str, Any] = json.loads((EXTERNAL / "arkworks" / "groth16py.v1.json").read_bytes())
SP1: dict[str, Any] = json.loads((EXTERNAL / "gnark" / "sp1.v1.json").read_bytes())
CODECS = [ARKWORKS, GNARK]


def unpacked(vector: dict[str, Any]) -> tuple[bytes, bytes, list[int]]:
    return bytes.fromhex(vector["vk"]), bytes.fromhex(vector["proof"]), [int(x) for x in vector["publics"]]


def test_published_arkworks_key_and_proof() -> None:
    raw_key, raw_proof, publics = unpacked(ZKMIPS)
    key, proof = load_verifying_key(raw_key), load_proof(raw_proof)
    groth16.verify(key, publics, proof)
    assert not groth16.is_valid(key, publics[::-1], proof)
    assert arkworks.encode_verifying_key(key) == raw_key
    assert arkworks.encode_proof(proof) == raw_proof
    assert load_publics(arkworks.encode_publics(publics)) == publics


def test_key_written_by_arkworks_without_compression() -> None:
    raw_key, raw_proof, publics = unpacked(GROTH16PY)
    key, proof = load_verifying_key(raw_key), load_proof(raw_proof)
    assert key == load_verifying_key(json.dumps(GROTH16PY["vk_json"]).encode())
    groth16.verify(key, publics, proof)
    assert arkworks.encode_verifying_key(key, ARKWORKS_RAW) == raw_key


@pytest.mark.parametrize("points", [ARKWORKS_RAW, GNARK_RAW], ids=["arkworks", "gnark"])
def test_uncompressed_files_round_trip_and_have_one_spelling(points: Any) -> None:
    raw_key, raw_proof, _ = unpacked(GROTH16PY)
    key, proof = load_verifying_key(raw_key), load_proof(raw_proof)
    if points is ARKWORKS_RAW:
        key_bytes, proof_bytes = (
            arkworks.encode_verifying_key(key, points),
            arkworks.encode_proof(proof, points),
        )
    else:
        some = {"beta_g1": G1_GENERATOR, "delta_g1": G1_GENERATOR}
        beta = replace(key, beta_g2=G2_GENERATOR, delta_g2=G2_GENERATOR, gamma_g2=key.beta_g2)
        key, key_bytes = beta, gnark.encode_verifying_key(beta, **some, points=points)
        proof_bytes = gnark.encode_proof(proof, points)
    assert load_verifying_key(key_bytes) == key
    assert load_proof(proof_bytes) == proof
    for data, load in ((key_bytes, load_verifying_key), (proof_bytes, load_proof)):
        for bad in (data[:-1], data + b"\0", bytes([data[0] ^ 1]) + data[1:], bytes(64) + data[64:]):
            with pytest.raises(DecodeError):
                load(bad)
    for point in (G1_GENERATOR, -G1_GENERATOR):
        assert points.decode_g1(points.encode_g1(point)) == point
    for twisted in (G2_GENERATOR, -G2_GENERATOR):
        assert points.decode_g2(points.encode_g2(twisted)) == twisted
    for size in (0, 63, 65, 127, 129):
        with pytest.raises(DecodeError):
            points.decode_g1(bytes(size))
        with pytest.raises(DecodeError):
            points.decode_g2(bytes(size))
    for call in (lambda: points.encode_g1(G1_INFINITY), lambda: points.encode_g2(G2_INFINITY)):
        with pytest.raises(ParameterError):
            call()


@pytest.mark.parametrize("first", [b"{", b"[", b'"', b" ", b"\n"])
def test_bytes_that_start_like_json_are_still_bytes(first: bytes) -> None:
    """One proof in fifty starts with such a byte: search one whose x does, and load it."""
    _, raw_proof, _ = unpacked(ZKMIPS)
    proof = load_proof(raw_proof)
    lib, point, k = backends.get(), G1_GENERATOR, 1
    while ARKWORKS.encode_g1(point)[:1] != first:
        k += 1
        point = lib.g1_mul(G1_GENERATOR, k)
    moved = replace(proof, a=point)
    assert load_proof(arkworks.encode_proof(moved)) == moved


@pytest.mark.parametrize("flags", [0b01, 0b10, 0b11])
def test_flags_of_an_uncompressed_point_must_fit(flags: int) -> None:
    """The generator's y is the smaller one: no flag is set."""
    body = bytearray(ARKWORKS_RAW.encode_g1(G1_GENERATOR))
    assert body[-1] >> 6 == 0
    body[-1] |= flags << 6
    with pytest.raises(DecodeError):
        ARKWORKS_RAW.decode_g1(bytes(body))
    twisted = bytearray(ARKWORKS_RAW.encode_g2(G2_GENERATOR))
    twisted[-1] ^= flags << 6
    with pytest.raises(DecodeError):
        ARKWORKS_RAW.decode_g2(bytes(twisted))


def test_published_gnark_key_and_proof() -> None:
    raw_key, raw_proof, publics = unpacked(SP1)
    key, proof = load_verifying_key(raw_key), load_proof(raw_proof)
    groth16.verify(key, publics, proof)
    assert not groth16.is_valid(key, publics[::-1], proof)
    beta_g1, delta_g1 = GNARK.decode_g1(raw_key[32:64]), GNARK.decode_g1(raw_key[192:224])
    assert gnark.encode_verifying_key(key, beta_g1=beta_g1, delta_g1=delta_g1) == raw_key
    assert evm.encode_calldata(proof, []) == raw_proof
    assert load_proof(gnark.encode_proof(proof)) == proof
    assert load_publics(gnark.encode_publics(publics)) == publics


@pytest.mark.parametrize("codec", CODECS, ids=["arkworks", "gnark"])
@settings(max_examples=20, deadline=None)
@given(k=st.integers(min_value=1, max_value=2**256))
def test_points_round_trip(codec: PointCodec, k: int) -> None:
    lib = backends.get()
    p, q = lib.g1_mul(G1_GENERATOR, k), lib.g2_mul(G2_GENERATOR, k)
    for point in (p, -p):
        assert codec.decode_g1(codec.encode_g1(point)) == point
    for twisted in (q, -q):
        assert codec.decode_g2(codec.encode_g2(twisted)) == twisted


@pytest.mark.parametrize("codec", CODECS, ids=["arkworks", "gnark"])
@given(data=st.binary(min_size=32, max_size=32))
def test_any_bytes_decode_to_one_spelling_or_not_at_all(codec: PointCodec, data: bytes) -> None:
    try:
        point = codec.decode_g1(data)
    except DecodeError:
        return
    assert codec.encode_g1(point) == data


def test_twist_points_outside_the_subgroup_are_refused() -> None:
    k = 1
    while (point := twist_point((k, 0))) is None or in_g2_subgroup(point):
        k += 1
    for codec in CODECS:
        with pytest.raises(DecodeError, match="subgroup"):
            codec.decode_g2(codec.encode_g2(point))


def test_roots_in_fq2_of_all_kinds() -> None:
    """Elements with and without an imaginary part; each root found squares to the curve equation."""
    found = sum(twist_point(x) is not None for x in [(k, 0) for k in range(30)] + [(0, k) for k in range(30)])
    assert 15 < found < 45


@pytest.mark.parametrize("codec", CODECS, ids=["arkworks", "gnark"])
def test_infinity_and_flags(codec: PointCodec) -> None:
    with pytest.raises(ParameterError):
        codec.encode_g1(G1_INFINITY)
    with pytest.raises(ParameterError):
        codec.encode_g2(G2_INFINITY)
    at = -1 if codec is ARKWORKS else 0
    for flags in (0b00, 0b01, 0b10, 0b11):
        body = bytearray(codec.encode_g1(G1_GENERATOR))
        body[at] = body[at] & 0x3F | flags << 6
        if flags in (codec.smaller, codec.larger):
            assert codec.decode_g1(bytes(body)) in (G1_GENERATOR, -G1_GENERATOR)
        else:
            with pytest.raises(DecodeError):
                codec.decode_g1(bytes(body))
    for size in (0, 31, 33, 64):
        with pytest.raises(DecodeError):
            codec.decode_g1(bytes(size))


@pytest.mark.parametrize("codec", CODECS, ids=["arkworks", "gnark"])
def test_x_plus_q(codec: PointCodec) -> None:
    body = bytearray((1 + Q).to_bytes(32, codec.order))
    body[-1 if codec is ARKWORKS else 0] |= codec.larger << 6
    with pytest.raises(DecodeError, match="not reduced"):
        codec.decode_g1(bytes(body))


def test_bytes_that_are_nothing() -> None:
    for load in (load_verifying_key, load_proof, load_publics):
        for data in (b"", b"\0", bytes(128), b"\xff" * 164):
            with pytest.raises(DecodeError):
                load(data)
