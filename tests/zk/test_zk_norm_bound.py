"""The statement NormBound: what verifies, what does not, and what its commitments are good for."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mpc.errors import DecodeError, InsecureError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import keycache
from zk.commit_prove import Keys
from zk.field import R
from zk.groth16 import BatchRejected
from zk.r1cs import WitnessError
from zk.statements import NormBound, UpdateProof
from zk.statements import norm_bound as module

SMALL = NormBound(dim=12, bits=8)
CONTEXT = b"plan|round 3|client 7"


@pytest.fixture
def stream() -> Stream:
    return Stream.from_os(b"test")


@pytest.fixture(scope="module")
def keys() -> Keys:
    return SMALL.setup(Stream.from_os(), unsafe_single_party=True)


def update(statement: NormBound, seed: int = 1) -> NDArray[np.int64]:
    limit = statement.limit
    return np.random.default_rng(seed).integers(-limit, limit + 1, statement.dim)


def norm_sq(values: NDArray[np.int64]) -> int:
    return sum(int(v) ** 2 for v in values)


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "MAX_ROWS", 180)
    module._layout.cache_clear()
    module._build.cache_clear()
    yield
    monkeypatch.undo()
    module._layout.cache_clear()
    module._build.cache_clear()


STATEMENTS = [
    SMALL,
    NormBound(dim=5, bits=6, lookup=False),
    NormBound(dim=7, bits=10),
    NormBound(dim=9, bits=8, linf_bound=100),
    NormBound(dim=3, bits=8, linf_bound=100, lookup=False),
    NormBound(dim=1, bits=2),
]


@pytest.mark.parametrize("statement", STATEMENTS, ids=str)
def test_a_tight_bound_proves_and_one_less_does_not(statement: NormBound, stream: Stream) -> None:
    keys = statement.setup(stream, unsafe_single_party=True)
    values = update(statement)
    values[0] = statement.limit
    bound = norm_sq(values)
    proof, blinding = statement.prove(keys.pk, values, l2_bound_sq=bound, context=CONTEXT, randomness=stream)
    statement.verify(keys.vk, proof, l2_bound_sq=bound, context=CONTEXT)
    assert statement.commit(keys.vk, values, blinding) == proof.commitment
    assert not statement.is_valid(keys.vk, proof, l2_bound_sq=bound - 1, context=CONTEXT)
    with pytest.raises(WitnessError):
        statement.prove(keys.pk, values, l2_bound_sq=bound - 1, context=CONTEXT, randomness=stream)
    assert statement.cost().rows == statement.circuit()[0].n_rows
    assert statement.cost().proof_bytes == len(proof.commitment) + len(proof.proof)


@pytest.mark.parametrize("statement", STATEMENTS, ids=str)
def test_row_formula_is_that_of_the_circuit(statement: NormBound) -> None:
    assert statement.rows_for(statement.chunk_dim, 0) == statement.circuit()[0].n_rows


def test_values_out_of_range_have_no_witness(keys: Keys, stream: Stream) -> None:
    for bad in (SMALL.limit + 1, -SMALL.limit - 1):
        values = np.zeros(SMALL.dim, dtype=np.int64)
        values[3] = bad
        with pytest.raises(WitnessError, match="largest magnitude"):
            SMALL.prove(keys.pk, values, l2_bound_sq=10**9, context=CONTEXT, randomness=stream)
    with pytest.raises(WitnessError, match="array of 12 integers"):
        SMALL.prove(keys.pk, np.zeros(11, dtype=np.int64), l2_bound_sq=1, context=CONTEXT, randomness=stream)
    with pytest.raises(WitnessError, match="integers"):
        SMALL.prove(keys.pk, np.zeros(12), l2_bound_sq=1, context=CONTEXT, randomness=stream)


def test_replay_in_another_context(keys: Keys, stream: Stream) -> None:
    values = update(SMALL)
    bound = norm_sq(values)
    proof, _ = SMALL.prove(keys.pk, values, l2_bound_sq=bound, context=CONTEXT, randomness=stream)
    SMALL.verify(keys.vk, proof, l2_bound_sq=bound, context=CONTEXT)
    for other in (b"plan|round 4|client 7", b"plan|round 3|client 8", b"", CONTEXT + b"\0"):
        with pytest.raises(ProofRejected):
            SMALL.verify(keys.vk, proof, l2_bound_sq=bound, context=other)


def test_a_sum_of_commitments_opens_to_the_sum_only(keys: Keys, stream: Stream) -> None:
    updates = [update(SMALL, seed) for seed in range(4)]
    made = [
        SMALL.prove(keys.pk, u, l2_bound_sq=SMALL.max_norm_sq, context=bytes([i]), randomness=stream)
        for i, u in enumerate(updates)
    ]
    combined = SMALL.combine([proof.commitment for proof, _ in made])
    total = np.sum(updates, axis=0)
    blinding = [sum(b[0] for _, b in made) % R]
    SMALL.open_sum(keys.vk, combined, total, blinding)
    SMALL.open_sum(keys.pk, combined, total, blinding)
    wrong = total.copy()
    wrong[0] += 1
    for candidate, v in ((wrong, blinding), (total, [blinding[0] + 1]), (-total, blinding)):
        with pytest.raises(ProofRejected):
            SMALL.open_sum(keys.vk, combined, candidate, v)


def test_a_batch_names_its_offenders(keys: Keys, stream: Stream) -> None:
    bound = SMALL.max_norm_sq
    items = []
    for i in range(6):
        context = bytes([i])
        proof, _ = SMALL.prove(
            keys.pk, update(SMALL, i), l2_bound_sq=bound, context=context, randomness=stream
        )
        items.append((proof, bound, context))
    SMALL.verify_batch(keys.vk, items)
    SMALL.verify_batch(keys.vk, [])
    bad = list(items)
    bad[1] = (items[1][0], bound, b"another context")
    bad[3] = (UpdateProof(items[0][0].commitment, items[3][0].proof), bound, items[3][2])
    bad[4] = (UpdateProof(items[4][0].commitment, b"\xff" * len(items[4][0].proof)), bound, items[4][2])
    with pytest.raises(BatchRejected) as caught:
        SMALL.verify_batch(keys.vk, bad)
    assert caught.value.failed == (1, 3, 4)


def test_chunks_hide_the_partial_norms_and_bound_their_sum(small_chunks: None, stream: Stream) -> None:
    statement = NormBound(dim=49, bits=8)
    assert (statement.chunks, statement.chunk_dim) == (2, 25)
    keys = statement.setup(stream, unsafe_single_party=True)
    values = update(statement)
    bound = norm_sq(values)
    proof, blinding = statement.prove(keys.pk, values, l2_bound_sq=bound, context=CONTEXT, randomness=stream)
    statement.verify(keys.vk, proof, l2_bound_sq=bound, context=CONTEXT)
    statement.verify_batch(keys.vk, [(proof, bound, CONTEXT)])
    for other in (bound - 1, bound + 1):
        with pytest.raises(ProofRejected, match="do not add up"):
            statement.verify(keys.vk, proof, l2_bound_sq=other, context=CONTEXT)
    statement.open_sum(keys.vk, proof.commitment, values, blinding)
    half = len(proof.proof[:-32]) // 2
    swapped = UpdateProof(
        proof.commitment[64:] + proof.commitment[:64],
        proof.proof[half:-32] + proof.proof[:half] + proof.proof[-32:],
    )
    assert not statement.is_valid(keys.vk, swapped, l2_bound_sq=bound, context=CONTEXT)


def test_padding_of_the_last_chunk_must_be_zero(small_chunks: None, stream: Stream) -> None:
    statement = NormBound(dim=49, bits=8)
    keys = statement.setup(stream, unsafe_single_party=True)
    r1cs, program = statement.circuit()
    from zk import commit_prove

    inputs = {"context": [1], "share": [10**5], "last": [1], "update": [0] * 24 + [1]}
    with pytest.raises(WitnessError, match="padding"):
        commit_prove.prove(keys.pk, r1cs, program, inputs, stream)
    commit_prove.prove(keys.pk, r1cs, program, inputs | {"last": [0]}, stream)


def test_a_repeated_seed_does_not_repeat_a_blinding(keys: Keys) -> None:
    blindings = set()
    for seed, context in ((1, b"a"), (2, b"a"), (1, b"b")):
        values = update(SMALL, seed)
        _, blinding = SMALL.prove(
            keys.pk, values, l2_bound_sq=SMALL.max_norm_sq, context=context, randomness=Stream(b"k" * 32)
        )
        blindings.add(blinding[0])
    assert len(blindings) == 3


def test_bytes_have_one_spelling(keys: Keys, stream: Stream) -> None:
    proof, _ = SMALL.prove(
        keys.pk, update(SMALL), l2_bound_sq=SMALL.max_norm_sq, context=CONTEXT, randomness=stream
    )
    data = proof.to_bytes()
    assert UpdateProof.from_bytes(data) == proof
    for bad in (b"", data[:8], b"X" + data[1:], data[:5] + b"\xff\xff\xff\xff" + data[9:], data[: 9 + 63]):
        with pytest.raises(DecodeError):
            UpdateProof.from_bytes(bad)
    # a commitment alone is a message, and no proof of anything
    for short in (data[: 9 + 64], data[:-1], data + b"\0"):
        with pytest.raises(DecodeError):
            SMALL.verify(
                keys.vk, UpdateProof.from_bytes(short), l2_bound_sq=SMALL.max_norm_sq, context=CONTEXT
            )


def test_keys_are_cached_by_circuit(tmp_path: Path, stream: Stream) -> None:
    with pytest.raises(InsecureError):
        keycache.load_or_create(SMALL, tmp_path)
    first = keycache.load_or_create(SMALL, tmp_path, unsafe_single_party=True)
    again = keycache.load_or_create(SMALL, tmp_path)
    assert first.vk.digest == again.vk.digest
    proof, _ = SMALL.prove(
        again.pk, update(SMALL), l2_bound_sq=SMALL.max_norm_sq, context=CONTEXT, randomness=stream
    )
    SMALL.verify(first.vk, proof, l2_bound_sq=SMALL.max_norm_sq, context=CONTEXT)
    (path,) = tmp_path.iterdir()
    assert path == keycache.path_for(SMALL, tmp_path)
    data = bytearray(path.read_bytes())
    for position in (0, 20, 60, len(data) // 2, len(data) - 1):
        damaged = bytearray(data)
        damaged[position] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(DecodeError):
            keycache.load_or_create(SMALL, tmp_path)
    path.write_bytes(data[:-1])
    with pytest.raises(DecodeError, match="damaged"):
        keycache.load_or_create(SMALL, tmp_path)
    path.write_bytes(b"")
    with pytest.raises(DecodeError, match="empty"):
        keycache.load_or_create(SMALL, tmp_path)


@pytest.mark.parametrize("links", [True, False])
def test_the_first_keys_to_appear_stay(
    links: bool, tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that start together must not end up with different keys."""

    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    if not links:
        monkeypatch.setattr("os.link", refuse)
    path = keycache.path_for(SMALL, tmp_path)
    keycache.save(path, keys)
    keycache.save(path, SMALL.setup(Stream.from_os(), unsafe_single_party=True))
    assert keycache.load_or_create(SMALL, tmp_path).vk.digest == keys.vk.digest
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_keys_of_another_circuit_are_refused(tmp_path: Path, keys: Keys) -> None:
    other = replace(SMALL, dim=13)
    keycache.save(keycache.path_for(other, tmp_path), keys)
    with pytest.raises(DecodeError, match="another circuit"):
        keycache.load_or_create(other, tmp_path)


def test_machine_integers_do_not_wrap_in_sizes(keys: Keys, stream: Stream) -> None:
    wide = NormBound(dim=np.int64(650), bits=np.int64(64))  # type: ignore[arg-type]
    assert wide.max_norm_sq == 650 * (2**63 - 1) ** 2
    assert wide == NormBound(dim=650, bits=64)
    with pytest.raises(WitnessError, match="is an int"):
        bound = np.int64(10**6)
        SMALL.prove(keys.pk, update(SMALL), l2_bound_sq=bound, context=b"", randomness=stream)  # type: ignore[arg-type]


def test_entries_of_64_bits(stream: Stream) -> None:
    statement = NormBound(dim=2, bits=64, lookup=False)
    keys = statement.setup(stream, unsafe_single_party=True)
    values = np.array([2**63 - 1, -(2**63 - 1)], dtype=np.int64)
    proof, _ = statement.prove(
        keys.pk, values, l2_bound_sq=statement.max_norm_sq, context=b"", randomness=stream
    )
    statement.verify(keys.vk, proof, l2_bound_sq=statement.max_norm_sq, context=b"")
    with pytest.raises(WitnessError, match="largest magnitude"):
        least = np.array([-(2**63), 0], dtype=np.int64)
        statement.prove(keys.pk, least, l2_bound_sq=2**130, context=b"", randomness=stream)


def test_a_key_of_another_shape_is_refused(keys: Keys, stream: Stream) -> None:
    bound = SMALL.max_norm_sq
    proof, _ = SMALL.prove(keys.pk, update(SMALL), l2_bound_sq=bound, context=CONTEXT, randomness=stream)
    vk = keys.vk
    other = replace(SMALL, bits=6).setup(stream, unsafe_single_party=True).vk
    for wrong in (
        other,
        replace(other, circuit=vk.circuit),
        replace(vk, circuit=bytes(32)),
        replace(vk, groups=vk.groups[::-1]),
        replace(vk, groups=vk.groups[:1]),
        replace(vk, challenges=0),
        replace(vk, base=replace(vk.base, ic=vk.base.ic[:-1])),
    ):
        with pytest.raises(DecodeError, match="another circuit"):
            SMALL.verify(wrong, proof, l2_bound_sq=bound, context=CONTEXT)
        with pytest.raises(DecodeError, match="another circuit"):
            SMALL.verify_batch(wrong, [(proof, bound, CONTEXT)])


def test_sizes_that_make_no_sense() -> None:
    for bad in (dict(dim=0, bits=8), dict(dim=4, bits=1), dict(dim=4, bits=8, linf_bound=128)):
        with pytest.raises(ParameterError):
            NormBound(**bad)


def test_nothing_but_speed_depends_on_compiled_loops(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """With numba made invisible, setup, proof and verification of a circuit it would compile for."""
    from zk import kernels

    statement = NormBound(dim=400, bits=16)
    assert statement.circuit()[0].domain == 1 << 11
    compiled = statement.setup(Stream(b"k" * 32), unsafe_single_party=True)
    monkeypatch.setattr(kernels, "available", lambda: False)
    keys = statement.setup(Stream(b"k" * 32), unsafe_single_party=True)
    assert keys.vk.digest == compiled.vk.digest
    bound = statement.max_norm_sq
    proof, _ = statement.prove(
        keys.pk, update(statement), l2_bound_sq=bound, context=CONTEXT, randomness=stream
    )
    statement.verify(keys.vk, proof, l2_bound_sq=bound, context=CONTEXT)
