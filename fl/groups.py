"""Overlapping groups: who lied in a sum, without opening anybody's update.

When the sum of the committed updates and the sum that came out of secure aggregation differ, the sum is taken again
over the rows and over the columns of a grid of the clients. A client that sent what it had committed to makes its row
and its column come out right; a liar makes at least one of them fail.

Leakage: the sums of rows and columns. `reveals_less_than` tells whether some combination of all sums opened so far
depends on fewer than `min_clients` updates; coordinator and clients both refuse grids for which it does (`fl.sums` has
the rules by which no coordinator can choose other groups).
Assumes: a client found in no passing group is a suspect, not convicted: two liars, one failing its row and one its
column, can make a third stand where the two meet. A second, reshuffled grid makes that unlikely, not impossible.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from math import comb, isqrt

from mpc.prg import Stream

__all__ = ["grid", "reveals_less_than"]

Group = tuple[int, ...]
# any prime works: a combination over the rationals is one modulo almost every prime, and a false alarm is harmless
_PRIME = (1 << 61) - 1
_MOST_SUBSETS = 20_000


def grid(clients: Sequence[int], min_clients: int, seed: bytes) -> tuple[list[Group], list[Group]] | None:
    """Rows and columns of a shuffled grid, every one at least `min_clients` strong; None when the clients are too few.

    `seed` (32 bytes) must be fixed only after the clients have committed, so that nobody can pick a place.

    >>> rows, columns = grid(range(1, 10), 3, bytes(32))
    >>> [len(group) for group in rows + columns]
    [3, 3, 3, 3, 3, 3]
    """
    shape = _shape(len(clients), min_clients)
    if shape is None:
        return None
    places = list(clients)
    stream = Stream(seed, b"grid")
    for i in range(len(places) - 1, 0, -1):
        j = stream.below(i + 1)
        places[i], places[j] = places[j], places[i]
    rows: dict[int, list[int]] = {}
    columns: dict[int, list[int]] = {}
    for client, (row, column) in zip(places, _cells(len(places), *shape), strict=True):
        rows.setdefault(row, []).append(client)
        columns.setdefault(column, []).append(client)
    return [tuple(sorted(row)) for row in rows.values()], [
        tuple(sorted(column)) for column in columns.values()
    ]


def _cells(clients: int, rows: int, columns: int) -> list[tuple[int, int]]:
    """Cells along shifted diagonals: no two clients share one while there are cells left, and all lines fill evenly."""
    return [(i % rows, (i % rows + i // rows) % columns) for i in range(clients)]


def _shape(clients: int, min_clients: int) -> tuple[int, int] | None:
    """Rows and columns: a cell for every client if every line can still be strong enough, else as many as can be."""
    most = clients // min_clients  # lines of one direction that can be strong enough
    best: tuple[int, int] | None = None
    for rows in range(min(most, isqrt(clients) + 1), 1, -1):
        for columns in range(rows, min(most, -(-clients // rows) + 1) + 1):
            cells = _cells(clients, rows, columns)
            lines = [
                *Counter(row for row, _ in cells).values(),
                *Counter(column for _, column in cells).values(),
            ]
            if len(lines) < rows + columns or min(lines) < min_clients:
                continue
            if rows * columns >= clients:
                return rows, columns
            if best is None or best[0] * best[1] < rows * columns:
                best = rows, columns
    return best


@lru_cache(maxsize=64)
def reveals_less_than(min_clients: int, opened: frozenset[Group]) -> bool:
    """Whether the sums over `opened` groups determine a combination of fewer than `min_clients` updates.

    A combination of the sums that depends only on the clients in S exists exactly when the null space of the matrix
    of groups, restricted to S, has dependent columns. All S of `min_clients - 1` clients are tried; where these are
    more than twenty thousand, all S of the largest size that is not.

    >>> reveals_less_than(2, frozenset({(1, 2, 3), (1, 2)}))
    True
    >>> reveals_less_than(2, frozenset({(1, 2), (3, 4), (1, 3), (2, 4)}))
    False
    """
    clients = sorted({client for group in opened for client in group})
    null_space = _null_space([[int(client in group) for client in clients] for group in sorted(opened)])
    size = max(size for size in range(min_clients) if size < 2 or comb(len(clients), size) <= _MOST_SUBSETS)
    for subset in combinations(range(len(clients)), min(size, len(clients))):
        restricted = [[vector[place] for place in subset] for vector in null_space]
        if len(_reduced(restricted)) < len(subset):
            return True
    return False


def _reduced(matrix: Sequence[Sequence[int]]) -> dict[int, list[int]]:
    """Reduced row echelon form modulo the prime: pivot column -> row."""
    pivots: dict[int, list[int]] = {}
    for source in matrix:
        row = list(source)
        for column, pivot in pivots.items():
            if factor := row[column]:
                row = [(a - factor * b) % _PRIME for a, b in zip(row, pivot, strict=True)]
        lead = next((column for column, value in enumerate(row) if value), None)
        if lead is None:
            continue
        inverse = pow(row[lead], -1, _PRIME)
        row = [value * inverse % _PRIME for value in row]
        for column, pivot in pivots.items():
            if factor := pivot[lead]:
                pivots[column] = [(a - factor * b) % _PRIME for a, b in zip(pivot, row, strict=True)]
        pivots[lead] = row
    return pivots


def _null_space(matrix: Sequence[Sequence[int]]) -> list[list[int]]:
    pivots = _reduced(matrix)
    width = len(matrix[0])
    vectors = []
    for free in (column for column in range(width) if column not in pivots):
        vector = [0] * width
        vector[free] = 1
        for column, row in pivots.items():
            vector[column] = -row[free] % _PRIME
        vectors.append(vector)
    return vectors
