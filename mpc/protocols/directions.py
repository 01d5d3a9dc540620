"""How far shared rows point along public directions: inner products without a message, cosines by comparisons.

    row . direction          linear in the shares: every party multiplies what it holds
    cos >= j / levels        (row . direction)^2 * levels^2  >=  j^2 |row|^2 |direction|^2, by one batch of comparisons

Leakage: nothing; who reveals a result reveals the result. Assumptions are the engine's.
"""

import math
from collections.abc import Generator

import numpy as np
import numpy.typing as npt

from mpc.engine import Engine, Share, as_words
from mpc.errors import ParameterError
from mpc.protocols.levels import positive_part, staircase
from mpc.protocols.truncation import truncate
from mpc.runtime.types import Inbox, Outbox

__all__ = ["UNIT", "as_directions", "cosine_levels", "inner_products", "projections"]

UNIT = 16
"""A direction is a vector of integers of length about 2^16."""

_SCALE = 12

Directions = npt.NDArray[np.int64]


def as_directions(vectors: npt.ArrayLike) -> Directions:
    """Public vectors scaled to length 2^UNIT and rounded: the directions that protocols use, and their plain twins too.

    Shapes: [k, d] or [d] -> [k, d].
    Raises: ParameterError for a vector without a direction.
    """
    rows = np.atleast_2d(np.asarray(vectors, dtype=np.float64))
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if rows.ndim != 2 or not np.all(np.isfinite(norms)) or not np.all(norms > 0):
        raise ParameterError("directions are finite vectors that are not zero")
    rounded: Directions = np.rint(rows / norms * (1 << UNIT)).astype(np.int64)
    if not np.all(rounded.any(axis=1)):
        raise ParameterError(f"a direction of {rows.shape[1]} coordinates rounds to nothing")
    return rounded


def inner_products(engine: Engine, rows: Share, directions: Directions) -> Share:
    """The shared inner products of every row with every direction; no message.

    Shapes: rows [n, d], directions [k, d] -> [n, k].
    """
    product: Share = rows @ as_words(directions).T
    return product


def projections(engine: Engine, rows: Share, directions: Directions) -> Generator[Outbox, Inbox, Share]:
    """How far every row goes along every direction, in the units of the rows, to within one unit.

    Shapes: rows [n, d], directions of length about 2^UNIT [k, d] -> [n, k].
    """
    return (yield from truncate(engine, inner_products(engine, rows, directions), UNIT))


def cosine_levels(
    engine: Engine, along: Share, lengths: Share, longest: int, levels: int
) -> Generator[Outbox, Inbox, Share]:
    """How many of the cosines 1/levels, 2/levels, ..., 1 a row reaches; 0 for one that points away.

    `along` are projections on one direction, `lengths` squared lengths, `longest` a bound on a row's length.

    Shapes: along, lengths [n] -> [n].
    Units: the result / levels is the cosine, rounded down; the cosine of a row of length l is known to about 1 / l.
    Raises: ParameterError when squares of rows so long do not fit, or for no levels.
    """
    n = engine.shape(along)[0]
    bits = 2 * longest.bit_length() + _SCALE + 3
    if levels < 1 or bits > 63:
        raise ParameterError(f"no {levels} levels of cosines of rows as long as {longest}")
    ahead = yield from positive_part(engine, along, longest.bit_length() + 3)
    squares = yield from engine.square(ahead)
    bounds = np.array(
        [math.ceil((j / levels) ** 2 * (1 << _SCALE)) for j in range(1, levels + 1)], dtype=np.uint64
    )
    scaled = engine.reshape(squares << np.uint64(_SCALE), (1, n))
    differences = scaled - engine.reshape(lengths, (1, n)) * bounds[:, None]
    # Rows without length are in no direction.
    differences = differences - engine.public(np.ones((levels, n), dtype=np.uint64))
    return (yield from staircase(engine, differences, [1] * levels, 0, bits))
