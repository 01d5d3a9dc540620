"""A SIMULATION of who takes part: agents with costs join while they expect to earn more than a round costs them.

The model, the updates and the scores are real: agents train a model on real records, and the reward rule sees what it
would see. The behaviour is assumed: costs are drawn, expectations are a running mean of what was earned, and whoever left
looks in again now and then. Conclusions are about these assumptions and nobody's actual clients.

    diligent    trains on its records
    careless    trains, but a part of its labels is wrong
    idle        declares as many records as the others, sends nothing new, pays next to nothing
    mimic       sends the last step of the shared model again, with a little noise (free riding in disguise)

Source: free riders after Fraboni, Vidal, Lorenzi, "Free-rider attacks on model aggregation in federated learning" (2021);
    leaving when the reward falls below the cost is individual rationality as in mechanism design.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fl.data import Dataset
from fl.incentives.pay import split
from fl.incentives.quality import RoundGame
from fl.incentives.rules import Rule
from fl.models import Model, Vector
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["FREE_RIDERS", "KINDS", "Market", "Outcome", "simulate"]

KINDS = ("diligent", "careless", "idle", "mimic")
FREE_RIDERS = ("idle", "mimic")

_LOCAL_STEPS = 5
_WRONG_LABELS = 0.5
_NOISE = 0.1
_PUBLIC = 200


@dataclass(frozen=True, slots=True)
class Market:
    """The assumptions: how many agents of each kind, what a round pays, what it costs, how agents expect.

    A record costs `cost_per_record`, spread by a log-normal factor of width `spread` an agent; who does not train pays
    `cost_of_idling` instead. `memory` weighs the past in an expectation; `curiosity` is the chance that one who left
    looks in again. An update of a free rider is rejected with probability `detection`, one of anybody else with
    `false_alarm`: it is neither summed nor paid.

    Units: money in wei; `budget` a round.
    """

    agents: Mapping[str, int]
    records: int
    rounds: int
    budget: int
    cost_per_record: int
    cost_of_idling: int
    learning_rate: float = 0.5
    spread: float = 0.3
    memory: float = 0.7
    curiosity: float = 0.1
    detection: float = 0.0
    false_alarm: float = 0.0

    def __post_init__(self) -> None:
        unknown = sorted(set(self.agents) - set(KINDS))
        if unknown:
            raise ParameterError(f"unknown kind of agent {unknown[0]!r}: there are {', '.join(KINDS)}")
        if sum(self.agents.values()) < 2 or self.records < 1 or self.rounds < 1 or self.budget < 0:
            raise ParameterError(
                "a market wants two agents, a record each, a round and a budget of at least 0"
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a market under one rule. Shares are of agents or money, in [0, 1].

    `taking_part` and `earned` are by kind: the mean share that took part over the last half of the rounds, and the share
    of all money paid. `accuracy` is of the model after the last round; `paid` is all that was paid, in wei.
    """

    rule: str
    taking_part: Mapping[str, float]
    earned: Mapping[str, float]
    accuracy: float
    paid: int
    evaluated: int


def simulate(
    market: Market,
    rule: Rule,
    model: Model,
    data: Dataset,
    seed: int,
    observe: Callable[[RoundGame], None] = lambda _: None,
) -> Outcome:
    """Run the market round by round; `observe` sees every round's game. The same seed draws the same agents for any rule.

    Raises: ParameterError when there are too few records for all agents.
    """
    rng = generator(seed, "incentives", "market")
    kinds = [kind for kind in KINDS for _ in range(market.agents.get(kind, 0))]
    x, y = _records(market, kinds, data, rng)
    public = slice(0, _PUBLIC)
    costs = [
        int(market.cost_per_record * market.records * rng.lognormal(0.0, market.spread))
        if kind not in FREE_RIDERS
        else market.cost_of_idling
        for kind in kinds
    ]
    # everybody begins by hoping for an equal share
    hopes = [market.budget / len(kinds)] * len(kinds)
    scores: dict[int, float] = {}
    weights, last = model.initial(seed), np.zeros(model.size, np.float32)
    earned, seats, paid, evaluated = dict.fromkeys(KINDS, 0), dict.fromkeys(KINDS, 0), 0, 0
    for number in range(market.rounds):
        inside = [
            agent
            for agent in range(len(kinds))
            if (hopes[agent] >= costs[agent]) | (rng.random() < market.curiosity)
        ]
        caught = {kind: market.detection if kind in FREE_RIDERS else market.false_alarm for kind in KINDS}
        kept = [agent for agent in inside if rng.random() >= caught[kinds[agent]]]
        for agent in set(inside) - set(kept):
            hopes[agent] *= market.memory
        for agent in inside:
            seats[kinds[agent]] += number >= market.rounds // 2
        if not kept:
            continue
        updates = _updates(model, weights, kept, kinds, x, y, last, market.learning_rate, rng)
        samples = dict.fromkeys(kept, market.records)
        game = RoundGame(model, weights, updates, samples, data.test_x[public], data.test_y[public])
        observe(game)
        worth = rule.worth(game, seed, number)
        for agent, value in worth.items():
            # one round's estimate is noisy, and that of groups holds for rows and columns only: rounds are averaged
            before = scores.get(agent, value)
            scores[agent] = market.memory * before + (1 - market.memory) * value
        shares = split(market.budget, {agent: scores[agent] for agent in kept})
        for agent, share in shares.items():
            hopes[agent] = market.memory * hopes[agent] + (1 - market.memory) * share
            earned[kinds[agent]] += share
        paid += sum(shares.values())
        evaluated += game.evaluated
        last = game.mean(frozenset(kept))
        weights = weights + last
    half = market.rounds - market.rounds // 2
    held_out = slice(_PUBLIC, None)
    return Outcome(
        rule=rule.name,
        taking_part={k: seats[k] / (half * n) for k, n in market.agents.items() if n},
        earned={k: earned[k] / max(paid, 1) for k, n in market.agents.items() if n},
        accuracy=model.evaluate(weights, data.test_x[held_out], data.test_y[held_out]).accuracy,
        paid=paid,
        evaluated=evaluated,
    )


def _records(
    market: Market, kinds: Sequence[str], data: Dataset, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Shapes: [agents, records, inputs] and [agents, records]; free riders hold records that they never use."""
    needed = len(kinds) * market.records
    if needed > len(data.train_y) or len(data.test_y) <= _PUBLIC:
        raise ParameterError(
            f"{len(kinds)} agents want {needed} records and {_PUBLIC} public ones, got {len(data.train_y)} and "
            f"{len(data.test_y)}"
        )
    held = rng.permutation(len(data.train_y))[:needed].reshape(len(kinds), market.records)
    labels = data.train_y[held]
    for agent, kind in enumerate(kinds):
        if kind == "careless":
            wrong = rng.random(market.records) < _WRONG_LABELS
            labels[agent, wrong] = rng.integers(0, data.classes, int(wrong.sum()))
    return data.train_x[held], labels


def _updates(
    model: Model,
    weights: Vector,
    inside: Sequence[int],
    kinds: Sequence[str],
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    last: Vector,
    learning_rate: float,
    rng: np.random.Generator,
) -> dict[int, Vector]:
    """What everybody inside sends: full-batch gradient steps, the last step again, or nothing."""
    workers = [agent for agent in inside if kinds[agent] not in FREE_RIDERS]
    now = torch.from_numpy(weights).repeat(len(workers), 1)
    features, labels = torch.from_numpy(x[workers]), torch.from_numpy(y[workers])
    share = torch.full(labels.shape, 1 / x.shape[1])
    for _ in range(_LOCAL_STEPS if workers else 0):
        now -= learning_rate * model.gradient(now, features, labels, share)
    sent = dict(zip(workers, now.numpy() - weights, strict=True))
    for agent in inside:
        if kinds[agent] == "idle":
            sent[agent] = np.zeros_like(weights)
        elif kinds[agent] == "mimic":
            width = _NOISE * float(np.linalg.norm(last)) / np.sqrt(model.size)
            sent[agent] = last + rng.normal(0.0, width, model.size).astype(np.float32)
    return sent
