"""Which coordinates travel: chosen from public knowledge, the same for every client, checkable by an auditor."""

import numpy as np
from numpy.typing import NDArray

from fl.seeds import generator

__all__ = ["KINDS", "agreed_indices", "random_indices", "top_indices", "updated_scores"]

Indices = NDArray[np.int64]
Double = NDArray[np.float64]

KINDS = ("deep-gradient", "random-k", "top-k")
# a coordinate whose sum was nothing may move again: it is taken to grow by this part of the average at least
_FLOOR = 0.01


def agreed_indices(kind: str, scores: Double, k: int, round: int, seed: int) -> Indices:
    """The `k` coordinates of this round, ascending.

    Shapes: scores [2, payload], as `updated_scores` keeps them; `random-k` looks only at their number.
    Leakage: nothing; it is a function of earlier sums, the round and the public seed.
    """
    if kind == "random-k":
        return random_indices(scores.shape[1], k, round, seed)
    return top_indices(scores, k, round, seed)


def random_indices(size: int, k: int, round: int, seed: int) -> Indices:
    """Slices of a random order of all coordinates, redrawn when it is used up: nothing waits longer than two cycles.

    >>> sorted(int(i) for round in range(3) for i in random_indices(6, 2, round, seed=1))
    [0, 1, 2, 3, 4, 5]
    """
    cycle, place = divmod(round, -(-size // k))
    order = generator(seed, "random-k", cycle).permutation(size)
    return np.sort(order.take(np.arange(place * k, (place + 1) * k), mode="wrap"))


def top_indices(scores: Double, k: int, round: int, seed: int) -> Indices:
    """The coordinates on which most has piled up at the clients, as far as the public can tell.

    What a coordinate's sum came to, divided by the rounds it had piled up for, is its rate; rate times the rounds
    since is what is expected to be waiting, and of equals the one that waited longer goes. Coordinates that never
    travelled go first, in random order, so the first 1 / keep rounds are a warm-up in which each travels once.
    """
    rate, sent = scores
    known = sent >= 0
    rate = np.maximum(rate, _FLOOR * rate[known].mean() if known.any() else 0)
    waiting = np.where(known, rate * (round - sent), np.inf)
    tie = generator(seed, "top-k").permutation(len(rate))
    return np.sort(np.lexsort((tie, sent, -waiting))[:k])


def updated_scores(scores: Double, indices: Indices, mean: Double, round: int) -> Double:
    """The scores after a round: each coordinate's rate of growth and when it last travelled (-1: never).

    Shapes: scores and result [2, payload]; indices and mean [k].
    """
    after = scores.copy()
    after[0, indices] = np.abs(mean) / (round - scores[1, indices])
    after[1, indices] = round
    return after
