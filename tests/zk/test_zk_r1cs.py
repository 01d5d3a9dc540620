"""Linear combinations, circuits and their reports."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import ParameterError
from zk.circuit import Circuit
from zk.fft import fft, inverse_fft, powers
from zk.field import R, batch_inverse, inverse, root_of_unity, to_signed
from zk.linear import Linear, concatenate
from zk.quotient import plain_quotient
from zk.r1cs import WitnessError

EDGES = [s * (2**k + d) for k in (15, 16, 31, 32, 61, 62, 63, 64, 65) for d in (-1, 0, 1) for s in (1, -1)]
coefficients = st.one_of(st.integers(-5, 5), st.sampled_from(EDGES), st.integers(0, R - 1))


def column(values: list[int]) -> Any:
    array = np.empty(len(values), dtype=object)
    array[:] = values
    return array


@given(st.lists(st.tuples(coefficients, coefficients, coefficients), min_size=1, max_size=6), coefficients)
@settings(max_examples=80, deadline=None)
def test_linear_combinations_compute_like_numbers(triples: list[tuple[int, int, int]], k: int) -> None:
    n = len(triples)
    values = column([1, *(v for _, v, _ in triples), *(w for _, _, w in triples)])
    x, y = Linear.of_wires(np.arange(1, n + 1)), Linear.of_wires(np.arange(n + 1, 2 * n + 1))
    factors = [c for c, _, _ in triples]
    left = [v for _, v, _ in triples]
    right = [w for _, _, w in triples]

    def agree(linear: Linear, expected: list[int]) -> None:
        assert linear.evaluate(values).tolist() == [e % R for e in expected]

    agree(x * factors, [c * v for c, v in zip(factors, left, strict=True)])
    agree(x * k - y, [k * v - w for v, w in zip(left, right, strict=True)])
    agree((x + y * factors).sum(), [sum(v + c * w for c, v, w in triples)])
    agree(3 - x, [3 - v for v in left])
    agree(x[::-1] + k, [v + k for v in left[::-1]])
    agree(x[-1] + x[0], [left[-1] + left[0]])
    agree(concatenate([x, y]).tile(2), (left + right) * 2)
    agree(x.repeat(3), [v for v in left for _ in range(3)])
    agree((x.repeat(2) * k).sum_groups(2), [2 * k * v for v in left])


@pytest.mark.parametrize("edge", EDGES)
@pytest.mark.parametrize("dtype", [None, object, np.int64, np.uint64])
def test_coefficients_do_not_wrap_where_machine_integers_end(edge: int, dtype: Any) -> None:
    if dtype in (np.int64, np.uint64) and not np.iinfo(dtype).min <= edge <= np.iinfo(dtype).max:
        edge = int(np.iinfo(dtype).max)
    given = edge if dtype is None else np.array([edge], dtype=dtype)
    x = Linear.of_wires(np.arange(1, 2))
    values = column([1, 3])
    assert (x * given).evaluate(values).tolist() == [3 * edge % R]
    assert (x * given * given).evaluate(values).tolist() == [3 * edge * edge % R]
    assert (x + given).evaluate(values).tolist() == [(3 + edge) % R]
    assert (given - x if dtype is None else -(x - given)).evaluate(values).tolist() == [(edge - 3) % R]


def test_only_integers_are_numbers_here() -> None:
    x = Linear.of_wires(np.arange(1, 2))
    for bad in (0.5, 2.0, [1.5], np.array([2.0]), "1"):
        with pytest.raises(ParameterError, match="must be an integer"):
            x * bad  # type: ignore[operator]
    _, program = example().finish()
    with pytest.raises(WitnessError, match="not an integer"):
        program.commit_phase({"x": [2.0, 3], "out": [7 - 39]})  # type: ignore[list-item]


def test_shapes_must_fit() -> None:
    x, y = Linear.of_wires(np.arange(3)), Linear.of_wires(np.arange(2))
    with pytest.raises(ParameterError, match="cannot add"):
        x + y
    with pytest.raises(ParameterError, match="groups"):
        x.sum_groups(2)
    with pytest.raises(ParameterError, match="lengths"):
        Circuit().enforce(x, y, x, "bad")
    with pytest.raises(ParameterError, match="at least one wire"):
        Circuit().public("none", 0)


def example() -> Circuit:
    circuit = Circuit()
    x = circuit.committed("x", 2, group="g")
    circuit.equal(circuit.multiply(x, x, "square").sum() * -3 + 7, circuit.public("out"), "out")
    return circuit


def test_rows_can_be_printed() -> None:
    r1cs, _ = example().finish()
    assert list(r1cs.rows()) == [
        "square[0]: (x[0]) * (x[0]) = square[0]",
        "square[1]: (x[1]) * (x[1]) = square[1]",
        "out: (-3*square[0] + -3*square[1] + 7) * (1) = out",
    ]


def test_wires_are_ordered_public_committed_private() -> None:
    r1cs, program = example().finish()
    assert [r1cs.wire(i) for i in range(r1cs.n_wires)] == [
        "1",
        "out",
        "x[0]",
        "x[1]",
        "square[0]",
        "square[1]",
    ]
    assert [(g.name, g.start, g.stop) for g in r1cs.groups] == [("g", 2, 4)]
    assert program.commit_phase({"x": [2, 3], "out": [7 - 39]}).tolist() == [1, R - 32, 2, 3, 4, 9]


def test_a_wrong_witness_names_its_row() -> None:
    r1cs, program = example().finish()
    with pytest.raises(WitnessError, match=r"1 rows are not satisfied, the first is out: .*= out"):
        r1cs.check(program.commit_phase({"x": [2, 3], "out": [0]}))


def test_inputs_must_be_those_of_the_circuit() -> None:
    _, program = example().finish()
    for inputs in ({"x": [1, 2]}, {"x": [1, 2], "out": [1], "more": [1]}, {"x": [1], "out": [1]}):
        with pytest.raises(WitnessError):
            program.commit_phase(inputs)  # type: ignore[arg-type]


def test_wires_without_rows_are_refused() -> None:
    circuit = example()
    circuit.committed("forgotten", 2, group="g")
    with pytest.raises(ParameterError, match=r"no row mentions forgotten\[0\], forgotten\[1\]"):
        circuit.finish()


def test_loose_wires_are_reported() -> None:
    """y only meets the factor zero: a row mentions it, but does not constrain it."""
    circuit = Circuit()
    x = circuit.committed("x", 1)
    y = circuit.private("y", 1, lambda v: v + 7, x)
    circuit.enforce(x, y, Linear.constant(0), "vanishing")
    r1cs, program = circuit.finish()
    assert r1cs.loose_wires(program.commit_phase({"x": [0]})) == ["y"]
    tight, program = example().finish()
    assert tight.loose_wires(program.commit_phase({"x": [2, 3], "out": [7 - 39]})) == []


def test_digest_depends_on_rows_and_not_on_names() -> None:
    def build(name: str, factor: int) -> bytes:
        circuit = Circuit()
        x = circuit.committed(name, 1)
        circuit.enforce(x, x, circuit.public("out") * factor, "row")
        return circuit.finish()[0].digest

    assert build("x", 2) == build("y", 2) != build("x", 3)
    assert build("x", R - 1) == build("x", -1)


def test_a_million_rows_build_in_seconds() -> None:
    circuit = Circuit()
    x = circuit.committed("x", 1 << 18)
    for name in ("one", "two", "three", "four"):
        circuit.enforce(x, x - 1, x * 3, name)
    r1cs, _ = circuit.finish()
    assert r1cs.n_rows == 1 << 20


def test_transform_is_evaluation_at_the_roots() -> None:
    rng = np.random.default_rng(1)
    for log_size in range(5):
        n = 1 << log_size
        values = column([int(v) * 2**190 % R for v in rng.integers(0, 2**62, n)])
        root = root_of_unity(log_size)
        direct = [sum(int(c) * pow(root, i * j, R) for j, c in enumerate(values)) % R for i in range(n)]
        assert fft(values).tolist() == direct
        assert inverse_fft(column(direct)).tolist() == values.tolist()
    with pytest.raises(ParameterError, match="power of two"):
        fft(column([1, 2, 3]))
    with pytest.raises(ParameterError):
        root_of_unity(29)


def test_compiled_quotient_is_the_plain_one() -> None:
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    from zk.kernels.transform import powers_limbs, quotient_limbs
    from zk.limbs import from_limbs, to_limbs

    rng = np.random.default_rng(2)
    for n in (2, 4, 64, 1024):
        a, b = (column([pow(int(v), 9, R) for v in rng.integers(0, 2**62, n)]) for _ in range(2))
        a[0], b[1] = 0, R - 1
        limbs = to_limbs(a.tolist()), to_limbs(b.tolist())
        for threads in (1, 2):
            assert from_limbs(quotient_limbs(*limbs, threads)) == plain_quotient(a, b).tolist()
    assert from_limbs(powers_limbs(5, 20, 3)) == powers(5, 20, 3).tolist()


@given(st.lists(st.integers(1, R - 1), max_size=10))
def test_batch_inverse(values: list[int]) -> None:
    assert batch_inverse(values) == [inverse(v) for v in values]


def test_zero_has_no_inverse() -> None:
    for call in (lambda: inverse(0), lambda: inverse(R), lambda: batch_inverse([1, 0])):
        with pytest.raises(ParameterError, match="zero has no inverse"):
            call()
    assert to_signed(R - 1) == -1


def test_the_package_offers_what_its_list_says() -> None:
    import zk

    assert zk.__all__ == sorted(zk.__all__)
    assert all(getattr(zk, name) is not None for name in zk.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'snark'"):
        _ = zk.snark
