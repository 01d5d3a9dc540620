"""The algorithms against their papers: plain loops over clients and records, one at a time, no batching."""

import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from fl import data
from fl.engine import LocalEngine, LocalSGD, Work
from fl.models import LeastSquares, Model, Vector, model_for
from fl.optim import (
    ALGORITHMS,
    Algorithm,
    FedAdam,
    FedAvg,
    FedAvgM,
    FedDyn,
    FedProx,
    FedSGD,
    Scaffold,
    algorithm_for,
    algorithm_settings,
)
from fl.partition import split
from fl.plan import Partition
from fl.seeds import generator
from mpc.errors import ParameterError

Double = NDArray[np.float64]
SEED = 5
SIZES = (33, 8, 20, 1, 17)
SGD = LocalSGD(epochs=2, batch=8, learning_rate=0.2)
MEMBERS = [1, 2, 3, 4, 5]


def clients(model: Model) -> Work:
    """Five clients of unlike size with overlapping row ranges of digits, and FedAvg until replaced."""
    digits = data.load("digits")
    first = np.cumsum([0, *SIZES])
    shards = [np.arange(first[k], first[k + 1]) for k in range(len(SIZES))]
    return Work(model, FedAvg(SGD), digits.train_x, digits.train_y, shards, SEED)


class Client:
    """One client of a paper, in float64."""

    def __init__(self, work: Work, number: int) -> None:
        rows = work.shards[number - 1]
        self.model, self.number = work.model, number
        self.x = torch.from_numpy(work.features[rows]).double()
        self.y = torch.from_numpy(work.labels[rows])

    def gradient(self, w: Double, rows: NDArray[np.int64]) -> Double:
        leaf = torch.from_numpy(w).requires_grad_(True)
        logits = self.model.logits(leaf[None], self.x[rows][None])[0]
        (gradient,) = torch.autograd.grad(functional.cross_entropy(logits, self.y[rows]), leaf)
        return gradient.numpy()

    def train(
        self, w: Double, sgd: LocalSGD, round: int, extra: Callable[[Double], Double] = np.zeros_like
    ) -> tuple[Double, int]:
        """The end of SGD on the loss whose gradient has `extra(w)` added, and the number of steps."""
        order, steps = generator(SEED, "training", round, self.number), 0
        w, velocity = w.copy(), np.zeros_like(w)
        for _ in range(sgd.epochs):
            shuffled = order.permutation(len(self.y))
            for first in range(0, len(shuffled), sgd.batch):
                gradient = self.gradient(w, shuffled[first : first + sgd.batch]) + extra(w)
                velocity = sgd.momentum * velocity + gradient
                w, steps = w - sgd.learning_rate * velocity, steps + 1
        return w, steps


def ours(work: Work, algorithm: Algorithm, rounds: int, weights: Double, share: float) -> list[Vector]:
    """The states after each round, through the engine."""
    work = replace(work, algorithm=algorithm)
    state = algorithm.initial_state(work.model.initial(1))
    states, memories = [], {}
    with LocalEngine(work) as engine:
        for number in range(rounds):
            trained = engine.train(number, state, MEMBERS, memories)
            memories = {client: t.memory for client, t in trained.items()}
            payloads = np.stack([t.payload for t in trained.values()]).astype(np.float64)
            state = algorithm.step(state, weights @ payloads / weights.sum(), share, number)
            states.append(state)
    return states


@pytest.fixture(scope="module")
def work() -> Work:
    return clients(model_for("softmax", 64, 10))


ROUNDS = 3
WEIGHTS = np.array([3.0, 1.0, 2.0, 1.0, 2.0])


def agree(states: list[Vector], expected: list[Double]) -> None:
    for state, want in zip(states, expected, strict=True):
        assert np.abs(state - want).max() < 2e-5


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_fedavg_adds_the_weighted_mean(work: Work, momentum: float) -> None:
    sgd = replace(SGD, momentum=momentum)
    w, expected = work.model.initial(1).astype(np.float64), []
    for number in range(ROUNDS):
        ends = [Client(work, k).train(w, sgd, number)[0] for k in MEMBERS]
        w = np.average(ends, axis=0, weights=WEIGHTS)
        expected.append(w)
    agree(ours(work, FedAvg(sgd), ROUNDS, WEIGHTS, 1.0), expected)


def test_fedprox_is_sgd_on_the_loss_with_the_squared_distance(work: Work) -> None:
    w, mu, expected = work.model.initial(1).astype(np.float64), 0.7, []
    for number in range(ROUNDS):
        start = w
        ends = [Client(work, k).train(w, SGD, number, lambda v: mu * (v - start))[0] for k in MEMBERS]  # noqa: B023
        w = np.average(ends, axis=0, weights=WEIGHTS)
        expected.append(w)
    agree(ours(work, FedProx(SGD, mu), ROUNDS, WEIGHTS, 1.0), expected)


def test_fedavgm_accumulates_velocity(work: Work) -> None:
    w, expected = work.model.initial(1).astype(np.float64), []
    v = np.zeros_like(w)
    for number in range(ROUNDS):
        ends = [Client(work, k).train(w, SGD, number)[0] for k in MEMBERS]
        v = 0.6 * v + (w - np.average(ends, axis=0, weights=WEIGHTS))
        w = w - 0.8 * v
        expected.append(np.concatenate([w, -v]))
    agree(ours(work, FedAvgM(SGD, 0.6, 0.8), ROUNDS, WEIGHTS, 1.0), expected)


def test_fedadam_follows_algorithm_2(work: Work) -> None:
    x, expected = work.model.initial(1).astype(np.float64), []
    eta, b1, b2, tau = 0.05, 0.8, 0.95, 0.01
    m, v = np.zeros_like(x), np.full_like(x, tau**2)
    for number in range(ROUNDS):
        ends = [Client(work, k).train(x, SGD, number)[0] for k in MEMBERS]
        delta = np.average([end - x for end in ends], axis=0, weights=WEIGHTS)
        m = b1 * m + (1 - b1) * delta
        v = b2 * v + (1 - b2) * delta * delta
        x = x + eta * m / (v**0.5 + tau)
        expected.append(np.concatenate([x, m, v]))
    agree(ours(work, FedAdam(SGD, eta, b1, b2, tau), ROUNDS, WEIGHTS, 1.0), expected)


def test_scaffold_follows_algorithm_1_with_option_ii(work: Work) -> None:
    x, expected, even = work.model.initial(1).astype(np.float64), [], np.ones(5)
    c, own = np.zeros_like(x), {k: np.zeros_like(x) for k in MEMBERS}
    share = 0.5  # as if five more clients sat the round out
    for number in range(ROUNDS):
        dy, dc = [], []
        for k in MEMBERS:
            y, steps = Client(work, k).train(x, SGD, number, lambda _, k=k: c - own[k])  # type: ignore[misc]  # noqa: B023
            plus = own[k] - c + (x - y) / (steps * SGD.learning_rate)
            dy.append(y - x)
            dc.append(plus - own[k])
            own[k] = plus
        x = x + 0.9 * np.mean(dy, axis=0)
        c = c + share * np.mean(dc, axis=0)
        expected.append(np.concatenate([x, c]))
    agree(ours(work, Scaffold(SGD, 0.9), ROUNDS, even, share), expected)


def test_feddyn_follows_algorithm_1(work: Work) -> None:
    theta, alpha, expected, even = work.model.initial(1).astype(np.float64), 0.3, [], np.ones(5)
    h, own = np.zeros_like(theta), {k: np.zeros_like(theta) for k in MEMBERS}
    everyone = 10
    for number in range(ROUNDS):
        ends = []
        for k in MEMBERS:
            bend = lambda v, k=k, t=theta: -own[k] + alpha * (v - t)  # noqa: E731
            end, _ = Client(work, k).train(theta, SGD, number, bend)
            own[k] = own[k] - alpha * (end - theta)
            ends.append(end)
        h = h - alpha / everyone * sum(end - theta for end in ends)
        theta = np.mean(ends, axis=0) - h / alpha
        expected.append(np.concatenate([theta, h]))
    agree(ours(work, FedDyn(SGD, alpha), ROUNDS, even, 5 / everyone), expected)


def test_fedsgd_is_one_step_of_gradient_descent_on_all_records(work: Work) -> None:
    w, expected = work.model.initial(1).astype(np.float64), []
    v = np.zeros_like(w)
    sizes = np.array(SIZES, dtype=np.float64)
    union = Client(replace(work, shards=[np.arange(sum(SIZES))]), 1)
    for _ in range(ROUNDS):
        v = 0.5 * v + union.gradient(w, np.arange(sum(SIZES)))
        w = w - SGD.learning_rate * v
        expected.append(np.concatenate([w, v]))
    agree(ours(work, FedSGD(SGD, 0.5), ROUNDS, sizes, 1.0), expected)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_sizes_are_as_announced_and_a_step_repeats_bit_for_bit(work: Work, name: str) -> None:
    algorithm = algorithm_for(name, SGD)
    assert pickle.loads(pickle.dumps(algorithm)) == algorithm and algorithm.name == name
    if name == "conjugate-gradients":  # it solves a linear system, which only this model has
        work = replace(work, model=LeastSquares(work.model.inputs, work.model.classes))
    size = work.model.size
    state = algorithm.initial_state(work.model.initial(1))
    assert len(state) == algorithm.state_size(size) and np.array_equal(state[:size], work.model.initial(1))
    with LocalEngine(replace(work, algorithm=algorithm)) as engine:
        trained = engine.train(0, state, MEMBERS, {})
    for client in trained.values():
        assert client.payload is not None and client.payload.dtype == np.float32
        assert client.payload.shape == (algorithm.payload_size(size),)
        assert client.memory.shape == (algorithm.memory_size(size),)
    mean = np.mean([t.payload for t in trained.values()], axis=0, dtype=np.float64)
    after = algorithm.step(state, mean, 1.0, 0)
    assert after.dtype == np.float32 and after.shape == state.shape and not np.array_equal(after, state)
    assert after.tobytes() == algorithm.step(state.copy(), mean.copy(), 1.0, 0).tobytes()


@pytest.mark.parametrize(
    ("name", "settings", "reached"),
    [
        ("fedavg", {}, 0.88),
        ("fedprox", {"proximal": 0.1}, 0.88),
        ("fedavgm", {"server_momentum": 0.8}, 0.91),
        ("fedadam", {"server_rate": 0.05}, 0.92),
        ("scaffold", {}, 0.89),
        ("feddyn", {"strength": 0.1}, 0.91),
        ("fedsgd", {"server_momentum": 0.9}, 0.84),
    ],
)
def test_fifteen_rounds_on_digits_learn(name: str, settings: dict[str, float], reached: float) -> None:
    digits = data.load("digits")
    shards = split(digits.train_y, 20, Partition("dirichlet", 0.3), SEED, 8)
    model = model_for("softmax", digits.inputs, digits.classes)
    algorithm = algorithm_for(name, LocalSGD(epochs=1, batch=16, learning_rate=0.3), **settings)
    work = Work(model, algorithm, digits.train_x, digits.train_y, shards, SEED)
    everyone = range(1, 21)
    state, memories = algorithm.initial_state(model.initial(SEED)), {}
    with LocalEngine(work) as engine:
        for number in range(15):
            trained = engine.train(number, state, everyone, memories)
            memories = {client: t.memory for client, t in trained.items()}
            payloads = np.stack([t.payload for t in trained.values()]).astype(np.float64)
            state = algorithm.step(state, payloads.mean(0), 1.0, number)
    accuracy = model.evaluate(state[: model.size], digits.test_x, digits.test_y).accuracy
    assert accuracy >= reached, accuracy


def test_unknown_names_and_bad_settings_are_refused_by_name() -> None:
    with pytest.raises(ParameterError, match="unknown algorithm 'adam'"):
        algorithm_for("adam", SGD)
    with pytest.raises(ParameterError, match="fedavg has no setting 'beta1'; it has none"):
        algorithm_for("fedavg", SGD, beta1=0.9)
    with pytest.raises(ParameterError, match=r"beta1 must be in \[0, 1\)"):
        algorithm_for("fedadam", SGD, beta1=1.0)
    with pytest.raises(ParameterError, match="server_rate must be a positive number"):
        algorithm_for("scaffold", SGD, server_rate=0.0)
    with pytest.raises(ParameterError, match="plain SGD"):
        algorithm_for("scaffold", replace(SGD, momentum=0.9))
    assert algorithm_settings("fedavgm") == {"server_momentum": 0.9, "server_rate": 1.0}
