"""Matrix products checked at a random vector: rows in the number of entries instead of the number of products.

A B = C is tested as A (B v) = C v with v = (1, alpha, alpha^2, ...) and a challenge alpha drawn after A, B and C were
committed; a wrong C passes with probability at most columns / R.

Source: Freivalds 1977; Schwartz-Zippel for powers of one challenge.
"""

import numpy as np

from mpc.errors import ParameterError
from zk.circuit import Circuit
from zk.linear import Linear, concatenate

__all__ = ["assert_matrix_product", "challenge_powers", "matrix_times_vector", "transpose"]


def challenge_powers(circuit: Circuit, alpha: Linear, n: int, name: str) -> Linear:
    """1, alpha, ..., alpha^(n - 1). n - 2 rows."""
    powers = [Linear.constant(1), alpha][:n]
    while len(powers) < n:
        powers.append(circuit.multiply(powers[-1], alpha, name))
    return concatenate(powers)


def matrix_times_vector(circuit: Circuit, matrix: Linear, vector: Linear, name: str) -> Linear:
    """The product of a matrix, row by row, and a vector. One row an entry of the matrix.

    Shapes: matrix (n * k,), vector (k,), result (n,).
    """
    if matrix.n % vector.n:
        raise ParameterError(f"{name}: {matrix.n} entries are no matrix with {vector.n} columns")
    return circuit.multiply(matrix, vector.tile(matrix.n // vector.n), name).sum_groups(vector.n)


def transpose(matrix: Linear, columns: int) -> Linear:
    """The transposed matrix, row by row.

    Shapes: matrix (n * columns,), result (columns * n,).
    """
    return matrix[np.arange(matrix.n).reshape(-1, columns).T.reshape(-1)]


def assert_matrix_product(
    circuit: Circuit, left: Linear, right: Linear, product: Linear, inner: int, alpha: Linear, name: str
) -> None:
    """Rows that hold only if left right = product. n k + k m + n m + m rows.

    Shapes: left (n * inner,), right (inner * m,), product (n * m,), all row by row.
    Assumes: every entry is a combination of wires fixed before alpha was drawn.
    """
    columns = right.n // inner
    vector = challenge_powers(circuit, alpha, columns, f"{name}.power")
    inside = matrix_times_vector(circuit, right, vector, f"{name}.right")
    outside = matrix_times_vector(circuit, left, inside, f"{name}.left")
    if columns == 1:
        circuit.equal(outside, product, f"{name}.product")
        return
    folded = matrix_times_vector(circuit, product, vector, f"{name}.folded")
    circuit.equal(outside, folded, f"{name}.product")
