"""Two libraries doing the same work, in turns, in one process: what is reported is the ratio of their
medians.

A machine that others use slows both sides alike; absolute seconds say more about the hour than about the
code.
"""

from collections.abc import Callable
from functools import wraps
from importlib import import_module
from time import process_time
from typing import Any

import numpy as np

__all__ = ["comparison", "ratio", "seconds"]


def seconds(work: Callable[[], object]) -> float:
    """One call's processor time, all threads together."""
    start = process_time()
    work()
    return process_time() - start


def ratio(
    ours: Callable[[], object], theirs: Callable[[], object], turns: int = 5, ours_a_turn: int = 1
) -> float:
    """How many times longer `theirs` takes; `ours_a_turn` evens out work that is too short to time once."""
    ours()
    mine, others = [], []
    for _ in range(turns):
        mine += [seconds(ours) for _ in range(ours_a_turn)]
        others.append(seconds(theirs))
    return float(np.median(others) / np.median(mine))


def comparison(*modules: str, target: float) -> Callable[[Callable[..., float]], Callable[[Any], float]]:
    """A `track_` method that is given the peer's modules, and gives nan where one is not installed."""

    def decorate(method: Callable[..., float]) -> Callable[[Any], float]:
        @wraps(method)
        def measured(self: Any) -> float:
            try:
                peers = [import_module(m) for m in modules]
            except ImportError:
                return float("nan")
            return method(self, *peers)

        measured.unit = "x"  # type: ignore[attr-defined]
        measured.target = target  # type: ignore[attr-defined]
        return measured

    return decorate
