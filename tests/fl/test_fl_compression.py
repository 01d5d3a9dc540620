"""Compression under secure aggregation: everybody sends the same coordinates, and nothing is lost but delayed."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl import data
from fl.compression import KINDS, Quantized, Sparse, agreed_indices, compress, quantize
from fl.compression.indices import random_indices, top_indices, updated_scores
from fl.compression.quantized import round_at_random
from fl.engine import LocalEngine, LocalSGD, Work
from fl.models import SoftmaxRegression, Vector
from fl.optim import Algorithm, ConjugateGradients, FedAvg
from fl.optim.dane import DANE
from fl.optim.fsvrg import FSVRG
from fl.partition import split
from fl.plan import Partition
from fl.seeds import generator
from mpc.codec import Codec
from mpc.errors import ParameterError

CLIENTS, SEED = 10, 3
DIGITS = data.load("digits")
MODEL = SoftmaxRegression(64, 10)
SHARDS = split(DIGITS.train_y, CLIENTS, Partition("dirichlet"), SEED, 16)
SGD = LocalSGD(epochs=1, batch=16, learning_rate=0.3)


class Recorder:
    """A federation without cryptography that keeps every payload, memory and mean."""

    def __init__(self, algorithm: Algorithm) -> None:
        torch.set_num_threads(1)
        self.algorithm = algorithm
        work = Work(MODEL, algorithm, DIGITS.train_x, DIGITS.train_y, SHARDS, SEED)
        self.engine = LocalEngine(work)
        self.states = [algorithm.initial_state(MODEL.initial(SEED))]
        self.memories: Mapping[int, Vector] = {}
        self.payloads: list[dict[int, Vector]] = []

    def play(self, rounds: int) -> "Recorder":
        for number in range(len(self.payloads), len(self.payloads) + rounds):
            made = self.engine.train(number, self.states[-1], range(1, CLIENTS + 1), self.memories)
            payloads = {
                client: trained.payload for client, trained in made.items() if trained.payload is not None
            }
            assert len(payloads) == CLIENTS
            self.memories = {client: trained.memory for client, trained in made.items()}
            weights = np.array([len(SHARDS[client - 1]) for client in payloads], dtype=np.float64)
            mean = weights @ np.array(list(payloads.values()), dtype=np.float64) / weights.sum()
            self.payloads.append(payloads)
            self.states.append(self.algorithm.step(self.states[-1], mean, 1.0, number))
        return self

    @property
    def accuracy(self) -> float:
        return MODEL.evaluate(self.states[-1][: MODEL.size], DIGITS.test_x, DIGITS.test_y).accuracy


class Constant:
    """An algorithm whose client k wants to send the same vector every round: k times 1, 2, 3, ..."""

    name = "constant"

    def state_size(self, size: int) -> int:
        return size

    def payload_size(self, size: int) -> int:
        return size

    def memory_size(self, size: int) -> int:
        return 0

    def initial_state(self, w: Vector) -> Vector:
        return np.zeros_like(w)

    def local(self, model, cohort, state, memory, round):  # type: ignore[no-untyped-def]
        line = torch.arange(1, model.size + 1, dtype=torch.float32)
        return torch.tensor(cohort.clients)[:, None] * line, memory

    def step(self, state: Vector, mean: np.ndarray, share: float, round: int) -> Vector:
        return (state + mean).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_sent_is_kept(kind: str) -> None:
    """After every round: all that a client wanted to send is what it sent and what it still holds."""
    run = Recorder(Sparse(Constant(), kind, keep=0.13, seed=SEED))
    size, k = MODEL.size, run.algorithm.payload_size(MODEL.size)
    assert k == 85
    sent = np.zeros((CLIENTS + 1, size))
    for number in range(12):
        scores = run.states[-1][size:].astype(np.float64).reshape(2, size)
        indices = agreed_indices(kind, scores, k, number, SEED)
        run.play(1)
        for client in range(1, CLIENTS + 1):
            sent[client][indices] += run.payloads[-1][client]
            wanted = (number + 1) * client * np.arange(1, size + 1)
            assert np.array_equal(sent[client] + run.memories[client], wanted)
    arrived = run.states[-1][:size]
    weights = np.array([len(shard) for shard in SHARDS])
    assert np.allclose(arrived, weights @ sent[1:] / weights.sum(), rtol=1e-5)


def test_everything_arrives_in_the_first_cycle() -> None:
    run = Recorder(Sparse(Constant(), "top-k", keep=0.25, seed=SEED)).play(4)
    assert (run.states[-1][: MODEL.size] > 0).all()


def test_the_agreed_top_k_is_where_most_has_piled_up() -> None:
    """Rate times waiting time, once every coordinate's rate is known."""
    run = Recorder(Sparse(Constant(), "top-k", keep=0.1, seed=SEED)).play(14)
    size = MODEL.size
    unsent = np.abs(np.array(list(run.memories.values()))).mean(axis=0)
    scores = run.states[-1][size:].astype(np.float64).reshape(2, size)
    expected = np.sort(np.argsort(-unsent, kind="stable")[:65])
    chosen = top_indices(scores, 65, 13, SEED)
    assert len(np.intersect1d(chosen, expected)) >= 63


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 500), st.integers(0, 9))
def test_random_indices_are_distinct_sorted_and_none_waits_long(
    size: int, wanted: int, round_: int, seed: int
) -> None:
    k = min(wanted, size)
    cycle = -(-size // k)
    chosen = [random_indices(size, k, number, seed) for number in range(round_, round_ + 2 * cycle)]
    assert all(len(part) == k and (np.diff(part) > 0).all() for part in chosen)
    assert len(np.unique(np.concatenate(chosen))) == size


@settings(deadline=None, max_examples=25)
@given(st.integers(2, 20), st.integers(0, 9), st.floats(0, 1), st.data())
def test_every_coordinate_travels_again_even_one_that_stood_still(
    size: int, seed: int, part: float, data: st.DataObject
) -> None:
    """One whose sum was zero waits at most some hundred times as long as it would in turn."""
    k = data.draw(st.integers(1, size))
    moving = np.random.default_rng(seed).random(size) < part
    scores, last = np.stack([np.zeros(size), np.full(size, -1.0)]), np.full(size, -1)
    turn = -(-size // k)
    for number in range(300 * turn):
        indices = top_indices(scores, k, number, seed)
        assert len(indices) == k and (np.diff(indices) > 0).all()
        mean = np.where(moving[indices], number - last[indices], 0).astype(np.float64)
        scores = updated_scores(scores, indices, mean, number)
        last[indices] = number
        assert (number - last).max() <= 150 * turn


def test_without_compression_nothing_changes() -> None:
    assert compress(FedAvg(SGD), "none", 0.1, 0.9, SEED) == FedAvg(SGD)
    plain = Recorder(FedAvg(SGD)).play(3)
    whole = Recorder(Sparse(FedAvg(SGD), "top-k", keep=1.0, seed=SEED)).play(3)
    assert np.array_equal(whole.states[-1][: MODEL.size], plain.states[-1])


def test_momentum_correction_is_the_papers() -> None:
    """Algorithm 1 and 4 of the paper for one client: u = m u + g, v = v + u, both cleared where v was sent."""
    m, keep = 0.5, 0.2
    run = Recorder(Sparse(Constant(), "deep-gradient", keep, m, SEED)).play(9)
    size, k = MODEL.size, run.algorithm.payload_size(MODEL.size)
    u, v, g = np.zeros(size), np.zeros(size), 4.0 * np.arange(1, size + 1)
    for number in range(9):
        u = m * u + g
        v = v + u
        scores = run.states[number][size:].astype(np.float64).reshape(2, size)
        indices = agreed_indices("deep-gradient", scores, k, number, SEED)
        assert np.allclose(run.payloads[number][4], v[indices], rtol=1e-6)
        u[indices] = v[indices] = 0
    assert np.allclose(run.memories[4], np.concatenate([v, u]), rtol=1e-6)


def test_the_plans_momentum_belongs_to_deep_gradient_alone() -> None:
    assert compress(FedAvg(), "top-k", 0.1, 0.9, SEED).memory_size(100) == 100
    assert compress(FedAvg(), "deep-gradient", 0.1, 0.9, SEED).memory_size(100) == 200


@pytest.mark.parametrize(
    ("kind", "momentum", "rate", "least"),
    [("top-k", 0, 0.3, 0.9), ("random-k", 0, 0.1, 0.82), ("deep-gradient", 0.5, 0.3, 0.9)],
)
def test_a_tenth_of_the_coordinates_learns_digits(
    kind: str, momentum: float, rate: float, least: float
) -> None:
    """Random coordinates wait for ten rounds and then move by all of them at once, which wants smaller steps."""
    sgd = LocalSGD(epochs=1, batch=16, learning_rate=rate)
    run = Recorder(compress(FedAvg(sgd), kind, 0.1, momentum, SEED)).play(40)
    assert len(run.payloads[-1][1]) == 65
    assert run.accuracy >= least


@pytest.mark.parametrize("algorithm", [DANE(), FSVRG(), ConjugateGradients()])
def test_algorithms_whose_rounds_differ_cannot_be_compressed(algorithm: Algorithm) -> None:
    with pytest.raises(ParameterError, match="no meaning in the next"):
        Sparse(algorithm)
    with pytest.raises(ParameterError, match="no meaning in the next"):
        Quantized(algorithm, 0.5)


@pytest.mark.parametrize("wrong", [{"kind": "best-k"}, {"keep": 0.0}, {"keep": 1.5}, {"momentum": 1.0}])
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="compression"):
        Sparse(FedAvg(), **wrong)  # type: ignore[arg-type]


def test_rounding_at_random_is_unbiased_and_on_the_grid() -> None:
    values = np.array([0.0, 0.1, -0.1, 0.26, -3.9999])
    draws = np.array([round_at_random(values, 0.25, generator(1, "test", draw)) for draw in range(4000)])
    assert np.array_equal(np.unique(np.round(draws / 0.25) * 0.25), np.unique(draws))
    assert np.abs(draws - values).max() < 0.25
    assert np.abs(draws.mean(axis=0) - values).max() < 0.008


def test_quantized_clients_keep_the_rounding_error() -> None:
    run = Recorder(Quantized(FedAvg(SGD), 2**-3)).play(1)
    exact = Recorder(FedAvg(SGD)).play(1)
    for client in range(1, CLIENTS + 1):
        sent = run.payloads[0][client]
        assert np.array_equal(np.round(sent * 8), sent * 8)
        assert np.allclose(sent + run.memories[client], exact.payloads[0][client], atol=1e-6)


def test_coarse_updates_learn_because_of_the_kept_error() -> None:
    step = 2**-3
    run = Recorder(Quantized(Sparse(FedAvg(SGD), "top-k", 0.5, seed=SEED), step)).play(25)
    assert run.accuracy >= 0.88
    with pytest.raises(ParameterError, match="positive step"):
        Quantized(FedAvg(), 0.0)


@settings(deadline=None)
@given(st.integers(2, 24), st.integers(0, 22), st.floats(1e-3, 1e3), st.integers(0, 99))
def test_the_codec_rounds_nothing_of_a_quantized_update(
    bits: int, coarser: int, clip: float, seed: int
) -> None:
    """In the single precision that payloads have, up to the ends of the grid and with values beyond them."""
    codec = Codec(clip, bits, max_clients=10)
    kept = min(16, max(2, bits - coarser))
    grid = quantize(FedAvg(), codec, kept)
    values = np.random.default_rng(seed).normal(0, clip, 200)
    rounded = round_at_random(values, grid.step_size, generator(seed, "test"), grid.levels)
    encoded = codec.encode(rounded.astype(np.float32))
    assert encoded.saturated == 0
    codes = encoded.values
    assert (codes % 2 ** (bits - kept) == 0).all()
    assert np.array_equal(codes, np.rint(rounded / codec.step))
    assert len(np.unique(codes)) <= 2**kept - 1


def test_what_lies_beyond_the_grid_is_sent_later() -> None:
    """Client k wants k times 1, 2, 3, ... every round; a message holds at most 4 x 100."""
    run = Recorder(Quantized(Constant(), 100.0, levels=4)).play(3)
    for client in range(1, CLIENTS + 1):
        sent = sum(payloads[client].astype(np.float64) for payloads in run.payloads)
        assert all(np.abs(payloads[client]).max() <= 400 for payloads in run.payloads)
        assert np.array_equal(sent + run.memories[client], 3 * client * np.arange(1, MODEL.size + 1))


@pytest.mark.parametrize("bits", [1, 9])
def test_a_grid_that_is_no_part_of_the_codecs_is_refused(bits: int) -> None:
    with pytest.raises(ParameterError, match="between 2 and 8 bits"):
        quantize(FedAvg(), Codec(clip=1.0, bits=8, max_clients=9), bits)
    with pytest.raises(ParameterError, match="levels"):
        Quantized(FedAvg(), 0.5, levels=0)


def test_few_bits_learn_what_the_codec_alone_loses() -> None:
    """Two bits a coordinate, once rounded to the nearest code and once at random with the error kept."""
    codec = Codec(clip=1.0, bits=2, max_clients=CLIENTS)
    start = MODEL.initial(SEED)

    class Nearest(FedAvg):
        def local(self, model, cohort, state, memory, round):  # type: ignore[no-untyped-def]
            update, memory = super().local(model, cohort, state, memory, round)
            return torch.from_numpy(codec.encode(update.numpy()).values * np.float32(codec.step)), memory

    nearest = Recorder(Nearest(SGD)).play(20)
    assert np.abs(nearest.states[-1] - start).max() < 1
    assert nearest.accuracy < 0.6
    assert Recorder(quantize(FedAvg(SGD), codec, 2)).play(20).accuracy > 0.85
