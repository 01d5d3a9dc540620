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
from math import exp, floor
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import backends, commit_prove
from zk.backends.base import Backend
from zk.circuit import Program
from zk.commit_prove import CommittedProof, Keys, ProverKey, VerifierKey
from zk.curve import G1, G1_BYTES
from zk.field import R
from zk.groth16 import BatchRejected
from zk.r1cs import R1CS, WitnessError
from zk.statements.additive import AdditiveUpdates, context_scalar, hedged
from zk.statements.cost import Cost, estimate
from zk.statements.sgd_circuit import build
from zk.statements.update_proof import SCALAR_BYTES, UpdateProof, chunk_bytes, decode_chunk, encode_chunk

__all__ = ["SgdSecrets", "SgdStep"]

Integers = NDArray[Any]


@dataclass(frozen=True, slots=True)
class SgdSecrets:
    """What the prover keeps: the update and the blindings that open its commitment and the minibatch's."""

    update: NDArray[np.int64]
    blinding: list[int]
    data_blinding: int

    def __repr__(self) -> str:
        return "SgdSecrets(<secret>)"


@dataclass(frozen=True, slots=True)
class SgdStep(AdditiveUpdates):
    """One step on `batch` examples of `features` features; `classes` is used for softmax only.

    Features are integers x * 2**feature_fraction of `feature_bits` bits, the model w * 2**model_fraction of `model_bits`
    bits, linear labels integers in the fixed point of the logits (feature_fraction + model_fraction). The update is
    floor(1/2 - rate * G / 2**shift) for the integer gradient G, and must fit `bits` bits; `for_learning_rate` finds rate
    and shift. The exponential comes from a table of 2**table_bits entries, 2**-table_fraction apart.

    Raises: ParameterError for sizes that make no sense or could exceed the field.
    Leakage: the commitments hide minibatch and update; a verifier learns that the update is a step from this model.
    Assumes: nobody knows the trapdoor of the setup.
    """

    kind: Literal["linear", "logistic", "softmax"]
    features: int
    batch: int
    rate: int
    shift: int
    classes: int = 2
    bits: int = 16
    feature_bits: int = 9
    feature_fraction: int = 7
    model_bits: int = 24
    model_fraction: int = 16
    label_bits: int = 32
    table_bits: int = 10
    table_fraction: int = 6
    probability_bits: int = 16

    def __post_init__(self) -> None:
        if self.kind not in ("linear", "logistic", "softmax"):
            raise ParameterError(f"no regression is called {self.kind!r}")
        if min(self.features, self.batch, self.rate) < 1 or not 1 <= self.shift <= 48:
            raise ParameterError("features, batch and rate are positive, shift is 1 to 48")
        if self.kind == "softmax" and self.classes < 2 or self.kind == "logistic" and self.classes != 2:
            raise ParameterError(f"{self.kind} regression does not have {self.classes} classes")
        if self.table_shift < 1 or not 1 <= self.table_bits <= 16 or not 1 <= self.probability_bits <= 24:
            raise ParameterError("the table of exponentials does not fit the fixed point of the logits")
        widest = 2 * self.feature_bits + self.model_bits + self.label_bits + self.probability_bits
        if widest + self.rate.bit_length() + 2 * (self.features * self.batch).bit_length() > 200:
            raise ParameterError("intermediate values could exceed the scalar field")

    @classmethod
    def for_learning_rate(
        cls,
        kind: Literal["linear", "logistic", "softmax"],
        *,
        features: int,
        batch: int,
        learning_rate: float,
        clip: float,
        bits: int = 16,
        **more: Any,
    ) -> "SgdStep":
        """The statement whose update is encoded by `mpc.codec.Codec(clip, bits)`: limit / clip for each unit.

        Raises: ParameterError if the learning rate is out of reach of the fixed point.
        """
        probe = cls(kind, features, batch, rate=1, shift=1, bits=bits, **more)
        residue = probe.logit_fraction if kind == "linear" else probe.probability_bits
        factor = learning_rate / batch * probe.limit / clip / 2.0 ** (probe.feature_fraction + residue)
        shift = next((k for k in range(1, 49) if factor * 2**k >= 512), 48)
        return cls(
            kind, features, batch, rate=max(1, round(factor * 2**shift)), shift=shift, bits=bits, **more
        )

    @property
    def outputs(self) -> int:
        """Columns of the model."""
        return self.classes if self.kind == "softmax" else 1

    @property
    def dim(self) -> int:  # type: ignore[override]
        """Entries of the model and of an update."""
        return (self.features + 1) * self.outputs

    @property
    def limit(self) -> int:
        """The largest magnitude of an entry of the update."""
        return int((1 << (self.bits - 1)) - 1)

    @property
    def feature_limit(self) -> int:
        """The largest magnitude of a feature."""
        return int((1 << (self.feature_bits - 1)) - 1)

    @property
    def model_limit(self) -> int:
        """The largest magnitude of a parameter."""
        return int((1 << (self.model_bits - 1)) - 1)

    @property
    def label_limit(self) -> int:
        """The largest magnitude of a label of linear regression."""
        return int((1 << (self.label_bits - 1)) - 1)

    @property
    def logit_fraction(self) -> int:
        """Fractional bits of a logit."""
        return self.feature_fraction + self.model_fraction

    @property
    def table_shift(self) -> int:
        """Bits of a logit below one step of the table."""
        return self.logit_fraction - self.table_fraction

    @property
    def excess_bits(self) -> int:
        """Bits of the number of steps by which a logit may lie below the last entry of the table."""
        largest = (self.features * self.feature_limit + (1 << self.feature_fraction)) * self.model_limit
        return max(1, (2 * largest >> self.table_shift).bit_length())

    @property
    def sum_bits(self) -> int:
        """Bits of a sum of exponentials."""
        return int((self.classes << 16).bit_length())

    @property
    def exponentials(self) -> list[int]:
        """exp(-t / 2**table_fraction) in 16 fractional bits; the last entry, for everything beyond, is zero."""
        return _exponentials(self.table_bits, self.table_fraction)

    def step(self, features: Integers, labels: Integers, model: Integers) -> NDArray[np.int64]:
        """The update, computed plainly with the integers of the circuit.

        Shapes: features (batch, features), labels (batch, outputs) or (batch,), model (features + 1, outputs) or flat.
        Raises: WitnessError if an input or the update is out of range.
        """
        x, y, w = self._checked(features, labels, model)
        update = self.trace(x, y, w)["update"]
        largest = max(map(abs, update.reshape(-1).tolist()))
        if largest > self.limit:
            raise WitnessError(
                f"the update has an entry of {largest}, the largest magnitude allowed is {self.limit}"
            )
        return np.array(update.reshape(-1).tolist(), dtype=np.int64)

    def trace(self, x: Integers, y: Integers, w: Integers) -> dict[str, Integers]:
        """All intermediate values, by the names of their wires; the plain twin of `zk.statements.sgd_circuit`."""
        n = self.batch
        one = np.full((n, 1), 1 << self.feature_fraction, dtype=object)
        rows = np.hstack([x.reshape(n, self.features), one])
        logits = rows.dot(w.reshape(self.features + 1, self.outputs))
        out: dict[str, Integers] = {}
        if self.kind == "linear":
            residues = logits - y.reshape(n, 1)
            out["residues"] = residues
        else:
            if self.kind == "logistic":
                logits = np.hstack([logits, np.zeros((n, 1), dtype=object)])
            maximum = logits.max(axis=1, keepdims=True)
            steps, rest = (maximum - logits) >> self.table_shift, (maximum - logits) % (1 << self.table_shift)
            table = np.array(self.exponentials, dtype=object)
            argument = np.minimum(steps, len(table) - 1)
            power = table[argument.astype(np.int64)]
            total = power.sum(axis=1, keepdims=True)
            probability = (power << self.probability_bits) // total
            out |= {"maximum": maximum, "argument": argument, "excess": steps - argument, "rest": rest}
            out |= {"power": power, "probability": probability}
            out["left"] = (power << self.probability_bits) - probability * total
            residues = probability[:, : self.outputs] - (y.reshape(n, self.outputs) << self.probability_bits)
        scaled = (1 << (self.shift - 1)) - self.rate * rows.T.dot(residues)
        out["update"] = scaled >> self.shift
        out["remainder"] = scaled % (1 << self.shift)
        return out

    def _checked(
        self, features: Integers, labels: Integers, model: Integers
    ) -> tuple[Integers, Integers, Integers]:
        sizes = (self.batch * self.features, self.batch * self.outputs, self.dim)
        limits = (self.feature_limit, self.label_limit if self.kind == "linear" else 1, self.model_limit)
        out = []
        for name, values, size, limit in zip(
            ("features", "labels", "model"), (features, labels, model), sizes, limits, strict=True
        ):
            array = np.asarray(values)
            if array.size != size or array.dtype.kind not in "iuO":
                raise WitnessError(f"{name} must be {size} integers")
            exact = np.array([int(v) for v in array.reshape(-1)], dtype=object)
            if max(map(abs, exact)) > limit:
                raise WitnessError(f"{name} hold a value beyond {limit}")
            out.append(exact)
        return out[0], out[1], out[2]

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
        if vk.circuit != self.circuit()[0].digest:
            raise DecodeError("this key is for another circuit")
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
def _exponentials(bits: int, fraction: int) -> list[int]:
    return [floor(2.0**16 * exp(-t / 2.0**fraction) + 0.5) for t in range((1 << bits) - 1)] + [0]


@lru_cache(maxsize=8)
def _circuit(statement: SgdStep) -> tuple[R1CS, Program]:
    return build(statement)
