"""Exact ranges by lookup: digits in mixed radix, each looked up in a table as large as its radix.

A range [0, size) whose size is a product of small radices needs one digit a radix and nothing else; any other range is
checked from both ends against a power of two. For 2**16 - 1 = 257 * 255 that is two rows a value, exactly |u| < 2**15.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from math import prod
from typing import Any

from numpy.typing import NDArray

from mpc.errors import ParameterError
from zk.circuit import Circuit
from zk.field import R
from zk.gadgets.lookup import LookupTable
from zk.linear import Linear

__all__ = ["RangeTables", "digit_plan"]

_MAX_DIGITS = 6


def _factorings(size: int, digits: int, largest: int) -> Iterator[tuple[int, ...]]:
    """Ways to write `size` as a product of `digits` factors of at least 2, in descending order."""
    if digits == 1:
        if 2 <= size <= largest:
            yield (size,)
        return
    for factor in range(min(largest, size >> (digits - 1)), 1, -1):
        if size % factor == 0 and factor**digits >= size:
            for rest in _factorings(size // factor, digits - 1, factor):
                yield (factor, *rest)


@lru_cache(maxsize=256)
def digit_plan(size: int, n: int) -> tuple[tuple[int, ...], bool]:
    """The radices that check n values against [0, size) with the fewest rows, and whether both ends must be checked.

    >>> digit_plan(2**16 - 1, 1000)
    ((257, 255), False)
    """
    if size < 2:
        raise ParameterError(f"a range of {size} values is no range")
    most = max(n, 1 << 10)
    plans = []
    for digits in range(1, _MAX_DIGITS + 1):
        limit = min(4 * most, 1 << 16)
        if size <= 1 << 24:
            for radices in _factorings(size, digits, limit):
                plans.append((n * digits + sum(set(radices)), radices, False))
        width = -(-(size - 1).bit_length() // digits)
        if 1 << width <= limit:
            exact = size == 1 << (width * digits)
            plans.append((n * digits * (1 if exact else 2) + (1 << width), (1 << width,) * digits, not exact))
    if not plans:
        raise ParameterError(f"no digits for a range of {size} values")
    _, radices, both = min(plans)
    return radices, both


class RangeTables:
    """Range checks that share their tables; call `close_queries` and `prove_queries` as for one `LookupTable`."""

    def __init__(self, circuit: Circuit, name: str, *, group: str) -> None:
        self._circuit, self._name, self._group = circuit, name, group
        self._tables: dict[int, LookupTable] = {}

    def assert_below(self, values: Linear, size: int, name: str) -> None:
        """Rows that hold only if every value is in [0, size).

        Raises: ParameterError if the range is not small against the group order.
        """
        if size.bit_length() > R.bit_length() - 3:
            raise ParameterError(f"{name}: the range is too wide for the scalar field")
        radices, both = digit_plan(size, values.n)
        self._digits(values, radices, name)
        if both:
            self._digits(size - 1 - values, radices, f"{name}.other_end")

    def _digits(self, values: Linear, radices: Sequence[int], name: str) -> None:
        """All digits but the highest are committed; the highest is what remains, divided by the others' weight."""
        rest, weight = values, 1
        for i, radix in enumerate(radices[:-1]):

            def digit(v: NDArray[Any], weight: int = weight, radix: int = radix) -> NDArray[Any]:
                return v // weight % radix

            wires = self._circuit.committed(f"{name}.digit{i}", values.n, digit, values, group=self._group)
            self._table(radix).query(wires)
            rest, weight = rest - wires * weight, weight * radix
        self._table(radices[-1]).query(rest, weight)
        assert weight == prod(radices[:-1])

    def _table(self, size: int) -> LookupTable:
        if size not in self._tables:
            self._tables[size] = LookupTable(self._circuit, size, f"{self._name}{size}", group=self._group)
        return self._tables[size]

    def close_queries(self) -> None:
        """Commit to the multiplicities of all tables."""
        for table in self._tables.values():
            table.close_queries()

    def prove_queries(self, alpha: Linear) -> None:
        """The rows of all tables, given the challenge."""
        for table in self._tables.values():
            table.prove_queries(alpha)
