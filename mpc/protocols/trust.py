"""FLTrust on shares: rows weighted by how much they agree with a public one, and brought to its length.

    weight = ReLU(cos(row, root)) * |root| / |row|;   aggregate = sum weight * row / sum ReLU(cos)

Leakage: the aggregate and the sum of the cosines; with `reveal_weights` each row's weight as well. Hidden weights protect
the clients from the servers; revealed ones let anybody check the sum against commitments, as it is then a public
linear combination of what was committed to. Assumptions are the engine's.
Source: Cao, Fang, Liu and Gong, "FLTrust", NDSS 2021, equations 2 to 4.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.clipping import FRACTION, length_factors, weighted_sum
from mpc.protocols.directions import Directions, cosine_levels, projections
from mpc.runtime.types import Inbox, Outbox

__all__ = ["Trusted", "trusted_sum"]

_LEVELS = 64
_RAISED = 4


@dataclass(frozen=True, slots=True)
class Trusted:
    """`total` is the sum of `weights` times rows, `trust` the sum of the cosines, in units of 1 / 64.

    Shapes: total [d]; weights [n] in units of 2^-FRACTION / 64, or None where they stayed hidden.
    """

    total: npt.NDArray[np.int64]
    trust: int
    weights: npt.NDArray[np.int64] | None

    @property
    def mean(self) -> npt.NDArray[np.float64]:
        """The aggregate, in the units of the rows; zeros when nobody is trusted."""
        return self.total / float(max(self.trust, 1) << FRACTION)


def trusted_sum(
    engine: Engine,
    rows: Share,
    root: Directions,
    length: float,
    limit: int,
    longest: int,
    *,
    reveal_weights: bool,
) -> Generator[Outbox, Inbox, Trusted]:
    """The trusted sum of the rows, revealed. `root` is the root update as one of `as_directions`, `length` its length.

    Rows shorter than a sixteenth of the root update are not brought to its full length.

    Shapes: rows [n, d] of integers up to `limit` and no longer than `longest`, root [1, d].
    Raises: ParameterError for a root update shorter than 1, or when sums could reach 2^63.
    """
    n, d = engine.shape(rows)
    if len(root) != 1 or n * limit * _LEVELS << (FRACTION + _RAISED) >= 2**63:
        raise ParameterError(f"no trusted sum of {n} rows of numbers up to {limit} along {len(root)} roots")
    along = yield from projections(engine, rows, root)
    lengths = yield from engine.squared_lengths(rows)
    cosines = yield from cosine_levels(engine, along[..., 0], lengths, longest, _LEVELS)
    factors = yield from length_factors(engine, lengths, length, longest**2, _RAISED)
    weights = yield from engine.multiply(cosines, factors)
    trust: Share = cosines.sum(axis=-1, keepdims=True, dtype=np.uint64)
    if reveal_weights:
        known = yield from engine.reveal(weights)
        total = (rows * known[:, None]).sum(axis=engine.lead, dtype=np.uint64)
    else:
        known = None
        total = yield from weighted_sum(engine, weights, rows)
    opened = yield from engine.reveal(np.concatenate([total, trust], axis=-1))
    return Trusted(
        opened[:d].astype(np.int64), int(opened[d]), None if known is None else known.astype(np.int64)
    )
