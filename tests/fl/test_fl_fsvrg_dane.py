"""Federated SVRG and DANE against transcriptions of their papers, symbol by symbol, on small sparse problems."""

import numpy as np
import pytest
import torch

from fl.engine import LocalSGD, Work
from fl.models import SoftmaxRegression
from fl.optim import Algorithm, FedAvg
from fl.optim.dane import DANE
from fl.optim.fsvrg import FSVRG
from fl.seeds import generator
from mpc.errors import ParameterError

FEATURES, CLASSES, SEED = 12, 3, 5
SIZES = (7, 4, 9, 5)
MODEL = SoftmaxRegression(FEATURES, CLASSES)
SHARDS = np.split(np.arange(sum(SIZES)), np.cumsum(SIZES)[:-1])


def problem() -> tuple[np.ndarray, np.ndarray]:
    """Records whose features are mostly zero: feature 0 belongs to one client alone, feature 1 to nobody."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(sum(SIZES), FEATURES)) * (rng.random((sum(SIZES), FEATURES)) < 0.4)
    x[:, 0] = 0
    x[SHARDS[2][:5], 0] = 1.5
    x[:, 1] = 0
    return x.astype(np.float32), rng.integers(0, CLASSES, sum(SIZES))


def play(
    algorithm: Algorithm,
    rounds: int,
    present: tuple[int, ...] = (1, 2, 3, 4),
    records: tuple[np.ndarray, np.ndarray] | None = None,
) -> list[np.ndarray]:
    """The states of `rounds` rounds as the coordinator of a real run computes them: means weighted by samples."""
    torch.set_num_threads(1)
    x, y = records or problem()
    work = Work(MODEL, algorithm, x, y, SHARDS, SEED)
    states = [algorithm.initial_state(MODEL.initial(SEED))]
    for number in range(rounds):
        made = work.train(present, states[-1], {}, number)
        weights = np.array([SIZES[client - 1] for client in made], dtype=np.float64)
        payloads = np.array([trained.payload for trained in made.values()], dtype=np.float64)
        mean = weights @ payloads / weights.sum()
        states.append(algorithm.step(states[-1], mean, len(made) / len(SIZES), number))
    return [state[: MODEL.size] for state in states]


def gradient(w: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient of the mean cross-entropy of softmax regression, written out. Shapes: w [features + 1, classes]."""
    x = np.hstack([x, np.ones((len(x), 1))])
    scores = np.exp(x @ w)
    chances = scores / scores.sum(axis=1, keepdims=True)
    chances[np.arange(len(y)), y] -= 1
    return x.T @ chances / len(y)


def fsvrg_of_the_paper(w: np.ndarray, h: float, sparse: bool, round_: int) -> np.ndarray:
    """Algorithm 4 of arXiv 1610.02527, line by line; feature j is row j of w, the bias a feature of every record."""
    x, y = problem()
    P = SHARDS
    n, K = sum(SIZES), len(SIZES)
    d = FEATURES + 1
    with_bias = np.hstack([x, np.ones((n, 1))])
    n_j = [sum(with_bias[i, j] != 0 for i in range(n)) for j in range(d)]
    n_kj = [[sum(with_bias[i, j] != 0 for i in P[k]) for j in range(d)] for k in range(K)]
    phi = [n_j[j] / n for j in range(d)]
    omega = [sum(n_kj[k][j] > 0 for k in range(K)) for j in range(d)]
    A = np.array([K / omega[j] if omega[j] else 1 for j in range(d)]) if sparse else np.ones(d)
    full = sum(gradient(w, x[[i]], y[[i]]) for i in range(n)) / n
    total = np.zeros_like(w)
    for k in range(K):
        n_k = len(P[k])
        phi_k = [n_kj[k][j] / n_k for j in range(d)]
        S_k = np.array([phi[j] / phi_k[j] if phi_k[j] else 1 for j in range(d)]) if sparse else np.ones(d)
        w_k, h_k = w.copy(), h / n_k
        permutation = generator(SEED, "training", round_, k + 1).permutation(n_k)
        for t in range(n_k):
            i = [P[k][permutation[t]]]
            w_k = w_k - h_k * (S_k[:, None] * (gradient(w_k, x[i], y[i]) - gradient(w, x[i], y[i])) + full)
        total += n_k / n * (w_k - w)
    return w + A[:, None] * total


@pytest.mark.parametrize("sparse", [False, True])
def test_fsvrg_is_algorithm_4(sparse: bool) -> None:
    h = 0.7
    states = play(FSVRG(LocalSGD(batch=1, learning_rate=h), sparse), 6)
    w = states[0].astype(np.float64).reshape(-1, CLASSES)
    for solve in (3, 5) if sparse else (1, 3, 5):
        w = fsvrg_of_the_paper(w, h, sparse, solve)
        assert np.allclose(states[solve + 1].reshape(-1, CLASSES), w, rtol=0, atol=2e-6)
        w = states[solve + 1].astype(np.float64).reshape(-1, CLASSES)


def test_rounds_that_sum_gradients_or_counts_do_not_move_the_model() -> None:
    states = play(FSVRG(LocalSGD(batch=1, learning_rate=0.5), sparse=True), 4)
    assert all(np.array_equal(state, states[0]) for state in states[:4])
    assert not np.array_equal(states[4], states[0])


def test_what_sparse_data_gain_from_scaling() -> None:
    """A feature of one client alone moves K times as far as a plain mean would move it."""
    h = 0.7
    plain = play(FSVRG(LocalSGD(batch=1, learning_rate=h)), 2)
    sparse = play(FSVRG(LocalSGD(batch=1, learning_rate=h), sparse=True), 4)
    rare = slice(0, CLASSES)
    moved = np.linalg.norm(sparse[4][rare] - sparse[0][rare]), np.linalg.norm(plain[2][rare] - plain[0][rare])
    assert moved[0] > 2 * moved[1]


@pytest.mark.parametrize(("dense", "differs"), [(True, False), (False, True)])
def test_sparse_and_plain_fsvrg_differ_on_sparse_data_alone(dense: bool, differs: bool) -> None:
    """Where every record has every feature, S_k and A are the identity. Full batches, so that shuffles do not matter."""
    x, y = problem()
    if dense:
        x = np.where(x == 0, np.float32(0.1), x)
    sgd = LocalSGD(epochs=4, batch=16, learning_rate=0.5)
    plain = play(FSVRG(sgd), 4, records=(x, y))[-1]
    sparse = play(FSVRG(sgd, sparse=True), 6, records=(x, y))[-1]
    assert np.linalg.norm(plain - play(FSVRG(sgd), 0, records=(x, y))[0]) > 0.1
    assert (np.abs(sparse - plain).max() > 0.01) == differs
    assert differs or np.abs(sparse - plain).max() < 1e-6


def test_sparse_fsvrg_counts_without_clients_that_are_away() -> None:
    """Frequencies over those in the sum; a feature that none of them has is scaled by one."""
    states = play(FSVRG(LocalSGD(batch=1, learning_rate=0.5), sparse=True), 6, present=(1, 2, 4))
    assert np.isfinite(states[-1]).all()
    assert not np.array_equal(states[-1], states[0])


def test_sparse_fsvrg_is_for_linear_models() -> None:
    class Deep(SoftmaxRegression):
        @property
        def size(self) -> int:
            return 2 * (self.inputs + 1) * self.classes

    x, y = problem()
    algorithm = FSVRG(sparse=True)
    model = Deep(FEATURES, CLASSES)
    work = Work(model, algorithm, x, y, SHARDS, SEED)
    state = algorithm.initial_state(np.zeros(model.size, dtype=np.float32))
    with pytest.raises(ParameterError, match="linear models only"):
        work.train((1, 2), state, {}, 0)


@pytest.mark.parametrize("wrong", [LocalSGD(momentum=0.5), LocalSGD(augment="flip-crop")])
def test_fsvrg_refuses_what_breaks_its_variance_reduction(wrong: LocalSGD) -> None:
    with pytest.raises(ParameterError, match="neither"):
        FSVRG(wrong)


def dane_subproblem(
    v: np.ndarray, w: np.ndarray, x: np.ndarray, y: np.ndarray, total: np.ndarray, mu: float, eta: float
) -> np.ndarray:
    """The gradient of the local objective of Figure 1 at v, which vanishes at its solution."""
    return gradient(v, x, y) - (gradient(w, x, y) - eta * total) + mu * (v - w)


def test_danes_clients_solve_their_subproblem() -> None:
    """With full-batch steps and many of them, the local problem's gradient is zero where the client ends."""
    mu, eta = 0.3, 0.8
    x, y = problem()
    algorithm = DANE(LocalSGD(epochs=900, batch=16, learning_rate=0.5), mu, eta)
    work = Work(MODEL, algorithm, x, y, SHARDS, SEED)
    first = algorithm.initial_state(MODEL.initial(SEED))
    w = MODEL.initial(SEED).astype(np.float64).reshape(-1, CLASSES)
    made = work.train((1, 2, 3, 4), first, {}, 0)
    for client, trained in made.items():
        mine = SHARDS[client - 1]
        assert np.allclose(trained.payload, gradient(w, x[mine], y[mine]).ravel(), atol=1e-6)
    total = gradient(w, x, y)
    mean = sum(len(SHARDS[c - 1]) * t.payload.astype(np.float64) for c, t in made.items()) / len(y)
    second = algorithm.step(first, mean, 1.0, 0)
    assert np.allclose(second[MODEL.size :], total.ravel(), atol=1e-6)
    for client, trained in work.train((1, 2, 3, 4), second, {}, 1).items():
        mine = SHARDS[client - 1]
        v = w + trained.payload.reshape(-1, CLASSES)
        assert np.abs(v - w).max() > 0.01
        assert np.abs(dane_subproblem(v, w, x[mine], y[mine], total, mu, eta)).max() < 1e-5


def test_dane_heads_for_the_optimum_of_all_data_and_averaging_does_not() -> None:
    """DANE's fixed point is where the gradient of all data vanishes; that of long local training is elsewhere."""
    x, y = problem()
    sgd = LocalSGD(epochs=60, batch=16, learning_rate=0.5)

    def slope(states: list[np.ndarray]) -> float:
        return float(np.linalg.norm(gradient(states[-1].reshape(-1, CLASSES), x, y)))

    dane, averaged = slope(play(DANE(sgd, prox=0.6), 120)), slope(play(FedAvg(sgd), 60))
    assert dane < averaged / 5


@pytest.mark.parametrize(
    "settings", [{"prox": -1.0}, {"gradient_weight": 0.0}, {"sgd": LocalSGD(augment="flip-crop")}]
)
def test_dane_refuses_settings_out_of_range(settings: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="dane"):
        DANE(**settings)
