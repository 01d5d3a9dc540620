"""Staircases: a shared number looked up in a public table of steps, by one batch of comparisons.

    value >= bound_k for every k  --> shared bits --> base + sum of bit_k * rise_k

A table has what iterations for quotients and roots have not: a constant number of rounds, no truncation, integers
that come out exact, and a result that is never above what the table says. Its price is one comparison a step.

Leakage: nothing. Assumptions are the engine's.
"""

from collections.abc import Generator, Sequence

import numpy as np

from mpc.engine import Engine, Share
from mpc.errors import ParameterError
from mpc.protocols.comparison import less_than
from mpc.runtime.types import Inbox, Outbox

__all__ = ["not_negative", "positive_part", "staircase"]


def staircase(
    engine: Engine, differences: Share, rises: Sequence[int], base: int, bits: int
) -> Generator[Outbox, Inbox, Share]:
    """base + the rises (negative ones too) of all steps whose difference value - bound is not below zero.

    Shapes: differences [steps, n] -> [n].
    Assumes: differences are below 2^(bits - 1) in absolute value.
    Raises: ParameterError unless there is one rise a step.
    """
    shape = engine.shape(differences)
    if len(shape) != 2 or shape[0] != len(rises):
        raise ParameterError(f"{len(rises)} rises do not fit differences of shape {shape}")
    if not rises:
        return engine.public(np.full(shape[1], base, dtype=np.int64).astype(np.uint64))
    reached = yield from not_negative(engine, engine.reshape(differences, (shape[0] * shape[1],)), bits)
    weights = np.array(rises, dtype=np.int64).astype(np.uint64)[:, None]
    climbed: Share = (engine.reshape(reached, shape) * weights).sum(axis=engine.lead, dtype=np.uint64)
    return climbed + engine.public(np.full(shape[1], base, dtype=np.int64).astype(np.uint64))


def not_negative(engine: Engine, x: Share, bits: int) -> Generator[Outbox, Inbox, Share]:
    """Shared 1 where x >= 0, else shared 0. Shapes: [n] -> [n]. Assumes: |x| < 2^(bits - 1)."""
    zeros = engine.public(np.zeros(engine.shape(x), dtype=np.uint64))
    below = yield from less_than(engine, x, zeros, bits)
    return engine.public(np.ones(engine.shape(x), dtype=np.uint64)) - below


def positive_part(engine: Engine, x: Share, bits: int) -> Generator[Outbox, Inbox, Share]:
    """max(x, 0). Shapes: [n] -> [n]. Assumes: |x| < 2^(bits - 1)."""
    return (yield from engine.multiply((yield from not_negative(engine, x, bits)), x))
