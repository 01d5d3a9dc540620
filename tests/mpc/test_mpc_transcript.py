"""The transcript binds everything it heard, and nothing can be moved between label and data."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import ParameterError
from mpc.transcript import Transcript

parts = st.lists(st.tuples(st.binary(max_size=3), st.binary(max_size=3)), max_size=3)


def challenge(protocol: bytes, said: list[tuple[bytes, bytes]]) -> bytes:
    transcript = Transcript(protocol)
    for label, data in said:
        transcript.absorb(label, data)
    return transcript.challenge_bytes(b"c", 32)


@given(parts, parts)
def test_two_conversations_share_a_challenge_only_if_they_are_one(
    a: list[tuple[bytes, bytes]], b: list[tuple[bytes, bytes]]
) -> None:
    assert (challenge(b"p", a) == challenge(b"p", b)) == (a == b)


def test_challenges_chain_and_protocols_differ() -> None:
    transcript = Transcript(b"p")
    first, second = transcript.challenge(b"c", 1 << 128), transcript.challenge(b"c", 1 << 128)
    assert first != second
    assert Transcript(b"q").challenge(b"c", 1 << 128) != first
    assert Transcript(b"p").challenge(b"d", 1 << 128) != first
    assert Transcript(b"p").challenge_bytes(b"c", 16) != Transcript(b"p").challenge_bytes(b"c", 17)[:16]


def test_a_copy_hears_the_same_and_then_goes_its_own_way() -> None:
    one = Transcript(b"p")
    one.absorb(b"a", b"1")
    other = one.copy()
    assert one.copy().challenge_bytes(b"c", 8) == other.copy().challenge_bytes(b"c", 8)
    other.absorb(b"b", b"2")
    assert one.challenge_bytes(b"c", 8) != other.challenge_bytes(b"c", 8)


def test_challenges_are_reduced_and_do_not_drift() -> None:
    assert all(0 <= Transcript(b"p").challenge(bytes([i]), 5) < 5 for i in range(50))
    assert Transcript(b"p").challenge(b"c", 1) == 0
    assert Transcript(b"vector").challenge_bytes(b"c", 16).hex() == "7a4f2666274e25155cf132bd9b087290"


def test_arguments_that_cannot_work() -> None:
    with pytest.raises(ParameterError):
        Transcript(b"p").challenge(b"c", 0)
    with pytest.raises(ParameterError):
        Transcript(b"p").challenge_bytes(b"c", -1)
