"""Into Montgomery form and out of it, many elements at once."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.kernels.words import compiled, constants, multiply

__all__ = ["scale_in_place", "words"]


@compiled
def _scale(x: Any, factor: Any, p: Any) -> None:
    for i in range(len(x)):
        x[i, 0], x[i, 1], x[i, 2], x[i, 3] = multiply((x[i, 0], x[i, 1], x[i, 2], x[i, 3]), factor, p)


@lru_cache(maxsize=8)
def words(value: int) -> tuple[np.uint64, ...]:
    """The four words of an integer below 2**256."""
    return tuple(np.uint64((value >> (64 * i)) % 2**64) for i in range(4))


def scale_in_place(residues: NDArray[np.uint64], factor: int, prime: int) -> None:
    """Multiply every element by factor / 2**256 modulo the prime: 2**512 enters Montgomery form, 1 leaves it.

    Shapes: residues (n, 4), changed in place.
    """
    _scale(residues, words(factor % prime), constants(prime))
