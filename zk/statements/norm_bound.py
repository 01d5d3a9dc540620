"""The statement "I know the update in this commitment, its entries fit their bits, and its norm is bounded".

    public     context (plan, round, client), squared bound on the Euclidean norm
    committed  the update (group "update", additive between clients), and what the lookups need (group "aux")
    proved     |u_j| <= linf_bound for all j, and sum u_j^2 <= l2_bound_sq

Entries are exact integers and nothing wraps: the norm is below 2**norm_bits as an integer, and so is the slack that
fills it up to the bound.

Long updates are cut into chunks proved under one key. The partial norms stay hidden: chunk c commits to a share b_c of
the bound (group "share") and proves that its part of the norm is at most b_c; the verifier checks that the commitments
to the shares add up to a commitment to l2_bound_sq, whose summed blinding is part of the proof. Every b_c is a
non-negative integer far below the group order, so the partial norms add up to at most the bound; the summed blinding is
uniform and reveals nothing. The context of a chunk holds its position and the number of chunks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import commit_prove
from zk.backends.base import Backend
from zk.circuit import Circuit, Program
from zk.commit_prove import CommittedProof, Keys, ProverKey, VerifierKey
from zk.curve import G1_BYTES
from zk.field import R
from zk.gadgets.bits import assert_at_most, assert_boolean, bit_sum
from zk.gadgets.norm import assert_norm_at_most
from zk.gadgets.ranges import RangeTables, digit_plan
from zk.groth16 import BatchRejected
from zk.linear import Linear
from zk.r1cs import R1CS, WitnessError
from zk.statements.additive import AdditiveUpdates, context_scalar, hedged
from zk.statements.cost import Cost, estimate
from zk.statements.update_proof import SCALAR_BYTES, UpdateProof, chunk_bytes, decode_chunk, encode_chunk

__all__ = ["NormBound"]

MAX_ROWS = 1 << 15


@dataclass(frozen=True, slots=True)
class NormBound(AdditiveUpdates):
    """Updates of `dim` entries of `bits` bits each: |u_j| <= linf_bound, which is 2**(bits - 1) - 1 unless it is tighter.

    `lookup` checks the entries by table lookups (2 to 3 rows an entry), otherwise bit by bit (bits + 2 rows).

    Raises: ParameterError for sizes that make no sense.
    Leakage: the commitment hides the update; what a verifier learns is that the bounds hold.
    Assumes: nobody knows the trapdoor of the setup; with a single-party setup, the one who ran it can prove false bounds
        and open commitments to anything.
    Source: `zk.commit_prove`, `zk.gadgets.lookup`.

    >>> NormBound(dim=650, bits=16).chunks
    1
    """

    dim: int
    bits: int
    lookup: bool = True
    linf_bound: int | None = None

    def __post_init__(self) -> None:
        # sizes of numpy arrays may be machine integers, whose squares would wrap
        object.__setattr__(self, "dim", index(self.dim))
        object.__setattr__(self, "bits", index(self.bits))
        if not 1 <= self.dim <= 1 << 28:
            raise ParameterError(f"an update has 1 to 2^28 entries, not {self.dim}")
        if not 2 <= self.bits <= 64:
            raise ParameterError(f"entries have 2 to 64 bits, not {self.bits}")
        if self.linf_bound is not None and not 1 <= self.linf_bound < 1 << (self.bits - 1):
            raise ParameterError(
                f"linf_bound must be positive and below 2^{self.bits - 1}, got {self.linf_bound}"
            )

    @property
    def limit(self) -> int:
        """The largest magnitude of an entry."""
        return (1 << (self.bits - 1)) - 1 if self.linf_bound is None else self.linf_bound

    @property
    def max_norm_sq(self) -> int:
        """The squared norm that no update in range exceeds; larger bounds mean the same as this one."""
        return self.dim * self.limit**2

    @property
    def norm_bits(self) -> int:
        """Bits of the largest possible squared norm."""
        return self.max_norm_sq.bit_length()

    @property
    def chunks(self) -> int:
        """How many chunks one update is cut into, all under one key."""
        return _layout(self)[0]

    @property
    def chunk_dim(self) -> int:
        """Entries in a chunk; in the last one the entries beyond `dim` are proved to be zero."""
        return _layout(self)[1]

    def rows_for(self, entries: int, padding: int) -> int:
        """Rows of the circuit for a chunk of this many entries."""
        fixed = self.norm_bits + 1 + padding
        if self.lookup:
            radices, both = digit_plan(2 * self.limit + 1, entries)
            digits = len(radices) * (2 if both else 1)
            return entries * (1 + digits) + sum(set(radices)) + len(set(radices)) + fixed
        tighter = 0 if self.linf_bound is None else self.bits
        return entries * (self.bits + 2 + tighter) + fixed

    def circuit(self) -> tuple[R1CS, Program]:
        """The rows of one chunk and how its witness is computed."""
        return _build(self)

    def digest(self) -> bytes:
        """32 bytes that name the circuit; keys are cached by it."""
        shape = f"NormBound {self.dim} {self.bits} {self.lookup} {self.limit} {self.chunks}"
        return sha256(shape.encode() + self.circuit()[0].digest).digest()

    def cost(self) -> Cost:
        """Rows, sizes and expected times of a proof, before anything runs."""
        r1cs, _ = self.circuit()
        n_groups = len(r1cs.groups)
        proof = self.chunks * (G1_BYTES + chunk_bytes(n_groups)) + (SCALAR_BYTES if self.chunks > 1 else 0)
        return estimate(r1cs, chunks=self.chunks, proof_bytes=proof, values=self.dim)

    def setup(
        self,
        stream: Stream,
        *,
        unsafe_single_party: bool,
        backend: Backend | None = None,
        threads: int | None = None,
    ) -> Keys:
        """Keys for this statement.

        Raises: InsecureError without `unsafe_single_party=True`.
        """
        r1cs, program = self.circuit()
        return commit_prove.setup(
            r1cs,
            stream,
            unsafe_single_party=unsafe_single_party,
            challenges=program.challenges,
            backend=backend,
            threads=threads,
        )

    def prove(
        self,
        pk: ProverKey,
        values: NDArray[np.int64],
        *,
        l2_bound_sq: int,
        context: bytes,
        randomness: Stream,
        backend: Backend | None = None,
        threads: int | None = None,
    ) -> tuple[UpdateProof, list[int]]:
        """Commit to an update and prove its bounds; returns the proof and the blinding of each chunk's commitment.

        Shapes: values (dim,), signed integers.
        Raises: WitnessError, a ParameterError, when the values do not satisfy the statement.
        Leakage: nothing about the values. The blindings are secret; sums of them open sums of updates.
        """
        self._check_values(values, l2_bound_sq)
        bound = min(l2_bound_sq, self.max_norm_sq)
        stream = hedged(randomness, values, context)
        r1cs, program = self.circuit()
        padded = np.zeros(self.chunks * self.chunk_dim, dtype=object)
        padded[: self.dim] = [int(v) for v in values]
        parts = padded.reshape(self.chunks, self.chunk_dim)
        shares = _split_bound([int((p * p).sum()) for p in parts], bound, stream)
        commitments, proofs, blindings, share_blinding = [], [], [], 0
        for c, part in enumerate(parts):
            inputs: dict[str, Any] = {"context": self._context(context, c), "update": part}
            inputs["bound" if self.chunks == 1 else "share"] = [shares[c]]
            if self._padding:
                inputs["last"] = [int(c == self.chunks - 1)]
            proof, secret = commit_prove.prove(
                pk, r1cs, program, inputs, stream, backend=backend, threads=threads
            )
            commitments.append(proof.commitments[0].to_bytes())
            proofs.append(encode_chunk(proof))
            blindings.append(secret.values[0])
            share_blinding += secret.values[-1]
        tail = (share_blinding % R).to_bytes(SCALAR_BYTES, "big") if self.chunks > 1 else b""
        return UpdateProof(b"".join(commitments), b"".join(proofs) + tail), blindings

    def _check_values(self, values: NDArray[np.int64], l2_bound_sq: int) -> None:
        if np.shape(values) != (self.dim,) or np.asarray(values).dtype.kind not in "iu":
            raise WitnessError(f"an update is an array of {self.dim} integers")
        if type(l2_bound_sq) is not int:
            raise WitnessError(f"a squared bound is an int, got {l2_bound_sq!r}")
        exact = [int(v) for v in values]
        largest, norm = max(map(abs, exact)), sum(v * v for v in exact)
        if largest > self.limit:
            raise WitnessError(f"an entry is {largest}, the largest magnitude allowed is {self.limit}")
        if norm > l2_bound_sq:
            raise WitnessError(f"the squared norm is {norm}, the bound is {l2_bound_sq}")

    @property
    def _padding(self) -> int:
        return self.chunks * self.chunk_dim - self.dim

    def _context(self, context: bytes, chunk: int) -> list[int]:
        return [context_scalar(context, chunk, self.chunks)]

    def _claims(
        self, vk: VerifierKey, proof: UpdateProof, l2_bound_sq: int, context: bytes, lib: Backend | None
    ) -> list[tuple[list[int], CommittedProof]]:
        """Public inputs and proof of every chunk, once the shares of the bound add up.

        Raises: DecodeError for malformed bytes or bounds; ProofRejected if the shares are of another bound.
        """
        r1cs, program = self.circuit()
        vk.check_circuit(r1cs, program.challenges)
        if type(l2_bound_sq) is not int or l2_bound_sq < 0:
            raise DecodeError(f"a squared bound is a non-negative int, got {l2_bound_sq!r}")
        bound, m, n_groups = min(l2_bound_sq, self.max_norm_sq), self.chunks, len(vk.groups)
        size = chunk_bytes(n_groups)
        want = m * size + (SCALAR_BYTES if m > 1 else 0)
        if len(proof.commitment) != m * G1_BYTES or len(proof.proof) != want:
            raise DecodeError(f"this statement's proofs have {m * G1_BYTES} and {want} bytes")
        claims = []
        for c in range(m):
            publics = self._context(context, c)
            if m == 1:
                publics.append(bound)
            if self._padding:
                publics.append(int(c == m - 1))
            commitment = proof.commitment[c * G1_BYTES : (c + 1) * G1_BYTES]
            claims.append(
                (publics, decode_chunk(commitment, proof.proof[c * size : (c + 1) * size], n_groups))
            )
        if m > 1:
            blinding = int.from_bytes(proof.proof[m * size :], "big")
            if blinding >= R:
                raise DecodeError("the blinding of the bound is not reduced")
            total = commit_prove.combine([p.commitments[-1] for _, p in claims], backend=lib)
            if total != commit_prove.commit(vk.group("share"), [bound], blinding, backend=lib):
                raise ProofRejected("the chunks' shares do not add up to the bound")
        return claims

    def verify(
        self,
        vk: VerifierKey,
        proof: UpdateProof,
        *,
        l2_bound_sq: int,
        context: bytes,
        backend: Backend | None = None,
    ) -> None:
        """Check a proof against the bound and the context.

        Raises: ProofRejected if it does not verify; DecodeError for malformed bytes.
        """
        claims = self._claims(vk, proof, l2_bound_sq, context, backend)
        if len(claims) == 1:
            commit_prove.verify(vk, *claims[0], backend=backend)
        else:
            commit_prove.verify_batch(vk, claims, backend=backend)

    def is_valid(
        self,
        vk: VerifierKey,
        proof: UpdateProof,
        *,
        l2_bound_sq: int,
        context: bytes,
        backend: Backend | None = None,
    ) -> bool:
        """Whether a proof verifies; malformed bytes count as no."""
        try:
            self.verify(vk, proof, l2_bound_sq=l2_bound_sq, context=context, backend=backend)
        except (ProofRejected, DecodeError):
            return False
        return True

    def verify_batch(
        self,
        vk: VerifierKey,
        items: Sequence[tuple[UpdateProof, int, bytes]],
        *,
        backend: Backend | None = None,
    ) -> None:
        """Check many (proof, l2_bound_sq, context) at once.

        Raises: BatchRejected, a ProofRejected, whose `failed` holds the positions of those that do not verify;
            DecodeError for a key that is malformed or of another circuit.
        """
        # a wrong key is the verifier's own fault: no client is to be named for it
        r1cs, program = self.circuit()
        vk.check_circuit(r1cs, program.challenges)
        claims: list[tuple[list[int], CommittedProof]] = []
        owner: list[int] = []
        reasons: dict[int, str] = {}
        for i, (proof, bound, context) in enumerate(items):
            try:
                found = self._claims(vk, proof, bound, context, backend)
            except (ProofRejected, DecodeError) as error:
                reasons[i] = str(error)
            else:
                claims += found
                owner += [i] * len(found)
        try:
            commit_prove.verify_batch(vk, claims, backend=backend)
        except BatchRejected as error:
            reasons |= {owner[k]: reason for k, reason in zip(error.failed, error.reasons, strict=True)}
        if reasons:
            failed = sorted(reasons)
            raise BatchRejected(failed, [reasons[i] for i in failed])


def _split_bound(norms: Sequence[int], bound: int, stream: Stream) -> list[int]:
    """Shares of the bound, each at least the partial norm; they are committed, so any split will do."""
    shares = list(norms)
    shares[-1] += bound - sum(norms)
    return shares


@lru_cache(maxsize=128)
def _layout(statement: NormBound) -> tuple[int, int]:
    """Number of chunks and entries in each: as few chunks as keep a circuit within 2^15 rows."""
    chunks = 1
    while True:
        entries = -(-statement.dim // chunks)
        padding = chunks * entries - statement.dim
        if statement.rows_for(entries, padding) + 8 <= MAX_ROWS or entries == 1:
            return chunks, entries
        chunks += 1


def _assert_entries(circuit: Circuit, statement: NormBound, update: Linear) -> Linear:
    """Rows for the entries by bits: sign times magnitude, so the range is symmetric (zero may carry either sign)."""
    width = statement.bits - 1
    n = update.n

    def digits(values: NDArray[Any]) -> NDArray[Any]:
        magnitude = np.where(values > R // 2, R - values, values)
        return np.asarray((magnitude[:, None] >> np.arange(width, dtype=object)) & 1).reshape(-1)

    magnitude_bits = circuit.private("magnitude.bit", n * width, digits, update)
    sign = circuit.private("sign", n, lambda v: (v > R // 2).astype(object), update)
    assert_boolean(circuit, magnitude_bits, "magnitude.boolean")
    assert_boolean(circuit, sign, "sign.boolean")
    magnitude = bit_sum(magnitude_bits, width)
    circuit.enforce(1 - sign * 2, magnitude, update, "sign.magnitude")
    if statement.linf_bound is not None:
        assert_at_most(circuit, magnitude, Linear.constant(statement.limit, n), width, "linf")
    return magnitude


@lru_cache(maxsize=16)
def _build(statement: NormBound) -> tuple[R1CS, Program]:
    circuit = Circuit()
    single = statement.chunks == 1
    n, padding = statement.chunk_dim, statement._padding
    circuit.public("context")
    bound = circuit.public("bound") if single else None
    last = circuit.public("last") if padding else None
    update = circuit.committed("update", n, group="update")
    tables = None
    if statement.lookup:
        tables = RangeTables(circuit, "table", group="aux")
        tables.assert_below(update + statement.limit, 2 * statement.limit + 1, "entry")
        tables.close_queries()
    if bound is None:
        bound = circuit.committed("share", 1, group="share")
    alpha = circuit.challenge() if tables else None
    if tables and alpha:
        tables.prove_queries(alpha)
    else:
        _assert_entries(circuit, statement, update)
    squares = circuit.multiply(update, update, "square")
    assert_norm_at_most(circuit, squares.sum(), bound, statement.norm_bits, "norm")
    if last is not None:
        circuit.enforce(update[n - padding :], last, Linear.constant(0, padding), "padding")
    return circuit.finish()
