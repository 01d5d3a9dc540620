"""Bits, ranges by bits, and comparison.

A value is only as small as its bits say: nothing here relies on a hint being honest.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError
from zk.circuit import Circuit
from zk.field import R
from zk.linear import Linear

__all__ = ["assert_at_most", "assert_boolean", "bit_sum", "less_than", "to_bits"]


def _split(n_bits: int, values: NDArray[Any]) -> NDArray[Any]:
    shifts = np.arange(n_bits, dtype=object)
    return np.asarray((values[:, None] >> shifts) & 1).reshape(-1)


def assert_boolean(circuit: Circuit, values: Linear, name: str) -> None:
    """Rows b * (b - 1) = 0."""
    circuit.enforce(values, values - 1, Linear.constant(0, values.n), name)


def bit_sum(bits: Linear, n_bits: int) -> Linear:
    """The numbers whose binary digits, lowest first, stand side by side in `bits`.

    Shapes: bits (n * n_bits,), result (n,).
    """
    weights = np.array([1 << i for i in range(n_bits)], dtype=object)
    return (bits * np.tile(weights, bits.n // n_bits)).sum_groups(n_bits)


def to_bits(circuit: Circuit, values: Linear, n_bits: int, name: str) -> Linear:
    """The binary digits of values, lowest first; a value outside [0, 2**n_bits) has no witness. n_bits + 1 rows each.

    Shapes: values (n,), result (n * n_bits,).
    Raises: ParameterError if 2**n_bits is not below the group order (then digits would not be unique).
    """
    if not 0 < n_bits < R.bit_length():
        raise ParameterError(f"{name}: {n_bits} bits do not fit the scalar field")
    bits = circuit.private(f"{name}.bit", values.n * n_bits, lambda v: _split(n_bits, v), values)
    assert_boolean(circuit, bits, f"{name}.boolean")
    circuit.equal(bit_sum(bits, n_bits), values, f"{name}.sum")
    return bits


def assert_at_most(circuit: Circuit, values: Linear, bounds: Linear, n_bits: int, name: str) -> None:
    """Rows that hold only if values <= bounds, both known to be in [0, 2**n_bits): their difference has n_bits bits.

    Assumes: values and bounds are in range already; n_bits is so small that a negative difference, which is near the
        group order, cannot have n_bits bits.
    Raises: ParameterError for n_bits above 252.
    """
    if n_bits > R.bit_length() - 2:
        raise ParameterError(f"{name}: a comparison of {n_bits} bits could wrap around the group order")
    to_bits(circuit, bounds - values, n_bits, name)


def less_than(circuit: Circuit, left: Linear, right: Linear, n_bits: int, name: str) -> Linear:
    """Booleans left < right, for values known to be in [0, 2**n_bits): the top bit of left - right + 2**n_bits is clear.

    Raises: ParameterError for n_bits above 251.
    """
    if n_bits > R.bit_length() - 3:
        raise ParameterError(f"{name}: a comparison of {n_bits} bits could wrap around the group order")
    bits = to_bits(circuit, left - right + (1 << n_bits), n_bits + 1, name)
    top = bits[np.arange(n_bits, bits.n, n_bits + 1)]
    return 1 - top
