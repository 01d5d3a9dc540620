"""A commit-and-prove verifying key as bytes: one spelling, and nothing else decodes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import DecodeError
from mpc.prg import Stream
from zk.commit_prove import Keys
from zk.key_bytes import decode_verifier_key, encode_verifier_key
from zk.statements import NormBound

STATEMENT = NormBound(dim=4, bits=6)


@pytest.fixture(scope="module")
def keys() -> Keys:
    return STATEMENT.setup(Stream(bytes(32)), unsafe_single_party=True)


def test_a_key_decodes_to_itself_and_verifies(keys: Keys) -> None:
    data = encode_verifier_key(keys.vk)
    again = decode_verifier_key(data)
    assert again.digest == keys.vk.digest and encode_verifier_key(again) == data
    proof, _ = STATEMENT.prove(
        keys.pk, np.array([1, -2, 3, 4]), l2_bound_sq=40, context=b"c", randomness=Stream(b"\1" * 32)
    )
    STATEMENT.verify(again, proof, l2_bound_sq=40, context=b"c")


def test_any_changed_byte_is_refused_or_another_key(keys: Keys) -> None:
    data = encode_verifier_key(keys.vk)
    for place in range(0, len(data), 37):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            other = decode_verifier_key(bytes(changed))
        except DecodeError:
            continue
        assert other.digest != keys.vk.digest


def test_short_long_and_huge_are_refused(keys: Keys) -> None:
    data = encode_verifier_key(keys.vk)
    for bad in (b"", data[:-1], data + b"\0", b"EPPMLVK\x01" + b"\xff" * 600):
        with pytest.raises(DecodeError):
            decode_verifier_key(bad)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_verifier_key(data)
