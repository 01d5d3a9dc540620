"""SPDZ shares: right results when all are honest, an abort when one is not, in every step it could lie in."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import field61
from mpc.coin import commit_and_open, toss
from mpc.errors import DecodeError, FaultyParty, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.runtime import Protocol, RunResult, run_local
from mpc.spdz import MacCheckFailed, Preprocessing, Spdz, deal_authenticated

P61 = field61.P61
Change = Callable[[int, int, bytes], bytes | None]
Body = Callable[[Spdz], Protocol[Any]]
INPUTS = {1: np.array([3, 5, P61 - 2], dtype=np.uint64), 2: np.array([7, 11, 2], dtype=np.uint64)}
LENGTHS = {1: 3, 2: 3}


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"spdz test").derive(*labels)


def linear(spdz: Spdz) -> Protocol[list[int]]:
    """2 x + 5 y - 1."""
    shares = yield from spdz.inputs(INPUTS.get(spdz.me), LENGTHS)
    one = spdz.public(np.ones(3, dtype=np.uint64))
    result = yield from spdz.reveal(shares[1].scale(2) + shares[2].scale(5) - one)
    return [int(v) for v in result]


def inner(spdz: Spdz) -> Protocol[list[int]]:
    """<x, y>, then its square."""
    shares = yield from spdz.inputs(INPUTS.get(spdz.me), LENGTHS)
    products = yield from spdz.multiply(shares[1], shares[2])
    total = products.total()
    squared = yield from spdz.multiply(total, total)
    result = yield from spdz.reveal(squared)
    return [int(v) for v in result]


WANT: dict[Body, list[int]] = {
    linear: [(6 + 35 - 1), (10 + 55 - 1), (-4 + 10 - 1) % P61],
    inner: [(21 + 55 - 4) ** 2],
}


def parties(body: Body, n: int = 3) -> dict[int, Protocol[Any]]:
    names = tuple(range(1, n + 1))
    dealt = deal_authenticated(names, LENGTHS, 4, stream("dealer"))
    return {me: body(Spdz(me, names, dealt[me], stream("party", me))) for me in names}


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("body", [linear, inner])
def test_honest_parties_get_the_right_result(body: Body, n: int) -> None:
    result = run_local(parties(body, n), raise_errors=True)
    assert list(result.results.values()) == [WANT[body]] * n


def corrupted(honest: Protocol[Any], change: Change) -> Protocol[Any]:
    outbox, number = next(honest), 1
    while True:
        sent = {to: change(number, to, data) for to, data in outbox.items()}
        inbox = yield {to: data for to, data in sent.items() if data is not None}
        try:
            outbox, number = honest.send(inbox), number + 1
        except StopIteration as stop:
            return stop.value


def with_liar(body: Body, liar: int, change: Change) -> RunResult:
    run = parties(body)
    run[liar] = corrupted(run[liar], change)
    return run_local(run)


def plus_one(data: bytes) -> bytes:
    words = np.frombuffer(data, dtype="<u8").astype(np.uint64)
    return field61.add(words, np.ones_like(words)).tobytes()


# inputs | reveal: open, then coin (2), residues (2)          linear: the opening is round 2
# inputs | multiply | multiply | check (4) | open | check (4)  inner: openings are rounds 2, 3 and 8
@pytest.mark.parametrize(("body", "number"), [(linear, 2), (inner, 2), (inner, 3), (inner, 8)])
@pytest.mark.parametrize("liar", [1, 2, 3])
@pytest.mark.parametrize("equivocate", [False, True])
def test_a_wrong_opening_aborts_and_nobody_gets_a_result(
    body: Body, number: int, liar: int, equivocate: bool
) -> None:
    def change(current: int, to: int, data: bytes) -> bytes:
        if current != number or (equivocate and to == min({1, 2, 3} - {liar})):
            return data
        return plus_one(data)

    result = with_liar(body, liar, change)
    for honest in {1, 2, 3} - {liar}:
        assert isinstance(result.errors[honest], MacCheckFailed), result
        assert honest not in result.results


def test_telling_parties_different_inputs_aborts() -> None:
    result = with_liar(linear, 1, lambda n, to, data: plus_one(data) if (n, to) == (1, 3) else data)
    assert isinstance(result.errors[2], MacCheckFailed)
    assert isinstance(result.errors[3], MacCheckFailed)


def test_a_liar_who_adapts_its_residue_to_the_lie_is_caught() -> None:
    """The liar adds 1 to what it opens and the same to its residue, as if alpha were its own alone."""

    class Cheat(Spdz):
        def open(self, x: Any) -> Any:
            one = np.ones_like(x.value)
            lie = type(x)(field61.add(x.value, one), field61.add(x.mac, field61.multiply(one, self._key)))
            return (yield from super().open(lie))

    names = (1, 2, 3)
    dealt = deal_authenticated(names, LENGTHS, 4, stream("dealer"))
    run = {
        me: linear((Cheat if me == 3 else Spdz)(me, names, dealt[me], stream("party", me))) for me in names
    }
    result = run_local(run)
    assert isinstance(result.errors[1], MacCheckFailed) and isinstance(result.errors[2], MacCheckFailed)


@pytest.mark.parametrize("body", [linear, inner])
@pytest.mark.parametrize("fault", [None, b"", b"x", b"\xff" * 8, b"\xff" * 24, b"\xff" * 48])
def test_a_malformed_message_in_any_round_is_blamed(body: Body, fault: bytes | None) -> None:
    rounds = run_local(parties(body)).rounds
    for number in range(1, rounds + 1):

        def change(current: int, to: int, data: bytes, at: int = number) -> bytes | None:
            return fault if current == at else data

        result = with_liar(body, 2, change)
        for honest in (1, 3):
            error = result.errors[honest]
            assert isinstance(error, FaultyParty) and error.party == 2, (number, error)


def test_opening_another_commitment_is_blamed() -> None:
    def tossing(me: int) -> Protocol[bytes]:
        coin = yield from toss(me, (1, 2, 3), stream("toss", me))
        return coin.bytes(16)

    honest = run_local({me: tossing(me) for me in (1, 2, 3)})
    assert len(set(honest.results.values())) == 1
    late = corrupted(tossing(3), lambda n, to, data: data if n == 1 else bytes(64))
    result = run_local({1: tossing(1), 2: tossing(2), 3: late})
    for i in (1, 2):
        error = result.errors[i]
        assert isinstance(error, FaultyParty) and error.party == 3 and "committed" in str(error)


def test_repeating_another_partys_commitment_does_not_open() -> None:
    """A copied commitment would make two contributions equal, which cancel in some combiners."""

    def honest(me: int) -> Protocol[dict[int, bytes]]:
        return commit_and_open(me, (1, 2, 3), b"value", stream("mirror", me))

    # The streams are fixed, so a first run tells the copycat what party 1 will commit to and open.
    heard = run_local({i: honest(i) for i in (1, 2, 3)}, record=True).view(2)
    commitment, opening = (message.data for message in heard if message.sender == 1)

    def copycat() -> Protocol[None]:
        yield {1: commitment, 2: commitment}
        yield {1: opening, 2: opening}

    result = run_local({1: honest(1), 2: honest(2), 3: copycat()})
    for i in (1, 2):
        error = result.errors[i]
        assert isinstance(error, FaultyParty) and error.party == 3


def test_running_out_of_preprocessing_is_an_error_not_a_reuse() -> None:
    def greedy(spdz: Spdz) -> Protocol[None]:
        shares = yield from spdz.inputs(INPUTS.get(spdz.me), LENGTHS)
        yield from spdz.multiply(shares[1], shares[2])
        yield from spdz.multiply(shares[1], shares[2])

    def again(spdz: Spdz) -> Protocol[None]:
        yield from spdz.inputs(INPUTS.get(spdz.me), LENGTHS)
        yield from spdz.inputs(INPUTS.get(spdz.me), LENGTHS)

    for body, word in ((greedy, "triples"), (again, "masks")):
        for error in run_local(parties(body)).errors.values():
            assert isinstance(error, ProtocolError) and word in str(error)


def test_a_message_is_uniform_whatever_the_input() -> None:
    """The difference an owner broadcasts: chi-square on its top four bits, with a fixed seed."""
    n = 40_000
    dealt = deal_authenticated((1, 2), {1: n}, 0, stream("uniform"))

    def body(spdz: Spdz) -> Protocol[None]:
        yield from spdz.inputs(np.full(n, 5, dtype=np.uint64) if spdz.me == 1 else None, {1: n})

    run = {me: body(Spdz(me, (1, 2), dealt[me], stream("u", me))) for me in (1, 2)}
    (message,) = run_local(run, record=True).view(2)
    counts = np.bincount(
        (np.frombuffer(message.data, dtype="<u8") >> np.uint64(57)).astype(int), minlength=16
    )
    chi_square = float(((counts - n / 16) ** 2 / (n / 16)).sum())
    assert chi_square < 37.7  # 15 degrees of freedom, p = 0.001


@given(st.binary(max_size=200), st.integers(1, 2))
@settings(max_examples=50)
def test_preprocessing_has_one_encoding(data: bytes, me: int) -> None:
    try:
        decoded = Preprocessing.from_bytes(data, me, {1: 1, 2: 2}, 1)
    except DecodeError:
        return
    assert decoded.to_bytes() == data


def test_preprocessing_survives_the_wire_and_stays_out_of_reprs() -> None:
    dealt = deal_authenticated((1, 2), LENGTHS, 4, stream("wire"))
    for me, preprocessing in dealt.items():
        data = preprocessing.to_bytes()
        assert Preprocessing.from_bytes(data, me, LENGTHS, 4).to_bytes() == data
        assert repr(preprocessing) == "Preprocessing()"
    with pytest.raises(DecodeError):
        Preprocessing.from_bytes(b"\xff" * len(data), 2, LENGTHS, 4)


@pytest.mark.parametrize(("names", "inputs"), [((1,), {}), ((1, 1), {}), ((1, 2), {3: 1})])
def test_impossible_groups_are_refused(names: tuple[int, ...], inputs: dict[int, int]) -> None:
    with pytest.raises(ParameterError):
        deal_authenticated(names, inputs, 1, stream("bad"))
