"""Product, inner product, matrices, norms, comparisons, median and trimmed mean: on every engine, exactly."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.engine import Additive, Engine, Replicated, as_words
from mpc.errors import FaultyParty, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.protocols import (
    inner_product,
    less_than,
    matrix_product,
    median,
    product,
    reveal_less_than,
    rows_within,
    squared_norm,
    trimmed_mean,
)
from mpc.runtime import Inbox, Outbox, Protocol, RunResult, run_local
from mpc.triples import DealtSource, Recipe, Recorder, deal

Body = Callable[[Engine], Protocol[Any]]
ENGINES = ["replicated", "additive-2", "additive-3", "additive-5"]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"test").derive(*labels)


def parties_of(engine: str) -> tuple[int, ...]:
    return (1, 2, 3) if engine == "replicated" else tuple(range(1, int(engine[-1]) + 1))


def on_replicated(me: int, body: Body) -> Protocol[Any]:
    engine = yield from Replicated.setup(me, (1, 2, 3), stream("replicated", me))
    return (yield from body(engine))


def recipe_for(parties: tuple[int, ...], body: Body) -> Recipe:
    recorders = {me: Recorder() for me in parties}
    run_local(
        {me: body(Additive(me, parties, recorders[me], stream("dry", me))) for me in parties},
        raise_errors=True,
    )
    recipes = {recorder.recipe for recorder in recorders.values()}
    assert len(recipes) == 1
    return recipes.pop()


def generators(engine: str, body: Body) -> dict[int, Protocol[Any]]:
    parties = parties_of(engine)
    if engine == "replicated":
        return {me: on_replicated(me, body) for me in parties}
    allotments = deal(recipe_for(parties, body), parties, stream("dealer"))
    return {
        me: body(Additive(me, parties, DealtSource(allotments[me]), stream("share", me))) for me in parties
    }


def run(engine: str, body: Body) -> Any:
    result = run_local(generators(engine, body), raise_errors=True)
    first, *rest = result.results.values()
    for other in rest:
        np.testing.assert_array_equal(first, other)
    return first


@pytest.mark.parametrize("engine", ENGINES)
def test_product_of_everybodys_factor(engine: str) -> None:
    factors = {me: value for me, value in zip(parties_of(engine), (-7, 11, 13, 1, 9), strict=False)}
    want = int(np.prod(list(factors.values())))
    assert run(engine, lambda e: product(e, factors[e.me])) == want


@pytest.mark.parametrize("engine", ENGINES)
def test_inner_product(engine: str) -> None:
    x, y = np.array([3, -4, 5, 2**30]), np.array([-10, 20, 30, 2**31])
    vectors = {1: x, 2: y}

    def body(e: Engine) -> Protocol[int]:
        return inner_product(e, {e.me: vectors[e.me]} if e.me in vectors else {}, {1: 4, 2: 4})

    assert run(engine, body) == int(x @ y)


@pytest.mark.parametrize("engine", ENGINES)
def test_matrix_product(engine: str) -> None:
    source = stream("matrix")
    a = source.uint32((4, 6)).astype(np.int64) - 2**31
    b = source.uint32((6, 3)).astype(np.int64) % 1000
    matrices = {1: a, 2: b}

    def body(e: Engine) -> Protocol[Any]:
        return matrix_product(e, {e.me: matrices[e.me]} if e.me in matrices else {}, {1: (4, 6), 2: (6, 3)})

    np.testing.assert_array_equal(run(engine, body), a @ b)


@pytest.mark.parametrize("engine", ENGINES)
def test_squared_norm(engine: str) -> None:
    update = stream("update").uint32(500).astype(np.int64) % 65536 - 32768
    assert run(engine, lambda e: squared_norm(e, update if e.me == 2 else None, 2, 500)) == int(
        update @ update
    )


EDGES = [0, 1, -1, 5, -5, 2**15 - 1, -(2**15), 2**31, -(2**31), 2**61, -(2**61)]


@pytest.mark.parametrize("engine", ENGINES)
def test_less_than_on_every_pair_of_edges(engine: str) -> None:
    x = np.repeat(np.array(EDGES, dtype=np.int64), len(EDGES))
    y = np.tile(np.array(EDGES, dtype=np.int64), len(EDGES))
    values = {1: x, 2: y}
    got = run(engine, lambda e: reveal_less_than(e, values.get(e.me), (1, 2), len(x)))
    np.testing.assert_array_equal(got, x < y)


@pytest.mark.parametrize("engine", ["replicated", "additive-2"])
@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8, 17, 33, 63, 64])
def test_less_than_at_every_width(engine: str, bits: int) -> None:
    # Differences as large as `bits` allows, both signs, and none.
    top = 2 ** (bits - 1) - 1
    x = np.array([top, 0, -(top // 2) - 1, 0, top // 2, 1], dtype=np.int64)
    y = np.array([0, top, top // 2, 0, -(top // 2), 0], dtype=np.int64)
    values = {1: x, 2: y}
    got = run(engine, lambda e: reveal_less_than(e, values.get(e.me), (1, 2), len(x), bits))
    np.testing.assert_array_equal(got, x < y)


@given(st.lists(st.tuples(*[st.integers(-(2**62), 2**62 - 1)] * 2), min_size=1, max_size=150))
@settings(max_examples=20, deadline=None)
def test_less_than_agrees_with_python(pairs: list[tuple[int, int]]) -> None:
    values = {1: np.array([x for x, _ in pairs]), 2: np.array([y for _, y in pairs])}
    got = run("replicated", lambda e: reveal_less_than(e, values.get(e.me), (1, 2), len(pairs)))
    assert list(got) == [x < y for x, y in pairs]


def order_body(rows: np.ndarray[Any, Any], estimator: Callable[..., Protocol[Any]], *arguments: int) -> Body:
    """The first party shares all rows at once; what is tested is the order statistic."""

    def body(engine: Engine) -> Protocol[Any]:
        mine = as_words(rows) if engine.me == 1 else None
        shares = (yield from engine.inputs(mine, {1: rows.shape}))[1]
        split = [shares[..., i, :] for i in range(len(rows))]
        return (yield from estimator(engine, split, *arguments, bits=18))

    return body


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_median_of_coordinates(engine: str, n: int) -> None:
    rows = stream("rows", n).uint32((n, 40)).astype(np.int64) % 65535 - 32767
    rows[:, :5] = 3  # ties
    rows[: n // 2, 5:10] = -9
    np.testing.assert_array_equal(run(engine, order_body(rows, median)), np.median(rows, axis=0))


@pytest.mark.parametrize("engine", ["replicated", "additive-3"])
@pytest.mark.parametrize(("n", "trim"), [(5, 0), (5, 1), (5, 2), (6, 2), (9, 3)])
def test_trimmed_mean_of_coordinates(engine: str, n: int, trim: int) -> None:
    rows = stream("trim", n).uint32((n, 33)).astype(np.int64) % 65535 - 32767
    rows[:, 0] = 7
    want = np.sort(rows, axis=0)[trim : n - trim].mean(axis=0)
    np.testing.assert_allclose(run(engine, order_body(rows, trimmed_mean, trim)), want, rtol=1e-15)


def test_a_poisoned_row_moves_a_mean_and_not_the_median() -> None:
    rows = np.tile(np.arange(20, dtype=np.int64), (5, 1))
    rows[4] = 30_000
    np.testing.assert_array_equal(run("replicated", order_body(rows, median)), np.arange(20))


@pytest.mark.parametrize(
    "body",
    [
        lambda e: inner_product(e, {}, {1: 3, 2: 4}),
        lambda e: inner_product(e, {}, {1: 3}),
        lambda e: inner_product(e, {e.me % 3 + 1: [1, 2, 3]}, {1: 3, 2: 3}),
        lambda e: inner_product(e, {e.me: np.array([0.5, 1.5])}, {1: 2, 2: 2}),
        lambda e: matrix_product(e, {}, {1: (2, 3), 2: (2, 3)}),
        lambda e: matrix_product(e, {}, {1: (2, 3)}),
        lambda e: reveal_less_than(e, [1], (1, 2), 1, bits=1),
        lambda e: reveal_less_than(e, [1], (1, 2), 1, bits=65),
        lambda e: less_than(e, e.public(np.zeros(2, np.uint64)), e.public(np.zeros(3, np.uint64))),
        lambda e: trimmed_mean(e, [e.public(np.zeros(2, np.uint64))] * 4, 2),
        lambda e: trimmed_mean(e, [], 0),
        lambda e: median(e, []),
    ],
)
def test_what_cannot_work_is_refused_by_everybody(body: Body) -> None:
    result = run_local({me: on_replicated(me, body) for me in (1, 2, 3)})
    assert set(result.errors) == {1, 2, 3}
    for error in result.errors.values():
        assert isinstance(error, ParameterError)


# --- one corrupt party -------------------------------------------------------------------------------------


def screening(engine: Engine) -> Protocol[Any]:
    mine = as_words(np.arange(6).reshape(3, 2)) if engine.me == 1 else None
    rows = (yield from engine.inputs(mine, {1: (3, 2)}))[1]
    return (yield from rows_within(engine, rows, 4, 20))


BODIES: dict[str, Body] = {
    "screening": screening,
    "product": lambda e: product(e, e.me + 4),
    "inner product": lambda e: inner_product(e, {e.me: [e.me, 5]} if e.me < 3 else {}, {1: 2, 2: 2}),
    "matrix product": lambda e: matrix_product(
        e, {e.me: np.ones((2, 2), np.int64)} if e.me < 3 else {}, {1: (2, 2), 2: (2, 2)}
    ),
    "squared norm": lambda e: squared_norm(e, [1, 2] if e.me == 2 else None, 2, 2),
    "less than": lambda e: reveal_less_than(e, [e.me, 4 - e.me], (1, 2), 2),
    "median": order_body(np.arange(6).reshape(3, 2), median),
    "trimmed mean": order_body(np.arange(6).reshape(3, 2), trimmed_mean, 1),
}


def corrupted(
    honest: Protocol[Any], change: Callable[[int, int, bytes], bytes | None]
) -> Generator[Outbox, Inbox, Any]:
    """A party that runs the honest code but changes what leaves it: `change(round, receiver, data)`."""
    outbox, number = next(honest), 1
    while True:
        sent = {to: change(number, to, data) for to, data in outbox.items()}
        inbox = yield {to: data for to, data in sent.items() if data is not None}
        try:
            outbox, number = honest.send(inbox), number + 1
        except StopIteration as stop:
            return stop.value


def with_liar(
    engine: str, body: Body, liar: int, change: Callable[[int, int, bytes], bytes | None]
) -> RunResult:
    parties = generators(engine, body)
    parties[liar] = corrupted(parties[liar], change)
    return run_local(parties)


def rounds_of(engine: str, body: Body) -> int:
    return run_local(generators(engine, body), raise_errors=True).rounds


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("engine", ["replicated", "additive-3"])
@pytest.mark.parametrize("fault", ["silent", "short", "long", "empty"])
def test_a_malformed_message_in_any_round_is_blamed_on_its_sender(engine: str, name: str, fault: str) -> None:
    body = BODIES[name]
    spoil: dict[str, Callable[[bytes], bytes | None]] = {
        "silent": lambda data: None,
        "short": lambda data: data[:-1],
        "long": lambda data: data + b"\0" * 8,
        "empty": lambda data: b"",
    }
    for number in range(1, rounds_of(engine, body) + 1):

        def change(current: int, to: int, data: bytes, number: int = number) -> bytes | None:
            return spoil[fault](data) if current == number else data

        result = with_liar(engine, body, 2, change)
        # Somebody honest got a message of party 2 in that round and blames exactly party 2 for it, or
        # party 2 had nothing to say in it and nobody noticed anything.
        blamed = {e.party for i, e in result.errors.items() if i != 2 and isinstance(e, FaultyParty)}
        sent = {
            d.receiver
            for d in run_local(generators(engine, body), record=True).messages
            if (d.round, d.sender) == (number, 2)
        }
        if sent:
            assert 2 in blamed, (number, result.errors)
            first_hand = [result.errors[i] for i in sent]
            assert all(isinstance(e, ProtocolError) for e in first_hand)
        else:
            assert not result.errors


@pytest.mark.parametrize("name", BODIES)
def test_replicated_reveal_notices_a_changed_share(name: str) -> None:
    body = BODIES[name]
    last = rounds_of("replicated", body)

    def change(current: int, to: int, data: bytes) -> bytes:
        return bytes([data[0] ^ 1]) + data[1:] if current == last else data

    result = with_liar("replicated", body, 3, change)
    assert set(result.errors) >= {1, 2}
    for i in (1, 2):
        assert "one of them lies" in str(result.errors[i])
