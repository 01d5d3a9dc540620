"""The sum of rows clipped to a norm that nobody sees: every row times a shared factor min(1, C / |row|).

The factor is read from a table over the squared norm (see `levels`), in units of 2^-FRACTION, and always rounded down:
a clipped row is never longer than C, and shorter by at most the table's ratio. Rows are multiplied as integers, so the
sum is exact for those factors; nothing is truncated.

Leakage: nothing; who reveals the sum reveals the sum. Assumptions are the engine's.
Source: the table of the reciprocal square root stands for the iterations of, e.g., CrypTen (Knott et al., NeurIPS 2021,
    section 4.2.2), which cost a round of products and truncations each.
"""

import math
from collections.abc import Generator

import numpy as np

from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.levels import staircase
from mpc.runtime.types import Inbox, Outbox

__all__ = ["FRACTION", "clipped_sum", "length_factors", "reciprocal_steps", "weighted_sum"]

FRACTION = 12
"""Bits behind the binary point of a factor."""

_RATIO = 2.0 ** (1 / 16)
"""Neighbouring norms of the table: a clipped row is at most 4.4 % shorter than it could be."""

_OCTAVES = 8
"""Rows longer than 2^8 times the bound get the factor 0: they are outliers whatever the direction."""


def clipped_sum(engine: Engine, rows: Share, bound: float, limit: int) -> Generator[Outbox, Inbox, Share]:
    """The shared sum of the rows, each clipped to length `bound`, in units of 2^-FRACTION.

    Shapes: rows [n, d] of integers up to `limit` in absolute value -> [d].
    Raises: ParameterError when norms or sums could reach 2^63.
    """
    n, d = engine.shape(rows)
    if not bound >= 1 or n * limit << FRACTION >= 2**63:
        raise ParameterError(
            f"the sum of {n} rows of numbers up to {limit}, clipped to {bound}, does not fit"
        )
    lengths = yield from engine.squared_lengths(rows)
    factors = yield from length_factors(engine, lengths, bound, d * limit**2)
    return (yield from weighted_sum(engine, factors, rows))


def length_factors(
    engine: Engine, lengths: Share, target: float, largest: int, raised: int = 0
) -> Generator[Outbox, Inbox, Share]:
    """Factors that bring rows of these squared lengths to at most `target`, in units of 2^-FRACTION.

    Shorter rows keep their length, or are made longer by at most 2^`raised`.

    Shapes: lengths [n], not above `largest` -> [n].
    Raises: ParameterError for a target below 1, or lengths that could reach 2^62.
    """
    if not target >= 1 or largest >= 2**62:
        raise ParameterError(f"no factors to a length of {target} from squared lengths up to {largest}")
    squares, heights = reciprocal_steps(target, raised, _OCTAVES)
    # A row is past a step when its square is above it: square - (step + 1) >= 0.
    bounds = np.array([square + 1 for square in squares if square < largest], dtype=np.uint64)
    rises = [high - low for low, high in zip(heights, heights[1:], strict=False)][: len(bounds)]
    (n,) = engine.shape(lengths)
    differences = engine.reshape(lengths, (1, n)) - engine.public(np.tile(bounds[:, None], (1, n)))
    bits = largest.bit_length() + 2
    return (yield from staircase(engine, differences, rises, heights[0], bits))


def reciprocal_steps(target: float, below: int, above: int) -> tuple[list[int], list[int]]:
    """Squared lengths in a geometric progression, and factors that bring shorter rows to at most `target`.

    The table goes from 2^-below to 2^above times the target. `heights` has one entry more than `squares`: heights[k]
    is for rows up to squares[k], the last, 0, for rows longer than all of them.

    >>> squares, heights = reciprocal_steps(1000.0, 0, 1)
    >>> squares[0], heights[0], squares[-1], heights[-2]
    (1000000, 4096, 4000000, 2048)
    """
    per_octave = round(1 / math.log2(_RATIO))
    lengths = [target * 2.0 ** (k / per_octave) for k in range(-below * per_octave, above * per_octave + 1)]
    squares = [math.floor(length * length) for length in lengths]
    return squares, [*(math.floor((1 << FRACTION) * target / length) for length in lengths), 0]


def weighted_sum(engine: Engine, weights: Share, rows: Share) -> Generator[Outbox, Inbox, Share]:
    """The shared sum of the rows times their shared integer weights. One round. Shapes: [n], [n, d] -> [d]."""
    n, d = engine.shape(rows)
    total = yield from engine.matmul(engine.reshape(weights, (1, n)), rows)
    return engine.reshape(total, (d,))
