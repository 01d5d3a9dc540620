"""Which of the clients' shared updates are bounded, coordinate by coordinate and in norm: one bit a row.

    |x| <= limit in every coordinate      sign bits of x + limit and of x + limit - (2 limit + 1)
    |x|^2 <= bound                        exact, because d limit^2 < 2^63

The first check is not for decoration: numbers wrap at 2^64, so a coordinate of 2^32 has square 0.

Leakage: whether each row passes, and nothing about which check it failed. Assumptions are the engine's.
"""

from collections.abc import Generator, Sequence

import numpy as np
import numpy.typing as npt

from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.comparison import less_than, signs
from mpc.runtime.types import Inbox, Outbox

__all__ = ["rows_within"]


def rows_within(
    engine: Engine, rows: Share, limit: int, bound_squared: int | Sequence[int]
) -> Generator[Outbox, Inbox, npt.NDArray[np.bool_]]:
    """Which rows have every coordinate in [-limit, limit] and a squared norm of at most `bound_squared`,
    which is one for all rows or one for each.

    Shapes: rows [n, d] -> [n].
    Raises: ParameterError when norms could reach 2^63, or for bounds that are negative.
    """
    n, d = engine.shape(rows)
    bounds = [bound_squared] * n if isinstance(bound_squared, int) else list(bound_squared)
    if len(bounds) != n:
        raise ParameterError(f"{len(bounds)} bounds are not one for each of {n} rows")
    if limit < 0 or min(bounds, default=0) < 0 or d * limit**2 >= 2**63 or limit >= 2**62:
        raise ParameterError(f"{d} coordinates up to {limit} have no exact norm mod 2^64")
    inside = yield from _inside(engine, engine.reshape(rows, (n * d,)), limit)
    counts: Share = engine.reshape(inside, (n, d)).sum(axis=-1, dtype=np.uint64)
    lengths = yield from engine.squared_lengths(rows)
    # All coordinates inside: d - 1 < count. Short enough: length < bound + 1. Both in one comparison.
    tops = np.array([min(bound, d * limit**2) + 1 for bound in bounds], dtype=np.uint64)
    left = np.concatenate([engine.public(np.full(n, d - 1, dtype=np.uint64)), lengths], axis=-1)
    right = np.concatenate([counts, engine.public(tops)], axis=-1)
    passed = yield from less_than(engine, left, right)
    both = yield from engine.multiply(passed[..., :n], passed[..., n:])
    revealed = yield from engine.reveal(both)
    return revealed.astype(np.bool_)


def _inside(engine: Engine, x: Share, limit: int) -> Generator[Outbox, Inbox, Share]:
    """Shared 1 where 0 <= x + limit < 2 limit + 1 as unsigned numbers: right for every residue."""
    (size,) = engine.shape(x)
    lifted = x + engine.public(np.full(size, limit, dtype=np.uint64))
    lowered = lifted - engine.public(np.full(size, 2 * limit + 1, dtype=np.uint64))
    words = -(-size // 64)
    both = np.concatenate([_fill(engine, part, 64 * words) for part in (lifted, lowered)], axis=-1)
    planes = yield from signs(engine, both)
    ones = engine.public(np.full(words, 2**64 - 1, dtype=np.uint64))
    inside = yield from engine.conjoin(planes[..., :words] ^ ones, planes[..., words:])
    return (yield from engine.number(inside, size))


def _fill(engine: Engine, x: Share, size: int) -> Share:
    """Shared zeros behind x, so that two vectors of bits do not share a word."""
    return np.pad(x, [(0, 0)] * engine.lead + [(0, size - engine.shape(x)[0])])
