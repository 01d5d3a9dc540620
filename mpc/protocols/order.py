"""Coordinate-wise median and trimmed mean of shared vectors, by ranks.

Each coordinate's values are compared pairwise, all at once; the comparisons add up to ranks without a round;
the values whose rank lies inside a window are added up. Rounds do not depend on the number of vectors.

Leakage: the resulting sums alone, not which vector contributed to which coordinate.
Assumptions are the engine's, and that values fit `bits`.
Source: Yin et al., "Byzantine-robust distributed learning", ICML 2018 (the estimators).
"""

from collections.abc import Generator, Sequence
from itertools import combinations

import numpy as np

from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.comparison import less_than
from mpc.runtime.types import Inbox, Outbox

__all__ = ["median", "ranked_sum", "trimmed_mean"]

Floats = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def median(engine: Engine, rows: Sequence[Share], bits: int = 64) -> Generator[Outbox, Inbox, Floats]:
    """The median of every coordinate over the rows, revealed; of an even number, the mean of the middle two.

    Shapes: rows of [d] -> [d].
    Assumes: differences of any two values are below 2^(bits - 1) in absolute value.
    """
    n = len(rows)
    middle = range((n - 1) // 2, n // 2 + 1)
    total = yield from ranked_sum(engine, rows, middle, bits)
    revealed = yield from engine.reveal(total)
    return revealed.astype(np.int64) / len(middle)


def trimmed_mean(
    engine: Engine, rows: Sequence[Share], trim: int, bits: int = 64
) -> Generator[Outbox, Inbox, Floats]:
    """The mean of every coordinate without its `trim` smallest and `trim` largest values, revealed.

    Shapes: rows of [d] -> [d].
    Raises: ParameterError when nothing would be left.
    """
    if trim < 0 or 2 * trim >= len(rows):
        raise ParameterError(f"trimming {trim} from both ends of {len(rows)} values leaves nothing")
    window = range(trim, len(rows) - trim)
    total = yield from ranked_sum(engine, rows, window, bits)
    revealed = yield from engine.reveal(total)
    return revealed.astype(np.int64) / len(window)


def ranked_sum(
    engine: Engine, rows: Sequence[Share], window: range, bits: int = 64
) -> Generator[Outbox, Inbox, Share]:
    """The shared sum, in every coordinate, of the values whose rank (from 0) is in `window`.

    Equal values are ranked by their row, the later one first, so ranks are always 0 to n - 1.

    Raises: ParameterError for no rows, rows of different shapes, or an empty or impossible window.
    """
    n = len(rows)
    if not n or len({engine.shape(row) for row in rows}) != 1 or len(engine.shape(rows[0])) != 1:
        raise ParameterError("rows must be vectors of one length, and at least one")
    if not (0 <= window.start < window.stop <= n and window.step == 1):
        raise ParameterError(f"{window} is no range of ranks of {n} rows")
    (d,) = engine.shape(rows[0])
    if n == 1:
        return rows[0]
    pairs = list(combinations(range(n), 2))
    smaller = yield from less_than(
        engine,
        np.concatenate([rows[i] for i, _ in pairs], axis=-1),
        np.concatenate([rows[j] for _, j in pairs], axis=-1),
        bits,
    )
    ones = engine.public(np.ones(d, dtype=np.uint64))
    ranks = [np.zeros_like(rows[0]) for _ in rows]
    for k, (i, j) in enumerate(pairs):
        before = smaller[..., k * d : (k + 1) * d]
        ranks[j] = ranks[j] + before
        ranks[i] = ranks[i] + ones - before
    return (yield from _sum_inside(engine, rows, ranks, window))


def _sum_inside(
    engine: Engine, rows: Sequence[Share], ranks: Sequence[Share], window: range
) -> Generator[Outbox, Inbox, Share]:
    """Add the rows where start <= rank < stop: two comparisons of small numbers, then one product."""
    n = len(rows)
    all_ranks, values = np.concatenate(ranks, axis=-1), np.concatenate(rows, axis=-1)
    size = engine.shape(all_ranks)[0]
    # Ranks and bounds differ by at most n, so few planes are enough.
    rank_bits = max(2, n.bit_length() + 1)
    bounds = np.repeat(np.array([window.stop, window.start], dtype=np.uint64), size)
    below = yield from less_than(
        engine, np.concatenate([all_ranks, all_ranks], axis=-1), engine.public(bounds), rank_bits
    )
    # Below `stop` and not below `start`: the second implies the first, so a difference is enough.
    inside = below[..., :size] - below[..., size:]
    chosen = yield from engine.multiply(inside, values)
    parts = engine.reshape(chosen, (n, size // n))
    total: Share = parts.sum(axis=engine.lead, dtype=np.uint64)
    return total
