"""Who stands out among shared scores: by the median and the median absolute deviation, one revealed bit a row.

    accepted: score >= max(floor, min(ratio * median, median - spread * MAD)),  |row|^2 <= longest^2 * median(|row|^2)

Medians are found by rank: all pairs are compared at once, ranks are sums of bits, the values in the middle are added.

Leakage: the verdicts; neither scores nor medians. Assumptions are the engine's.
Source: Leys et al., "Detecting outliers: do not use standard deviation around the mean, use absolute deviation around
    the median", Journal of Experimental Social Psychology, 2013 (the rule).
"""

from collections.abc import Generator
from itertools import combinations

import numpy as np
import numpy.typing as npt

from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.comparison import less_than
from mpc.protocols.levels import not_negative
from mpc.runtime.types import Inbox, Outbox

__all__ = ["conforming", "doubled_median"]

_QUARTERS = 4
"""`spread` and `longest` squared are rounded to quarters, `ratio` to 64ths."""


def conforming(
    engine: Engine,
    scores: Share,
    lengths: Share,
    *,
    bits: int,
    length_bits: int,
    floor: int,
    ratio: float,
    spread: float,
    longest: float,
) -> Generator[Outbox, Inbox, npt.NDArray[np.bool_]]:
    """Which rows' scores and squared lengths conform to the others', revealed.

    Shapes: scores, lengths [n] -> [n].
    Assumes: scores are below 2^(bits - 1) in absolute value, squared lengths below 2^length_bits.
    Raises: ParameterError for no rows, a negative spread, `longest` below 1, or numbers that do not fit.
    """
    (n,) = engine.shape(scores)
    ratio64, spread4, longest4 = round(ratio * 64), round(spread * _QUARTERS), round(longest**2 * _QUARTERS)
    score_bits = bits + 7 + max(ratio64, spread4, 1).bit_length()
    longer_bits = length_bits + 4 + longest4.bit_length()
    if not n or min(ratio, spread) < 0 or longest < 1 or score_bits > 64 or longer_bits > 64:
        raise ParameterError(
            "scores are judged with a ratio and a spread of at least 0 and a longest of at least 1, within 64 bits"
        )
    centre = yield from doubled_median(engine, scores, bits)
    away = (scores << np.uint64(1)) - centre[..., [0] * n]
    sides = yield from not_negative(engine, away, bits + 2)
    distances = ((yield from engine.multiply(sides, away)) << np.uint64(1)) - away
    deviation = yield from doubled_median(engine, distances, bits + 2)
    middle = yield from doubled_median(engine, lengths, length_bits + 1)
    above_floor = scores - engine.public(np.full(n, floor, dtype=np.int64).astype(np.uint64))
    # doubled scores less their median are 2 units, the doubled deviation of those 4
    near = (away << np.uint64(1)) * np.uint64(_QUARTERS) + deviation[..., [0] * n] * np.uint64(spread4)
    fair = (scores << np.uint64(1)) * np.uint64(64) - centre[..., [0] * n] * np.uint64(ratio64)
    short = middle[..., [0] * n] * np.uint64(longest4) - (lengths << np.uint64(1)) * np.uint64(_QUARTERS)
    scored = yield from not_negative(engine, np.concatenate([above_floor, near, fair], axis=-1), score_bits)
    measured = yield from not_negative(engine, short, longer_bits)
    floored, close, even = (scored[..., k * n : (k + 1) * n] for k in range(3))
    first = yield from engine.multiply(
        np.concatenate([close, floored], axis=-1), np.concatenate([even, measured], axis=-1)
    )
    either = close + even - first[..., :n]
    passed = yield from engine.multiply(either, first[..., n:])
    revealed = yield from engine.reveal(passed)
    return revealed.astype(np.bool_)


def doubled_median(engine: Engine, values: Share, bits: int) -> Generator[Outbox, Inbox, Share]:
    """Twice the median: the sum of the two values in the middle, or the one in the middle twice.

    Shapes: [n] -> [1].
    Assumes: values are below 2^(bits - 1) in absolute value.
    """
    (n,) = engine.shape(values)
    if n == 1:
        return values << np.uint64(1)
    pairs = np.array(list(combinations(range(n), 2)))
    smaller = yield from less_than(
        engine, values[..., pairs[:, 0]], values[..., pairs[:, 1]], min(64, bits + 1)
    )
    # the second of a pair has one more below it where the first is smaller, the first where it is not
    counted = np.zeros((n, len(pairs)), dtype=np.uint64)
    counted[pairs[:, 1], np.arange(len(pairs))] = 1
    counted[pairs[:, 0], np.arange(len(pairs))] = ~np.uint64(0)
    firsts = np.bincount(pairs[:, 0], minlength=n).astype(np.uint64)
    ranks = (smaller[..., None, :] * counted).sum(axis=-1, dtype=np.uint64) + engine.public(firsts)
    low, high = (n - 1) // 2, n // 2
    rank_bits = n.bit_length() + 2
    bounds = engine.public(np.repeat(np.array([high + 1, low], dtype=np.uint64), n))
    below = yield from less_than(engine, np.concatenate([ranks, ranks], axis=-1), bounds, rank_bits)
    chosen = yield from engine.multiply(below[..., :n] - below[..., n:], values)
    total: Share = chosen.sum(axis=-1, keepdims=True, dtype=np.uint64)
    return total if low != high else total << np.uint64(1)
