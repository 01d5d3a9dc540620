"""a * b * c through a relay that learns nothing, and that is named when it tampers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.engine import Replicated
from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.protocols import SealingKey, product, relay, sealing_public, through_relay
from mpc.runtime import Identity, Protocol, RunResult, run_local
from mpc.runtime.bundles import bundle, unbundle

PARTIES = (1, 2, 3)
RELAY = 0
Tamper = Callable[[int, int, bytes], bytes | None]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"relay test").derive(*labels)


KEYS = {me: SealingKey.generate(stream("key", me)) for me in PARTIES}
PUBLIC = {me: key.public for me, key in KEYS.items()}


def multiplying(me: int, factor: int, salt: int = 0) -> Protocol[int]:
    engine = yield from Replicated.setup(me, PARTIES, stream("engine", me, salt))
    return (yield from product(engine, factor))


def tampering(honest: Protocol[Any], change: Tamper) -> Protocol[Any]:
    outbox, number = next(honest), 1
    while True:
        sent = {to: change(number, to, data) for to, data in outbox.items()}
        inbox = yield {to: data for to, data in sent.items() if data is not None}
        try:
            outbox, number = honest.send(inbox), number + 1
        except StopIteration as stop:
            return stop.value


def run(
    factors: dict[int, int], change: Tamper | None = None, session: bytes = b"s", salt: int = 0
) -> RunResult:
    parties: dict[int, Protocol[Any]] = {
        me: through_relay(
            me, multiplying(me, factor, salt), via=RELAY, key=KEYS[me], peers=PUBLIC, session=session
        )
        for me, factor in factors.items()
    }
    parties[RELAY] = relay(PARTIES) if change is None else tampering(relay(PARTIES), change)
    return run_local(parties, record=True)


def test_three_factors_multiply_and_all_messages_go_through_the_relay() -> None:
    result = run({1: 6, 2: -7, 3: 10})
    assert [result.results[me] for me in PARTIES] == [-420] * 3
    assert all(RELAY in (m.sender, m.receiver) for m in result.messages)
    direct = run_local({me: multiplying(me, f) for me, f in {1: 6, 2: -7, 3: 10}.items()})
    assert result.results[RELAY] == sum(cost.messages for cost in direct.costs.values())


def test_the_relays_view_has_the_same_shape_for_all_inputs_and_looks_random() -> None:
    small, large = run({1: 1, 2: 1, 3: 1}), run({1: 10**5, 2: -(10**6), 3: 3}, session=b"other", salt=1)

    def shape(result: RunResult) -> list[tuple[int, int, int]]:
        return [(m.round, m.sender, len(m.data)) for m in result.view(RELAY)]

    assert shape(small) == shape(large)
    bodies = b"".join(
        sealed
        for number in range(60)
        for m in run({1: 1, 2: 1, 3: 1}, session=b"chi %d" % number, salt=number).view(RELAY)
        for sealed in unbundle(m.data).values()
    )
    counts = np.bincount(np.frombuffer(bodies, dtype=np.uint8), minlength=256)
    expected = len(bodies) / 256
    assert float(((counts - expected) ** 2 / expected).sum()) < 330.5  # 255 degrees, p = 0.001


def test_no_plaintext_message_appears_in_the_relays_view() -> None:
    direct = run_local({me: multiplying(me, 7) for me in PARTIES}, record=True)
    seen = b"".join(m.data for m in run({1: 7, 2: 7, 3: 7}).view(RELAY))
    assert all(m.data not in seen for m in direct.messages)


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


@pytest.mark.parametrize("number", [2, 4, 6])
def test_a_relay_that_changes_a_message_is_named(number: int) -> None:
    result = run({1: 2, 2: 3, 3: 4}, lambda n, to, data: flip(data) if (n, to) == (number, 2) else data)
    error = result.errors[2]
    assert isinstance(error, FaultyParty) and error.party == RELAY
    assert "did not seal" in str(error)


def test_a_relay_that_replays_an_earlier_round_is_named() -> None:
    kept: dict[int, bytes] = {}

    def replay(n: int, to: int, data: bytes) -> bytes:
        kept.setdefault(to, data)
        return kept[to]

    result = run({1: 2, 2: 3, 3: 4}, replay)
    for me in PARTIES:
        error = result.errors[me]
        assert isinstance(error, FaultyParty) and error.party == RELAY


def test_a_relay_that_swaps_senders_is_named() -> None:
    def swap(n: int, to: int, data: bytes) -> bytes:
        senders = unbundle(data)
        others = [me for me in PARTIES if me != to]
        return bundle(dict(zip(others, [senders.get(other, b"") for other in reversed(others)], strict=True)))

    error = run({1: 2, 2: 3, 3: 4}, swap).errors[1]
    assert isinstance(error, FaultyParty) and error.party == RELAY


@pytest.mark.parametrize("fault", [None, b"\0", b"\0" * 8 + b"x", b"\0\0\0\x09\0\0\0\0"])
def test_a_relay_that_brings_nothing_or_nonsense_is_named(fault: bytes | None) -> None:
    error = run({1: 2, 2: 3, 3: 4}, lambda n, to, data: fault).errors[1]
    assert isinstance(error, FaultyParty) and error.party == RELAY


def test_a_party_that_hands_the_relay_nonsense_is_named_by_it() -> None:
    def corrupt() -> Protocol[None]:
        yield {RELAY: b"\0\0\0\x02"}

    parties: dict[int, Protocol[Any]] = {
        me: through_relay(me, multiplying(me, 2), via=RELAY, key=KEYS[me], peers=PUBLIC, session=b"s")
        for me in (1, 2)
    }
    result = run_local({**parties, 3: corrupt(), RELAY: relay(PARTIES)})
    error = result.errors[RELAY]
    assert isinstance(error, FaultyParty) and error.party == 3


def test_keys_differ_by_session_and_stay_out_of_reprs() -> None:
    one, other = (KEYS[1].channel(PUBLIC[2], session) for session in (b"1", b"2"))
    assert one.encrypt(bytes(12), b"x", b"") != other.encrypt(bytes(12), b"x", b"")
    assert KEYS[2].channel(PUBLIC[1], b"1").decrypt(bytes(12), one.encrypt(bytes(12), b"x", b""), b"") == b"x"
    assert "secret" in repr(KEYS[1]) and PUBLIC[1].hex() not in repr(KEYS[1])
    with pytest.raises(ParameterError):
        KEYS[1].channel(bytes(32), b"1")


def test_a_certificate_is_enough_to_seal_for_its_holder() -> None:
    alice, bob = Identity.generate("alice"), Identity.generate("bob")
    key = SealingKey.from_identity(bob)
    assert key.public == sealing_public(bob.certificate)
    sealed = (
        SealingKey.from_identity(alice)
        .channel(sealing_public(bob.certificate), b"s")
        .encrypt(bytes(12), b"hello", b"")
    )
    assert key.channel(sealing_public(alice.certificate), b"s").decrypt(bytes(12), sealed, b"") == b"hello"


@given(st.binary(max_size=100))
def test_bundles_have_one_encoding(data: bytes) -> None:
    try:
        messages = unbundle(data)
    except DecodeError:
        return
    assert bundle(messages) == data
