"""The cone test on shares: how close a row is to the cone of its best non-negative mix of public directions.

    max over x >= 0 of cos(row, x P)     P: one public direction a class, for example
    = |projection| / |row|, and the projection is spanned by a set S of independent directions with x_S >= 0

Which S is secret. With ten directions there are 1,023 of them, so all are tried at once: the coefficients
x_S = G_SS^-1 b_S are linear in the shared projections b, as G = P P^T is public; their signs are one batch of
comparisons; |projection|^2 = b_S G_SS^-1 b_S is linear in the products of the b. A set with a negative coefficient
counts zero, and any other is a lower bound, so the largest is the answer. No iteration, no step size, and a number of
rounds that does not depend on the rows.

Leakage: nothing. Assumptions are the engine's.
Source: Lawson and Hanson, "Solving Least Squares Problems", 1974, chapter 23 (non-negative least squares: an optimum is
    an unconstrained one on its support).
"""

import math
from collections.abc import Generator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.comparison import less_than, signs
from mpc.protocols.directions import UNIT, Directions, projections
from mpc.protocols.levels import staircase
from mpc.runtime.types import Inbox, Outbox

__all__ = ["Cone", "cone_scores", "plain_scores"]

_SCALE = 14
_MOST_DIRECTIONS = 10
_ALL_ONES = ~np.uint64(0)
_SMALLEST_EIGENVALUE = 1e-3


@dataclass(frozen=True, slots=True)
class Cone:
    """Public directions and what follows from them alone: for every set of them, the inverse of its Gram matrix.

    Shapes: directions [k, d]; `inverses` [sets, k, k], zero outside the set, in units of 2^-_SCALE for unit directions.
    """

    directions: Directions
    sets: tuple[tuple[int, ...], ...]
    inverses: npt.NDArray[np.int64]

    @classmethod
    def of(cls, directions: Directions) -> "Cone":
        """Sets that are nearly dependent are left out: the others reach every point of the cone.

        Raises: ParameterError for no directions, or more than can be tried.
        """
        k = len(directions)
        if not 1 <= k <= _MOST_DIRECTIONS:
            raise ParameterError(f"a cone has 1 to {_MOST_DIRECTIONS} directions here, not {k}")
        exact = directions.astype(np.float64)
        gram = exact @ exact.T / 4.0**UNIT
        sets, inverses = [], []
        for size in range(1, k + 1):
            for chosen in combinations(range(k), size):
                part = gram[np.ix_(chosen, chosen)]
                if np.linalg.eigvalsh(part)[0] < _SMALLEST_EIGENVALUE:
                    continue
                inverse = np.zeros((k, k), dtype=np.int64)
                inverse[np.ix_(chosen, chosen)] = np.rint(np.linalg.inv(part) * (1 << _SCALE))
                sets.append(chosen)
                inverses.append(inverse)
        return cls(directions, tuple(sets), np.array(inverses))


def cone_scores(
    engine: Engine, rows: Share, lengths: Share, cone: Cone, longest: int, levels: int
) -> Generator[Outbox, Inbox, Share]:
    """The cosine between a row and the cone, less the same for the row turned round, in units of 1 / levels, shared.

    Shapes: rows [n, d] no longer than `longest`, their squared lengths [n] -> [n].
    Units: each of the two cosines is rounded down to a level.
    Raises: ParameterError for no levels, or when numbers could reach 2^63.
    """
    if levels < 1:
        raise ParameterError(f"a score has at least one level, not {levels}")
    width = _width(longest)
    outside, values = yield from _by_set(engine, rows, cone, longest)
    sets, padded = engine.shape(values)
    n = engine.shape(rows)[0]
    within = yield from _within(engine, outside, sets * padded)
    # [sets, forwards and backwards]: the projection of -row has the same length, if its coefficients fit
    both = np.concatenate([values, values], axis=-1)
    chosen = yield from engine.multiply(within, engine.reshape(both, (2 * sets * padded,)))
    best = yield from _largest(engine, engine.reshape(chosen, (sets, 2 * padded)), width)
    ahead, back = best[..., :n], best[..., padded : padded + n]
    pair = np.concatenate([ahead, back], axis=-1)
    bounds = np.array([math.ceil((j / levels) ** 2 * (1 << _SCALE)) for j in range(1, levels + 1)])
    squares = engine.reshape(np.concatenate([lengths, lengths], axis=-1), (1, 2 * n))
    differences = engine.reshape(pair, (1, 2 * n)) - squares * bounds.astype(np.uint64)[:, None]
    # A row without length reaches nothing, although 0 >= 0.
    differences = differences - engine.public(np.ones((levels, 2 * n), dtype=np.uint64))
    reached = yield from staircase(engine, differences, [1] * levels, 0, width)
    score: Share = reached[..., :n] - reached[..., n:]
    return score


def plain_scores(rows: npt.NDArray[np.int64], cone: Cone) -> npt.NDArray[np.float64]:
    """The plain twin, by the same search over sets and without levels.

    Shapes: [n, d] -> [n].

    >>> from mpc.protocols.directions import as_directions
    >>> cone = Cone.of(as_directions([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    >>> plain_scores(np.array([[30, 40, 0], [0, -50, 50], [30, 0, 40]]), cone).round(2).tolist()
    [1.0, -0.71, 0.6]
    """
    along = (rows @ cone.directions.T) / 2.0**UNIT
    inverses = cone.inverses / 2.0**_SCALE
    mixes = np.einsum("skj,nj->snk", inverses, along)
    squares = np.einsum("snk,nk->sn", mixes, along)
    best = [np.where(fits.all(axis=2), squares, 0).max(axis=0) for fits in (mixes >= 0, mixes <= 0)]
    lengths = np.maximum((rows.astype(np.float64) ** 2).sum(axis=1), 1)
    ahead, back = (np.sqrt(np.maximum(value, 0) / lengths) for value in best)
    score: npt.NDArray[np.float64] = ahead - back
    return score


def _width(longest: int) -> int:
    """Bits that hold |row|^2 * 2^_SCALE and its sign, with room for the rounding of the inverses."""
    width = 2 * longest.bit_length() + _SCALE + 4
    if width > 63:
        raise ParameterError(f"rows as long as {longest} have squares that do not fit")
    return width


def _by_set(
    engine: Engine, rows: Share, cone: Cone, longest: int
) -> Generator[Outbox, Inbox, tuple[Share, Share]]:
    """For every set and row: the bits that make it unfit forwards and backwards, and the projection's squared length.

    Rows are padded to whole words, so that the bits of one set are words of their own.

    Shapes: -> [sets * 2 * padded / 64], [sets, padded].
    """
    n, k = engine.shape(rows)[0], len(cone.directions)
    padded = -(-n // 64) * 64
    along = yield from projections(engine, rows, cone.directions)
    along = np.pad(along, [(0, 0)] * engine.lead + [(0, padded - n), (0, 0)])
    columns = np.moveaxis(along, -1, engine.lead)
    pairs = [(i, j) for i in range(k) for j in range(i, k)]
    left = np.concatenate([columns[..., i, :] for i, _ in pairs], axis=-1)
    right = np.concatenate([columns[..., j, :] for _, j in pairs], axis=-1)
    products = engine.reshape((yield from engine.multiply(left, right)), (len(pairs), padded))
    twice = [[inverse[i, j] * (1 if i == j else 2) for i, j in pairs] for inverse in cone.inverses]
    values: Share = np.array(twice, dtype=np.int64).astype(np.uint64) @ products
    unfit = yield from _unfit(engine, columns, cone, longest)
    return unfit, values


def _unfit(engine: Engine, columns: Share, cone: Cone, longest: int) -> Generator[Outbox, Inbox, Share]:
    """Per set, the bits that some coefficient is negative, and that some is not: signs at once, then trees of ors."""
    words = engine.shape(columns)[1] // 64
    by_size: dict[int, list[int]] = {}
    for place, chosen in enumerate(cone.sets):
        by_size.setdefault(len(chosen), []).append(place)
    lines = [
        cone.inverses[place, cone.sets[place][slot]]
        for size, places in by_size.items()
        for slot in range(size)
        for place in places
    ]
    coefficients: Share = np.array(lines).astype(np.uint64) @ columns
    largest = max(int(np.abs(line).sum()) for line in lines) * 2 * (longest + 1)
    flat = engine.reshape(coefficients, (len(lines) * 64 * words,))
    negative = yield from signs(engine, flat, min(64, largest.bit_length() + 1))
    by_line = engine.reshape(negative, (len(lines), words))
    both = np.concatenate(
        [by_line, by_line ^ engine.public(np.full((len(lines), words), _ALL_ONES))], axis=-1
    )
    trees: list[list[Share]] = []
    for size, places in by_size.items():
        start = sum(len(tree) * engine.shape(tree[0])[0] for tree in trees)
        slots = [
            both[..., start + slot * len(places) : start + (slot + 1) * len(places), :]
            for slot in range(size)
        ]
        trees.append(slots)
    joined = yield from _ors(engine, trees)
    # sets are listed by size, so the trees' results stand in their order already
    return engine.reshape(np.concatenate(joined, axis=-2), (len(cone.sets) * 2 * words,))


def _ors(engine: Engine, trees: list[list[Share]]) -> Generator[Outbox, Inbox, list[Share]]:
    """Each tree's parts under `or`, all trees level by level in the same rounds. Shapes: parts [sets, words]."""
    while any(len(tree) > 1 for tree in trees):
        halves = [len(tree) // 2 for tree in trees]
        firsts = [part for tree, half in zip(trees, halves, strict=True) for part in tree[:half]]
        seconds = [part for tree, half in zip(trees, halves, strict=True) for part in tree[half : 2 * half]]
        a, b = np.concatenate(firsts, axis=-2), np.concatenate(seconds, axis=-2)
        either = a ^ b ^ (yield from engine.conjoin(a, b))
        start = 0
        for index, (tree, half) in enumerate(zip(trees, halves, strict=True)):
            size = engine.shape(tree[0])[0]
            merged = [either[..., start + i * size : start + (i + 1) * size, :] for i in range(half)]
            start += half * size
            trees[index] = merged + tree[2 * half :]
    return [tree[0] for tree in trees]


def _within(engine: Engine, outside: Share, size: int) -> Generator[Outbox, Inbox, Share]:
    """Shared 1 for the sets and ways that fit. Shapes: [2 * size / 64] -> [2 * size]."""
    unfit = yield from engine.number(outside, 2 * size)
    return engine.public(np.ones(2 * size, dtype=np.uint64)) - unfit


def _largest(engine: Engine, values: Share, bits: int) -> Generator[Outbox, Inbox, Share]:
    """The largest value of every column, by halves. Shapes: [sets, columns] -> [columns]."""
    while (count := engine.shape(values)[0]) > 1:
        half, columns = count // 2, engine.shape(values)[1]
        left = engine.reshape(values[..., :half, :], (half * columns,))
        right = engine.reshape(values[..., half : 2 * half, :], (half * columns,))
        bigger = yield from less_than(engine, left, right, bits)
        raised = left + (yield from engine.multiply(bigger, right - left))
        values = np.concatenate(
            [engine.reshape(raised, (half, columns)), values[..., 2 * half :, :]], axis=-2
        )
    return values[..., 0, :]
