"""Membership in a table by logarithmic derivatives: one row a value, one row a table entry.

All f_i are in the table {0, ..., size - 1} exactly if  sum_i 1 / (X - f_i) = sum_t m_t / (X - t)  for some m; the
identity is tested at a challenge X = alpha that is drawn after f and m were committed. Use in this order: `query` for every
value, `close_queries`, then `circuit.challenge()`, then `prove_queries`.

Source: Haboeck, "Multivariate lookups based on logarithmic derivatives" (eprint 2022/1530), lemma 5.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError
from zk.circuit import Circuit
from zk.field import R, batch_inverse
from zk.linear import Linear, concatenate
from zk.r1cs import WitnessError

__all__ = ["FunctionTable", "LookupTable"]


def _count(size: int, scales: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    digits = values // scales
    if (digits * scales != values).any() or (digits >= size).any():
        raise WitnessError(f"a value is not in the table of {size} entries")
    return np.bincount(digits.astype(np.int64), minlength=size).astype(object)


def _inverses(values: NDArray[Any]) -> NDArray[Any]:
    return np.array(batch_inverse(values.tolist()), dtype=object)


class LookupTable:
    """The table {0, ..., size - 1} and the values that are asked for in it.

    Assumes: every queried value is a combination of committed wires, so that it is fixed before the challenge.
    """

    def __init__(self, circuit: Circuit, size: int, name: str, *, group: str) -> None:
        if size < 1:
            raise ParameterError(f"{name}: a table needs entries")
        self._circuit, self._size, self._name, self._group = circuit, size, name, group
        self._queries: list[Linear] = []
        self._scales: list[int] = []
        self._multiplicities: Linear | None = None

    @property
    def size(self) -> int:
        """The number of entries."""
        return self._size

    def query(self, values: Linear, scale: int = 1) -> None:
        """Ask that values / scale be in the table; a scale keeps coefficients small where the quotient is meant."""
        if self._multiplicities is not None:
            raise ParameterError(f"{self._name}: the queries are closed")
        self._queries.append(values)
        self._scales.append(scale)

    def close_queries(self) -> None:
        """Commit to how often each entry is asked for."""
        scales = np.repeat(np.array(self._scales, dtype=object), [q.n for q in self._queries])
        self._multiplicities = self._circuit.committed(
            f"{self._name}.multiplicity",
            self._size,
            lambda v: _count(self._size, scales, v),
            concatenate(self._queries),
            group=self._group,
        )

    def prove_queries(self, alpha: Linear) -> None:
        """The rows, given the challenge."""
        if self._multiplicities is None:
            raise ParameterError(f"{self._name}: close the queries before the challenge is drawn")
        circuit, name = self._circuit, self._name
        sums = []
        for values, scale in zip(self._queries, self._scales, strict=True):
            # (scale * alpha - value) * inverse = scale: the inverse is that of alpha - value / scale
            distance = alpha * scale - values
            inverses = circuit.private(
                f"{name}.inverse", values.n, lambda v, k=scale: _inverses(v) * k % R, distance
            )
            circuit.enforce(inverses, distance, Linear.constant(scale), f"{name}.query")
            sums.append(inverses.sum())
        distance = alpha - Linear.constant(np.arange(self._size), self._size)
        quotients = circuit.private(
            f"{name}.quotient", self._size, lambda d, m: _inverses(d) * m % R, distance, self._multiplicities
        )
        circuit.enforce(quotients, distance, self._multiplicities, f"{name}.entry")
        total = sums[0]
        for more in sums[1:]:
            total = total + more
        circuit.equal(total, quotients.sum(), f"{name}.sum")


class FunctionTable:
    """The graph of a function on {0, ..., n - 1}: pairs (t, f(t)), looked up as t + beta f(t) for a second challenge.

    A pair outside the graph meets the fingerprint of one inside with probability n / R for each query.

    Assumes: arguments and results are combinations of committed wires.
    """

    def __init__(self, circuit: Circuit, outputs: Sequence[int], name: str, *, group: str) -> None:
        self._circuit, self._outputs, self._name, self._group = circuit, list(outputs), name, group
        self._queries: list[tuple[Linear, Linear]] = []
        self._multiplicities: Linear | None = None

    def query(self, arguments: Linear, results: Linear) -> None:
        """Ask that results be the function's values at the arguments."""
        if self._multiplicities is not None:
            raise ParameterError(f"{self._name}: the queries are closed")
        self._queries.append((arguments, results))

    def close_queries(self) -> None:
        """Commit to how often each argument is asked for."""
        size = len(self._outputs)
        arguments = concatenate([t for t, _ in self._queries])
        ones = np.ones(arguments.n, dtype=object)
        self._multiplicities = self._circuit.committed(
            f"{self._name}.multiplicity", size, lambda v: _count(size, ones, v), arguments, group=self._group
        )

    def prove_queries(self, alpha: Linear, beta: Linear) -> None:
        """The rows, given two challenges. Two rows a query, one an entry."""
        if self._multiplicities is None:
            raise ParameterError(f"{self._name}: close the queries before the challenge is drawn")
        circuit, name, size = self._circuit, self._name, len(self._outputs)
        arguments = concatenate([t for t, _ in self._queries])
        results = concatenate([f for _, f in self._queries])
        distance = alpha - arguments - circuit.multiply(results, beta, f"{name}.weighted")
        inverses = circuit.private(f"{name}.inverse", arguments.n, _inverses, distance)
        circuit.enforce(inverses, distance, Linear.constant(1), f"{name}.query")
        entry = alpha - Linear.constant(np.arange(size), size) - beta.repeat(size) * self._outputs
        quotients = circuit.private(
            f"{name}.quotient", size, lambda d, m: _inverses(d) * m % R, entry, self._multiplicities
        )
        circuit.enforce(quotients, entry, self._multiplicities, f"{name}.entry")
        circuit.equal(inverses.sum(), quotients.sum(), f"{name}.sum")
