"""Choosing between values."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.circuit import Circuit
from zk.gadgets.bits import assert_boolean
from zk.linear import Linear

__all__ = ["assert_one_hot", "one_hot", "select", "select_index"]


def select(circuit: Circuit, bits: Linear, if_one: Linear, if_zero: Linear, name: str) -> Linear:
    """if_one where a bit is one, else if_zero. One row each.

    Assumes: the bits are booleans already (`assert_boolean`).
    """
    return circuit.multiply(bits, if_one - if_zero, name) + if_zero


def assert_one_hot(circuit: Circuit, bits: Linear, size: int, name: str) -> None:
    """Rows that hold only if each group of `size` neighbours is all zero but for a single one. size + 1 rows a group.

    Shapes: bits (n * size,).
    """
    assert_boolean(circuit, bits, f"{name}.boolean")
    circuit.equal(bits.sum_groups(size), Linear.constant(1, bits.n // size), f"{name}.single")


def one_hot(circuit: Circuit, indices: Linear, size: int, name: str) -> Linear:
    """Bits that mark each index; an index outside [0, size) has no witness. size + 2 rows each.

    Shapes: indices (n,), result (n * size,).
    """

    def mark(values: NDArray[Any]) -> NDArray[Any]:
        marks: NDArray[Any] = (values[:, None] == np.arange(size)).astype(object)
        return marks.reshape(-1)

    bits = circuit.private(f"{name}.bit", indices.n * size, mark, indices)
    assert_one_hot(circuit, bits, size, name)
    weights = np.tile(np.arange(size), indices.n)
    circuit.equal((bits * weights).sum_groups(size), indices, f"{name}.index")
    return bits


def select_index(circuit: Circuit, table: Linear, index: Linear, name: str) -> Linear:
    """table[index] for one index in [0, len(table)).

    Shapes: index (1,), result (1,).
    """
    bits = one_hot(circuit, index, table.n, name)
    return circuit.multiply(bits, table, f"{name}.pick").sum()
