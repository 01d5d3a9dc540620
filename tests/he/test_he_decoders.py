"""Fuzzed decoders: changed bytes are refused by name, or are the one encoding of something else."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from he import (
    EncryptedVector,
    KeyShare,
    PartialDecryption,
    PrivateKey,
    PublicKey,
    ThresholdKey,
    encrypt,
    keygen,
    partial_decrypt,
    private_key_from_json,
    private_key_to_json,
    prove_public_key,
    public_key_from_json,
    public_key_to_json,
)
from he.aggregate import Parameters, Record, make_upload
from he.aggregate.messages import Upload, read_proposal, write_proposal
from he.key_proof import KeyProof
from he.paillier import encryptor
from he.proofs import (
    EqualityProof,
    ModpGroup,
    MultiplicationProof,
    PlaintextProof,
    RangeProof,
    prove_equality,
    prove_multiplication,
    prove_plaintexts,
    prove_range,
)
from he.wire import Reader, Writer
from mpc.codec import Codec
from mpc.errors import DecodeError, EppmlError
from mpc.prg import Stream
from mpc.secagg import IdentityKey

Case = tuple[bytes, Callable[[bytes], Any], Callable[[Any], bytes]]


@pytest.fixture(scope="module")
def cases(committee: tuple[ThresholdKey, tuple[KeyShare, ...]]) -> dict[str, Case]:
    stream = Stream(bytes(32), b"decoders")
    public, private = keygen(256, stream=stream, allow_insecure=True)
    key, shares = committee
    (c,), (r,) = encryptor(public).encrypt_opened([3], stream)
    group = ModpGroup()
    # equality needs a modulus with room for challenge and mask; its bytes are those of any other
    wide, _ = keygen(768, stream=stream, allow_insecure=True)
    (d,), (s,) = encryptor(wide).encrypt_opened([3], stream)
    identity = IdentityKey.generate(stream)
    params = Parameters(key, (1, 2, 3), 4, bound=100, session=b"s")
    upload = make_upload(1, params, identity, np.arange(4), [])
    part = partial_decrypt(shares[0], encryptor(key.public).encrypt([1]), contributions=3, stream=stream)
    vector = encrypt(public, Codec(1.0, 8, 3), np.zeros(20), stream=stream)
    record = Record(params.to_bytes(), {1: upload}, {4: b"c"}, {5: b"p"}, (1, -2), (3,))
    text = str.encode
    return {
        "public": (
            public.to_bytes(),
            lambda b: PublicKey.from_bytes(b, allow_insecure=True),
            PublicKey.to_bytes,
        ),
        "private": (
            private.to_bytes(),
            lambda b: PrivateKey.from_bytes(b, allow_insecure=True),
            PrivateKey.to_bytes,
        ),
        "public json": (
            text(public_key_to_json(public)),
            lambda b: public_key_from_json(b.decode("latin1"), allow_insecure=True),
            lambda k: text(public_key_to_json(k)),
        ),
        "private json": (
            text(private_key_to_json(private)),
            lambda b: private_key_from_json(b.decode("latin1"), allow_insecure=True),
            lambda k: text(private_key_to_json(k)),
        ),
        "key proof": (prove_public_key(private, stream).to_bytes(), KeyProof.from_bytes, KeyProof.to_bytes),
        "vector": (
            vector.to_bytes(),
            lambda b: EncryptedVector.from_bytes(b, public),
            EncryptedVector.to_bytes,
        ),
        "threshold key": (
            key.to_bytes(),
            lambda b: ThresholdKey.from_bytes(b, allow_insecure=True),
            ThresholdKey.to_bytes,
        ),
        "key share": (
            shares[0].to_bytes(),
            lambda b: KeyShare.from_bytes(b, allow_insecure=True),
            KeyShare.to_bytes,
        ),
        "partial": (
            part.to_bytes(key.public),
            lambda b: PartialDecryption.from_bytes(b, key.public),
            lambda p: p.to_bytes(key.public),
        ),
        "plaintext proof": (
            prove_plaintexts(public, [c], [3], [r]).to_bytes(),
            PlaintextProof.from_bytes,
            PlaintextProof.to_bytes,
        ),
        "range proof": (
            prove_range(public, c, 3, r, low=0, bits=3).to_bytes(),
            RangeProof.from_bytes,
            RangeProof.to_bytes,
        ),
        "multiplication proof": (
            prove_multiplication(public, c, c, c, 3, r, r).to_bytes(),
            MultiplicationProof.from_bytes,
            MultiplicationProof.to_bytes,
        ),
        "equality proof": (
            prove_equality(wide, group, d, group.commit(3, 4), 3, s, 4, bits=3).to_bytes(),
            EqualityProof.from_bytes,
            EqualityProof.to_bytes,
        ),
        "parameters": (
            params.to_bytes(),
            lambda b: Parameters.from_bytes(b, allow_insecure=True),
            Parameters.to_bytes,
        ),
        "upload": (upload, lambda b: Upload.from_bytes(b, params), lambda u: u.to_bytes(key.public)),
        "proposal": (
            write_proposal({1: upload, 3: b"x"}),
            lambda b: read_proposal(b, params),
            write_proposal,
        ),
        "record": (record.to_bytes(), Record.from_bytes, Record.to_bytes),
    }


NAMES = [
    "public",
    "private",
    "public json",
    "private json",
    "key proof",
    "vector",
    "threshold key",
    "key share",
    "partial",
    "plaintext proof",
    "range proof",
    "multiplication proof",
    "equality proof",
    "parameters",
    "upload",
    "proposal",
    "record",
]


def test_no_decoder_is_forgotten(cases: dict[str, Case]) -> None:
    assert list(cases) == NAMES
    for data, decode, encode in cases.values():
        assert encode(decode(data)) == data


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_changed_bytes_are_refused_or_canonical(
    cases: dict[str, Case], name: str, data: st.DataObject
) -> None:
    original, decode, encode = cases[name]
    changed = bytearray(original)
    # headers and lengths come first, so half of the changes go there
    limit = len(original) if data.draw(st.booleans()) else min(len(original), 160)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, limit - 1))
        match data.draw(st.sampled_from(["set", "cut", "insert", "truncate", "swap"])):
            case "set":
                changed[at : at + 1] = bytes([data.draw(st.sampled_from([0, 1, 2, 127, 128, 255]))])
            case "cut":
                del changed[at : at + data.draw(st.integers(1, 40))]
            case "insert":
                changed[at:at] = data.draw(st.binary(min_size=1, max_size=8))
            case "truncate":
                del changed[at:]
            case "swap":
                changed[at : at + 8] = changed[at : at + 8][::-1]
    try:
        decoded = decode(bytes(changed))
    except EppmlError:
        return
    assert encode(decoded) == bytes(changed)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300))
def test_random_bytes_are_refused(cases: dict[str, Case], name: str, data: bytes) -> None:
    original, decode, encode = cases[name]
    for attempt in (data, original[:40] + data):
        try:
            decoded = decode(attempt)
        except EppmlError:
            continue
        assert encode(decoded) == attempt


def test_lengths_that_lie_do_not_allocate(cases: dict[str, Case]) -> None:
    import tracemalloc

    for name in NAMES:
        original, decode, _ = cases[name]
        if "json" in name:
            continue
        for at in range(0, min(len(original) - 4, 400)):
            changed = original[:at] + b"\xff\xff\xff\xf0" + original[at + 4 :]
            tracemalloc.start()
            try:
                decode(changed)
            except EppmlError:
                pass
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 20_000_000, f"{name} at {at}: {peak} bytes"


def test_numbers_have_one_spelling() -> None:
    assert Writer().integer(0).done() == bytes(4)
    for bad in (
        b"",
        b"\0\0\0\1\0",
        b"\0\0\0\2\0\1",
        b"\0\0\0\5\1",
        b"\xff\xff\xff\xff",
        b"\0\0\x20\0" + b"\1" * 8192,
    ):
        with pytest.raises(DecodeError):
            Reader(bad).integer()
    with pytest.raises(DecodeError, match="announced"):
        Reader(b"\xff\xff\xff\xff" + bytes(100)).integers()
    with pytest.raises(DecodeError, match="too many"):
        Reader(b"\0").end()


def test_deep_json_does_not_reach_the_stack() -> None:
    for text in ("[" * 30_000, '{"a":' * 6_000, '["]",' * 6_000, '["\\"]",' * 4_000, "]" * 9 + "[" * 30_000):
        with pytest.raises(DecodeError):
            public_key_from_json(text)
    with pytest.raises(DecodeError):
        public_key_from_json(json.dumps({"kind": "x" * 40_000}))
