"""Hashes and Merkle membership in circuits against their plain twins, and witnesses that try to cheat."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import ParameterError, ProofRejected
from mpc.prg import Stream
from zk import groth16, mimc, poseidon
from zk.circuit import Circuit
from zk.field import R
from zk.gadgets import merkle as merkle_gadget
from zk.gadgets import poseidon as gadgets
from zk.linear import Linear
from zk.merge import weighted_sum
from zk.merkle import MerklePath, PoseidonTree, is_member, verify_member
from zk.r1cs import R1CS, WitnessError

elements = st.integers(min_value=0, max_value=R - 1)


def witness_of(circuit: Circuit, **inputs: Any) -> tuple[R1CS, Any]:
    r1cs, program = circuit.finish()
    values = program.commit_phase(inputs)
    r1cs.check(values)
    return r1cs, values


@pytest.mark.parametrize("n_inputs", [1, 2, 5])
def test_poseidon_rows_and_value(n_inputs: int) -> None:
    """Two hashes at once, as circomlib computes them; 3 rows for each of the permutation's S-boxes."""
    circuit = Circuit()
    inputs = [circuit.public(f"x{i}", 2) for i in range(n_inputs)]
    digest = circuit.public("digest", 2)
    circuit.equal(gadgets.poseidon(circuit, inputs, "h"), digest, "result")
    columns = [[7 * i + 1, R - 1 - i] for i in range(n_inputs)]
    want = [poseidon.poseidon(list(row)) for row in zip(*columns, strict=True)]
    given_values = {f"x{i}": column for i, column in enumerate(columns)}
    r1cs, _ = witness_of(circuit, **given_values, digest=want)
    boxes = 8 * (n_inputs + 1) + poseidon.PARTIAL_ROUNDS[n_inputs - 1]
    assert r1cs.n_rows == 2 * 3 * boxes + 2
    _, program = circuit.finish()
    with pytest.raises(WitnessError):
        r1cs.check(program.commit_phase({**given_values, "digest": [want[0], (want[1] + 1) % R]}))


def test_mimc_rows_and_values() -> None:
    circuit = Circuit()
    x, y = circuit.public("x"), circuit.public("y")
    outs = circuit.public("outs", 4)
    seven = gadgets.mimc7_hash(circuit, [x, y], "m7")
    assert circuit.n_rows == 2 * 364
    sponge = gadgets.mimc_sponge(circuit, [x, y], "ms", outputs=2)
    assert circuit.n_rows == 2 * 364 + 3 * 660
    permuted = gadgets.mimc7(circuit, x, y, "p")
    for i, value in enumerate([seven, *sponge, permuted]):
        circuit.equal(value, outs[i], f"out{i}")
    want = [mimc.mimc7_hash([5, 6]), *mimc.mimc_sponge([5, 6], outputs=2), mimc.mimc7(5, 6)]
    witness_of(circuit, x=[5], y=[6], outs=want)


def test_gadgets_refuse_misshapen_inputs() -> None:
    circuit = Circuit()
    x, pair = circuit.public("x"), circuit.public("pair", 2)
    for call in (
        lambda: gadgets.poseidon(circuit, [], "h"),
        lambda: gadgets.poseidon(circuit, [x] * 17, "h"),
        lambda: gadgets.poseidon(circuit, [x, pair], "h"),
        lambda: gadgets.mimc_sponge(circuit, [], "h"),
        lambda: gadgets.mimc_sponge(circuit, [x], "h", outputs=0),
        lambda: merkle_gadget.merkle_root(circuit, x, [x], [], "h"),
    ):
        with pytest.raises(ParameterError):
            call()


DEPTH = 3


def membership(n: int = 1) -> Circuit:
    circuit = Circuit()
    root, leaf = circuit.public("root", n), circuit.public("leaf", n)
    siblings = [circuit.committed(f"s{i}", n) for i in range(DEPTH)]
    sides = [circuit.committed(f"b{i}", n) for i in range(DEPTH)]
    merkle_gadget.assert_member(circuit, leaf, siblings, sides, root, "path")
    return circuit


def inputs_of(root: int, leaf: int, path: MerklePath) -> dict[str, list[int]]:
    found = {"root": [root], "leaf": [leaf]}
    found |= {f"s{i}": [value] for i, value in enumerate(path.siblings)}
    return found | {f"b{i}": [value] for i, value in enumerate(path.sides)}


def test_membership_of_every_leaf_and_of_no_other() -> None:
    tree = PoseidonTree([poseidon.poseidon([i]) for i in range(5)], DEPTH)
    r1cs, program = membership().finish()
    assert r1cs.n_rows == DEPTH * 245 + 1
    for index in range(1 << DEPTH):
        leaf = poseidon.poseidon([index]) if index < 5 else 0
        r1cs.check(program.commit_phase(inputs_of(tree.root, leaf, tree.path(index))))
        verify_member(tree.root, leaf, tree.path(index))
    wrong_leaf = inputs_of(tree.root, 77, tree.path(1))
    wrong_side = inputs_of(tree.root, poseidon.poseidon([1]), tree.path(1)) | {"b0": [0]}
    side_of_two = inputs_of(tree.root, poseidon.poseidon([1]), tree.path(1)) | {"b0": [2]}
    for bad in (wrong_leaf, wrong_side, side_of_two):
        with pytest.raises(WitnessError):
            r1cs.check(program.commit_phase(bad))


def test_side_that_is_no_bit_is_caught_by_its_own_row() -> None:
    """With side = 2 a prover would hash any pair (2 s - n, 2 n - s): the boolean row names it."""
    r1cs, program = membership().finish()
    leaf, sibling = 11, 13
    pair = [(2 * sibling - leaf) % R, (2 * leaf - sibling) % R]
    node = poseidon.poseidon(pair)
    rest = PoseidonTree([node], DEPTH - 1)
    path = rest.path(0)
    inputs = {"root": [rest.root], "leaf": [leaf], "s0": [sibling], "b0": [2]}
    inputs |= {f"s{i + 1}": [value] for i, value in enumerate(path.siblings)}
    inputs |= {f"b{i + 1}": [0] for i in range(DEPTH - 1)}
    with pytest.raises(WitnessError, match=r"^1 rows are not satisfied, the first is path.0.side"):
        r1cs.check(program.commit_phase(inputs))


def test_no_wire_of_a_hash_is_loose() -> None:
    circuit = Circuit()
    x = circuit.public("x", 1)
    circuit.equal(gadgets.poseidon(circuit, [x], "h"), circuit.public("digest"), "result")
    r1cs, values = witness_of(circuit, x=[3], digest=[poseidon.poseidon([3])])
    assert r1cs.loose_wires(values) == []
    for wire in range(1, r1cs.n_wires):
        changed = values.copy()
        changed[wire] = (changed[wire] + 1) % R
        with pytest.raises(WitnessError):
            r1cs.check(changed)


def test_proof_of_a_preimage() -> None:
    circuit = Circuit()
    digest = circuit.public("digest")
    secret = circuit.private("secret", 1, lambda d: np.array([42], dtype=object), digest)
    circuit.equal(gadgets.poseidon(circuit, [secret], "h"), digest, "result")
    want = poseidon.poseidon([42])
    r1cs, values = witness_of(circuit, digest=[want])
    stream = Stream(bytes(32), b"preimage")
    pk, vk = groth16.setup(r1cs, stream, unsafe_single_party=True)
    proof = groth16.prove(pk, r1cs, values, stream)
    groth16.verify(vk, [want], proof)
    with pytest.raises(ProofRejected):
        groth16.verify(vk, [want + 1], proof)


def test_plain_tree() -> None:
    tree = PoseidonTree([1, 2, 3], depth=2)
    assert tree.root == poseidon.poseidon([poseidon.poseidon([1, 2]), poseidon.poseidon([3, 0])])
    assert PoseidonTree([], depth=2).root == PoseidonTree([0, 0, 0, 0], depth=2).root
    assert not is_member(tree.root, 2, tree.path(0))
    assert not is_member(tree.root, 1, MerklePath(4, tree.path(0).siblings))
    with pytest.raises(ProofRejected):
        verify_member(tree.root, 2, tree.path(0))
    for call in (lambda: PoseidonTree([], 0), lambda: PoseidonTree([0] * 5, 2), lambda: tree.path(4)):
        with pytest.raises(ParameterError):
            call()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 4), elements), min_size=1, max_size=8), elements, elements)
def test_weighted_sum_is_the_sum(terms: list[tuple[int, int]], a: int, b: int) -> None:
    values = np.array([1, a, b, 3, 4], dtype=object)
    parts = [(Linear.of_wires(np.array([wire, wire])), weight) for wire, weight in terms]
    merged = weighted_sum(parts)
    want = sum(weight * int(values[wire]) for wire, weight in terms) % R
    assert merged.evaluate(values).tolist() == [want, want]
    assert len(set(zip(merged.rows.tolist(), merged.wires.tolist(), strict=True))) == len(merged.wires)
    assert all(merged.coefficients != 0)
