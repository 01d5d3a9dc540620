"""Knowledge of a preimage of a linear map between groups: the protocol Schnorr, DLEQ and opening proofs are cases of.

    statement   images Y_i = sum_j w_j B_ij for known bases B_ij; some bases may be absent
    prover      T_i = sum_j k_j B_ij,   c = transcript(statement, T),   z_j = k_j + c w_j
    verifier    T_i = sum_j z_j B_ij - c Y_i  must give the same c

Source: Maurer 2009, "Unifying zero-knowledge proofs of knowledge", theorem 2; Fiat and Shamir 1986, with the whole
statement in the transcript (Bernhard, Pereira, Warinschi 2012 show what leaving it out costs).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hmac import compare_digest
from typing import Generic

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from mpc.transcript import Transcript
from zk.sigma.groups import Element, PrimeGroup

__all__ = ["LinearProof", "LinearStatement"]

SCALAR_BYTES = 32


@dataclass(frozen=True, slots=True)
class LinearProof:
    """A challenge and one response for each secret.

    Shapes: responses: as many as the statement has secrets.
    """

    challenge: int
    responses: tuple[int, ...]

    def to_bytes(self) -> bytes:
        """32 bytes for the challenge and for each response."""
        return b"".join(value.to_bytes(SCALAR_BYTES, "big") for value in (self.challenge, *self.responses))

    @classmethod
    def from_bytes(cls, data: bytes, order: int, n_secrets: int) -> "LinearProof":
        """The proof of these bytes.

        Raises: DecodeError for another length or numbers that are not below `order`.
        """
        if len(data) != SCALAR_BYTES * (1 + n_secrets):
            raise DecodeError(f"want {SCALAR_BYTES * (1 + n_secrets)} bytes, got {len(data)}")
        numbers = [
            int.from_bytes(data[i : i + SCALAR_BYTES], "big") for i in range(0, len(data), SCALAR_BYTES)
        ]
        if any(number >= order for number in numbers):
            raise DecodeError("a scalar is not reduced modulo the group order")
        return cls(numbers[0], tuple(numbers[1:]))


@dataclass(frozen=True, slots=True)
class LinearStatement(Generic[Element]):
    """I know w with `images[i]` = sum_j w_j `bases[i][j]` for all i; None stands for a base that does not occur.

    `name` says which of the protocols this is and separates their transcripts.

    Shapes: bases: images x secrets.
    Raises: ParameterError for ragged bases, no image, an identity among the bases, a secret nothing depends on, or
        an element outside the group (a point of small order in an image would pass one time in eight).
    """

    group: PrimeGroup[Element]
    name: bytes
    bases: tuple[tuple[Element | None, ...], ...]
    images: tuple[Element, ...]

    def __post_init__(self) -> None:
        if (
            not self.bases
            or len(self.bases) != len(self.images)
            or len({len(row) for row in self.bases}) != 1
        ):
            raise ParameterError("a linear statement has one row of bases for each image, all of one length")
        if any(base == self.group.identity for row in self.bases for base in row):
            raise ParameterError("the identity is no base: its multiples say nothing about a secret")
        if any(all(row[j] is None for row in self.bases) for j in range(self.n_secrets)):
            raise ParameterError("a secret occurs in no equation")
        given = [*self.images, *(base for row in self.bases for base in row if base is not None)]
        if not all(self.group.contains(element) for element in given):
            raise ParameterError("a base or image lies outside the group of prime order")

    @property
    def n_secrets(self) -> int:
        """How many numbers the prover knows."""
        return len(self.bases[0])

    def _map(self, scalars: Sequence[int], challenge: int) -> list[Element]:
        """sum_j scalar_j B_ij - challenge Y_i, for every i."""
        found = []
        for row, image in zip(self.bases, self.images, strict=True):
            pairs = [(base, s) for base, s in zip(row, scalars, strict=True) if base is not None]
            elements = [base for base, _ in pairs] + ([image] if challenge else [])
            factors = [s for _, s in pairs] + ([-challenge] if challenge else [])
            found.append(self.group.sum_of_products(elements, factors))
        return found

    def _absorb(self, transcript: Transcript) -> Transcript:
        group = self.group
        transcript.absorb(b"sigma", self.name)
        transcript.absorb(b"group", group.name)
        transcript.absorb(
            b"shape", b"".join(n.to_bytes(8, "big") for n in (len(self.images), self.n_secrets))
        )
        for row, image in zip(self.bases, self.images, strict=True):
            for base in row:
                transcript.absorb(b"base", b"" if base is None else group.encode(base))
            transcript.absorb(b"image", group.encode(image))
        return transcript

    def _challenge(self, transcript: Transcript, announcements: Sequence[Element]) -> int:
        for announcement in announcements:
            transcript.absorb(b"announcement", self.group.encode(announcement))
        return transcript.challenge(b"challenge", self.group.order)

    def prove(self, secrets: Sequence[int], transcript: Transcript, randomness: Stream) -> LinearProof:
        """A proof bound to everything `transcript` has heard; it goes on hearing.

        Nonces depend on fresh randomness, the secrets and the statement, so a repeated stream does not repeat them.

        Raises: ParameterError when the secrets do not satisfy the statement.
        Leakage: nothing about the secrets but that the prover knows them.
        """
        order = self.group.order
        if len(secrets) != self.n_secrets:
            raise ParameterError(f"this statement has {self.n_secrets} secrets, got {len(secrets)}")
        if tuple(self._map(secrets, 0)) != self.images:
            raise ParameterError("the secrets do not satisfy the statement")
        self._absorb(transcript)
        private = transcript.copy()
        private.absorb(b"secrets", b"".join((s % order).to_bytes(SCALAR_BYTES, "big") for s in secrets))
        private.absorb(b"fresh", randomness.bytes(32))
        nonces = [private.challenge(b"nonce", order) for _ in secrets]
        challenge = self._challenge(transcript, self._map(nonces, 0))
        return LinearProof(
            challenge, tuple((k + challenge * s) % order for k, s in zip(nonces, secrets, strict=True))
        )

    def is_valid(self, proof: LinearProof, transcript: Transcript) -> bool:
        """Whether `proof` proves this statement after what `transcript` has heard; it goes on hearing."""
        order = self.group.order
        if len(proof.responses) != self.n_secrets:
            return False
        if any(not 0 <= value < order for value in (proof.challenge, *proof.responses)):
            return False
        self._absorb(transcript)
        expected = self._challenge(transcript, self._map(proof.responses, proof.challenge))
        return compare_digest(expected.to_bytes(32, "big"), proof.challenge.to_bytes(32, "big"))

    def verify(self, proof: LinearProof, transcript: Transcript) -> None:
        """Check a proof.

        Raises: ProofRejected unless it proves this statement after what `transcript` has heard.
        """
        if not self.is_valid(proof, transcript):
            raise ProofRejected(f"the proof of {self.name.decode()} does not verify")
