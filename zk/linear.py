"""Vectors of linear combinations of wires, the expressions a circuit is written in.

`Linear` holds n combinations at once as a sparse matrix in coordinate form, so one operation builds thousands of rows.
Coefficients are machine integers while they fit and Python integers otherwise; both are exact.
"""

from collections.abc import Sequence
from operator import index
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError
from zk.field import R

__all__ = ["Linear", "Scalars", "concatenate"]

Scalars: TypeAlias = "int | Sequence[int] | NDArray[Any]"
Integers: TypeAlias = NDArray[Any]

_SMALL = 1 << 31


def _coefficients(values: Scalars, n: int) -> Integers:
    """Machine integers below 2**31 in magnitude, or else Python integers: numpy would wrap where 64 bits end."""
    array: Integers = np.asarray(values)
    machine = array.dtype.kind in "iu" and bool((array < _SMALL).all() and (array > -_SMALL).all())
    if not machine:
        array = np.array(values, dtype=object)
        exact = [_integer(v) for v in array.ravel()]
        machine = all(-_SMALL < v < _SMALL for v in exact)
        array.ravel()[:] = exact
    spread: Integers = np.broadcast_to(array.astype(np.int64) if machine else array, (n,))
    return spread


def _integer(value: object) -> int:
    try:
        return index(value)  # type: ignore[arg-type]
    except TypeError as error:
        raise ParameterError(f"a coefficient must be an integer, got {value!r}") from error


def _product(a: Integers, b: Integers) -> Integers:
    if a.dtype != object and b.dtype != object:
        largest = int(np.abs(a).max(initial=0)) * int(np.abs(b).max(initial=0))
        if largest < 1 << 62:
            return np.asarray(a * b)
    product = a.astype(object) * b.astype(object) % R
    balanced: Integers = np.where(product > R // 2, product - R, product) if product.size else product
    return balanced


class Linear:
    """n linear combinations: entry k says that combination rows[k] holds coefficients[k] times wire wires[k].

    Shapes: rows, wires, coefficients (nnz,), rows in ascending order.
    """

    __slots__ = ("coefficients", "n", "rows", "wires")

    def __init__(
        self, n: int, rows: NDArray[np.int64], wires: NDArray[np.int64], coefficients: Integers
    ) -> None:
        self.n = n
        self.rows = rows
        self.wires = wires
        self.coefficients = coefficients

    @classmethod
    def of_wires(cls, wires: NDArray[np.int64]) -> "Linear":
        """One combination for each wire: the wire itself."""
        return cls(len(wires), np.arange(len(wires)), wires, np.ones(len(wires), dtype=np.int64))

    @classmethod
    def constant(cls, values: Scalars, n: int = 1) -> "Linear":
        """Constants, multiples of the wire that is always one."""
        return cls(n, np.arange(n), np.zeros(n, dtype=np.int64), _coefficients(values, n))

    def __len__(self) -> int:
        return self.n

    def __add__(self, other: "Linear | Scalars") -> "Linear":
        right = other if isinstance(other, Linear) else Linear.constant(other, self.n)
        left = self.repeat(right.n) if self.n == 1 and right.n > 1 else self
        if right.n == 1 and left.n > 1:
            right = right.repeat(left.n)
        if left.n != right.n:
            raise ParameterError(f"cannot add {left.n} linear combinations to {right.n}")
        rows = np.concatenate([left.rows, right.rows])
        order = np.argsort(rows, kind="stable")
        pair = (left.coefficients, right.coefficients)
        coefficients = np.concatenate(pair)
        return Linear(
            left.n, rows[order], np.concatenate([left.wires, right.wires])[order], coefficients[order]
        )

    def __radd__(self, other: Scalars) -> "Linear":
        return self + other

    def __neg__(self) -> "Linear":
        return self * -1

    def __sub__(self, other: "Linear | Scalars") -> "Linear":
        if isinstance(other, Linear):
            return self + (-other)
        return self + (-Linear.constant(other, self.n))

    def __rsub__(self, other: Scalars) -> "Linear":
        return (-self) + other

    def __mul__(self, factor: Scalars) -> "Linear":
        """Scale every combination by its own constant (or all by one)."""
        factors = _coefficients(factor, self.n)
        return Linear(self.n, self.rows, self.wires, _product(self.coefficients, factors[self.rows]))

    def __rmul__(self, factor: Scalars) -> "Linear":
        return self * factor

    def __getitem__(self, index: int | slice | NDArray[np.int64]) -> "Linear":
        if isinstance(index, int):
            index = slice(index, index + 1) if index != -1 else slice(-1, None)
        chosen = np.arange(self.n)[index]
        starts = np.searchsorted(self.rows, chosen, side="left")
        counts = np.searchsorted(self.rows, chosen, side="right") - starts
        take = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(
            counts.sum()
        )
        rows = np.repeat(np.arange(len(chosen)), counts)
        return Linear(len(chosen), rows, self.wires[take], self.coefficients[take])

    def sum(self) -> "Linear":
        """The sum of all combinations, as one."""
        return Linear(1, np.zeros(len(self.rows), dtype=np.int64), self.wires, self.coefficients)

    def sum_groups(self, size: int) -> "Linear":
        """Sums of `size` neighbours each.

        Shapes: n must be a multiple of `size`; the result has n // size combinations.
        """
        if self.n % size:
            raise ParameterError(f"{self.n} linear combinations do not split into groups of {size}")
        return Linear(self.n // size, self.rows // size, self.wires, self.coefficients)

    def repeat(self, times: int) -> "Linear":
        """Each combination `times` times in a row."""
        return self[np.repeat(np.arange(self.n), times)]

    def tile(self, times: int) -> "Linear":
        """The whole vector `times` times over."""
        return self[np.tile(np.arange(self.n), times)]

    def renumber(self, place: NDArray[np.int64]) -> "Linear":
        """The same combinations, with wire w called place[w]."""
        return Linear(self.n, self.rows, place[self.wires], self.coefficients)

    def evaluate(self, values: NDArray[Any]) -> NDArray[Any]:
        """The residues these combinations take on a witness.

        Shapes: values (n_wires,) of Python integers, result (n,).
        """
        out = np.zeros(self.n, dtype=object)
        if not len(self.rows):
            return out
        products: Integers = values[self.wires]
        if self.coefficients.dtype == object or not (self.coefficients == 1).all():
            products = products * self.coefficients.astype(object)
        first = np.flatnonzero(np.concatenate([[True], self.rows[1:] != self.rows[:-1]]))
        if len(first) < len(self.rows):
            products = np.add.reduceat(products, first)
        out[self.rows[first]] = products % R
        return out


def concatenate(parts: Sequence[Linear]) -> Linear:
    """Vectors of combinations, one after the other."""
    offsets = np.concatenate([[0], np.cumsum([p.n for p in parts])])
    return Linear(
        int(offsets[-1]),
        np.concatenate([p.rows + o for p, o in zip(parts, offsets, strict=False)]),
        np.concatenate([p.wires for p in parts]),
        np.concatenate([p.coefficients for p in parts]),
    )
