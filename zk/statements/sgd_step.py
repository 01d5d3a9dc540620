"""The statement "this update is one step of gradient descent on the minibatch in that commitment".

    public     context (plan, round, client), the model (the verifier commits to it again), rate and shift
    committed  the update (group "update", additive), the model, the minibatch (group "data"), intermediate values
    proved     update = rounded(-rate * gradient of the loss at the model on the minibatch)

for linear regression (squared error), logistic regression and softmax regression (cross-entropy), all in fixed point. It
does not prove where the minibatch came from: bind its commitment to a registered one for that.

Parameters are a matrix of (features + 1) rows, the last one the bias, and one column for each output, row by row.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from mpc.errors import DecodeError, ProofRejected
from mpc.prg import Stream
from zk import backends, commit_prove
from zk.backends.base import Backend
from zk.circuit import Program
from zk.commit_prove import CommittedProof, Keys, ProverKey, VerifierKey
from zk.curve import G1, G1_BYTES
from zk.field import R
from zk.groth16 import BatchRejected
from zk.r1cs import R1CS
from zk.statements.additive import AdditiveUpdates, context_scalar, hedged
from zk.statements.cost import Cost, estimate
from zk.statements.sgd_arithmetic import Integers, SgdArithmetic
from zk.statements.sgd_circuit import build
from zk.statements.update_proof import SCALAR_BYTES, UpdateProof, chunk_bytes, decode_chunk, encode_chunk

__all__ = ["SgdSecrets", "SgdStep"]


@dataclass(frozen=True, slots=True)
class SgdSecrets:
    """What the prover keeps: the update and the blindings that open its commitment and the minibatch's."""

    update: NDArray[np.int64]
    blinding: list[int]
    data_blinding: int

    def __repr__(self) -> str:
        return "SgdSecrets(<secret>)"


@dataclass(frozen=True, slots=True)
class SgdStep(SgdArithmetic, AdditiveUpdates):
    """A step of the arithmetic `SgdArithmetic` describes, proved; `for_learning_rate` chooses rate and shift.

    Leakage: the commitments hide minibatch and update; a verifier learns that the update is a step from this model.
    Assumes: nobody knows the trapdoor of the setup.
    """

    def circuit(self) -> tuple[R1CS, Program]:
        """The rows, and how their witness is computed."""
        return _circuit(self)

    def digest(self) -> bytes:
        """32 bytes that name the circuit; keys are cached by it."""
        return sha256(repr(self).encode() + self.circuit()[0].digest).digest()

    def cost(self) -> Cost:
        """Rows, sizes and expected times of a proof, before anything runs."""
        r1cs, _ = self.circuit()
        proof = G1_BYTES + chunk_bytes(len(r1cs.groups)) + SCALAR_BYTES
        return estimate(r1cs, chunks=1, proof_bytes=proof, values=self.dim)

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
        features: Integers,
        labels: Integers,
        model: Integers,
        *,
        context: bytes,
        randomness: Stream,
        data_blinding: int | None = None,
        backend: Backend | None = None,
        threads: int | None = None,
    ) -> tuple[UpdateProof, SgdSecrets]:
        """Compute the step and prove it; `data_blinding` reuses an earlier commitment to the same minibatch.

        Shapes: as `step`.
        Raises: WitnessError if an input or the update is out of range.
        """
        x, y, w = self._checked(features, labels, model)
        update = self.step(x, y, w)
        r1cs, program = self.circuit()
        inputs = {"context": [context_scalar(context, 0, 1)], "features": x, "labels": y, "model": w}
        stream = hedged(randomness, np.concatenate([x, y, w]), context)
        proof, secret = commit_prove.prove(
            pk,
            r1cs,
            program,
            inputs,
            stream,
            reuse={} if data_blinding is None else {"data": data_blinding},
            backend=backend,
            threads=threads,
        )
        blinding = dict(zip((g.name for g in r1cs.groups), secret.values, strict=True))
        apart = _position(pk.verifier, "update")
        tail = blinding["model"].to_bytes(SCALAR_BYTES, "big")
        made = UpdateProof(proof.commitments[apart].to_bytes(), encode_chunk(proof, apart) + tail)
        return made, SgdSecrets(update, [blinding["update"]], blinding["data"])

    def verify(
        self,
        vk: VerifierKey,
        proof: UpdateProof,
        *,
        model: Integers,
        context: bytes,
        backend: Backend | None = None,
    ) -> None:
        """Check that the committed update is a step from `model`.

        Raises: ProofRejected if it does not verify; DecodeError for malformed bytes.
        """
        chunk = self._about(vk, proof, self._model_point(vk, model, backend), backend)
        commit_prove.verify(vk, [context_scalar(context, 0, 1)], chunk, backend=backend)

    def verify_batch(
        self,
        vk: VerifierKey,
        items: Sequence[tuple[UpdateProof, bytes]],
        *,
        model: Integers,
        backend: Backend | None = None,
    ) -> None:
        """Check many (proof, context) about steps from one model.

        Raises: BatchRejected with the positions of those that fail or are malformed; DecodeError for a bad key or model.
        """
        point = self._model_point(vk, model, backend)
        claims: dict[int, tuple[list[int], CommittedProof]] = {}
        reasons: dict[int, str] = {}
        for i, (proof, context) in enumerate(items):
            try:
                claims[i] = ([context_scalar(context, 0, 1)], self._about(vk, proof, point, backend))
            except (ProofRejected, DecodeError) as error:
                reasons[i] = str(error)
        owner = list(claims)
        try:
            commit_prove.verify_batch(vk, list(claims.values()), backend=backend)
        except BatchRejected as error:
            reasons |= {owner[k]: reason for k, reason in zip(error.failed, error.reasons, strict=True)}
        if reasons:
            failed = sorted(reasons)
            raise BatchRejected(failed, [reasons[i] for i in failed])

    def _model_point(self, vk: VerifierKey, model: Integers, lib: Backend | None) -> G1:
        """The commitment to the model under no blinding."""
        r1cs, program = self.circuit()
        vk.check_circuit(r1cs, program.challenges)
        exact = [int(v) for v in np.asarray(model).reshape(-1)]
        if len(exact) != self.dim or max(map(abs, exact)) > self.model_limit:
            raise DecodeError(f"the model must be {self.dim} integers of {self.model_bits} bits")
        return commit_prove.commit(vk.group("model"), exact, 0, backend=lib)

    def _about(self, vk: VerifierKey, proof: UpdateProof, model: G1, lib: Backend | None) -> CommittedProof:
        """The proof inside, if it is about this model.

        Raises: ProofRejected if it is about another; DecodeError for malformed bytes.
        """
        chunk = self._chunk(vk, proof)
        blinding = int.from_bytes(proof.proof[-SCALAR_BYTES:], "big")
        if blinding >= R:
            raise DecodeError("the blinding of the model is not reduced")
        library = lib or backends.get()
        expected = library.g1_sum([model, library.g1_mul(vk.group("model").eta, blinding)])
        if chunk.commitments[_position(vk, "model")] != expected:
            raise ProofRejected("the proof is about another model")
        return chunk

    def data_commitment(self, vk: VerifierKey, proof: UpdateProof) -> bytes:
        """The commitment to the minibatch inside a proof, 64 bytes.

        Raises: DecodeError for malformed bytes.
        """
        return self._chunk(vk, proof).commitments[_position(vk, "data")].to_bytes()

    def commit_data(
        self,
        vk: VerifierKey,
        features: Integers,
        labels: Integers,
        blinding: int,
        *,
        backend: Backend | None = None,
    ) -> bytes:
        """The commitment to a minibatch, to be registered before it is used."""
        values = [int(v) for part in (features, labels) for v in np.asarray(part).reshape(-1)]
        return commit_prove.commit(vk.group("data"), values, blinding, backend=backend).to_bytes()

    def _chunk(self, vk: VerifierKey, proof: UpdateProof) -> CommittedProof:
        size = chunk_bytes(len(vk.groups))
        if len(proof.commitment) != G1_BYTES or len(proof.proof) != size + SCALAR_BYTES:
            raise DecodeError(f"this statement's proofs have {G1_BYTES} and {size + SCALAR_BYTES} bytes")
        return decode_chunk(proof.commitment, proof.proof[:size], len(vk.groups), _position(vk, "update"))


def _position(vk: VerifierKey, name: str) -> int:
    return [g.name for g in vk.groups].index(name)


@lru_cache(maxsize=8)
def _circuit(statement: SgdStep) -> tuple[R1CS, Program]:
    return build(statement)
