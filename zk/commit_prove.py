"""Commit-and-prove Groth16: proofs about values held in blinded, additively homomorphic commitments.

    commitment of group k    D_k = sum w_j [K_j / gamma] + v_k [eta_k / gamma]
    proof                    C gets - sum v_k [eta_k / delta]
    proof of knowledge       Pi = sum_k [sigma_k] D_k, made from bases multiplied by sigma_k
    check                    e(A, B) == e(alpha, beta) e(IC(x) + sum D_k, gamma) e(C, delta)
                             prod e(D_k, [sigma_k]_2) == e(Pi, [1]_2)

Without the second check D can hold anything: subtracting t IC_1 from it changes a public input by t, and
(B + e gamma, D + e A) passes with a D nobody can open. One Pi serves all groups: in the generic group model a
term of D_k outside its group's bases would need its multiple by sigma_k, which is not in the key.

Source: Campanelli, Fiore, Querol 2019 (eprint 2019/142), section 5.2 and appendix H; blinding and the challenge over
all commitments answer CVE-2024-45040 and CVE-2024-45039.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import backends, groth16
from zk.backends.base import Backend, Limbs
from zk.circuit import Program
from zk.commitment_keys import CommitmentKey, Keys, ProverKey, VerifierKey
from zk.curve import G1, G2
from zk.field import R, as_scalar
from zk.keys import ProvingKey
from zk.limbs import to_limbs
from zk.pairing_check import Claim, PairingChecker
from zk.prover import prove_points
from zk.r1cs import R1CS
from zk.setup import GroupKeys, Trapdoor, keys_from_trapdoor

__all__ = [
    "CommitmentKey",
    "CommittedProof",
    "Keys",
    "ProverKey",
    "VerifierKey",
    "combine",
    "commit",
    "is_valid",
    "prove",
    "setup",
    "verify",
    "verify_batch",
    "verify_opening",
]

_SHORT = 1 << 62
_CHALLENGE_TAG = b"EPPML groth16 challenge v1".ljust(32, b"\0")


@dataclass(frozen=True, slots=True)
class CommittedProof:
    """A proof with its commitments (one for each group, in the key's order) and their proof of knowledge."""

    commitments: tuple[G1, ...]
    a: G1
    b: G2
    c: G1
    pok: G1


@dataclass(frozen=True, slots=True)
class Blindings:
    """The blinding of each commitment, in the key's order; secret, and never to be used for a second value."""

    values: tuple[int, ...] = field(repr=False)


def setup(
    r1cs: R1CS,
    stream: Stream,
    *,
    unsafe_single_party: bool,
    challenges: int = 0,
    backend: Backend | None = None,
    threads: int | None = None,
) -> Keys:
    """Keys for a circuit with committed wires.

    Raises: InsecureError without `unsafe_single_party=True`: whoever sees the trapdoor can prove false statements, and
        open a commitment to any value (eta and the bases are multiples of one point with known factors).
    """
    secret = Trapdoor.draw(stream, len(r1cs.groups), r1cs.domain, unsafe_single_party=unsafe_single_party)
    base, groups = keys_from_trapdoor(r1cs, secret, backend=backend, threads=threads)
    return assemble(base, groups, challenges=challenges, circuit=r1cs.digest)


def assemble(base: ProvingKey, groups: Sequence[GroupKeys], *, challenges: int, circuit: bytes) -> Keys:
    """The pair of keys from their arrays."""
    plain = groth16.VerifyingKey(base.alpha_g1, base.beta_g2, base.gamma_g2, base.delta_g2, base.ic)
    commitments = tuple(CommitmentKey(g.name, g.bases, g.eta, g.sigma_g2) for g in groups)
    vk = VerifierKey(plain, commitments, challenges, circuit)
    return Keys(ProverKey(base, tuple(groups), vk), vk)


def challenge(key: VerifierKey, publics: Sequence[int], commitments: Sequence[G1]) -> list[int]:
    """The challenges a circuit computes with: they depend on the key, every other public input and every commitment.

    Two SHA-256 each, so that an EVM contract can derive them too. Nothing needs a length: the key, which comes first,
    fixes how many inputs and commitments there are.

    Assumes: SHA-256 behaves as a random oracle.
    """
    text = _CHALLENGE_TAG + key.digest + b"".join(x.to_bytes(32, "big") for x in publics)
    text += b"".join(d.to_bytes() for d in commitments)
    out = []
    for i in range(key.challenges):
        halves = sha256(bytes([2 * i]) + text).digest() + sha256(bytes([2 * i + 1]) + text).digest()
        out.append(int.from_bytes(halves, "big") % R)
    return out


def _msm(lib: Backend, bases: Limbs, scalars: Limbs, threads: int | None) -> G1:
    keep = scalars.any(axis=1)
    return lib.msm_g1(bases[keep], scalars[keep], threads=threads)


def commit(
    key: CommitmentKey,
    values: Sequence[int] | NDArray[Any],
    blinding: int,
    *,
    backend: Backend | None = None,
    threads: int | None = None,
) -> G1:
    """sum values_j bases_j + blinding eta; an array of machine integers takes a fifth of the time of a list.

    Raises: ParameterError for a wrong number of values.
    """
    if len(values) != len(key.bases):
        raise ParameterError(f"the commitment {key.name!r} holds {len(key.bases)} values, got {len(values)}")
    lib = backend or backends.get()
    if (short := _machine_integers(values)) is not None:
        part = lib.msm_g1_integers(key.bases, short, threads=threads)
    else:
        part = _msm(lib, key.bases, to_limbs([int(v) for v in values]), threads)
    return lib.g1_sum([part, lib.g1_mul(key.eta, blinding % R)])


def _machine_integers(values: Sequence[int] | NDArray[Any]) -> NDArray[np.int64] | None:
    """The array, if it is one of integers below 2^62 in magnitude."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iu":
        return None
    if values.size and not -_SHORT < int(values.min()) <= int(values.max()) < _SHORT:
        return None
    return values.astype(np.int64, copy=False)


def combine(commitments: Sequence[G1], *, backend: Backend | None = None) -> G1:
    """The commitment to the sum of the values under the sum of the blindings."""
    return (backend or backends.get()).g1_sum(commitments)


def verify_opening(
    key: CommitmentKey,
    commitment: G1,
    values: Sequence[int] | NDArray[Any],
    blinding: int,
    *,
    backend: Backend | None = None,
) -> None:
    """Check that a commitment holds these values.

    Raises: ProofRejected if it does not.
    Assumes: nobody knows the trapdoor of the setup; discrete logarithms in G1 are hard.
    """
    if commit(key, values, blinding, backend=backend) != commitment:
        raise ProofRejected(f"the opening does not match the commitment {key.name!r}")


def prove(
    key: ProverKey,
    r1cs: R1CS,
    program: Program,
    inputs: Mapping[str, Any],
    randomness: Stream,
    *,
    reuse: Mapping[str, int] | None = None,
    backend: Backend | None = None,
    threads: int | None = None,
) -> tuple[CommittedProof, Blindings]:
    """Commit to the committed wires, derive the challenge, and prove.

    `reuse` gives the blinding of a group that was committed to before, with the very same values.

    Raises: WitnessError if the inputs do not satisfy the circuit; ParameterError for a key of another circuit.
    Leakage: nothing about private and committed wires, if `randomness` is fresh.
    """
    if key.verifier.circuit != r1cs.digest:
        raise ParameterError("this key is for another circuit")
    lib = backend or backends.get()
    witness = program.commit_phase(inputs)
    blindings = [(reuse or {}).get(g.name, randomness.below(R)) for g in key.groups]
    parts = [
        (to_limbs(witness[g.start : g.stop].tolist()), v) for g, v in zip(r1cs.groups, blindings, strict=True)
    ]
    commitments = [
        lib.g1_sum([_msm(lib, g.bases, w, threads), lib.g1_mul(g.eta, v)])
        for g, (w, v) in zip(key.groups, parts, strict=True)
    ]
    if program.challenge_at is not None:
        publics = witness[1 : 1 + r1cs.n_public - program.challenges].tolist()
        witness = program.challenge_phase(witness, challenge(key.verifier, publics, commitments))
    r1cs.check(witness)
    a, b, c = prove_points(key.base, witness, randomness, backend=lib, threads=threads)
    c = lib.g1_sum([c, *(lib.g1_mul(g.eta_delta, R - v) for g, v in zip(key.groups, blindings, strict=True))])
    pok = lib.g1_sum(
        [
            point
            for g, (w, v) in zip(key.groups, parts, strict=True)
            for point in (_msm(lib, g.pok_bases, w, threads), lib.g1_mul(g.pok_eta, v))
        ]
    )
    return CommittedProof(tuple(commitments), a, b, c, pok), Blindings(tuple(blindings))


class PreparedVerifier:
    """A checked key with everything that does not depend on the proof computed once."""

    def __init__(self, key: VerifierKey, lib: Backend) -> None:
        key.check()
        self.key = key
        base = key.base
        sigmas = [g.sigma_g2 for g in key.groups]
        self.checker = PairingChecker(
            lib, base.alpha_g1, base.beta_g2, base.gamma_g2, base.delta_g2, base.ic, sigmas
        )

    def claim(self, publics: Sequence[int], proof: CommittedProof) -> Claim:
        """The equation to check.

        Raises: DecodeError for malformed points or inputs.
        """
        inputs = [as_scalar(x) for x in publics]
        expected = len(self.key.base.ic) - 1 - self.key.challenges
        if len(inputs) != expected:
            raise DecodeError(f"want {expected} public inputs, got {len(inputs)}")
        if len(proof.commitments) != len(self.key.groups):
            raise DecodeError(f"want {len(self.key.groups)} commitments, got {len(proof.commitments)}")
        inputs += challenge(self.key, inputs, proof.commitments)
        claim = Claim(proof.a, proof.b, proof.c, tuple(inputs), proof.commitments, proof.pok)
        if not self.checker.in_subgroup(claim):
            raise DecodeError("B is on the twist but outside the subgroup")
        return claim

    def verify(self, publics: Sequence[int], proof: CommittedProof) -> None:
        """Check a proof.

        Raises: ProofRejected if it does not verify; DecodeError for malformed points or inputs.
        """
        claim = self.claim(publics, proof)
        if not self.checker.knows(claim):
            raise ProofRejected("the proof of knowledge does not fit the commitments")
        if not self.checker.holds(claim):
            raise ProofRejected("the pairing equation of Groth16 does not hold")


@lru_cache(maxsize=64)
def _prepared(key: VerifierKey, lib: Backend) -> PreparedVerifier:
    return PreparedVerifier(key, lib)


def prepare(key: VerifierKey, *, backend: Backend | None = None) -> PreparedVerifier:
    """The prepared form of a key; the last 64 are remembered.

    Raises: DecodeError from `VerifierKey.check`.
    """
    return _prepared(key, backend or backends.get())


def verify(
    key: VerifierKey, publics: Sequence[int], proof: CommittedProof, *, backend: Backend | None = None
) -> None:
    """Check a proof; the challenge, if the circuit has one, is not among `publics` but derived here.

    Raises: ProofRejected if it does not verify; DecodeError for a malformed key, points or inputs.
    """
    prepare(key, backend=backend).verify(publics, proof)


def verify_batch(
    key: VerifierKey, items: Sequence[tuple[Sequence[int], CommittedProof]], *, backend: Backend | None = None
) -> None:
    """Check many (publics, proof) under one key.

    Raises: BatchRejected with the positions of those that fail or are malformed; DecodeError for a malformed key.
    """
    prepared = prepare(key, backend=backend)
    groth16.verify_claims(
        prepared.checker, [partial(prepared.claim, publics, proof) for publics, proof in items]
    )


def is_valid(
    key: VerifierKey, publics: Sequence[int], proof: CommittedProof, *, backend: Backend | None = None
) -> bool:
    """Whether a proof verifies; malformed points and inputs count as no.

    Raises: DecodeError for a malformed key.
    """
    prepared = prepare(key, backend=backend)
    try:
        prepared.verify(publics, proof)
    except (DecodeError, ProofRejected):
        return False
    return True
