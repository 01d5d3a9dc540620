"""The cone test: its least squares against SciPy, its scores against their definition, its verdicts on real training."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from fl.robust import ConeTest, Context, Memory, cone_scores, encode_directions
from fl.robust.nnls import nonnegative_least_squares
from mpc.errors import ParameterError


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6), st.integers(1, 12), st.floats(0.0, 3.0), st.integers(-6, 6))
def test_all_right_hand_sides_at_once_give_what_scipy_gives_one_by_one(
    seed: int, k: int, shared: float, magnitude: int
) -> None:
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(k, 40)) + shared * rng.normal(size=40)
    targets = (rng.normal(size=(9, 40)) + directions[0]) * 10.0**magnitude
    found = nonnegative_least_squares(directions @ directions.T, targets @ directions.T)
    for coefficients, target in zip(found, targets, strict=True):
        expected, residual = nnls(directions.T, target)
        assert coefficients.min() >= 0
        assert np.allclose(coefficients, expected, rtol=1e-5, atol=1e-7 * 10.0**magnitude)
        assert np.linalg.norm(directions.T @ coefficients - target) == pytest.approx(residual, rel=1e-8)


def test_equal_and_missing_directions_do_no_harm() -> None:
    rng = np.random.default_rng(4)
    directions = rng.normal(size=(4, 20))
    directions[2], directions[3] = directions[1], 0.0
    targets = rng.normal(size=(8, 20))
    found = nonnegative_least_squares(directions @ directions.T, targets @ directions.T)
    assert not found[:, 3].any()
    for coefficients, target in zip(found, targets, strict=True):
        residual = nnls(directions.T, target)[1]
        assert np.linalg.norm(directions.T @ coefficients - target) == pytest.approx(residual, rel=1e-6)


@pytest.mark.parametrize(
    ("gram", "inner"),
    [
        (np.eye(3), np.zeros((2, 2))),
        (np.full((2, 2), np.nan), np.zeros((2, 2))),
        (-np.eye(2), np.zeros((2, 2))),
    ],
)
def test_what_is_no_gram_matrix_is_refused(gram: np.ndarray, inner: np.ndarray) -> None:
    with pytest.raises(ParameterError, match="Gram"):
        nonnegative_least_squares(gram, inner)


def scores_by_hand(updates: np.ndarray, directions: np.ndarray) -> list[float]:
    """The cosine of each update with its projection on the cone, less that of its negative."""
    out = []
    for update in updates:
        cosines = []
        for vector in (update, -update):
            nearest = directions.T @ nnls(directions.T, vector)[0]
            length = np.linalg.norm(nearest) * np.linalg.norm(vector)
            cosines.append(float(nearest @ vector) / length if length > 0 else 0.0)
        out.append(cosines[0] - cosines[1])
    return out


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_scores_are_cosines_with_the_nearest_point_of_the_cone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    directions, updates = rng.normal(size=(5, 30)) + 0.3, rng.normal(size=(12, 30)) + 0.2
    updates[0] = directions[2] + 2 * directions[4]
    updates[1] = 0
    found = cone_scores(updates @ directions.T, directions @ directions.T, (updates**2).sum(axis=1))
    assert np.allclose(found, scores_by_hand(updates, directions), atol=1e-6)
    assert found[1] == 0 and (np.abs(found) <= 1).all()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_only_rays_matter_and_a_flipped_sign_flips_the_score(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    directions, updates = rng.normal(size=(4, 20)), rng.normal(size=(6, 20))

    def scores(u: np.ndarray, g: np.ndarray) -> np.ndarray:
        return cone_scores(u @ g.T, g @ g.T, (u**2).sum(axis=1))

    usual = scores(updates, directions)
    longer = directions * np.array([[1.0], [factor], [2.0], [1.0]])
    assert np.allclose(scores(factor * updates, longer), usual, atol=1e-6)
    assert np.allclose(scores(-updates, directions), -usual, atol=1e-9)


def test_directions_become_integers_of_one_length() -> None:
    given = np.random.default_rng(2).normal(size=(3, 500)) * np.array([[1e-3], [1.0], [0.0]])
    codes = encode_directions(given, bits=16)
    lengths = np.linalg.norm(codes, axis=1)
    assert codes.dtype == np.int64 and lengths[:2] == pytest.approx(2**16, rel=1e-5) and lengths[2] == 0
    cosine = codes[0] @ given[0] / (lengths[0] * np.linalg.norm(given[0]))
    assert cosine == pytest.approx(1, abs=1e-7)


def test_memory_is_an_average_that_turns_into_a_decaying_one() -> None:
    rule = ConeTest(keep=0.5)
    gram, norms = np.eye(1), np.ones(2)
    memory = Memory.fresh(3)
    rows = np.array([0, 2])
    for first, expected in ((0.8, 0.8), (0.2, 0.5), (0.1, 0.3)):
        inner = np.array([[first], [0.5]])
        found = rule.judge(inner, gram, norms, memory, rows)
        memory = found.memory
        assert found.scores == pytest.approx([expected, 0.5])
    assert memory.rounds.tolist() == [3, 0, 3] and memory.scores[1] == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 30), st.floats(0, 0.99))
def test_a_smoothed_score_is_the_weighted_sum_of_its_rounds(seed: int, rounds: int, keep: float) -> None:
    rng = np.random.default_rng(seed)
    rule, memory = ConeTest(keep=keep), Memory.fresh(6)
    judged, fresh = rng.random((rounds, 6)) < 0.7, rng.random((rounds, 6))
    judged[:, 0] = True
    for there, scores in zip(judged, fresh, strict=True):
        rows = np.flatnonzero(there)
        memory = rule.judge(scores[rows, None], np.eye(1), np.ones(len(rows)), memory, rows).memory
    weights = rule.weights(judged)
    assert (weights * fresh).sum(axis=0) == pytest.approx(memory.scores)
    assert weights.sum(axis=0) == pytest.approx(judged.any(axis=0).astype(float))
    assert not weights[~judged].any()


def test_patience_delays_scores_but_not_lengths() -> None:
    directions = np.eye(4)[:2]
    matrix = np.tile([3.0, 4.0, 0.0, 0.0], (9, 1))
    matrix[0] = [-3.0, -4.0, 0.0, 0.0]
    matrix[1] *= 100
    rule, memory = ConeTest(patience=2), Memory.fresh(9)
    first = rule.accept(matrix, Context(directions), memory)
    assert first.accepted[0] and not first.accepted[1]
    second = rule.accept(matrix, Context(directions), first.memory)
    assert second.accepted.tolist() == [False, False] + 7 * [True]
    assert np.allclose(second.aggregate, matrix[2])


def test_a_survivor_has_one_voice() -> None:
    matrix = np.tile([1.0, 1.0, 0.0], (5, 1))
    matrix[0] *= 5
    verdict = ConeTest().accept(matrix, Context(np.eye(3)[:2]), Memory.fresh(5))
    assert verdict.accepted.all() and np.allclose(verdict.aggregate, matrix[1])
