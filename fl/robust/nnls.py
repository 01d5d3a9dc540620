"""Non-negative least squares for many right-hand sides at once, from inner products alone.

The best approximation of u by a combination of g_1 .. g_k with coefficients c >= 0 depends on u only through
b = (<u, g_1>, .. <u, g_k>): it minimises c' G c - 2 c' b, with G the Gram matrix of the g. All right-hand sides go
through the active-set method in lock step, each with its own set of positive coefficients, so it is exact and
deterministic, and its cost is that of a few hundred systems of size k.

Source: Lawson and Hanson, "Solving least squares problems", 1974, chapter 23, algorithm NNLS, in its Gram form.
"""

import numpy as np
from numpy.typing import NDArray

from fl.robust.base import Floats
from mpc.errors import ParameterError

__all__ = ["nonnegative_least_squares"]

_TOLERANCE = 1e-9
_STEPS_A_VARIABLE = 6
# keeps a set of nearly dependent directions solvable
_RIDGE = 1e-12


def nonnegative_least_squares(gram: Floats, inner: Floats) -> Floats:
    """The coefficients c >= 0 that minimise c' G c - 2 c' b for every row b of `inner`.

    Shapes: gram [k, k], inner [rows, k] -> [rows, k].
    Raises: ParameterError unless `gram` is a Gram matrix of k vectors and values are finite.

    >>> nonnegative_least_squares(np.eye(2), np.array([[2.0, -1.0]])).round(6).tolist()
    [[2.0, 0.0]]
    """
    k = len(gram)
    if gram.shape != (k, k) or inner.ndim != 2 or inner.shape[1] != k:
        raise ParameterError(f"a Gram matrix of {gram.shape} does not fit inner products of {inner.shape}")
    if not (np.isfinite(gram).all() and np.isfinite(inner).all() and (np.diag(gram) >= 0).all()):
        raise ParameterError(
            "a Gram matrix and inner products are finite, and squared lengths are not negative"
        )
    # unit vectors make one tolerance fit all of them; a zero vector keeps coefficient zero
    lengths = np.sqrt(np.diag(gram))
    safe = np.where(lengths > 0, lengths, 1.0)
    unit = gram / np.outer(safe, safe)
    scaled = inner / safe
    tolerance = _TOLERANCE * np.maximum(np.abs(scaled).max(axis=1, initial=0.0), np.finfo(np.float64).tiny)
    passive = np.zeros(scaled.shape, dtype=np.bool_)
    c = np.zeros_like(scaled)
    # in exact arithmetic the loop ends by itself; rounding can only make it step on the spot, at the minimum
    for _ in range(_STEPS_A_VARIABLE * k):
        slope = np.where(passive | (lengths == 0), -np.inf, scaled - c @ unit)
        entering = slope.argmax(axis=1)
        rows = np.flatnonzero(slope[np.arange(len(c)), entering] > tolerance)
        if not len(rows):
            break
        passive[rows, entering[rows]] = True
        c[rows], passive[rows] = _descend(unit, scaled[rows], c[rows], passive[rows])
    return c / safe


def _descend(
    unit: Floats, b: Floats, c: Floats, passive: NDArray[np.bool_]
) -> tuple[Floats, NDArray[np.bool_]]:
    """Go to the least-squares solution on the passive sets; on the way, what reaches zero leaves its set."""
    c, passive = c.copy(), passive.copy()
    moving = np.arange(len(c))
    while len(moving):
        goal = _solve(unit, b[moving], passive[moving])
        blocking = passive[moving] & (goal <= 0)
        start = c[moving]
        fall = np.where(blocking, start - goal, 1.0)
        reach = np.where(blocking, np.divide(start, fall, out=np.zeros_like(start), where=fall > 0), 1.0)
        step = reach.min(axis=1)
        c[moving] = np.maximum(start + step[:, None] * (goal - start), 0.0)
        leaving = blocking & (reach <= step[:, None])
        passive[moving] &= ~leaving
        c[moving] = np.where(passive[moving], c[moving], 0.0)
        moving = moving[blocking.any(axis=1)]
    return c, passive


def _solve(unit: Floats, b: Floats, passive: NDArray[np.bool_]) -> Floats:
    """The unconstrained minimum over the passive coefficients of each row, zero in the others."""
    # sets are small: every row's system has the size of the largest set, filled up with rows of the identity
    width = int(passive.sum(axis=1).max())
    places = np.argsort(~passive, axis=1, kind="stable")[:, :width]
    real = np.take_along_axis(passive, places, axis=1)
    systems = np.where(
        real[:, :, None] & real[:, None, :], unit[places[:, :, None], places[:, None, :]], np.eye(width)
    )
    systems[:, np.arange(width), np.arange(width)] = 1.0 + _RIDGE
    targets = np.where(real, np.take_along_axis(b, places, axis=1), 0.0)
    solved = np.zeros_like(b)
    np.put_along_axis(solved, places, np.linalg.solve(systems, targets[:, :, None])[:, :, 0], axis=1)
    return solved
