"""The tail bounds against brute force and simulation; the parameters against their own promises."""

from itertools import combinations, product
from math import comb, inf, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import NotEnoughParties, ParameterError
from mpc.prg import Stream
from mpc.secagg import Parameters, parameters
from mpc.secagg.bounds import bits_of, disconnected, hypergeometric_tail, small_component
from mpc.secagg.graph import draw_neighbours, mask_sign, masking_pairs


@given(st.integers(1, 8), st.data())
def test_the_tail_is_the_count_of_all_draws(others: int, data: st.DataObject) -> None:
    marked, degree = data.draw(st.integers(0, others)), data.draw(st.integers(0, others))
    at_least = data.draw(st.integers(-1, others + 1))
    draws = list(combinations(range(others), degree))
    hits = sum(sum(i < marked for i in draw) >= at_least for draw in draws)
    assert hypergeometric_tail(others, marked, degree, at_least) == (hits, len(draws))


def test_bits_are_exact_far_below_floats() -> None:
    assert bits_of((1, 1 << 5000)) == 5000.0
    assert bits_of((0, 7)) == inf
    assert bits_of((1, 2), events=4) == 0.0
    assert bits_of((1, 1 << 40), events=1 << 10) == 30.0


def connected(survivors: range, draws: tuple[tuple[int, ...], ...]) -> bool:
    reached, frontier = {survivors[0]}, [survivors[0]]
    while frontier:
        i = frontier.pop()
        for j in survivors:
            if j not in reached and (j in draws[i] or i in draws[j]):
                reached.add(j)
                frontier.append(j)
    return len(reached) == len(survivors)


@pytest.mark.parametrize(("n", "survivors", "degree"), [(4, 4, 1), (5, 4, 2), (5, 3, 2), (5, 5, 1)])
def test_the_connectivity_bound_is_above_the_exact_probability(n: int, survivors: int, degree: int) -> None:
    choices = [list(combinations([j for j in range(n) if j != i], degree)) for i in range(survivors)]
    total = failed = 0
    for draws in product(*choices):
        total += 1
        failed += not connected(range(survivors), draws)
    bound = 2.0 ** -disconnected(n - 1, survivors, degree)
    assert failed / total <= bound + 1e-12 <= 40 * failed / total + 1e-12


def test_closed_sets_by_brute_force() -> None:
    # 6 honest clients among 6, each drawing 3 of 5: how often is some set of at most s closed with 2 inside?
    n, degree, inside = 6, 3, 2
    size = small_component(n - 1, n, degree, inside, 3.0)
    stream = Stream(bytes(32))
    trials, failed = 3000, 0
    for _ in range(trials):
        draws = [
            draw_neighbours(i, range(n), Parameters((1, 2, 3, 4, 5, 6), 3, 1, dim=1), stream)
            for i in range(n)
        ]
        failed += any(
            all(sum(j in chosen for j in draws[i]) >= inside for i in chosen)
            for s in range(1, size)
            for chosen in combinations(range(n), s)
        )
    assert failed / trials <= 2.0**-3.0 + 0.02


@pytest.mark.parametrize(
    ("n", "corrupt", "dropout"), [(100, 0.1, 0.05), (100, 0.2, 0.1), (300, 0.2, 0.1), (1000, 0.1, 0.1)]
)
def test_a_sparse_choice_keeps_its_promises(n: int, corrupt: float, dropout: float) -> None:
    params = parameters(range(1, n + 1), corrupt=corrupt, dropout=dropout, security_bits=40, dim=1)
    k, t = params.degree, params.threshold
    bad, gone = round(corrupt * n), round(dropout * n)
    assert k < n - 1 and 2 * t > k
    assert bits_of(hypergeometric_tail(n - 1, bad, k, 2 * t - k), n - bad) >= 41
    assert bits_of(hypergeometric_tail(n - 1, gone, k, k - t + 1), n) >= 30
    assert disconnected(n - 1, n - bad - gone, k) >= 41
    assert params.quorum > (n + bad) / 2 and params.quorum <= n - gone
    # a lower threshold would break the first promise
    assert bits_of(hypergeometric_tail(n - 1, bad, k, 2 * (t - 1) - k), n - bad) < 41
    for number in (str(n), str(bad), str(gone), str(k), str(t)):
        assert number in params.justification


def test_more_adversaries_cost_more_neighbours() -> None:
    def degree(corrupt: float, dropout: float, bits: int = 40) -> int:
        return parameters(range(1, 501), corrupt=corrupt, dropout=dropout, security_bits=bits, dim=1).degree

    assert degree(0.1, 0.05) < degree(0.2, 0.05) < degree(0.3, 0.05)
    assert degree(0.1, 0.05) < degree(0.1, 0.1) < degree(0.1, 0.2)
    assert degree(0.1, 0.05, 30) < degree(0.1, 0.05, 60)


def test_impossible_demands_give_the_complete_graph_or_an_error() -> None:
    params = parameters(range(1, 101), corrupt=0.33, dropout=0.3, dim=1)
    assert params.degree == 99 and params.threshold == 67 and "unconditional" in params.justification
    weaker = parameters(range(1, 101), corrupt=0.4, dropout=0.4, dim=1)
    assert weaker.threshold == 59 and "WEAKER THAN ASKED" in weaker.justification
    honest = parameters(range(1, 101), corrupt=0.4, dropout=0.7, dim=1)
    assert "only against a server that follows" in " ".join(honest.justification.split())
    with pytest.raises(ParameterError):
        parameters(range(1, 11), corrupt=0.0, dropout=0.9, dim=1)
    for corrupt, dropout in ((-0.1, 0.0), (1.0, 0.0), (0.0, 1.0)):
        with pytest.raises(ParameterError):
            parameters(range(1, 11), corrupt=corrupt, dropout=dropout, dim=1)


def test_drawn_neighbours_are_uniform_distinct_and_others() -> None:
    params = Parameters(tuple(range(1, 8)), 3, 2, dim=1)
    stream = Stream(bytes(32))
    counts = dict.fromkeys(combinations([1, 2, 4, 5, 6, 7], 3), 0)
    for _ in range(8000):
        counts[draw_neighbours(3, range(1, 8), params, stream)] += 1
    expected = 8000 / comb(6, 3)
    # 19 degrees of freedom, one in a thousand
    assert sum((c - expected) ** 2 / expected for c in counts.values()) < 43.8
    assert draw_neighbours(3, [1, 3, 5], params, stream) == (1, 5)
    with pytest.raises(NotEnoughParties):
        draw_neighbours(3, [1, 3], params, stream)


def test_masking_pairs_are_symmetric_and_signed() -> None:
    pairs = masking_pairs({1: [2], 2: [], 3: [1, 9]})
    assert pairs == {1: {2, 3}, 2: {1}, 3: {1}}
    assert mask_sign(1, 2) == -mask_sign(2, 1)


def test_the_union_bound_is_over_all_clients() -> None:
    tail = hypergeometric_tail(99, 20, 41, 21)
    assert bits_of(tail, 80) == pytest.approx(bits_of(tail) - log2(80))
