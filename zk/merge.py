"""Sums of linear combinations with like terms merged, for circuits whose combinations feed one another.

`Linear` adds by putting terms side by side, which is right for sums made once. In a hash every round mixes the whole
state again: unmerged, the number of terms would double with each round.
"""

from collections.abc import Sequence

import numpy as np

from zk.field import R
from zk.linear import Linear

__all__ = ["weighted_sum"]


def weighted_sum(terms: Sequence[tuple[Linear, int]]) -> Linear:
    """sum weight * combination, entry by entry; every wire occurs once, zeros are dropped.

    Shapes: all combinations have n entries, so has the result.

    >>> x = Linear.of_wires(np.array([1, 2]))
    >>> weighted_sum([(x, 2), (x, 3)]).coefficients.tolist()
    [5, 5]
    """
    n = terms[0][0].n
    rows = np.concatenate([part.rows for part, _ in terms])
    wires = np.concatenate([part.wires for part, _ in terms])
    values = np.concatenate([part.coefficients.astype(object) * weight for part, weight in terms])
    order = np.lexsort((wires, rows))
    rows, wires, values = rows[order], wires[order], values[order]
    if not len(rows):
        return Linear(n, rows, wires, values)
    first = np.flatnonzero(np.concatenate([[True], (rows[1:] != rows[:-1]) | (wires[1:] != wires[:-1])]))
    sums = np.add.reduceat(values, first) % R
    keep = np.flatnonzero(sums != 0)
    kept = first[keep]
    return Linear(n, rows[kept], wires[kept], sums[keep])
