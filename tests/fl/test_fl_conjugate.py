"""Conjugate gradients over sums solve the problem of all data, however it is spread."""

import numpy as np
import pytest
import torch

from fl import data
from fl.engine import LocalEngine, Work
from fl.models import Model, SoftmaxRegression
from fl.models.base import autograd_gradient
from fl.models.least_squares import LeastSquares
from fl.optim.conjugate import ConjugateGradients
from fl.partition import split
from fl.plan import Partition
from mpc.codec import Codec
from mpc.errors import ParameterError

DIGITS = data.load("digits")
MODEL = LeastSquares(64, 10)


def play(
    kind: str, rounds: int, ridge: float, codec: Codec | None = None, model: Model = MODEL
) -> np.ndarray:
    """The model after `rounds` rounds, with the payloads through `codec` if there is one."""
    torch.set_num_threads(1)
    algorithm = ConjugateGradients(ridge=ridge)
    shards = split(DIGITS.train_y, 10, Partition(kind), 1, 16)
    engine = LocalEngine(Work(model, algorithm, DIGITS.train_x, DIGITS.train_y, shards, 1))
    state = algorithm.initial_state(model.initial(1))
    for number in range(rounds):
        made = engine.train(number, state, range(1, 11), {})
        weights = [len(shards[client - 1]) for client in made]
        payloads = [np.asarray(trained.payload, dtype=np.float64) for trained in made.values()]
        if codec is None:
            mean = np.average(payloads, axis=0, weights=weights)
        else:
            encoded = [codec.encode(p, weight=w).values for p, w in zip(payloads, weights, strict=True)]
            mean = codec.decode_sum(codec.residues(np.sum(encoded, axis=0)), sum(weights))
        state = algorithm.step(state, mean, 1.0, number)
    return state[: model.size]


def solution(ridge: float) -> np.ndarray:
    """The normal equations of all records at once."""
    n = len(DIGITS.train_y)
    x = np.hstack([DIGITS.train_x, np.ones((n, 1))]).astype(np.float64)
    wanted = np.eye(10)[DIGITS.train_y] - 0.1
    return np.linalg.solve(x.T @ x / n + ridge * np.eye(65), x.T @ wanted / n).ravel()


@pytest.mark.parametrize("kind", ["iid", "dirichlet", "shards"])
def test_any_partition_leads_to_the_solution_for_all_data(kind: str) -> None:
    exact = solution(1e-2)
    w = play(kind, 20, 1e-2)
    assert np.abs(w - exact).max() < 1e-4 * np.abs(exact).max()


def test_the_codecs_rounding_hardly_matters() -> None:
    codec = Codec(clip=8.0, bits=24, max_clients=10, max_weight=400, modulus=2**32)
    exact = solution(1e-2)
    assert np.abs(play("dirichlet", 14, 1e-2, codec) - exact).max() < 2e-2 * np.abs(exact).max()


def test_it_learns_digits_in_a_few_rounds() -> None:
    w = play("shards", 8, 1e-3)
    assert MODEL.evaluate(w, DIGITS.test_x, DIGITS.test_y).accuracy > 0.92


def test_the_gradient_is_that_of_half_the_squared_distance() -> None:
    generator = torch.Generator().manual_seed(1)
    parameters = torch.randn((3, MODEL.size), generator=generator)
    features = torch.randn((3, 5, 64), generator=generator)
    labels = torch.randint(0, 10, (3, 5), generator=generator)
    weights = torch.rand((3, 5), generator=generator)
    leaf = parameters.clone().requires_grad_(True)
    wanted = torch.eye(10)[labels] - 0.1
    loss = ((MODEL.logits(leaf, features) - wanted).pow(2).sum(2) / 2 * weights).sum()
    (expected,) = torch.autograd.grad(loss, leaf)
    assert torch.allclose(MODEL.gradient(parameters, features, labels, weights), expected, atol=1e-4)
    assert not torch.allclose(autograd_gradient(MODEL, parameters, features, labels, weights), expected)


def test_solving_on_after_the_solution_changes_nothing() -> None:
    algorithm = ConjugateGradients(ridge=0.0, classes=2)
    state = algorithm.step(algorithm.initial_state(np.ones(6, dtype=np.float32)), np.zeros(6), 1.0, 0)
    for number in range(1, 4):
        state = algorithm.step(state, np.zeros(6), 1.0, number)
        assert np.array_equal(state[:6], np.ones(6))


def test_long_after_the_solution_nothing_has_drifted() -> None:
    """Residuals of the classes become dependent; dividing by their products would blow rounding up."""
    exact = solution(1e-4)
    errors = [np.abs(play("dirichlet", rounds, 1e-4) - exact).max() for rounds in (40, 60)]
    assert max(errors) < 1e-3 * np.abs(exact).max()


def test_other_models_and_settings_are_refused() -> None:
    with pytest.raises(ParameterError, match="least-squares"):
        play("iid", 1, 1e-3, model=SoftmaxRegression(64, 10))
    with pytest.raises(ParameterError, match="10 classes"):
        play("iid", 1, 1e-3, model=LeastSquares(64, 11))
    with pytest.raises(ParameterError, match="ridge"):
        ConjugateGradients(ridge=-1.0)
