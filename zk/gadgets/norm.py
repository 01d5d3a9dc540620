"""Inner products, squared norms and their bounds."""

from zk.circuit import Circuit
from zk.gadgets.bits import assert_at_most
from zk.linear import Linear

__all__ = ["assert_norm_at_most", "inner_product", "squared_norm"]


def inner_product(circuit: Circuit, left: Linear, right: Linear, name: str) -> Linear:
    """sum_j left_j right_j. One row an entry."""
    return circuit.multiply(left, right, name).sum()


def squared_norm(circuit: Circuit, values: Linear, name: str) -> Linear:
    """sum_j values_j^2. One row an entry, which is also the row of its own that a committed wire needs."""
    return inner_product(circuit, values, values, name)


def assert_norm_at_most(circuit: Circuit, norm: Linear, bound: Linear, n_bits: int, name: str) -> None:
    """Rows that hold only if norm <= bound.

    Assumes: as integers norm < 2**n_bits (the entries were range-checked) and bound < 2**n_bits (public, or a sum of
        checked values); then norm + slack = bound with a slack of n_bits bits cannot wrap modulo the group order.
    """
    assert_at_most(circuit, norm, bound, n_bits, name)
