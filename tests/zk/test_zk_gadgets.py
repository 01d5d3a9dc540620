"""Gadgets: what has a witness, what has none, and that no wire can be changed alone."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import ParameterError
from zk.circuit import Circuit, Program
from zk.field import R
from zk.gadgets.bits import assert_at_most, assert_boolean, bit_sum, less_than, to_bits
from zk.gadgets.freivalds import assert_matrix_product, challenge_powers, transpose
from zk.gadgets.lookup import LookupTable
from zk.gadgets.norm import assert_norm_at_most, inner_product, squared_norm
from zk.gadgets.ranges import RangeTables, digit_plan
from zk.gadgets.selection import assert_one_hot, select, select_index
from zk.linear import Linear
from zk.r1cs import R1CS, WitnessError
from zk.statements import NormBound

ALPHA = 0x1234567890ABCDEF1234567890ABCDEF1234567890ABCDEF % R


def witness(built: tuple[R1CS, Program], **inputs: list[int]) -> Any:
    """A witness that satisfies the circuit.

    Raises: WitnessError if the hints lead to none.
    """
    r1cs, program = built
    values = program.commit_phase(inputs)
    if program.challenge_at is not None:
        values = program.challenge_phase(values, [pow(ALPHA, k + 1, R) for k in range(program.challenges)])
    r1cs.check(values)
    return values


def satisfiable(built: tuple[R1CS, Program], **inputs: list[int]) -> bool:
    try:
        witness(built, **inputs)
    except WitnessError:
        return False
    return True


def every_wire_matters(built: tuple[R1CS, Program], values: Any, free: str | None = None) -> None:
    """Changing any wire beside the public ones, alone, breaks some row; inputs called `free` are left out."""
    r1cs, _ = built
    loose = [w for w in range(r1cs.n_wires) if free and r1cs.wire(w).startswith(f"{free}[")]
    for wire in range(r1cs.n_public + 1, r1cs.n_wires):
        if wire in loose:
            continue
        for change in (1, R - 1, R // 2, -int(values[wire]) % R or 2):
            mutated = values.copy()
            mutated[wire] = (mutated[wire] + change) % R
            with pytest.raises(WitnessError):
                r1cs.check(mutated)
    assert set(r1cs.loose_wires(values)) <= {r1cs.wire(w) for w in loose}


def circuit_of(build: Callable[[Circuit], None]) -> tuple[R1CS, Program]:
    circuit = Circuit()
    build(circuit)
    return circuit.finish()


# --- bits and comparison ----------------------------------------------------------------------------------------------


def test_bits_of_a_value() -> None:
    def build(c: Circuit) -> None:
        to_bits(c, c.committed("x", 2), 5, "x")

    built = circuit_of(build)
    assert built[0].n_rows == 2 * 6
    every_wire_matters(built, witness(built, x=[19, 0]))
    for good in (0, 31):
        assert satisfiable(built, x=[good, good])
    for bad in (32, -1, R - 1, R // 2):
        assert not satisfiable(built, x=[1, bad])


def test_bits_wider_than_the_field_are_refused() -> None:
    with pytest.raises(ParameterError, match="do not fit"):
        circuit_of(lambda c: assert_boolean(c, to_bits(c, c.committed("x", 1), 254, "x"), "again"))


@pytest.mark.parametrize("n_bits", [4, 60])
def test_at_most(n_bits: int) -> None:
    def build(c: Circuit) -> None:
        assert_at_most(c, c.committed("x", 1), c.public("bound"), n_bits, "x")

    built = circuit_of(build)
    every_wire_matters(built, witness(built, x=[3], bound=[9]))
    assert satisfiable(built, x=[9], bound=[9])
    assert not satisfiable(built, x=[10], bound=[9])


def test_slack_cannot_wrap_around() -> None:
    """bound - norm is a huge residue when the norm is too large; no digits, honest or not, add up to it."""

    def build(c: Circuit) -> None:
        x = c.committed("x", 2)
        assert_norm_at_most(c, squared_norm(c, x, "square"), c.public("bound"), 8, "norm")

    built = circuit_of(build)
    r1cs, _ = built
    good = witness(built, x=[3, 4], bound=[25])
    for digits in range(256):
        forged = good.copy()
        forged[1] = 24
        forged[-8:] = [(digits >> i) & 1 for i in range(8)]
        with pytest.raises(WitnessError):
            r1cs.check(forged)
    with pytest.raises(ParameterError, match="wrap around"):
        circuit_of(lambda c: assert_at_most(c, c.committed("x", 1), c.public("b"), 253, "x"))


def test_less_than() -> None:
    def build(c: Circuit) -> None:
        out = less_than(c, c.committed("x", 3), c.committed("y", 3), 6, "compare")
        c.equal(out, c.public("out", 3), "out")

    built = circuit_of(build)
    every_wire_matters(built, witness(built, x=[0, 9, 63], y=[63, 9, 0], out=[1, 0, 0]))
    for x, y in ((0, 0), (0, 1), (5, 4), (62, 63), (63, 63)):
        values = dict(x=[x] * 3, y=[y] * 3)
        assert satisfiable(built, **values, out=[int(x < y)] * 3)
        assert not satisfiable(built, **values, out=[int(x >= y)] * 3)
    with pytest.raises(ParameterError, match="wrap around"):
        circuit_of(
            lambda c: c.equal(less_than(c, c.public("x"), c.public("y"), 252, "z"), c.public("o"), "o")
        )


# --- lookup and ranges ------------------------------------------------------------------------------------------------


def lookup_circuit(size: int) -> tuple[R1CS, Program]:
    circuit = Circuit()
    values = circuit.committed("x", 3, group="update")
    table = LookupTable(circuit, size, "table", group="aux")
    table.query(values)
    table.close_queries()
    table.prove_queries(circuit.challenge())
    return circuit.finish()


def test_lookup() -> None:
    built = lookup_circuit(5)
    every_wire_matters(built, witness(built, x=[0, 4, 4]))
    for bad in (5, -1, R // 2):
        assert not satisfiable(built, x=[0, bad, 1])


def test_lookup_with_dishonest_multiplicities() -> None:
    """A value outside the table has no multiplicities that save it, whatever the hint says."""
    r1cs, program = lookup_circuit(3)
    good = program.challenge_phase(program.commit_phase({"x": [0, 1, 2]}), [ALPHA])
    names = {r1cs.wire(w): w for w in range(r1cs.n_wires)}
    for multiplicities in ([1, 1, 1], [1, 1, 0], [2, 1, 0], [R - 1, 2, 2]):
        forged = good.copy()
        forged[names["x[2]"]] = 3
        for t, m in enumerate(multiplicities):
            forged[names[f"table.multiplicity[{t}]"]] = m
            forged[names[f"table.quotient[{t}]"]] = m * pow(ALPHA - t, -1, R) % R
        forged[names["table.inverse[2]"]] = pow(ALPHA - 3, -1, R)
        with pytest.raises(WitnessError, match="table.sum"):
            r1cs.check(forged)


def test_lookup_queries_must_be_committed_before_the_challenge() -> None:
    circuit = Circuit()
    table = LookupTable(circuit, 4, "table", group="aux")
    table.query(circuit.committed("x", 2))
    with pytest.raises(ParameterError, match="before the challenge"):
        table.prove_queries(Linear.constant(5))
    table.close_queries()
    with pytest.raises(ParameterError, match="closed"):
        table.query(Linear.constant(1))
    circuit.challenge()
    with pytest.raises(ParameterError, match="after all public inputs and committed wires"):
        circuit.committed("late", 1)
    with pytest.raises(ParameterError, match="after all public inputs and committed wires"):
        circuit.public("late")


@pytest.mark.parametrize("size", [2, 3, 7, 13, 15, 97, 100, 255, 256, 65535])
def test_exact_ranges(size: int) -> None:
    circuit = Circuit()
    x = circuit.committed("x", 2, group="update")
    tables = RangeTables(circuit, "table", group="aux")
    tables.assert_below(x, size, "x")
    tables.close_queries()
    tables.prove_queries(circuit.challenge())
    built = circuit.finish()
    assert satisfiable(built, x=[0, size - 1])
    for bad in (size, size + 1, -1, R - size, R // 2):
        assert not satisfiable(built, x=[0, bad])
    if size < 300:
        every_wire_matters(built, witness(built, x=[size // 2, size - 1]))


@given(st.integers(2, 1 << 20), st.integers(1, 10**5))
@settings(max_examples=60, deadline=None)
def test_digit_plans_cover_their_range(size: int, n: int) -> None:
    radices, both = digit_plan(size, n)
    product = int(np.prod([int(r) for r in radices], dtype=object))
    assert product == size or (both and product >= size)
    assert all(r <= 1 << 16 for r in radices)


def test_a_forged_digit_does_not_help() -> None:
    """With digits chosen freely, the only values that pass are those in range: all forgeries of one digit, tried."""
    circuit = Circuit()
    x = circuit.committed("x", 1, group="update")
    tables = RangeTables(circuit, "table", group="aux")
    tables.assert_below(x, 15, "x")
    tables.close_queries()
    tables.prove_queries(circuit.challenge())
    r1cs, program = circuit.finish()
    values = program.commit_phase({"x": [3]})
    values[r1cs.n_public + 1] = 15
    with pytest.raises(WitnessError):
        r1cs.check(program.challenge_phase(values, [ALPHA]))


# --- selection and products -------------------------------------------------------------------------------------------


def test_select() -> None:
    def build(c: Circuit) -> None:
        bits = c.committed("bits", 2)
        assert_boolean(c, bits, "bits")
        out = select(c, bits, c.committed("yes", 2), c.committed("no", 2), "choose")
        c.equal(out, c.public("out", 2), "out")

    built = circuit_of(build)
    assert satisfiable(built, bits=[1, 0], yes=[5, 6], no=[7, 8], out=[5, 8])
    assert not satisfiable(built, bits=[1, 0], yes=[5, 6], no=[7, 8], out=[7, 6])
    assert not satisfiable(built, bits=[2, 0], yes=[5, 6], no=[7, 8], out=[3, 8])


def test_select_index() -> None:
    def build(c: Circuit) -> None:
        table = c.committed("table", 4)
        c.equal(select_index(c, table, c.committed("index", 1), "pick"), c.public("out"), "out")

    built = circuit_of(build)
    every_wire_matters(built, witness(built, table=[9, 8, 7, 6], index=[2], out=[7]), free="table")
    assert not satisfiable(built, table=[9, 8, 7, 6], index=[2], out=[6])
    for bad in (4, -1):
        assert not satisfiable(built, table=[9, 8, 7, 6], index=[bad], out=[0])


def test_one_hot() -> None:
    built = circuit_of(lambda c: assert_one_hot(c, c.committed("x", 6), 3, "x"))
    assert satisfiable(built, x=[0, 1, 0, 1, 0, 0])
    for bad in ([0, 0, 0, 1, 0, 0], [1, 1, 0, 0, 0, 1], [2, R - 1, 0, 0, 0, 1]):
        assert not satisfiable(built, x=bad)


def test_inner_product() -> None:
    def build(c: Circuit) -> None:
        c.equal(inner_product(c, c.committed("x", 3), c.committed("y", 3), "dot"), c.public("out"), "out")

    built = circuit_of(build)
    every_wire_matters(built, witness(built, x=[1, -2, 3], y=[4, 5, 6], out=[12]))
    assert not satisfiable(built, x=[1, -2, 3], y=[4, 5, 6], out=[13])


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 1), (1, 4, 3), (3, 2, 4)])
def test_freivalds(shape: tuple[int, int, int]) -> None:
    n, k, m = shape

    def build(c: Circuit) -> None:
        a, b, p = c.committed("a", n * k), c.committed("b", k * m), c.committed("p", n * m)
        assert_matrix_product(c, a, b, p, k, c.challenge(), "product")

    built = circuit_of(build)
    rng = np.random.default_rng(4)
    a, b = rng.integers(-50, 50, (n, k)), rng.integers(-50, 50, (k, m))
    product = a @ b
    every_wire_matters(built, witness(built, a=[*a.flat], b=[*b.flat], p=[*product.flat]))
    for i in range(n * m):
        wrong = product.copy()
        wrong.flat[i] += 1
        assert not satisfiable(built, a=[*a.flat], b=[*b.flat], p=[*wrong.flat])


def test_transpose_and_powers() -> None:
    values = Linear.constant(np.arange(6), 6)
    one = np.array([1], dtype=object)
    assert transpose(values, 3).evaluate(one).tolist() == [0, 3, 1, 4, 2, 5]
    circuit = Circuit()
    powers = challenge_powers(circuit, circuit.public("x"), 5, "power")
    circuit.equal(powers.sum(), circuit.public("sum"), "sum")
    assert satisfiable(circuit.finish(), x=[3], sum=[121])


def test_bit_sum_is_the_inverse_of_digits() -> None:
    bits = Linear.constant([1, 0, 1, 0, 1, 1], 6)
    assert bit_sum(bits, 3).evaluate(np.array([1], dtype=object)).tolist() == [5, 6]


# --- whole statements -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lookup", [True, False])
def test_no_wire_of_a_norm_bound_can_be_changed_alone(lookup: bool) -> None:
    statement = NormBound(dim=4, bits=5, lookup=lookup)
    built = statement.circuit()
    every_wire_matters(built, witness(built, context=[7], bound=[200], update=[3, -5, 1, 10]))


@pytest.mark.parametrize("lookup", [True, False])
@given(values=st.lists(st.integers(-20, 20), min_size=3, max_size=3), bound=st.integers(0, 700))
@settings(max_examples=40, deadline=None)
def test_a_norm_bound_has_a_witness_exactly_when_it_is_true(
    lookup: bool, values: list[int], bound: int
) -> None:
    statement = NormBound(dim=3, bits=5, lookup=lookup)
    true = max(map(abs, values)) <= 15 and sum(v * v for v in values) <= bound
    built = statement.circuit()
    assert satisfiable(built, context=[1], bound=[min(bound, statement.max_norm_sq)], update=values) == true
