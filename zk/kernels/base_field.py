"""The base field for the kernels that add points: its constants, a coordinate read from and written to a row, an inverse."""

from typing import Any

import numpy as np

from zk.curve import Q
from zk.kernels.words import compiled, constants, multiply
from zk.limbs import to_limbs

__all__ = ["EXPONENT", "ONE", "ZERO", "P", "get", "invert", "put"]

P = constants(Q)
ZERO = (np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0))
ONE = tuple(np.uint64(w) for w in to_limbs([1], Q)[0].tolist())
EXPONENT = np.array([((Q - 2) >> i) & 1 for i in range(253, -1, -1)], dtype=np.uint8)
"""The bits of q - 2, highest first, for `invert`: an array is an argument, since compiled code would hold a copy."""


@compiled
def get(x: Any, i: Any, at: Any) -> Any:
    """The four words of row `i` from column `at` on."""
    return x[i, at], x[i, at + 1], x[i, at + 2], x[i, at + 3]


@compiled
def put(x: Any, i: Any, at: Any, v: Any) -> None:
    """Write what `get` reads."""
    x[i, at], x[i, at + 1], x[i, at + 2], x[i, at + 3] = v


@compiled
def invert(x: Any, exponent: Any) -> Any:
    """x**(q - 2)."""
    out = ONE
    for bit in exponent:
        out = multiply(out, out, P)
        if bit:
            out = multiply(out, x, P)
    return out
