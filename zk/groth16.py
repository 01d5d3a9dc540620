"""Groth16 over alt_bn128: keys, proofs, and verification of one or many.

    check   e(A, B) == e(alpha, beta) * e(IC_0 + sum x_i IC_i, gamma) * e(C, delta)

Proofs can be re-randomised by anyone into other valid proofs of the same statement: never use a proof's bytes as a
nullifier.

Source: Groth 2016 (eprint 2016/260), section 3.2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import backends
from zk.backends.base import Backend
from zk.curve import G1, G2, parse_g1, parse_g2
from zk.fft import Values
from zk.field import as_scalar
from zk.keys import ProvingKey
from zk.pairing_check import Claim, PairingChecker, failing
from zk.prover import prove_points
from zk.r1cs import R1CS
from zk.setup import Trapdoor, keys_from_trapdoor

__all__ = [
    "BatchRejected",
    "PreparedKey",
    "Proof",
    "ProvingKey",
    "VerifyingKey",
    "is_valid",
    "prepare",
    "prove",
    "setup",
    "verify",
    "verify_batch",
    "verify_claims",
]


class BatchRejected(ProofRejected):
    """Some proofs of a batch do not verify; `failed` holds their positions."""

    def __init__(self, failed: Sequence[int], reasons: Sequence[str] = ()) -> None:
        self.failed = tuple(failed)
        self.reasons = tuple(reasons)
        super().__init__(
            f"{len(self.failed)} proofs of the batch are rejected: {', '.join(map(str, self.failed))}"
        )


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """What a verifier needs; `ic` holds one point for the constant and one for each public input."""

    alpha_g1: G1
    beta_g2: G2
    gamma_g2: G2
    delta_g2: G2
    ic: tuple[G1, ...]

    def check(self, n_public: int | None = None) -> None:
        """Check everything that can be checked about a key without its circuit.

        Raises: DecodeError for points that are not canonical, off the curve, outside the subgroup or at infinity, for
            gamma = +-delta (phase 2 was skipped: then A = alpha, B = beta, C = -+IC(x) is a proof of anything), and for
            a number of IC points that does not fit `n_public`.
        """
        if not self.ic:
            raise DecodeError("a verifying key has at least one IC point")
        if n_public is not None and len(self.ic) != n_public + 1:
            raise DecodeError(f"{n_public} public inputs need {n_public + 1} IC points, got {len(self.ic)}")
        for g1 in (self.alpha_g1, *self.ic):
            parse_g1(*g1)
        for g2 in (self.beta_g2, self.gamma_g2, self.delta_g2):
            parse_g2(*g2)
        if self.delta_g2 in (self.gamma_g2, -self.gamma_g2):
            raise DecodeError("gamma equals delta or its negation: the second phase of the setup was skipped")

    def to_bytes(self) -> bytes:
        """A canonical encoding, for digests."""
        head = self.alpha_g1.to_bytes() + b"".join(
            p.to_bytes() for p in (self.beta_g2, self.gamma_g2, self.delta_g2)
        )
        return head + len(self.ic).to_bytes(8, "big") + b"".join(p.to_bytes() for p in self.ic)


@dataclass(frozen=True, slots=True)
class Proof:
    """The three points of a proof."""

    a: G1
    b: G2
    c: G1


class PreparedKey:
    """A checked key with everything that does not depend on the proof computed once.

    Raises: DecodeError from `VerifyingKey.check`.
    """

    def __init__(self, key: VerifyingKey, *, backend: Backend | None = None) -> None:
        key.check()
        self.key = key
        lib = backend or backends.get()
        self._checker = PairingChecker(lib, key.alpha_g1, key.beta_g2, key.gamma_g2, key.delta_g2, key.ic)

    def _claim(self, publics: Sequence[int], proof: Proof) -> Claim:
        if len(publics) != len(self.key.ic) - 1:
            raise DecodeError(f"want {len(self.key.ic) - 1} public inputs, got {len(publics)}")
        claim = Claim(proof.a, proof.b, proof.c, tuple(as_scalar(x) for x in publics))
        if not self._checker.in_subgroup(claim):
            raise DecodeError("B is on the twist but outside the subgroup")
        return claim

    def verify(self, publics: Sequence[int], proof: Proof) -> None:
        """Check a proof.

        Raises: ProofRejected if it does not verify; DecodeError for malformed points or inputs.
        """
        if not self._checker.holds(self._claim(publics, proof)):
            raise ProofRejected("the pairing equation of Groth16 does not hold")

    def verify_batch(self, items: Sequence[tuple[Sequence[int], Proof]]) -> None:
        """Check many (publics, proof) at once.

        Raises: BatchRejected with the positions of those that fail or are malformed.
        """
        verify_claims(self._checker, [partial(self._claim, publics, proof) for publics, proof in items])


def verify_claims(checker: PairingChecker, makers: Sequence[Callable[[], Claim]]) -> None:
    """Check claims together; making one may raise DecodeError.

    Raises: BatchRejected with the positions of those that fail or are malformed.
    """
    claims: dict[int, Claim] = {}
    reasons: dict[int, str] = {}
    for i, make in enumerate(makers):
        try:
            claims[i] = make()
        except DecodeError as error:
            reasons[i] = str(error)
    stream = Stream.from_os(b"zk batch verification")
    positions = list(claims)
    for k in failing(
        len(positions), lambda part: checker.all_hold([claims[positions[j]] for j in part], stream)
    ):
        reasons[positions[k]] = "does not verify"
    if reasons:
        failed = sorted(reasons)
        raise BatchRejected(failed, [reasons[i] for i in failed])


@lru_cache(maxsize=64)
def _prepared(key: VerifyingKey, lib: Backend) -> PreparedKey:
    return PreparedKey(key, backend=lib)


def prepare(key: VerifyingKey, *, backend: Backend | None = None) -> PreparedKey:
    """The prepared form of a key; the last 64 are remembered.

    Raises: DecodeError from `VerifyingKey.check`.
    """
    return _prepared(key, backend or backends.get())


def verify(
    key: VerifyingKey, publics: Sequence[int], proof: Proof, *, backend: Backend | None = None
) -> None:
    """Check a proof under a key.

    Raises: ProofRejected if it does not verify; DecodeError for a malformed key, points or inputs.
    """
    prepare(key, backend=backend).verify(publics, proof)


def verify_batch(
    key: VerifyingKey, items: Sequence[tuple[Sequence[int], Proof]], *, backend: Backend | None = None
) -> None:
    """Check many (publics, proof) under one key.

    Raises: BatchRejected with the positions of those that fail or are malformed; DecodeError for a malformed key.
    """
    prepare(key, backend=backend).verify_batch(items)


def is_valid(
    key: VerifyingKey, publics: Sequence[int], proof: Proof, *, backend: Backend | None = None
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


def setup(
    r1cs: R1CS,
    stream: Stream,
    *,
    unsafe_single_party: bool,
    backend: Backend | None = None,
    threads: int | None = None,
) -> tuple[ProvingKey, VerifyingKey]:
    """Keys for a circuit without commitments.

    Raises: InsecureError without `unsafe_single_party=True`: this process sees the trapdoor, and could forge.
    """
    if r1cs.groups:
        raise ParameterError("this circuit has committed wires: use zk.commit_prove")
    secret = Trapdoor.draw(stream, 0, r1cs.domain, unsafe_single_party=unsafe_single_party)
    key, _ = keys_from_trapdoor(r1cs, secret, backend=backend, threads=threads)
    return key, VerifyingKey(key.alpha_g1, key.beta_g2, key.gamma_g2, key.delta_g2, key.ic)


def prove(
    key: ProvingKey,
    r1cs: R1CS,
    witness: Values,
    randomness: Stream,
    *,
    backend: Backend | None = None,
    threads: int | None = None,
) -> Proof:
    """A proof for a full witness, checked against the rows first.

    Shapes: witness (n_wires,) of residues, wire 0 is one.
    Raises: WitnessError if a row is not satisfied.
    Leakage: the proof reveals nothing but that a witness exists, if `randomness` is fresh.
    """
    r1cs.check(witness)
    return Proof(*prove_points(key, witness, randomness, backend=backend, threads=threads))
