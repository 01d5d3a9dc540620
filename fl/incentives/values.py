"""What each player of a cooperative game is worth; `utility` gives the value of any coalition.

    exact_shapley            2^n utilities: the reference
    truncated_monte_carlo    sampled permutations, each cut off where nothing is left to win
    leave_one_out            n + 1 utilities; players that can stand in for each other are worth nothing
    from_groups              utilities of groups only, fitted as if worth were additive

Shapley's value is the only one that is efficient (the values add up to what all achieve), symmetric, additive, and gives
nothing to a player that never changes anything.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from math import comb

import numpy as np

from mpc.errors import ParameterError

__all__ = ["Utility", "exact_shapley", "from_groups", "leave_one_out", "truncated_monte_carlo"]

Utility = Callable[[frozenset[int]], float]

_MOST_EXACT = 16


def exact_shapley(players: Sequence[int], utility: Utility) -> dict[int, float]:
    """The mean over all orders of arrival of what a player adds to those before it.

    Raises: ParameterError for more than 16 players: 2^n coalitions are evaluated.
    Source: Shapley 1953.

    >>> exact_shapley([1, 2, 3], lambda team: float(len(team) >= 2))[1].__round__(3)
    0.333
    """
    if len(players) > _MOST_EXACT:
        raise ParameterError(
            f"2^{len(players)} coalitions are too many: the exact value is for {_MOST_EXACT} players at most"
        )
    worth = {
        team: utility(team)
        for size in range(len(players) + 1)
        for team in map(frozenset, combinations(players, size))
    }
    values = dict.fromkeys(players, 0.0)
    for team, value in worth.items():
        for player in players:
            if player not in team:
                weight = 1 / (len(players) * comb(len(players) - 1, len(team)))
                values[player] += weight * (worth[team | {player}] - value)
    return values


def truncated_monte_carlo(
    players: Sequence[int],
    utility: Utility,
    *,
    permutations: int,
    tolerance: float,
    rng: np.random.Generator,
) -> dict[int, float]:
    """Shapley's value from sampled orders; the rest of an order is skipped once its coalition is within `tolerance` of all.

    With a tolerance of 0 nothing is lost: each order's gains add up to what all achieve, so the estimate is efficient.

    Raises: ParameterError without permutations.
    Source: Ghorbani, Zou, "Data Shapley" (2019), Algorithm 1.
    """
    if permutations < 1:
        raise ParameterError(f"at least one permutation is needed, got {permutations}")
    everybody = utility(frozenset(players))
    nobody = utility(frozenset())
    values = dict.fromkeys(players, 0.0)
    for _ in range(permutations):
        team, before = frozenset[int](), nobody
        for place in rng.permutation(len(players)):
            if abs(everybody - before) < tolerance:
                break
            team |= {players[place]}
            after = utility(team)
            values[players[place]] += (after - before) / permutations
            before = after
    return values


def leave_one_out(players: Sequence[int], utility: Utility) -> dict[int, float]:
    """What is lost when a player alone is missing. Not efficient: two equal players may both be worth nothing."""
    everybody = utility(frozenset(players))
    return {player: everybody - utility(frozenset(players) - {player}) for player in players}


def from_groups(worth: Mapping[tuple[int, ...], float]) -> dict[int, float]:
    """The smallest departures from equal worth that explain the groups, were a group worth the mean of its members.

    Rows and columns of one grid fix a client's value up to what its row and column have in common; grids shuffled
    anew every round fix more. Members of exactly the same groups get the same value.

    Raises: ParameterError without a group, or with an empty one.
    Source: least squares of minimal norm; the idea of testing groups for Shapley's value is Jia, Dao, Wang, Hubis, Hynes,
        Gurel, Li, Zhang, Song, Spanos, "Towards efficient data valuation based on the Shapley value" (2019), section 4.

    >>> {k: round(v, 6) for k, v in from_groups({(1, 2): 1.0, (3, 4): 0.0, (1, 3): 1.0, (2, 4): 0.0}).items()}
    {1: 1.5, 2: 0.5, 3: 0.5, 4: -0.5}
    """
    if not worth or not all(worth):
        raise ParameterError("worth is estimated from at least one group, and no group is empty")
    players = sorted({player for group in worth for player in group})
    mean = np.array([[(player in group) / len(group) for player in players] for group in worth])
    values = np.array(list(worth.values()))
    level = float(values.mean())
    departures, *_ = np.linalg.lstsq(mean, values - level, rcond=None)
    return {player: level + float(more) for player, more in zip(players, departures, strict=True)}
