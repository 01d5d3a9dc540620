"""The rows of one step of gradient descent, in integers.

    logits     Z = X W, by Freivalds
    residues   linear: Z - Y; softmax: P - 2**p Y, with P = floor(2**p E / sum E) and E = exp(Z - max Z) from a table
    update     u = floor((2**(shift - 1) - rate X^T residues) / 2**shift), by Freivalds

Quotients are those of integers because quotients and remainders are range-checked, and nothing exceeds the field because
features, labels and model are bounded, which `SgdStep` checks when it is made. Logits are not wires: they are what is left
when the parts of "maximum - logit" (table argument, excess, remainder) are taken from the maximum.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.circuit import Circuit, Program
from zk.field import R
from zk.gadgets.bits import assert_boolean
from zk.gadgets.freivalds import assert_matrix_product, transpose
from zk.gadgets.lookup import FunctionTable
from zk.gadgets.ranges import RangeTables
from zk.gadgets.selection import assert_one_hot
from zk.linear import Linear, concatenate
from zk.r1cs import R1CS
from zk.statements.sgd_arithmetic import SgdArithmetic

__all__ = ["build", "signed"]


def signed(values: NDArray[Any]) -> NDArray[Any]:
    """Residues as the integers nearest to zero."""
    out: NDArray[Any] = np.where(values > R // 2, values - R, values)
    return out


def _with_bias(s: SgdArithmetic, features: Linear) -> Linear:
    """Features of each example with the constant one, in their fixed point, at the end."""
    one = Linear.constant(1 << s.feature_fraction)
    rows = [p for i in range(s.batch) for p in (features[i * s.features : (i + 1) * s.features], one)]
    return concatenate(rows)


def build(s: SgdArithmetic) -> tuple[R1CS, Program]:
    """The circuit of a statement, and how its witness is computed."""
    circuit = Circuit()
    circuit.public("context")
    features = circuit.committed("features", s.batch * s.features, group="data")
    labels = circuit.committed("labels", s.batch * s.outputs, group="data")
    model = circuit.committed("model", s.dim, group="model")

    def aux(name: str, n: int) -> Linear:
        """Committed wires that the plain computation of the step knows by name."""

        def hint(x: NDArray[Any], y: NDArray[Any], w: NDArray[Any]) -> NDArray[Any]:
            return np.asarray(s.trace(signed(x), signed(y), signed(w))[name]).reshape(-1)

        group = "update" if name == "update" else "aux"
        return circuit.committed(name, n, hint, features, labels, model, group=group)

    update, remainder = aux("update", s.dim), aux("remainder", s.dim)
    tables = RangeTables(circuit, "table", group="aux")
    tables.assert_below(features + s.feature_limit, 2 * s.feature_limit + 1, "feature")
    tables.assert_below(update + s.limit, 2 * s.limit + 1, "entry")
    tables.assert_below(remainder, 1 << s.shift, "remainder")
    softmax = None
    if s.kind == "linear":
        tables.assert_below(labels + s.label_limit, 2 * s.label_limit + 1, "label")
        residues = aux("residues", s.batch)
        logits = residues + labels
    else:
        softmax = _Softmax(s, circuit, tables, aux)
        logits, residues = softmax.logits, softmax.probabilities - labels * (1 << s.probability_bits)
    tables.close_queries()
    if softmax:
        softmax.table.close_queries()
    challenges = circuit.challenge(2 if softmax else 1)
    alpha = challenges[0]
    tables.prove_queries(alpha)
    if softmax:
        softmax.prove(alpha, challenges[1])
        if s.kind == "logistic":
            assert_boolean(circuit, labels, "label")
        else:
            assert_one_hot(circuit, labels, s.classes, "label")
    rows = _with_bias(s, features)
    width = s.features + 1
    assert_matrix_product(circuit, rows, model, logits, width, alpha, "logits")
    gradient = (1 << (s.shift - 1)) - update * (1 << s.shift) - remainder
    assert_matrix_product(
        circuit, transpose(rows, width), residues * s.rate, gradient, s.batch, alpha, "gradient"
    )
    return circuit.finish()


class _Softmax:
    """Probabilities from the parts of maximum - logit, for every example and class (logistic: the logit and zero)."""

    def __init__(self, s: SgdArithmetic, circuit: Circuit, tables: RangeTables, aux: Any) -> None:
        n = s.batch * s.classes
        self._s, self._circuit = s, circuit
        maximum = aux("maximum", s.batch).repeat(s.classes)
        self._argument, self._excess, rest = aux("argument", n), aux("excess", n), aux("rest", n)
        self._power, self._probability = aux("power", n), aux("probability", n)
        self._distance = (self._argument + self._excess) * (1 << s.table_shift) + rest
        self._all_logits = maximum - self._distance
        self._sums = self._power.sum_groups(s.classes).repeat(s.classes)
        self._left = aux("left", n)
        tables.assert_below(rest, 1 << s.table_shift, "rest")
        tables.assert_below(self._excess, 1 << s.excess_bits, "excess")
        tables.assert_below(self._probability, (1 << s.probability_bits) + 1, "probability")
        tables.assert_below(self._left, 1 << s.sum_bits, "left")
        tables.assert_below(self._sums - 1 - self._left, 1 << s.sum_bits, "left.below")
        self.table = FunctionTable(circuit, s.exponentials, "exp", group="aux")
        self.table.query(self._argument, self._power)
        first = np.arange(0, n, s.classes) if s.kind == "logistic" else np.arange(n)
        self._first = first
        self.logits = self._all_logits[first]
        self.probabilities = self._probability[first]

    def prove(self, alpha: Linear, beta: Linear) -> None:
        """The rows."""
        s, circuit = self._s, self._circuit
        zero = Linear.constant(0)
        self.table.prove_queries(alpha, beta)
        last = len(s.exponentials) - 1
        circuit.enforce(self._excess, last - self._argument, zero, "excess.only_beyond_the_table")
        scaled = self._power * (1 << s.probability_bits) - self._left
        circuit.enforce(self._probability, self._sums, scaled, "probability")
        product = self._distance[np.arange(0, self._distance.n, s.classes)]
        for k in range(1, s.classes):
            factor = self._distance[np.arange(k, self._distance.n, s.classes)]
            if k < s.classes - 1:
                product = circuit.multiply(product, factor, f"maximum.is_one_of{k}")
            else:
                circuit.enforce(product, factor, zero, "maximum.is_one_of_them")
        if s.kind == "logistic":
            second = self._all_logits[self._first + 1]
            circuit.equal(second, Linear.constant(0, s.batch), "second_logit")
