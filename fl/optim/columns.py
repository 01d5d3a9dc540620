"""Products, triangles and inverses of a few long columns, added up in an order that no numerical library chooses.

Matrix libraries pick the order of their additions by processor, thread and version, and every order rounds differently.
What an auditor repeats bit for bit is therefore made of numpy's elementwise operations and of sums down a column alone.
"""

import numpy as np
from numpy.typing import NDArray

from fl.optim.base import Double

__all__ = ["gram", "inverse", "lengths", "orthonormal", "product"]

# of a column, what is left beside the others when it is shorter than this part of it is rounding
_NOTHING = 1e-12


def lengths(columns: Double) -> Double:
    """The length of each column. Shapes: [rows, columns] -> [columns]."""
    found: Double = np.sqrt((columns * columns).sum(axis=0))
    return found


def product(columns: Double, small: Double) -> Double:
    """columns times small. Shapes: [rows, inner] and [inner, columns] -> [rows, columns]."""
    result = columns[:, :1] * small[:1]
    for k in range(1, len(small)):
        result += columns[:, k : k + 1] * small[k : k + 1]
    return result


def gram(left: Double, right: Double) -> Double:
    """The inner products of columns. Shapes: [rows, left] and [rows, right] -> [left, right]."""
    return np.stack([(left[:, k : k + 1] * right).sum(axis=0) for k in range(left.shape[1])])


def orthonormal(columns: Double) -> tuple[Double, Double]:
    """Orthonormal columns and an upper triangle whose product is `columns`; a column that depends on others gives zeros.

    Shapes: [rows, columns] -> [rows, columns], [columns, columns].
    Source: modified Gram-Schmidt with every projection done twice: Giraud, Langou, Rozloznik, "The loss of orthogonality
    in the Gram-Schmidt orthogonalization process" (2005), section 3.
    """
    # one column a row, so that each is contiguous
    rest, count = np.ascontiguousarray(columns.T), columns.shape[1]
    basis, triangle = np.zeros_like(rest), np.zeros((count, count))
    for k in range(count):
        column, whole = rest[k], float(np.sqrt((rest[k] * rest[k]).sum()))
        for before in [*range(k)] * 2:
            part = (basis[before] * column).sum()
            column = column - part * basis[before]
            triangle[before, k] += part
        left = float(np.sqrt((column * column).sum()))
        if left > _NOTHING * whole:
            basis[k], triangle[k, k] = column / left, left
    return np.ascontiguousarray(basis.T), triangle


def inverse(matrix: Double, flat: float) -> Double:
    """The inverse of a symmetric matrix without negative directions; zeros where only `flat` of its largest entry is left.

    Rows are taken by what the diagonal still holds, largest first. On a singular matrix the result is the inverse on a
    largest set of independent rows, and zero on the others. Shapes: [columns, columns] twice.
    Source: the sweep operator: Goodnight, "A tutorial on the sweep operator" (1979), section 3.
    """
    swept, left = matrix.copy(), list(range(len(matrix)))
    least = flat * float(np.diag(matrix).max())
    while left:
        k = max(left, key=lambda row: float(swept[row, row]))
        pivot = float(swept[k, k])
        if pivot <= least:
            break
        row: NDArray[np.float64] = swept[k] / pivot
        swept = swept - swept[:, k : k + 1] * row
        swept[k], swept[:, k] = row, row
        swept[k, k] = -1.0 / pivot
        left.remove(k)
    swept[left], swept[:, left] = 0.0, 0.0
    return -swept
