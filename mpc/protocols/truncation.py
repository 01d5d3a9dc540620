"""Divide shared fixed-point numbers by a power of two, each party on its own share.

    two additive shares    first: x0 >> f        second: -((-x1) >> f)
    three replicated ones  the same with x0 + x1 known to one party and x2 to the two others, then shared anew

Leakage: nothing. Assumptions are the engine's.
Assumes: |x| is far below 2^63: a result is off by at most one unit, except with probability |x| / 2^62, where it is
    off by 2^(64 - f). `failure_probability` says what that comes to; callers keep it negligible or use exact rules.
Source: Mohassel and Zhang, "SecureML", IEEE S&P 2017, theorem 1; Mohassel and Rindal, "ABY3", CCS 2018, section 5.1.
"""

from collections.abc import Generator

import numpy as np

from mpc.engine import Additive, Engine, Replicated, Share
from mpc.errors import ParameterError
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words

__all__ = ["failure_probability", "truncate"]


def truncate(engine: Engine, x: Share, shift: int) -> Generator[Outbox, Inbox, Share]:
    """Shares of x / 2^shift as signed numbers. No round with two additive shares, one with three replicated ones.

    Assumes: shares are uniform, as products and clients' updates are; what one party put in itself, or a public number,
        is not before it was multiplied.
    Raises: ParameterError for more than two additive parties, unless 0 <= shift < 63, or for
            replicated shares that show not to be.
    """
    if not 0 <= shift < 63:
        raise ParameterError(f"numbers are divided by 2^0 to 2^62, not by 2^{shift}")
    if shift == 0:
        return x
    if isinstance(engine, Additive) and len(engine.parties) == 2:
        return _halves(x, shift, first=engine.me == engine.parties[0])
    if not isinstance(engine, Replicated):
        raise ParameterError(
            "only two additive or three replicated shares are truncated without a round of masks"
        )
    place = engine.parties.index(engine.me)
    owner = engine.parties[0]
    mine = _halves(x[0] + x[1], shift, first=True) if place == 0 else None
    first = (yield from engine.inputs(mine, {owner: engine.shape(x)}))[owner]
    rest = np.zeros_like(x)
    if place:
        _uniform(x[2 - place])
        # x2 is the second part of party 1 and the first of party 2
        rest[2 - place] = _halves(x[2 - place], shift, first=False)
    return first + rest


def failure_probability(largest: int, count: int) -> float:
    """A bound on the chance that any of `count` truncated numbers of at most `largest` comes out wrong.

    >>> failure_probability(2**40, 1000) < 2**-12
    True
    """
    return min(1.0, count * largest / 2.0**62)


def _uniform(share: Words) -> None:
    """A share of zeros carries every negative number over the ring's edge: 2^(64 - shift) off, always."""
    if share.size and not share.any():
        raise ParameterError("these shares are not uniform: multiply before truncating")


def _halves(share: Words, shift: int, *, first: bool) -> Words:
    if first:
        return share >> np.uint64(shift)
    return -((-share) >> np.uint64(shift))
