"""Protocols on shared updates, against plain twins: exact where they say so, within the stated error elsewhere."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import additive, replicated
from mpc.client_aided import Contribution, contribute
from mpc.engine import Additive, Engine, Replicated, as_words
from mpc.errors import FaultyParty, ParameterError
from mpc.field61 import P61
from mpc.prg import Stream
from mpc.protocols.aided_norms import verified_norms
from mpc.protocols.clipping import FRACTION, clipped_sum, reciprocal_steps
from mpc.protocols.cone import Cone, cone_scores, plain_scores
from mpc.protocols.directions import as_directions, cosine_levels, inner_products, projections
from mpc.protocols.levels import positive_part
from mpc.protocols.sorting import network, sorted_sum
from mpc.protocols.truncation import truncate
from mpc.protocols.trust import trusted_sum
from mpc.protocols.verdict import conforming, doubled_median
from mpc.ring import RING64
from mpc.runtime import Protocol, RunResult, run_local
from mpc.triples import DealtSource, Recorder, deal

Body = Callable[[Engine, Any], Protocol[Any]]
Ints = npt.NDArray[np.int64]
SERVERS = [2, 3]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"shares test").derive(*labels)


def numbers(*shape: int, below: int, seed: int = 0) -> Ints:
    drawn = stream("numbers", seed).uint64(shape) % np.uint64(2 * below + 1)
    return drawn.astype(np.int64) - below


def play(servers: int, values: Ints, body: Body, seed: int = 0, *, masked: bool = True) -> RunResult:
    """`body` on the shares of `values`: two additive shares with a dealer's triples, or three replicated ones.

    Not `masked`, all triples are zeros: results are right, and what is opened hides nothing.
    """
    secret = RING64.elements(values)
    if servers == 3:
        parts = replicated.share(secret, stream("client", seed))

        def party(me: int) -> Protocol[Any]:
            engine = yield from Replicated.setup(me, (1, 2, 3), stream("setup", me, seed))
            return (yield from body(engine, engine.adopt(parts[me - 1])))

        return run_local({me: party(me) for me in (1, 2, 3)}, raise_errors=True, record=True)
    pair = (1, 2)
    parts = additive.share(secret, 2, stream("client", seed))
    recorders = {me: Recorder() for me in pair}
    zeros = np.zeros(values.shape, dtype=np.uint64)
    dry = {me: body(Additive(me, pair, recorders[me], stream("dry", me)), zeros) for me in pair}
    run_local(dry, raise_errors=True)
    allotments = deal(recorders[1].recipe, pair, stream("dealer", seed))
    sources = {me: DealtSource(allotments[me]) if masked else Recorder() for me in pair}
    engines = {me: Additive(me, pair, sources[me], stream("server", me, seed)) for me in pair}
    wet = {me: body(engine, engine.adopt(parts[me - 1])) for me, engine in engines.items()}
    return run_local(wet, raise_errors=True, record=True)


def revealed(servers: int, values: Ints, body: Body) -> Any:
    def opened(engine: Engine, x: Any) -> Protocol[Any]:
        return (yield from engine.reveal((yield from body(engine, x)))).astype(np.int64)

    results = play(servers, values, opened).results
    for other in results.values():
        np.testing.assert_array_equal(other, results[1])
    return results[1]


@pytest.mark.parametrize("servers", SERVERS)
def test_truncation_is_off_by_one_unit_at_most(servers: int) -> None:
    values = numbers(2000, below=2**40)
    got = revealed(servers, values, lambda e, x: truncate(e, x, 16))
    assert np.abs(got - values / 2**16).max() <= 1.0


def test_truncation_refuses_shares_that_would_always_come_out_wrong() -> None:
    def fresh(engine: Engine, x: Any) -> Protocol[Any]:
        return truncate(engine, engine.public(as_words(np.array([-5]))), 2)

    with pytest.raises(ParameterError, match="not uniform"):
        play(3, np.array([1]), fresh)


@pytest.mark.parametrize("servers", SERVERS)
def test_inner_products_need_no_message_and_are_exact(servers: int) -> None:
    rows, directions = numbers(4, 50, below=2**15), as_directions(numbers(3, 50, below=100, seed=1))

    def local(engine: Engine, x: Any) -> Protocol[Any]:
        yield {}
        return inner_products(engine, x, directions)

    result = play(servers, rows, local)
    assert max(cost.bytes_sent for cost in result.costs.values()) <= 32
    got = revealed(servers, rows, local)
    np.testing.assert_array_equal(got, rows @ directions.T)


@pytest.mark.parametrize("servers", SERVERS)
@pytest.mark.parametrize("n", [1, 5])
def test_clipping_never_exceeds_the_bound_and_loses_little(servers: int, n: int) -> None:
    rows = numbers(n, 300, below=1000)
    rows[0] //= 50
    bound = float(np.linalg.norm(rows[-1])) / 3
    got = revealed(servers, rows, lambda e, x: clipped_sum(e, x, bound, 1000)) / 2**FRACTION
    lengths = np.linalg.norm(rows, axis=1)
    squares, heights = reciprocal_steps(bound, 0, 8)
    factors = [heights[int(np.searchsorted(squares, int(round(le**2))))] / 2**FRACTION for le in lengths]
    assert all(f * le <= bound * (1 + 1e-9) for f, le in zip(factors, lengths, strict=True) if le > bound)
    assert all(f >= 0.95 * min(1, bound / le) for f, le in zip(factors, lengths, strict=True))
    np.testing.assert_allclose(got, np.array(factors) @ rows, atol=1e-9)


@given(st.floats(2, 1e6), st.integers(0, 4), st.integers(1, 8))
@settings(max_examples=50, deadline=None)
def test_the_table_of_reciprocals_is_never_above_the_quotient(target: float, below: int, above: int) -> None:
    squares, heights = reciprocal_steps(target, below, above)
    assert squares == sorted(squares) and heights == sorted(heights, reverse=True) and heights[-1] == 0
    for square, height in zip(squares, heights, strict=False):
        assert height * square**0.5 <= (target + 1) * 2**FRACTION


@pytest.mark.parametrize("servers", SERVERS)
def test_cosines_are_rounded_down_to_their_level(servers: int) -> None:
    rows = numbers(40, 60, below=2000)
    rows[0] = 0
    root = as_directions(rows[1] + rows[2] + rows[3])
    longest = int(np.linalg.norm(rows, axis=1).max()) + 1

    def body(engine: Engine, x: Any) -> Protocol[Any]:
        along = yield from projections(engine, x, root)
        lengths = yield from engine.squared_lengths(x)
        return (yield from cosine_levels(engine, along[..., 0], lengths, longest, 32))

    got = revealed(servers, rows, body)
    exact = rows @ root[0] / np.maximum(np.linalg.norm(rows, axis=1), 1) / np.linalg.norm(root[0])
    assert got[0] == 0
    np.testing.assert_allclose(got, np.floor(np.maximum(exact, 0) * 32), atol=1)
    assert np.mean(got == np.floor(np.maximum(exact, 0) * 32)) > 0.9


@pytest.mark.parametrize("servers", SERVERS)
@pytest.mark.parametrize("k", [1, 4])
def test_cone_scores_are_those_of_non_negative_least_squares(servers: int, k: int) -> None:
    from scipy.optimize import nnls

    base = numbers(k, 80, below=1000, seed=4)
    directions = as_directions(base + numbers(1, 80, below=600, seed=5))
    mixes = np.abs(numbers(70, k, below=3, seed=6))
    rows = np.rint(mixes @ directions / 8).astype(np.int64) + numbers(70, 80, below=200, seed=7)
    rows[:30] *= -1
    rows[30] = 0
    longest = int(np.linalg.norm(rows, axis=1).max()) + 1
    cone = Cone.of(directions)

    def body(engine: Engine, x: Any) -> Protocol[Any]:
        lengths = yield from engine.squared_lengths(x)
        return (yield from cone_scores(engine, x, lengths, cone, longest, 64))

    def cosine(row: Ints) -> float:
        found, _ = nnls(directions.T.astype(float), row.astype(float))
        return float(np.linalg.norm(found @ directions) / max(1.0, float(np.linalg.norm(row))))

    exact = np.array([cosine(row) - cosine(-row) for row in rows])
    np.testing.assert_allclose(plain_scores(rows, cone), exact, atol=2e-3)
    got = revealed(servers, rows, body) / 64
    assert got[30] == 0
    assert np.abs(got - exact).max() < 1.5 / 64


@pytest.mark.parametrize("servers", SERVERS)
@pytest.mark.parametrize("n", [1, 2, 7, 12])
def test_verdicts_by_deviation_are_the_plain_rules(servers: int, n: int) -> None:
    scores, lengths = numbers(n, below=40, seed=n), numbers(n, below=500, seed=9) ** 2 + 1
    scores[: n // 3] -= 60
    lengths[-1] *= 900

    def body(engine: Engine, x: Any) -> Protocol[Any]:
        options = {"floor": 3, "ratio": 0.5, "spread": 2.5, "longest": 3.0}
        return (yield from conforming(engine, x[..., 0, :], x[..., 1, :], bits=9, length_bits=40, **options))

    got = play(servers, np.stack([scores, lengths]), body).results[1]
    centre = np.median(scores)
    threshold = min(0.5 * centre, centre - 2.5 * np.median(np.abs(scores - centre)))
    want = (scores >= max(3, threshold)) & (lengths <= 9 * np.median(lengths))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("servers", SERVERS)
@pytest.mark.parametrize("n", [1, 2, 3, 8, 9])
def test_medians_by_rank_are_medians_with_ties_too(servers: int, n: int) -> None:
    values = numbers(n, below=3, seed=n)
    assert revealed(servers, values, lambda e, x: doubled_median(e, x, 4))[0] == 2 * np.median(values)


@pytest.mark.parametrize("servers", SERVERS)
@pytest.mark.parametrize("hidden", [True, False])
def test_trusted_sums_are_those_of_fltrust(servers: int, hidden: bool) -> None:
    root = numbers(200, below=400, seed=2)
    rows = (root * (1 + np.arange(12)[:, None] % 3) + numbers(12, 200, below=500, seed=3)).astype(np.int64)
    rows[:4] *= -1
    length, longest = float(np.linalg.norm(root)), int(np.linalg.norm(rows, axis=1).max()) + 1

    def body(engine: Engine, x: Any) -> Protocol[Any]:
        return trusted_sum(engine, x, as_directions(root), length, 2000, longest, reveal_weights=not hidden)

    got = play(servers, rows, body).results[1]
    lengths = np.linalg.norm(rows, axis=1)
    trust = np.maximum(rows @ root / lengths / length, 0)
    want = (trust * length / lengths) @ rows / trust.sum()
    assert np.linalg.norm(got.mean - want) < 0.05 * np.linalg.norm(want)
    assert (got.weights is None) == hidden
    if got.weights is not None:
        np.testing.assert_array_equal(got.total, got.weights @ rows)


def test_nobody_trusted_gives_zero() -> None:
    root = numbers(50, below=400, seed=2)

    def body(engine: Engine, x: Any) -> Protocol[Any]:
        return trusted_sum(engine, x, as_directions(root), 900.0, 400, 4000, reveal_weights=False)

    got = play(2, np.stack([-root, -root]), body).results[1]
    assert got.trust == 0 and not got.mean.any()


@pytest.mark.parametrize("n", range(2, 9))
def test_networks_sort_every_sequence_of_bits(n: int) -> None:
    """The zero-one principle: what sorts bits sorts everything."""
    for bits in product((0, 1), repeat=n):
        wires = list(bits)
        for layer in network(n):
            assert len({wire for pair in layer for wire in pair}) == 2 * len(layer)
            for i, j in layer:
                wires[i], wires[j] = sorted((wires[i], wires[j]))
        assert wires == sorted(bits)


@pytest.mark.parametrize("servers", SERVERS)
@pytest.mark.parametrize(
    ("n", "window"), [(1, range(0, 1)), (5, range(2, 3)), (6, range(1, 5)), (17, range(8, 9))]
)
def test_sums_of_ranks_by_sorting(servers: int, n: int, window: range) -> None:
    rows = numbers(n, 30, below=5, seed=n)
    got = revealed(servers, rows, lambda e, x: sorted_sum(e, [x[..., i, :] for i in range(n)], window, 5))
    np.testing.assert_array_equal(got, np.sort(rows, axis=0)[window.start : window.stop].sum(axis=0))


def test_bad_parameters_are_refused() -> None:
    engine = Additive(1, (1, 2), Recorder(), stream("bad"))
    three = Additive(1, (1, 2, 3), Recorder(), stream("bad"))
    rows = np.zeros((2, 4), dtype=np.uint64)
    one = np.zeros(2, dtype=np.uint64)
    cone = Cone.of(as_directions(np.eye(4)))
    refused: list[Callable[[], object]] = [
        lambda: as_directions([[0.0, 0.0]]),
        lambda: as_directions([[np.nan, 1.0]]),
        lambda: Cone.of(as_directions(np.eye(11))),
        lambda: next(cone_scores(engine, rows, one, cone, 2**40, 64)),
        lambda: next(cone_scores(engine, rows, one, cone, 100, 0)),
        lambda: next(cosine_levels(engine, one, one, 2**40, 4)),
        lambda: next(clipped_sum(engine, rows, 1.0, 2**60)),
        lambda: next(clipped_sum(engine, rows, 0.5, 100)),
        lambda: next(truncate(three, one, 3)),
        lambda: next(truncate(engine, one, 63)),
        lambda: next(sorted_sum(engine, [], range(1), 8)),
        lambda: next(sorted_sum(engine, [one], range(2), 8)),
    ]
    for call in refused:
        with pytest.raises(ParameterError):
            call()


def opened(result: RunResult) -> bytes:
    """What two parties open on the way: their messages of a round, added up word by word."""
    added = []
    for number in range(1, result.rounds + 1):
        said = [np.frombuffer(m.data, dtype="<u8") for m in result.messages if m.round == number]
        if len(said) == 2 and said[0].shape == said[1].shape:
            added.append((said[0] + said[1]).tobytes())
    return b"".join(added)


@pytest.mark.parametrize(("servers", "masked"), [(2, True), (3, True), (2, False)])
def test_what_is_opened_on_the_way_does_not_tell_the_inputs(servers: int, masked: bool) -> None:
    """A classifier on the bits of what becomes known is at chance; without masks the same classifier is always right."""
    from sklearn.linear_model import LogisticRegression

    low, high = np.zeros((2, 6), dtype=np.int64), np.full((2, 6), 20_000)
    seen, labels = [], []

    def body(engine: Engine, x: Any) -> Protocol[Any]:
        lengths = yield from engine.squared_lengths(x)
        return (yield from positive_part(engine, lengths - engine.public(np.full(2, 7, dtype=np.uint64)), 40))

    for seed in range(60):
        for label, values in enumerate((low, high)):
            result = play(servers, values, body, 2 * seed + label, masked=masked)
            data = opened(result) if servers == 2 else b"".join(m.data for m in result.view(2))
            words = np.frombuffer(data[: len(data) // 8 * 8], dtype="<u8")
            bits = (words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)
            seen.append(bits.mean(axis=0))
            labels.append(label)
    x, y = np.array(seen), np.array(labels)
    score = LogisticRegression().fit(x[:60], y[:60]).score(x[60:], y[60:])
    assert 0.25 < score < 0.75 if masked else score > 0.95


def aided(values: dict[int, Ints], spoil: int | None = None) -> RunResult:
    pair, sent = (1, 2), {}
    for client, vector in values.items():
        residues = np.where(vector < 0, vector + P61, vector).astype(np.uint64)
        sent[client] = contribute(residues, pair, stream("aided", client))
    if spoil is not None:
        data = bytearray(sent[spoil][2])
        data[16 * 3 * 8] ^= 1
        sent[spoil][2] = bytes(data)

    def party(me: int) -> Protocol[Any]:
        shares = [Contribution.decode(client, parts[me], 16) for client, parts in sent.items()]
        return verified_norms(me, pair, shares, stream("server", me))

    return run_local({me: party(me) for me in pair}, raise_errors=True)


def test_norms_of_many_clients_with_their_own_squares() -> None:
    values = {c: numbers(16, below=2**15, seed=c) for c in range(10, 14)}
    result = aided(values)
    assert result.results[1] == result.results[2] == {c: int((v**2).sum()) for c, v in values.items()}
    assert result.rounds <= 6


def test_false_squares_are_found_and_named() -> None:
    values = {c: numbers(16, below=2**15, seed=c) for c in range(10, 14)}
    found = aided(values, spoil=12).results[1]
    assert found == {c: None if c == 12 else int((v**2).sum()) for c, v in values.items()}


def test_a_server_that_sends_no_field_elements_is_named() -> None:
    values = {10: numbers(16, below=9)}
    pair = (1, 2)
    residues = np.where(values[10] < 0, values[10] + P61, values[10]).astype(np.uint64)
    sent = contribute(residues, pair, stream("x"))
    honest = verified_norms(1, pair, [Contribution.decode(10, sent[1], 16)], stream("server", 1))

    def garbage() -> Protocol[Any]:
        other = verified_norms(2, pair, [Contribution.decode(10, sent[2], 16)], stream("server", 2))
        outbox, number = next(other), 0
        while True:
            number += 1
            inbox = yield outbox if number < 3 else {1: b"\xff" * len(outbox[1])}
            outbox = other.send(inbox)

    result = run_local({1: honest, 2: garbage()})
    assert isinstance(result.errors[1], FaultyParty) and result.errors[1].party == 2
