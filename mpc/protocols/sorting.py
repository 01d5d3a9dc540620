"""Shared columns sorted by Batcher's network: for more rows than all pairs of them can be compared.

    comparator of rows i < j:  s = [x_j < x_i],  m = s (x_j - x_i);   x_i + m is the smaller, x_j - m the larger

n rows take about n log^2(n) / 4 comparators in log(n) (log(n) + 1) / 2 layers; `order.ranked_sum` takes n (n - 1) / 2
comparisons at once. All columns go through a layer in one batch, and comparators that no wanted rank depends on are
left out.

Leakage: nothing. Assumptions are the engine's.
Source: Batcher, "Sorting networks and their applications", AFIPS 1968; Knuth, TAOCP 3, algorithm 5.2.2M.
"""

from collections.abc import Generator, Sequence

import numpy as np

from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.comparison import less_than
from mpc.runtime.types import Inbox, Outbox

__all__ = ["network", "sorted_sum"]

Layer = list[tuple[int, int]]


def sorted_sum(
    engine: Engine, rows: Sequence[Share], window: range, bits: int = 64
) -> Generator[Outbox, Inbox, Share]:
    """The shared sum, in every coordinate, of the values whose rank (from 0) is in `window`: as `order.ranked_sum`.

    Raises: ParameterError for no rows, rows of different shapes, or an empty or impossible window.
    """
    n = len(rows)
    if not n or len({engine.shape(row) for row in rows}) != 1 or len(engine.shape(rows[0])) != 1:
        raise ParameterError("rows must be vectors of one length, and at least one")
    if not (0 <= window.start < window.stop <= n and window.step == 1):
        raise ParameterError(f"{window} is no range of ranks of {n} rows")
    (d,) = engine.shape(rows[0])
    wires = list(rows)
    for layer in network(n, window):
        low = np.concatenate([wires[i] for i, _ in layer], axis=-1)
        high = np.concatenate([wires[j] for _, j in layer], axis=-1)
        wrong = yield from less_than(engine, high, low, bits)
        moved = yield from engine.multiply(wrong, high - low)
        for k, (i, j) in enumerate(layer):
            part = moved[..., k * d : (k + 1) * d]
            wires[i], wires[j] = wires[i] + part, wires[j] - part
    total = wires[window.start]
    for rank in window[1:]:
        total = total + wires[rank]
    return total


def network(n: int, window: range | None = None) -> list[Layer]:
    """Layers of comparators that sort n wires, without those that no rank in `window` depends on.

    >>> [len(layer) for layer in network(4)], [len(layer) for layer in network(4, range(0, 1))]
    ([2, 2, 1], [2, 1])
    """
    layers: list[Layer] = []
    top = 1 << max(n - 1, 0).bit_length() - 1 if n > 1 else 0
    p = top
    while p > 0:
        q, r, distance = top, 0, p
        while True:
            layer = [(i, i + distance) for i in range(n - distance) if i & p == r]
            if layer:
                layers.append(layer)
            if q == p:
                break
            distance, q, r = q - p, q >> 1, p
        p >>= 1
    if window is None:
        return layers
    wanted, kept = set(window), []
    for layer in reversed(layers):
        needed = [(i, j) for i, j in layer if i in wanted or j in wanted]
        wanted |= {wire for pair in needed for wire in pair}
        if needed:
            kept.append(needed)
    return kept[::-1]
