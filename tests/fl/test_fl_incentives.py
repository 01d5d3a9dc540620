"""Rewards: axioms of the values, exact pay, what each rule sees, and a simulation that behaves."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.data import load_digits
from fl.incentives import RULES, Sees, split
from fl.incentives.participation import Market, simulate
from fl.incentives.quality import RoundGame
from fl.incentives.values import exact_shapley, from_groups, leave_one_out, truncated_monte_carlo
from fl.models import SoftmaxRegression
from fl.publish import reward
from fl.seeds import generator
from fl.suite.incentives import SMOKE, incentives
from mpc.errors import ParameterError

DIGITS = load_digits()
MODEL = SoftmaxRegression(64, 10)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


class Game:
    """A random game, remembered; player 0 never changes anything, players 1 and 2 can stand in for each other."""

    def __init__(self, players: int, seed: int) -> None:
        self.players = list(range(players))
        self.asked: list[frozenset[int]] = []
        self._values: dict[frozenset[int], float] = {}
        self._rng = generator(seed, "game")

    def __call__(self, team: frozenset[int]) -> float:
        self.asked.append(team)
        twins = len(team & {1, 2})
        key = frozenset(team - {0, 1, 2}) | frozenset({-twins} if twins else ())
        if key not in self._values:
            self._values[key] = float(self._rng.normal()) if key else 0.0
        return self._values[key]


def by_definition(players: list[int], game: Game) -> dict[int, float]:
    """Shapley's value as the mean over all orders of arrival."""
    values = dict.fromkeys(players, 0.0)
    orders = list(itertools.permutations(players))
    for order in orders:
        team = frozenset[int]()
        for player in order:
            values[player] += (game(team | {player}) - game(team)) / len(orders)
            team |= {player}
    return values


# --- values


@given(st.integers(3, 6), st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_the_exact_value_is_the_mean_over_all_orders(players: int, seed: int) -> None:
    game = Game(players, seed)
    assert exact_shapley(game.players, game) == pytest.approx(by_definition(game.players, game), abs=1e-9)


@given(st.integers(3, 7), st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_the_axioms_hold_for_the_exact_value(players: int, seed: int) -> None:
    game, other = Game(players, seed), Game(players, seed + 1)
    values = exact_shapley(game.players, game)
    assert sum(values.values()) == pytest.approx(game(frozenset(game.players)))  # efficiency
    assert values[0] == pytest.approx(0.0, abs=1e-12)  # null player
    assert values[1] == pytest.approx(values[2])  # symmetry
    both = exact_shapley(game.players, lambda team: game(team) + 2 * other(team))
    apart = exact_shapley(other.players, other)
    assert both == pytest.approx({p: values[p] + 2 * apart[p] for p in values})  # additivity


@given(st.integers(3, 8), st.integers(0, 10**6), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_sampling_is_efficient_and_gives_nothing_for_nothing(
    players: int, seed: int, permutations: int
) -> None:
    game = Game(players, seed)
    values = truncated_monte_carlo(
        game.players, game, permutations=permutations, tolerance=0.0, rng=generator(seed, "orders")
    )
    assert sum(values.values()) == pytest.approx(game(frozenset(game.players)))
    assert values[0] == pytest.approx(0.0, abs=1e-12)


def test_sampling_converges_to_the_exact_value() -> None:
    game = Game(6, 3)
    exact = exact_shapley(game.players, game)

    def error(permutations: int) -> float:
        found = truncated_monte_carlo(
            game.players, game, permutations=permutations, tolerance=0.0, rng=generator(1, permutations)
        )
        return max(abs(found[p] - exact[p]) for p in exact)

    assert error(4000) < 0.1 < error(10)


def test_truncation_saves_evaluations_and_loses_at_most_its_tolerance() -> None:
    def saturating(team: frozenset[int]) -> float:
        return 1 - 0.5 ** len(team)

    asked = []

    def counted(team: frozenset[int]) -> float:
        asked.append(team)
        return saturating(team)

    players = list(range(12))
    values = truncated_monte_carlo(players, counted, permutations=50, tolerance=0.05, rng=generator(2, "cut"))
    assert len(asked) == 2 + 50 * 5
    total = saturating(frozenset(players))
    assert total - 0.05 < sum(values.values()) <= total


def test_leave_one_out_pays_twins_nothing() -> None:
    values = leave_one_out([1, 2, 3], lambda team: float(bool(team & {1, 2})) + 3.0 * (3 in team))
    assert values == {1: 0.0, 2: 0.0, 3: 3.0}


@given(st.integers(0, 10**6))
@settings(max_examples=25, deadline=None)
def test_additive_worth_is_found_from_enough_groups(seed: int) -> None:
    rng = generator(seed, "groups")
    worth = dict(enumerate(rng.normal(size=9).tolist()))
    groups = {}
    for _ in range(6):
        order = rng.permutation(9).reshape(3, 3)
        for line in (*order, *order.T):
            members = tuple(sorted(int(p) for p in line))
            groups[members] = sum(worth[p] for p in members) / 3
    assert from_groups(groups) == pytest.approx(worth, abs=1e-8)


def test_groups_explain_what_they_saw_and_no_more() -> None:
    groups = {(1, 2): 0.4, (3, 4): 0.2, (1, 3): 0.5, (2, 4): 0.1}
    values = from_groups(groups)
    for group, value in groups.items():
        assert sum(values[p] for p in group) / 2 == pytest.approx(value)
    assert from_groups({(1, 2, 3): 0.7}) == pytest.approx({1: 0.7, 2: 0.7, 3: 0.7})
    with pytest.raises(ParameterError, match="no group is empty"):
        from_groups({(): 1.0})


def test_too_much_is_refused() -> None:
    with pytest.raises(ParameterError, match="2\\^17"):
        exact_shapley(range(17), lambda team: 0.0)
    with pytest.raises(ParameterError, match="at least one permutation"):
        truncated_monte_carlo([1], len, permutations=0, tolerance=0.0, rng=generator(1))


# --- pay


worths = st.dictionaries(
    st.integers(1, 60), st.floats(-1e12, 1e12) | st.just(0.0) | st.integers(0, 10**9).map(float), max_size=30
)


@given(st.integers(0, 10**24), worths)
def test_the_budget_is_paid_exactly_or_not_at_all(budget: int, worth: dict[int, float]) -> None:
    shares = split(budget, worth)
    assert set(shares) == set(worth) and all(type(s) is int and s >= 0 for s in shares.values())
    assert sum(shares.values()) == (budget if any(w > 0 for w in worth.values()) else 0)
    assert all(shares[c] == 0 for c, w in worth.items() if w <= 0)


@given(st.integers(0, 10**24), worths, st.floats(0.0, 1e12))
def test_equals_differ_by_at_most_one_unit_and_more_is_never_less(
    budget: int, worth: dict[int, float], value: float
) -> None:
    shares = split(budget, worth | {100: value, 101: value, 102: value * 2})
    assert 0 <= shares[100] - shares[101] <= 1
    assert shares[102] >= shares[101]


@given(
    st.integers(0, 10**24),
    st.dictionaries(st.integers(1, 50), st.integers(1, 10**6), min_size=1, max_size=30),
)
def test_by_samples_is_what_the_contract_pays_up_to_its_rounding(
    budget: int, samples: dict[int, int]
) -> None:
    total = sum(samples.values())
    for client, share in split(budget, {c: float(n) for c, n in samples.items()}).items():
        assert share - reward(budget, samples[client], total) in (0, 1)


def test_pay_refuses_what_is_no_number() -> None:
    for value in (math.nan, math.inf):
        with pytest.raises(ParameterError, match="finite"):
            split(10, {1: value})
    with pytest.raises(ParameterError, match="negative"):
        split(-1, {1: 1.0})


# --- a round as a game, and the rules


@pytest.fixture(scope="module")
def game() -> RoundGame:
    """Six clients: 1 to 4 trained on digits, 5 sends nothing, 6 trained on wrong labels."""
    start = MODEL.initial(1)
    x, y = (
        torch.from_numpy(DIGITS.train_x[:240]).view(6, 40, 64),
        torch.from_numpy(DIGITS.train_y[:240]).view(6, 40),
    )
    y = torch.cat([y[:5], (y[5:] + 3) % 10])
    moved = torch.from_numpy(start).repeat(6, 1)
    for _ in range(5):
        moved -= 0.5 * MODEL.gradient(moved, x, y, torch.full(y.shape, 1 / 40))
    updates = {i + 1: row for i, row in enumerate(moved.numpy() - start)}
    updates[5] = np.zeros_like(start)
    samples = dict.fromkeys(updates, 40)
    return RoundGame(MODEL, start, updates, samples, DIGITS.test_x[:200], DIGITS.test_y[:200])


def test_a_coalition_is_worth_what_it_takes_off_the_loss(game: RoundGame) -> None:
    assert game(frozenset()) == 0.0
    mean = (game.updates[1] + game.updates[2]) / 2
    before = MODEL.evaluate(game.start, game.features, game.labels).loss
    after = MODEL.evaluate(game.start + mean, game.features, game.labels).loss
    assert game(frozenset({1, 2})) == pytest.approx(before - after, abs=1e-6)
    assert game(frozenset({5})) == pytest.approx(0.0, abs=1e-9)


def test_shapley_tells_work_from_idleness_and_damage(game: RoundGame) -> None:
    values = exact_shapley(game.players, game)
    assert min(values[c] for c in (1, 2, 3, 4)) > values[5] > values[6]


class Watched(RoundGame):
    """A game that notes which coalitions a rule looked at."""

    def __call__(self, coalition: frozenset[int]) -> float:
        self.looked.add(coalition)
        return super().__call__(coalition)


def test_a_rule_looks_at_nothing_it_does_not_declare(game: RoundGame) -> None:
    everybody = frozenset(game.players)
    for rule in RULES:
        watched = Watched(game.model, game.start, game.updates, game.samples, game.features, game.labels)
        watched.looked = set()
        worth = rule.worth(watched, 1, 0)
        assert set(worth) == everybody
        match rule.sees:
            case Sees.DECLARED:
                assert not watched.looked
            case Sees.GROUPS:
                # rows and columns of a grid with at least three in each, never a single client
                assert watched.looked and min(map(len, watched.looked)) >= 3
            case Sees.UPDATES:
                assert watched.looked == {everybody, *(everybody - {c} for c in everybody)}
            case Sees.COALITIONS:
                assert min(map(len, watched.looked)) <= 1


def test_quality_rules_pay_the_idle_less_than_samples_do(game: RoundGame) -> None:
    pay = {rule.name: split(10**18, rule.worth(game, 1, 0)) for rule in RULES}
    assert pay["samples"][5] == pytest.approx(10**18 / 6, rel=1e-9)
    assert pay["leave-one-out"][5] == 0
    assert pay["Shapley"][6] == 0 and pay["Shapley"][5] < pay["Shapley"][1]


# --- the simulation


MARKET = Market(
    {"diligent": 8, "careless": 2, "idle": 3}, records=30, rounds=25, budget=13 * 10**6, cost_per_record=15_000,
    cost_of_idling=200_000,
)  # fmt: skip


def test_the_idle_stay_where_samples_are_paid_and_leave_where_quality_is() -> None:
    rules = {rule.name: rule for rule in RULES}
    by_samples = simulate(MARKET, rules["samples"], MODEL, DIGITS, 1)
    by_quality = simulate(MARKET, rules["leave-one-out"], MODEL, DIGITS, 1)
    assert by_samples.taking_part["idle"] == 1.0 and by_samples.earned["idle"] == pytest.approx(
        3 / 13, abs=0.02
    )
    assert by_quality.taking_part["idle"] < 0.6 and by_quality.earned["idle"] < 0.05
    assert by_samples.paid <= MARKET.budget * MARKET.rounds


def test_rejection_makes_free_riding_unprofitable_under_any_rule() -> None:
    from dataclasses import replace

    guarded = replace(MARKET, detection=0.94, false_alarm=0.01)
    outcome = simulate(guarded, RULES[0], MODEL, DIGITS, 1)
    assert outcome.earned["idle"] < 0.05 and outcome.taking_part["diligent"] > 0.9


def test_nobody_works_for_nothing_and_everybody_for_enough() -> None:
    from dataclasses import replace

    hungry = replace(MARKET, budget=0, curiosity=0.0)
    outcome = simulate(hungry, RULES[0], MODEL, DIGITS, 1)
    assert outcome.paid == 0 and set(outcome.taking_part.values()) == {0.0}
    rich = simulate(replace(MARKET, budget=10**9), RULES[0], MODEL, DIGITS, 1)
    assert set(rich.taking_part.values()) == {1.0} and rich.paid == 10**9 * MARKET.rounds
    assert rich.accuracy > 0.8


def test_the_same_seed_is_the_same_simulation() -> None:
    rule = RULES[3]
    assert simulate(MARKET, rule, MODEL, DIGITS, 4) == simulate(MARKET, rule, MODEL, DIGITS, 4)
    assert simulate(MARKET, rule, MODEL, DIGITS, 4) != simulate(MARKET, rule, MODEL, DIGITS, 5)


def test_impossible_markets_are_refused() -> None:
    with pytest.raises(ParameterError, match="unknown kind of agent 'lazy'"):
        Market({"lazy": 3}, 1, 1, 1, 1, 1)
    with pytest.raises(ParameterError, match="two agents"):
        Market({"diligent": 1}, 1, 1, 1, 1, 1)
    with pytest.raises(ParameterError, match="want 2600 records"):
        simulate(Market({"diligent": 26}, 100, 1, 1, 1, 1), RULES[0], MODEL, DIGITS, 1)


@pytest.mark.slow
def test_the_suite_gives_rows_of_both_kinds() -> None:
    rows = incentives(DIGITS, SMOKE, 1)
    assert [row["kind"] for row in rows] == ["measured"] * 4 + ["simulation"] * 5
    measured = {row["rule"]: row for row in rows[:4]}
    assert measured["Shapley"]["rank_correlation"] > 0.7 > 0.1 > measured["samples"]["rank_correlation"]
    assert all(0 <= row["to_free_riders"] <= 1 and row["paid"] <= 1 for row in rows[4:])
