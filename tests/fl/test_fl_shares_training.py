"""Training on data that nobody holds: as good as in the clear, whoever shared it, and safe from those who take part."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl.data import load
from fl.shared.fixed import FEATURES, WEIGHTS, encode, failure, one_hot
from fl.shared.models import SharedModel, plain_step
from fl.shared.training import Job, Trained, deal_training, train_three, train_two
from mpc import additive, replicated
from mpc.errors import FaultyParty, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.protocols.masked_data import Layout
from mpc.ring import RING64
from mpc.runtime import Network, Protocol, RunResult, run_local

BATCH, INPUTS, CLASSES = 64, 65, 10
DEALER = 3
Change = Callable[[int, int, bytes], bytes | None]
Floats = NDArray[np.float64]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"training test").derive(*labels)


def digits() -> tuple[Floats, NDArray[np.int64]]:
    """The first 640 digits, multiples of 1/16, and a column of ones for the biases."""
    dataset = load("digits", None)
    rows = dataset.train_x[:640].reshape(640, -1).astype(np.float64)
    return np.hstack([rows, np.ones((640, 1))]), dataset.train_y[:640]


X, Y = digits()
LAYOUT = Layout((BATCH,) * 10, INPUTS, ((0, INPUTS), (0, INPUTS)))
LINEAR = SharedModel(INPUTS, CLASSES, rate=8)


def in_batches(rows: NDArray[Any]) -> list[NDArray[Any]]:
    return [rows[..., start : start + BATCH, :] for start in range(0, rows.shape[-2], BATCH)]


def two_shares(rows: NDArray[np.uint64], label: str) -> list[list[NDArray[Any]]]:
    shares = additive.share(RING64.elements(rows), 2, stream(label))
    return [in_batches(share.values.values) for share in shares]


def parties_of(
    job: Job, servers: int, data: Sequence[Sequence[Any]] | None = None, labels: Any = None
) -> dict[int, Protocol[Any]]:
    """Everybody; by default data and labels are shared by somebody outside."""
    encoded, hot = encode(X, FEATURES), one_hot(Y, CLASSES)
    if servers == 3:
        rows, marks = (
            replicated.share(RING64.elements(part), stream(n)) for n, part in (("x", encoded), ("y", hot))
        )
        return {
            me: train_three(
                me,
                (1, 2, 3),
                job,
                in_batches(rows[me - 1].values.values),
                in_batches(marks[me - 1].values.values),
                stream("party", me),
            )
            for me in (1, 2, 3)
        }
    parts = data or two_shares(encoded, "x")
    marks2 = labels or two_shares(hot, "y")
    parties: dict[int, Protocol[Any]] = {
        me: train_two(me, (1, 2), DEALER, job, parts[me - 1], marks2[me - 1], stream("party", me))
        for me in (1, 2)
    }
    return parties | {DEALER: deal_training((1, 2), job, stream("dealer"))}


def weights_of(result: RunResult, servers: int) -> list[Floats]:
    one, two = result.results[1], result.results[2]
    if servers == 3:
        totals = [a[0] + a[1] + b[1] for a, b in zip(one.weights, two.weights, strict=True)]
    else:
        totals = [a + b for a, b in zip(one.weights, two.weights, strict=True)]
    return [total.astype(np.int64) / 2**WEIGHTS for total in totals]


def in_the_clear(job: Job, epochs: int) -> list[Floats]:
    weights = [start.astype(np.int64) / 2**WEIGHTS for start in job.model.initial(job.seed)]
    hot = one_hot(Y, CLASSES).astype(np.float64)
    rounded = np.rint(X * 2**FEATURES) / 2**FEATURES
    for epoch in range(epochs):
        for batch in job.order(epoch):
            rows = slice(batch * BATCH, (batch + 1) * BATCH)
            weights = plain_step(job.model, rounded[rows], hot[rows], weights)
    return weights


def accuracy(model: SharedModel, weights: list[Floats]) -> float:
    first = X @ weights[0]
    logits = first**2 @ weights[1] if model.hidden else first
    return float(np.mean(logits.argmax(axis=1) == Y))


@pytest.mark.parametrize("servers", [2, 3])
@pytest.mark.parametrize(
    ("model", "within"),
    [
        (LINEAR, 2e-3),
        (SharedModel(INPUTS, CLASSES, loss="softmax", rate=8), 0.05),
        (SharedModel(INPUTS, CLASSES, hidden=32, rate=8), 0.02),
    ],
    ids=["clamp", "softmax", "square"],
)
def test_shared_training_ends_where_plain_training_does(
    servers: int, model: SharedModel, within: float
) -> None:
    job = Job(model, LAYOUT, 2, tuple(range(10)))
    result = run_local(parties_of(job, servers), raise_errors=True)
    shared, plain = weights_of(result, servers), in_the_clear(job, 2)
    for got, want in zip(shared, plain, strict=True):
        assert np.abs(got - want).max() < within
        assert np.abs(want).max() > 10 * within or within > 0.01
    assert abs(accuracy(model, shared) - accuracy(model, plain)) < 0.01
    assert accuracy(model, shared) > 0.7


def test_columns_of_two_parties_are_the_same_job() -> None:
    """Vertically split: pixels here, pixels and labels there; the weights are those of shared data to a few units."""
    encoded, hot = encode(X, FEATURES), one_hot(Y, CLASSES)
    layout = Layout((BATCH,) * 10, INPUTS, ((0, 30), (30, INPUTS)))
    job = Job(LINEAR, layout, 1, tuple(range(10)))
    data = [in_batches(encoded[:, :30]), in_batches(encoded[:, 30:])]
    labels = [in_batches(np.zeros_like(hot)), in_batches(hot)]
    split = run_local(parties_of(job, 2, data, labels), raise_errors=True)
    shared = run_local(parties_of(Job(LINEAR, LAYOUT, 1, tuple(range(10))), 2), raise_errors=True)
    assert np.abs(weights_of(split, 2)[0] - weights_of(shared, 2)[0]).max() < 2e-3
    assert split.costs[1].bytes_sent < shared.costs[1].bytes_sent


@pytest.mark.parametrize("spans", [((0, INPUTS), (0, 0)), ((0, 0), (0, INPUTS))])
def test_data_of_one_party_alone(spans: tuple[tuple[int, int], tuple[int, int]]) -> None:
    encoded, hot = encode(X, FEATURES), one_hot(Y, CLASSES)
    job = Job(LINEAR, Layout((BATCH,) * 10, INPUTS, spans), 1, tuple(range(10)))
    owns = [stop > start for start, stop in spans]
    data = [in_batches(encoded if own else encoded[:, :0]) for own in owns]
    result = run_local(parties_of(job, 2, data, two_shares(hot, "y")), raise_errors=True)
    assert np.abs(weights_of(result, 2)[0] - in_the_clear(job, 1)[0]).max() < 2e-3


@pytest.mark.parametrize("servers", [2, 3])
def test_training_stops_when_the_secret_validation_count_does_not_grow(servers: int) -> None:
    job = Job(LINEAR, LAYOUT, 12, tuple(range(7)), (7, 8, 9), patience=1)
    result = run_local(parties_of(job, servers), raise_errors=True)
    scores = result.results[1].scores
    assert scores == result.results[2].scores
    assert 1 < len(scores) < 12 and scores[-1] <= max(scores[:-1])
    best = weights_of(result, servers)
    held = slice(7 * BATCH, None)
    right = int(np.sum((X[held] @ best[0]).argmax(axis=1) == Y[held]))
    assert abs(right - max(scores)) <= 1


def test_the_count_is_exact_without_training_on_it() -> None:
    job = Job(LINEAR, LAYOUT, 1, tuple(range(7)), (7, 8, 9))
    result = run_local(parties_of(job, 2), raise_errors=True)
    (score,) = result.results[1].scores
    weights = weights_of(result, 2)[0]
    exact = np.rint(X[7 * BATCH :] * 2**FEATURES) @ np.rint(weights * 2**WEIGHTS)
    assert score == int(np.sum(exact.argmax(axis=1) == Y[7 * BATCH :]))


def test_the_same_streams_give_the_same_weights() -> None:
    job = Job(LINEAR, LAYOUT, 1, (0, 1))
    first, second = (run_local(parties_of(job, 2), raise_errors=True) for _ in range(2))
    assert np.array_equal(first.results[1].weights[0], second.results[1].weights[0])


def changed(honest: Protocol[Any], change: Change) -> Protocol[Any]:
    outbox, number = next(honest), 1
    while True:
        sent = {to: change(number, to, data) for to, data in outbox.items()}
        inbox = yield {to: data for to, data in sent.items() if data is not None}
        try:
            outbox, number = honest.send(inbox), number + 1
        except StopIteration as stop:
            return stop.value


@pytest.mark.parametrize("servers", [2, 3])
@pytest.mark.parametrize("gone", [2, 9])
def test_a_party_that_dies_is_named_by_the_others(servers: int, gone: int) -> None:
    job = Job(LINEAR, LAYOUT, 1, (0, 1))
    result = run_local(parties_of(job, servers), network=Network(vanish={2: gone}))
    assert not isinstance(result.results.get(1), Trained)
    error = result.errors[1]
    assert isinstance(error, FaultyParty) and (error.party == 2 or servers == 3)


@pytest.mark.parametrize("servers", [2, 3])
def test_garbage_from_a_party_is_named(servers: int) -> None:
    job = Job(LINEAR, LAYOUT, 1, (0, 1))
    parties = parties_of(job, servers)
    parties[2] = changed(parties[2], lambda number, to, data: data[:-3] if number > 6 else data)
    result = run_local(parties)
    assert any(isinstance(e, FaultyParty) and e.party == 2 for e in result.errors.values())


@pytest.mark.parametrize("way", ["no key", "short key", "no triples", "short triples"])
def test_a_dealer_that_fails_is_named(way: str) -> None:
    def change(number: int, to: int, data: bytes) -> bytes | None:
        if way == "no key" or (way == "no triples" and len(data) > 32):
            return None
        if way == "short key" or (way == "short triples" and len(data) > 32):
            return data[:-1]
        return data

    parties = parties_of(Job(LINEAR, LAYOUT, 1, (0, 1)), 2)
    parties[DEALER] = changed(parties[DEALER], change)
    errors = run_local(parties).errors
    assert any(isinstance(e, FaultyParty) and e.party == DEALER for e in errors.values())


def test_parties_that_disagree_about_the_end_are_noticed_by_the_dealer() -> None:
    parties = parties_of(Job(LINEAR, LAYOUT, 1, (0, 1)), 2)
    parties[2] = changed(parties[2], lambda number, to, data: b"done" if to == DEALER else data)
    assert isinstance(run_local(parties).errors[DEALER], ProtocolError)


def test_what_a_party_receives_does_not_tell_the_data() -> None:
    """Every bit of every word a party is sent is a fair coin, for black pixels and for white ones alike."""
    from sklearn.linear_model import LogisticRegression

    layout = Layout((8,), 5, ((0, 5), (0, 5)))
    job = Job(SharedModel(5, 2, rate=3), layout, 1, (0,))
    seen, labels = [], []
    for trial in range(80):
        for label in (0, 1):
            rows = np.full((8, 5), label << FEATURES, dtype=np.uint64)
            hot = one_hot(np.full(8, label), 2)
            parties: dict[int, Protocol[Any]] = {
                me: train_two(
                    me,
                    (1, 2),
                    DEALER,
                    job,
                    [
                        additive.share(RING64.elements(rows), 2, stream("x", trial, label))[
                            me - 1
                        ].values.values
                    ],
                    [
                        additive.share(RING64.elements(hot), 2, stream("y", trial, label))[
                            me - 1
                        ].values.values
                    ],
                    stream("party", me, trial, label),
                )
                for me in (1, 2)
            }
            parties[DEALER] = deal_training((1, 2), job, stream("dealer", trial, label))
            result = run_local(parties, raise_errors=True, record=True)
            data = b"".join(m.data for m in result.view(2) if m.sender == 1)
            words = np.frombuffer(data[: len(data) // 8 * 8], dtype="<u8")
            seen.append(((words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(axis=0))
            labels.append(label)
    x, y = np.array(seen), np.array(labels)
    assert 0.3 < LogisticRegression().fit(x[:80], y[:80]).score(x[80:], y[80:]) < 0.7


def test_bad_jobs_and_numbers_are_refused() -> None:
    refused: list[Callable[[], object]] = [
        lambda: encode([1.5], FEATURES),
        lambda: encode([np.nan], FEATURES),
        lambda: encode([np.inf], FEATURES, 10.0),
        lambda: one_hot(np.array([0, 10]), 10),
        lambda: one_hot(np.array([-1]), 10),
        lambda: SharedModel(0, 10),
        lambda: SharedModel(4, 10, loss="hinge"),
        lambda: SharedModel(4, 10, rate=50),
        lambda: Layout((), 4, ((0, 4), (0, 4))),
        lambda: Layout((3,), 4, ((0, 5), (0, 4))),
        lambda: Job(LINEAR, LAYOUT, 1, ()),
        lambda: Job(LINEAR, LAYOUT, 1, (0,), (0,)),
        lambda: Job(LINEAR, LAYOUT, 1, (10,)),
        lambda: Job(LINEAR, LAYOUT, 0, (0,)),
        lambda: Job(LINEAR, LAYOUT, 1, (0,), patience=1),
        lambda: Job(SharedModel(9, 10), LAYOUT, 1, (0,)),
    ]
    for make in refused:
        with pytest.raises(ParameterError):
            make()
    wrong = parties_of(Job(LINEAR, LAYOUT, 1, (0,)), 2, [in_batches(encode(X, FEATURES)[:, :9])] * 2)
    assert isinstance(run_local(wrong).errors[1], ParameterError)


def test_the_chance_of_a_wrong_truncation_is_small_and_grows_with_the_work() -> None:
    mnist = failure(469, 128, 785, 10)
    assert 0 < mnist < 1e-3 and failure(938, 128, 785, 10) == pytest.approx(2 * mnist)
