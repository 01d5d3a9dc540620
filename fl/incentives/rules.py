"""The reward rules, and what each of them must see of a round.

| rule | sees | under secure aggregation |
|---|---|---|
| samples | what members declare | yes: this is what the contract pays |
| leave-one-out | every update, or every sum without one client, which is the same | no: plain or shares mode |
| Shapley | the sums of arbitrary coalitions | no: plain or shares mode |
| groups | sums of the rows and columns of a grid | yes, at the price of those smaller sums |

In shares mode the servers can form any coalition's sum without seeing a member of it, but must open it to evaluate it on
the public records; what is opened then leaks like any sum of that size.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from fl.groups import grid
from fl.incentives.quality import RoundGame
from fl.incentives.values import from_groups, leave_one_out, truncated_monte_carlo
from fl.seeds import generator

__all__ = ["RULES", "Rule", "Sees"]

_PERMUTATIONS = 20
_TRUNCATE = 0.02
_LEAST_GROUP = 3


class Sees(StrEnum):
    """What a rule must see."""

    DECLARED = "declared samples"
    UPDATES = "every update"
    COALITIONS = "sums of any coalition"
    GROUPS = "sums of groups"


@dataclass(frozen=True, slots=True)
class Rule:
    """`worth(game, seed, round)` gives each client's worth in the round; `fl.incentives.split` makes money of it."""

    name: str
    sees: Sees
    worth: Callable[[RoundGame, int, int], dict[int, float]]


def _samples(game: RoundGame, seed: int, number: int) -> dict[int, float]:
    return {player: float(game.samples[player]) for player in game.players}


def _leave_one_out(game: RoundGame, seed: int, number: int) -> dict[int, float]:
    return leave_one_out(game.players, game)


def _shapley(game: RoundGame, seed: int, number: int) -> dict[int, float]:
    rng = generator(seed, "incentives", "permutations", number)
    tolerance = _TRUNCATE * abs(game(frozenset(game.players)))
    return truncated_monte_carlo(game.players, game, permutations=_PERMUTATIONS, tolerance=tolerance, rng=rng)


def _groups(game: RoundGame, seed: int, number: int) -> dict[int, float]:
    key = generator(seed, "incentives", "grid", number).bytes(32)
    lines = grid(game.players, min(_LEAST_GROUP, len(game.players)), key)
    groups = [tuple(game.players)] if lines is None else [*lines[0], *lines[1]]
    return from_groups({group: game(frozenset(group)) for group in groups})


RULES = (
    Rule("samples", Sees.DECLARED, _samples),
    Rule("leave-one-out", Sees.UPDATES, _leave_one_out),
    Rule("Shapley", Sees.COALITIONS, _shapley),
    Rule("groups", Sees.GROUPS, _groups),
)
