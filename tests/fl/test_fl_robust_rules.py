"""Robust rules against their published definitions, written out loop by loop."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.robust import (
    MODES,
    RULES,
    Clipping,
    ConeTest,
    Context,
    FLTrust,
    Krum,
    Mean,
    Median,
    Memory,
    MultiKrum,
    NormBound,
    Rule,
    TrimmedMean,
    Verdict,
    require_tolerated,
    rule_for,
)
from fl.robust.krum import krum_scores, squared_distances
from mpc.codec import Codec
from mpc.errors import ParameterError

ROWS, DIM = 11, 7
CODEC = Codec(clip=4.0, bits=16, max_clients=ROWS)
CONTEXT = Context(directions=np.eye(DIM)[:4], root_update=np.arange(1.0, DIM + 1))


def updates(seed: int, rows: int = ROWS) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, DIM)) + 0.5


def judged(rule: Rule, matrix: np.ndarray, context: Context = CONTEXT) -> Verdict:
    return rule.accept(matrix, context, Memory.fresh(len(matrix)))


def krum_by_hand(matrix: np.ndarray, f: int) -> list[float]:
    """Section 4 of Blanchard et al.: the sum over the n - f - 2 closest other vectors of squared distances."""
    scores = []
    for i, mine in enumerate(matrix):
        distances = sorted(float(((mine - other) ** 2).sum()) for j, other in enumerate(matrix) if j != i)
        scores.append(sum(distances[: len(matrix) - f - 2]))
    return scores


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(5, 14))
def test_krum_chooses_by_the_sum_over_the_closest_others(seed: int, rows: int) -> None:
    matrix, f = updates(seed, rows), (rows - 3) // 2
    by_hand = krum_by_hand(matrix, f)
    assert np.allclose(krum_scores(squared_distances(matrix), f), by_hand)
    rule = Krum(share=f / rows)
    assert rule.assumed(rows) == f
    chosen = judged(rule, matrix)
    assert np.flatnonzero(chosen.accepted).tolist() == [int(np.argmin(by_hand))]
    assert np.allclose(chosen.aggregate, matrix[int(np.argmin(by_hand))])
    several = judged(MultiKrum(share=f / rows), matrix)
    best = sorted(range(rows), key=lambda i: by_hand[i])[: rows - f]
    assert set(np.flatnonzero(several.accepted)) == set(best)
    assert np.allclose(several.aggregate, matrix[sorted(best)].mean(axis=0))


def test_krum_refuses_more_than_its_proof_covers() -> None:
    assert MultiKrum(share=0.4).most_malicious(10) == 3  # 2 f + 2 < n
    with pytest.raises(ParameterError, match="2 f \\+ 2 < n"):
        judged(Krum(share=0.45), updates(1, 10))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6), st.integers(3, 12))
def test_median_and_trimmed_mean_coordinate_by_coordinate(seed: int, rows: int) -> None:
    matrix = updates(seed, rows)
    columns = [sorted(column) for column in matrix.T.tolist()]
    middle = [(c[(rows - 1) // 2] + c[rows // 2]) / 2 for c in columns]
    assert np.allclose(judged(Median(), matrix).aggregate, middle)
    trim = int(np.ceil(0.2 * rows))
    kept = [sum(c[trim : rows - trim]) / (rows - 2 * trim) for c in columns]
    assert np.allclose(judged(TrimmedMean(), matrix).aggregate, kept)


def test_mean_norm_bound_and_clipping_by_hand() -> None:
    matrix = updates(2)
    matrix[3] *= 50
    norms = [float(np.sqrt((row**2).sum())) for row in matrix]
    median = sorted(norms)[ROWS // 2]
    assert np.allclose(judged(Mean(), matrix).aggregate, sum(matrix) / ROWS)
    bounded = judged(NormBound(times=2.0), matrix)
    short = [row for row, norm in zip(matrix, norms, strict=True) if norm <= 2 * median]
    assert not bounded.accepted[3] and np.allclose(bounded.aggregate, sum(short) / len(short))
    assert judged(NormBound(bound=1e9), matrix).accepted.all()
    clipped = judged(Clipping(), matrix)
    by_hand = [row * min(1.0, median / norm) for row, norm in zip(matrix, norms, strict=True)]
    assert clipped.accepted.all() and np.allclose(clipped.aggregate, sum(by_hand) / ROWS)


def test_fltrust_is_its_three_equations() -> None:
    matrix = updates(3)
    root = np.arange(1.0, DIM + 1)
    matrix[0] = -root
    verdict = judged(FLTrust(), matrix)
    total, weight = np.zeros(DIM), 0.0
    for row in matrix:
        trust = max(0.0, float(row @ root) / float(np.linalg.norm(row) * np.linalg.norm(root)))
        total += trust * np.linalg.norm(root) / np.linalg.norm(row) * row
        weight += trust
    assert np.allclose(verdict.aggregate, total / weight)
    assert not verdict.accepted[0] and verdict.weights[0] == 0
    nobody = judged(FLTrust(), -np.tile(root, (3, 1)))
    assert not nobody.accepted.any() and not nobody.aggregate.any()


@pytest.mark.parametrize("name", sorted(RULES))
def test_encoded_integers_are_judged_as_the_floats_they_stand_for(name: str) -> None:
    codes = CODEC.encode(updates(4)).values
    floats = codes * CODEC.step
    context = Context(CONTEXT.directions, CONTEXT.root_update)
    on_floats = judged(rule_for(name), floats, context)
    in_codes = Context(CONTEXT.directions, np.arange(1.0, DIM + 1) / CODEC.step)
    on_codes = judged(rule_for(name), codes, in_codes)
    assert np.array_equal(on_floats.accepted, on_codes.accepted)
    assert np.allclose(on_codes.aggregate * CODEC.step, on_floats.aggregate)


@pytest.mark.parametrize("name", sorted(RULES))
def test_the_order_of_the_clients_does_not_matter(name: str) -> None:
    matrix, order = updates(5), np.random.default_rng(1).permutation(ROWS)
    one, other = judged(rule_for(name), matrix), judged(rule_for(name), matrix[order])
    assert np.array_equal(one.accepted[order], other.accepted)
    assert np.allclose(one.aggregate, other.aggregate)


@pytest.mark.parametrize("name", sorted(RULES))
def test_weights_say_what_the_aggregate_is_and_nan_is_refused(name: str) -> None:
    rule, matrix = rule_for(name), updates(6)
    verdict = judged(rule, matrix)
    assert not verdict.weights[~verdict.accepted].any()
    if name not in ("median", "trimmed-mean"):
        assert np.allclose(verdict.weights @ matrix, verdict.aggregate)
    matrix[2, 1] = np.nan
    with pytest.raises(ParameterError, match="dropped out"):
        judged(rule, matrix)


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_says_where_it_works_and_what_it_tolerates(name: str) -> None:
    rule = rule_for(name)
    assert set(rule.under) == set(MODES)
    assert all(
        text.split(",")[0].split(":")[0] in ("yes", "no") or text[:4] == "with"
        for text in rule.under.values()
    )
    most = rule.most_malicious(100)
    require_tolerated(rule, 100, most)
    with pytest.raises(ParameterError, match=f"at most {most} malicious of 100 clients, not {most + 1}"):
        require_tolerated(rule, 100, most + 1)
    assert not rule.tolerates(100, -1)


def test_within_its_tolerance_the_median_stays_between_honest_values() -> None:
    honest = updates(7, 6)
    for sign in (-1, 1):
        attacked = np.concatenate([honest, np.full((5, DIM), sign * 1e6)])
        result = judged(Median(), attacked).aggregate
        assert (result >= honest.min(axis=0)).all() and (result <= honest.max(axis=0)).all()


def test_one_client_moves_the_mean_anywhere_but_not_multi_krum() -> None:
    honest = updates(8, 10)
    far = np.full((1, DIM), 1e6)
    attacked = np.concatenate([honest, far])
    assert np.linalg.norm(judged(Mean(), attacked).aggregate) > 1e4
    widest = max(float(np.linalg.norm(a - b)) for a, b in combinations(honest, 2))
    kept = judged(MultiKrum(), attacked)
    assert not kept.accepted[-1]
    assert np.linalg.norm(kept.aggregate - honest.mean(axis=0)) <= widest


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: NormBound(times=0.0), "positive"),
        (lambda: Clipping(bound=float("nan")), "positive"),
        (lambda: TrimmedMean(share=0.5), "trimmed"),
        (lambda: MultiKrum(share=-0.1), "share"),
        (lambda: ConeTest(keep=1.0), "weight of the past"),
        (lambda: ConeTest(spread=float("inf")), "finite"),
        (lambda: ConeTest(patience=0), "patience"),
        (lambda: rule_for("hope"), "unknown rule"),
        (lambda: judged(ConeTest(), updates(1), Context()), "directions of a root set"),
        (lambda: judged(FLTrust(), updates(1), Context()), "root set"),
        (lambda: judged(Mean(), np.zeros((0, 3))), "matrix"),
    ],
)
def test_what_cannot_work_is_refused(make: object, message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        make()  # type: ignore[operator]
