"""The statement SgdStep: the update is the step, and nothing else passes for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import keycache
from zk.commit_prove import Keys
from zk.field import R
from zk.groth16 import BatchRejected
from zk.r1cs import WitnessError
from zk.statements import NormBound, SgdStep, UpdateProof
from zk.statements.sgd_arithmetic import SgdArithmetic
from zk.statements.sgd_circuit import signed

SIZES: dict[str, Any] = dict(features=3, batch=2, learning_rate=0.2, clip=1.0, table_bits=7, table_fraction=3)
KINDS = {
    "linear": SgdStep.for_learning_rate("linear", **SIZES),
    "logistic": SgdStep.for_learning_rate("logistic", **SIZES),
    "softmax": SgdStep.for_learning_rate("softmax", classes=3, **SIZES),
}
CONTEXT = b"plan|1|2"
Data = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def data(statement: SgdStep, seed: int = 0, spread: int = 40000) -> Data:
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 129, (statement.batch, statement.features))
    w = rng.integers(-spread, spread + 1, (statement.features + 1, statement.outputs))
    if statement.kind == "linear":
        y = rng.integers(-(2**21), 2**21, statement.batch)
    elif statement.kind == "logistic":
        y = rng.integers(0, 2, statement.batch)
    else:
        y = np.eye(statement.classes, dtype=np.int64)[rng.integers(0, statement.classes, statement.batch)]
    return x, y, w


def float_step(statement: SgdStep, x: Any, y: Any, w: Any, learning_rate: float) -> Any:
    """The textbook step on floats, in units of the encoded update."""
    rows = np.hstack([x / 2**statement.feature_fraction, np.ones((statement.batch, 1))])
    logits = rows @ (w / 2**statement.model_fraction)
    if statement.kind == "linear":
        residues = logits - (y / 2**statement.logit_fraction)[:, None]
    elif statement.kind == "logistic":
        residues = 1 / (1 + np.exp(-logits)) - y[:, None]
    else:
        e = np.exp(logits - logits.max(axis=1, keepdims=True))
        residues = e / e.sum(axis=1, keepdims=True) - y
    return -learning_rate / statement.batch * rows.T @ residues * statement.limit


@pytest.fixture(scope="module", params=sorted(KINDS))
def made(request: pytest.FixtureRequest) -> tuple[SgdStep, Keys]:
    statement = KINDS[request.param]
    return statement, statement.setup(Stream.from_os(), unsafe_single_party=True)


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("spread", [0, 40000, 8_000_000])
def test_the_step_is_the_textbook_one(kind: str, spread: int) -> None:
    more = {"classes": 3} if kind == "softmax" else {}
    sizes: dict[str, Any] = dict(features=6, batch=8, learning_rate=0.001, clip=1.0, **more)
    statement = SgdStep.for_learning_rate(kind, **sizes)  # type: ignore[arg-type]
    x, y, w = data(statement, 3, spread)
    update = statement.step(x, y, w).reshape(w.shape)
    expected = float_step(statement, x, y, w, 0.001)
    # a step of the table is 1/64 of a logit, and the rate has nine bits or more
    assert (
        np.abs(update - expected).max() <= 0.6 + np.abs(expected).max() / 256 + 0.001 * statement.limit / 64
    )


def test_prove_verify_and_open(made: tuple[SgdStep, Keys]) -> None:
    statement, keys = made
    x, y, w = data(statement)
    stream = Stream.from_os()
    proof, secrets = statement.prove(keys.pk, x, y, w, context=CONTEXT, randomness=stream)
    statement.verify(keys.vk, UpdateProof.from_bytes(proof.to_bytes()), model=w, context=CONTEXT)
    assert secrets.update.tolist() == statement.step(x, y, w).tolist()
    statement.open_sum(keys.vk, proof.commitment, secrets.update, secrets.blinding)
    assert "secret" in repr(secrets)
    assert statement.cost().proof_bytes == len(proof.commitment) + len(proof.proof)
    registered = statement.commit_data(keys.vk, x, y, secrets.data_blinding)
    assert statement.data_commitment(keys.vk, proof) == registered
    again, _ = statement.prove(
        keys.pk, x, y, w, context=b"2", randomness=stream, data_blinding=secrets.data_blinding
    )
    assert statement.data_commitment(keys.vk, again) == registered
    assert again.commitment != proof.commitment


def test_another_model_context_or_update(made: tuple[SgdStep, Keys]) -> None:
    statement, keys = made
    x, y, w = data(statement)
    proof, _ = statement.prove(keys.pk, x, y, w, context=CONTEXT, randomness=Stream.from_os())
    other, _ = statement.prove(keys.pk, -x, y, w, context=CONTEXT, randomness=Stream.from_os())
    moved = w.copy()
    moved[0, 0] += 1
    with pytest.raises(ProofRejected, match="another model"):
        statement.verify(keys.vk, proof, model=moved, context=CONTEXT)
    with pytest.raises(ProofRejected):
        statement.verify(keys.vk, proof, model=w, context=b"plan|2|2")
    with pytest.raises(ProofRejected):
        statement.verify(keys.vk, UpdateProof(other.commitment, proof.proof), model=w, context=CONTEXT)
    shifted = int.from_bytes(proof.proof[-32:], "big") + 1
    with pytest.raises(ProofRejected, match="another model"):
        forged = UpdateProof(proof.commitment, proof.proof[:-32] + shifted.to_bytes(32, "big"))
        statement.verify(keys.vk, forged, model=w, context=CONTEXT)
    alias = (int.from_bytes(proof.proof[-32:], "big") + R).to_bytes(32, "big")
    for bad in (alias, proof.proof[-32:] + b"\0", b""):
        with pytest.raises(DecodeError):
            statement.verify(
                keys.vk, UpdateProof(proof.commitment, proof.proof[:-32] + bad), model=w, context=CONTEXT
            )
    with pytest.raises(DecodeError, match="integers of"):
        statement.verify(keys.vk, proof, model=w[:-1], context=CONTEXT)


def test_a_batch_of_steps_names_its_offenders(made: tuple[SgdStep, Keys]) -> None:
    statement, keys = made
    _, _, w = data(statement)
    items = []
    for i in range(4):
        x, y, _ = data(statement, i)
        context = bytes([i])
        proof, _ = statement.prove(keys.pk, x, y, w, context=context, randomness=Stream.from_os())
        items.append((proof, context))
    statement.verify_batch(keys.vk, items, model=w)
    x, y, other = data(statement, 9)
    elsewhere, _ = statement.prove(keys.pk, x, y, other, context=b"", randomness=Stream.from_os())
    bad = [items[0], (items[1][0], b"?"), (elsewhere, b""), (UpdateProof(items[3][0].commitment, b"1"), b"")]
    with pytest.raises(BatchRejected) as caught:
        statement.verify_batch(keys.vk, bad, model=w)
    assert caught.value.failed == (1, 2, 3)


def solved(statement: SgdStep, x: Any, y: Any, w: Any, challenge: int = 987654321) -> tuple[Any, Any]:
    r1cs, program = statement.circuit()
    inputs = {"context": [1], "features": x.reshape(-1), "labels": y.reshape(-1), "model": w.reshape(-1)}
    values = program.commit_phase(inputs)
    return r1cs, program.challenge_phase(
        values, [pow(challenge, 9 + k, R) for k in range(program.challenges)]
    )


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_wire_can_be_changed_alone(kind: str) -> None:
    r1cs, values = solved(KINDS[kind], *data(KINDS[kind]))
    r1cs.check(values)
    assert r1cs.loose_wires(values) == []


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(seed=st.integers(0, 2**32), spread=st.sampled_from([10, 3000, 2**23 - 1]))
@settings(max_examples=10, deadline=None)
def test_the_plain_step_satisfies_the_circuit(kind: str, seed: int, spread: int) -> None:
    statement = KINDS[kind]
    x, y, w = data(statement, seed, spread)
    try:
        update = statement.step(x, y, w)
    except WitnessError:
        return
    r1cs, values = solved(statement, x, y, w)
    r1cs.check(values)
    group = next(g for g in r1cs.groups if g.name == "update")
    assert signed(values[group.start : group.stop]).tolist() == update.tolist()


SOFTMAX_WIRES = ("maximum", "argument", "excess", "rest", "power", "probability", "left")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in sorted(KINDS) for name in ("update", "remainder")]
    + [(kind, name) for kind in ("logistic", "softmax") for name in SOFTMAX_WIRES]
    + [("linear", "residues")],
)
def test_a_dishonest_intermediate_value(kind: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prover computes everything after the lie consistently; the lie itself is caught."""
    statement = KINDS[kind]
    x, y, w = data(statement)
    honest = SgdArithmetic.trace

    def lying(self: SgdStep, *inputs: Any) -> Any:
        out = honest(self, *inputs)
        out[name] = out[name].copy()
        out[name].reshape(-1)[0] += 1
        if name == "update":
            out["remainder"] = out["remainder"].copy()
            out["remainder"].reshape(-1)[0] -= 1 << self.shift
        return out

    monkeypatch.setattr(SgdArithmetic, "trace", lying)
    with pytest.raises(WitnessError):
        r1cs, values = solved(statement, x, y, w)
        r1cs.check(values)


@pytest.mark.parametrize("labels", [[[1, 1, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 1]], [[2, -1, 0], [0, 0, 1]]])
def test_labels_that_are_not_one_hot(labels: list[list[int]]) -> None:
    statement = KINDS["softmax"]
    x, _, w = data(statement)
    with pytest.raises(WitnessError):
        r1cs, values = solved(statement, x, np.array(labels), w)
        r1cs.check(values)


def test_inputs_out_of_range(made: tuple[SgdStep, Keys]) -> None:
    statement, keys = made
    x, y, w = data(statement)

    def refused(x: Any, y: Any, w: Any) -> None:
        with pytest.raises(WitnessError):
            statement.prove(keys.pk, x, y, w, context=CONTEXT, randomness=Stream.from_os())

    far = x.copy()
    far[0, 0] = statement.feature_limit + 1
    refused(far, y, w)
    refused(x, y + statement.label_limit + 1, w)
    refused(x, y, w + statement.model_limit + 1)
    refused(x[:1], y, w)
    refused(x / 2, y, w)
    fast = SgdStep.for_learning_rate("linear", **SIZES | {"learning_rate": 1000.0})
    with pytest.raises(WitnessError, match="the update has an entry"):
        fast.step(*data(fast))


def test_sizes_that_make_no_sense() -> None:
    good: dict[str, Any] = dict(kind="softmax", features=2, batch=2, rate=1, shift=8)
    for bad in (
        {"kind": "cubic"},
        {"batch": 0},
        {"shift": 0},
        {"classes": 1},
        {"kind": "logistic", "classes": 3},
        {"table_fraction": 40},
        {"label_bits": 150},
        {"bits": 1},
        {"bits": 65},
    ):
        with pytest.raises(ParameterError):
            SgdStep(**good | bad)


def test_keys_are_cached_and_not_those_of_another_statement(tmp_path: Path) -> None:
    statement = KINDS["linear"]
    keys = keycache.load_or_create(statement, tmp_path, unsafe_single_party=True)
    again = keycache.load_or_create(statement, tmp_path)
    assert keys.vk.digest == again.vk.digest
    other = KINDS["logistic"]
    with pytest.raises(DecodeError, match="another circuit"):
        x, y, w = data(statement)
        proof, _ = statement.prove(again.pk, x, y, w, context=CONTEXT, randomness=Stream.from_os())
        other.verify(again.vk, proof, model=w, context=CONTEXT)


def rank(rows: list[dict[int, int]]) -> int:
    """The rank of a sparse matrix modulo R."""
    pivots: dict[int, dict[int, int]] = {}
    for row in rows:
        row = {k: v % R for k, v in row.items() if v % R}
        while row:
            lead = min(row)
            if lead not in pivots:
                scale = pow(row[lead], -1, R)
                pivots[lead] = {k: v * scale % R for k, v in row.items()}
                break
            factor = row[lead]
            for k, v in pivots[lead].items():
                row[k] = (row.get(k, 0) - factor * v) % R
                if not row[k]:
                    del row[k]
    return len(pivots)


@pytest.mark.parametrize(
    "statement", [*KINDS.values(), NormBound(4, 8), NormBound(3, 5, lookup=False)], ids=str
)
def test_bases_of_committed_wires_are_independent(statement: Any) -> None:
    """Binding of the commitments needs the polynomials of committed and public wires to be linearly independent."""
    r1cs, _ = statement.circuit()
    columns: list[dict[int, int]] = [{} for _ in range(r1cs.n_wires)]
    for block, matrix in enumerate((r1cs.a, r1cs.b, r1cs.c)):
        for row, wire, k in zip(
            matrix.rows.tolist(), matrix.wires.tolist(), matrix.coefficients, strict=True
        ):
            at = 3 * row + block
            columns[wire][at] = columns[wire].get(at, 0) + int(k)
    for wire in range(r1cs.n_public + 1):
        columns[wire][3 * (r1cs.n_rows + wire)] = 1
    bound = columns[: r1cs.groups[-1].stop]
    assert rank(bound) == len(bound)
