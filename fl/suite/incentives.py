"""Reward rules measured: how close each comes to Shapley's exact value, and a simulation of who takes part under it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np

from fl.data import Dataset
from fl.incentives.participation import FREE_RIDERS, KINDS, Market, simulate
from fl.incentives.pay import split
from fl.incentives.quality import RoundGame
from fl.incentives.rules import RULES, Rule
from fl.incentives.values import exact_shapley
from fl.models import SoftmaxRegression
from fl.suite.cell import Row

__all__ = ["FULL", "SMOKE", "Size", "incentives"]

ETHER = 10**18
# ten agents for the exact value, all of them always there; thirty that come and go
SMALL = Market(
    {"diligent": 6, "careless": 2, "idle": 1, "mimic": 1},
    records=40,
    rounds=8,
    budget=ETHER,
    cost_per_record=0,
    cost_of_idling=0,
)
LARGE = Market(
    {"diligent": 15, "careless": 5, "idle": 5, "mimic": 5},
    records=40,
    rounds=40,
    budget=30 * ETHER,
    cost_per_record=6 * ETHER // 400,
    cost_of_idling=ETHER // 50,
)
# what the robustness suite finds and falsely finds, roughly; an assumption of the simulation
DETECTION, FALSE_ALARM = 0.94, 0.01


@dataclass(frozen=True, slots=True)
class Size:
    """Seeds that are averaged over, and rounds of the simulation."""

    seeds: int
    rounds: int


SMOKE, FULL = Size(seeds=1, rounds=24), Size(seeds=5, rounds=40)


def incentives(data: Dataset, size: Size, seed: int) -> list[Row]:
    """Rows of two kinds: `measured` compares worths with the exact value, `simulation` is about participation.

    Means over `size.seeds` seeds from `seed` on.
    """
    seeds = range(seed, seed + size.seeds)
    games = [game for each in seeds for game in _games(data, each)]
    exact = [exact_shapley(game.players, game) for game in games]
    rows = [{"kind": "measured", **_closeness(rule, games, exact)} for rule in RULES]
    market = replace(LARGE, rounds=size.rounds)
    rows += [{"kind": "simulation", **_market(market, rule, data, seeds)} for rule in RULES]
    guarded = replace(market, detection=DETECTION, false_alarm=FALSE_ALARM)
    rows.append({"kind": "simulation", **_market(guarded, RULES[0], data, seeds)})
    return [row | {"seed": seed, "seeds": size.seeds} for row in rows]


def _games(data: Dataset, seed: int) -> list[RoundGame]:
    """The rounds of a market of ten in which everybody always takes part."""
    games: list[RoundGame] = []
    simulate(SMALL, RULES[0], SoftmaxRegression(data.inputs, data.classes), data, seed, games.append)
    return games


def _closeness(rule: Rule, games: Sequence[RoundGame], exact: Sequence[dict[int, float]]) -> Row:
    """A rule against the exact value: ranks, money, and what it costs to compute."""
    ranks, errors, riders, evaluated, seconds = [], [], [], [], 0.0
    free = [place for place, kind in enumerate(_kinds(SMALL)) if kind in FREE_RIDERS]
    for number, (game, value) in enumerate(zip(games, exact, strict=True)):
        fresh = game.afresh()
        began = time.process_time()
        worth = rule.worth(fresh, number, number)
        seconds += time.process_time() - began
        evaluated.append(fresh.evaluated)
        shares, right = split(ETHER, worth), split(ETHER, value)
        ranks.append(_correlation(worth, value))
        errors.append(sum(abs(shares[p] - right[p]) for p in game.players) / (2 * ETHER))
        riders.append(sum(shares[p] for p in free) / ETHER)
    return {
        "rule": rule.name,
        "sees": rule.sees.value,
        "rank_correlation": round(fmean(ranks), 3),
        "misdirected": round(fmean(errors), 3),
        "to_free_riders": round(fmean(riders), 3),
        "models_evaluated": round(fmean(evaluated), 1),
        "seconds": round(seconds / len(ranks), 4),
    }


def _market(market: Market, rule: Rule, data: Dataset, seeds: Sequence[int]) -> Row:
    began = time.process_time()
    model = SoftmaxRegression(data.inputs, data.classes)
    outcomes = [simulate(market, rule, model, data, seed) for seed in seeds]
    kinds = [kind for kind in KINDS if market.agents.get(kind)]
    return {
        "rule": rule.name + (", free riders rejected" if market.detection else ""),
        "sees": rule.sees.value,
        "accuracy": round(fmean(o.accuracy for o in outcomes), 4),
        "paid": round(fmean(o.paid / (market.budget * market.rounds) for o in outcomes), 4),
        "to_free_riders": round(fmean(sum(o.earned.get(k, 0.0) for k in FREE_RIDERS) for o in outcomes), 3),
        **{f"{kind}_take_part": round(fmean(o.taking_part[kind] for o in outcomes), 3) for kind in kinds},
        "models_evaluated": round(fmean(o.evaluated for o in outcomes) / market.rounds, 1),
        "seconds": round((time.process_time() - began) / len(outcomes), 3),
    }


def _kinds(market: Market) -> list[str]:
    return [kind for kind in KINDS for _ in range(market.agents.get(kind, 0))]


def _correlation(worth: dict[int, float], exact: dict[int, float]) -> float:
    """Spearman's rank correlation; 0 where a rule tells nobody apart."""
    ranks = [_ranks([values[player] for player in sorted(exact)]) for values in (worth, exact)]
    if min(float(r.std()) for r in ranks) == 0.0:
        return 0.0
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Sequence[float]) -> "np.ndarray[Any, np.dtype[np.float64]]":
    array = np.array(values)
    smaller = (array[None] < array[:, None]).sum(axis=1)
    equal = (array[None] == array[:, None]).sum(axis=1)
    return np.asarray(smaller + (equal - 1) / 2, dtype=np.float64)
