"""Arithmetic mod 2^128 on arrays: two 64-bit words an element, the lower one first.

Source: schoolbook multiplication of 32-bit halves.
"""

import numpy as np

from mpc.wire import Words

__all__ = ["add", "lift", "multiply", "subtract"]

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def lift(low: Words) -> Words:
    """Words as elements. Shapes: [...] -> [2, ...]."""
    return np.stack([low, np.zeros_like(low)])


def add(a: Words, b: Words) -> Words:
    """a + b."""
    low = a[0] + b[0]
    return np.stack([low, a[1] + b[1] + (low < a[0])])


def subtract(a: Words, b: Words) -> Words:
    """a - b."""
    return np.stack([a[0] - b[0], a[1] - b[1] - (a[0] < b[0])])


def multiply(a: Words, b: Words) -> Words:
    """a * b, element by element.

    >>> ones = np.full((2, 1), 2**64 - 1, dtype=np.uint64)
    >>> multiply(ones, ones).tolist()
    [[1], [0]]
    """
    a0, a1, b0, b1 = a[0] & _LOW, a[0] >> _HALF, b[0] & _LOW, b[0] >> _HALF
    low, middle_1, middle_2, high = a0 * b0, a0 * b1, a1 * b0, a1 * b1
    carry = ((low >> _HALF) + (middle_1 & _LOW) + (middle_2 & _LOW)) >> _HALF
    upper = high + (middle_1 >> _HALF) + (middle_2 >> _HALF) + carry
    return np.stack([a[0] * b[0], upper + a[0] * b[1] + a[1] * b[0]])
