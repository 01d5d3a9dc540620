"""Proof that a ciphertext and a Pedersen commitment hold the same number of `bits` bits.

The response is one integer that must make sense modulo n and modulo the order q of the group, so it may wrap
in neither: bits + challenge + hiding must stay below the length of q. `soundness_bits` says what challenge
that leaves: 128 bits in the 3072-bit group for numbers of up to 2,800 bits, 108 bits in BN254 for numbers of
16. The range proof inside makes the number an integer of `bits` bits rather than a fraction mod n.

Source: Damgard and Fujisaki, Asiacrypt 2002; Camenisch and Michels, Eurocrypt 1999, for equality across
    groups.
"""

from dataclasses import dataclass, field

from gmpy2 import mpz, powmod

from he.keys import PublicKey
from he.proofs.groups import Element, PedersenGroup
from he.proofs.openings import CHALLENGE_BITS, HIDING_BITS, Openings, absorb_all, start
from he.proofs.range import RangeProof, prove_range, verify_range
from he.wire import Reader, Writer
from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from mpc.transcript import Transcript

__all__ = ["EqualityProof", "prove_equality", "soundness_bits", "verify_equality"]

MAGIC = b"EPPML equality proof 1\n"
PROTOCOL = b"he.proofs.pedersen"
MIN_SOUNDNESS_BITS = 80


@dataclass(frozen=True, slots=True)
class EqualityProof:
    """A range proof of the plaintext, and the responses that tie it to the commitment."""

    range: RangeProof = field(repr=False)
    first: mpz = field(repr=False)
    first_commitment: Element = field(repr=False)
    value: mpz = field(repr=False)
    opening: mpz = field(repr=False)
    blinding: mpz = field(repr=False)

    def to_bytes(self) -> bytes:
        writer = Writer(MAGIC).blob(self.range.to_bytes()).integer(self.first).blob(self.first_commitment)
        return writer.integer(self.value).integer(self.opening).integer(self.blinding).done()

    @classmethod
    def from_bytes(cls, data: bytes) -> "EqualityProof":
        """Raises: DecodeError for anything but the one encoding."""
        reader = Reader(data, MAGIC)
        inner = RangeProof.from_bytes(reader.blob(len(data)))
        first, commitment = reader.integer(), reader.blob(1 << 10)
        proof = cls(inner, first, commitment, reader.integer(), reader.integer(), reader.integer())
        reader.end()
        return proof


def soundness_bits(public: PublicKey, group: PedersenGroup, bits: int) -> int:
    """-log2 of the probability with which a false statement passes.

    Raises: ParameterError when the group is too small for numbers of that length.
    """
    room = min(group.order.bit_length(), public.bits) - 2 - bits - HIDING_BITS
    if room < MIN_SOUNDNESS_BITS:
        raise ParameterError(
            f"numbers of {bits} bits leave {room} bits of soundness; {MIN_SOUNDNESS_BITS} are needed"
        )
    return min(room, CHALLENGE_BITS)


def _challenge(transcript: Transcript, public: PublicKey, first: int, commitment: Element, bits: int) -> int:
    absorb_all(transcript, public, b"first", [first])
    transcript.absorb(b"first commitment", commitment)
    return transcript.challenge(b"challenge", 1 << bits)


def _transcript(
    public: PublicKey, group: PedersenGroup, ciphertext: int, commitment: Element, bits: int, context: bytes
) -> Transcript:
    transcript = start(PROTOCOL, public, context, [ciphertext])
    transcript.absorb(b"group", group.name)
    transcript.absorb(b"commitment", commitment)
    transcript.absorb(b"bits", bits.to_bytes(4, "big"))
    return transcript


def prove_equality(
    public: PublicKey,
    group: PedersenGroup,
    ciphertext: int,
    commitment: Element,
    value: int,
    opening: int,
    blinding: int,
    *,
    bits: int,
    context: bytes = b"",
    stream: Stream | None = None,
) -> EqualityProof:
    """Prove that `ciphertext` and `commitment` both hold `value`, which lies in [0, 2^bits).

    Raises: ParameterError when it does not, or the group is too small.
    Leakage: statistical zero-knowledge (2^-128), in the random oracle model.
    """
    stream, strength = stream or Stream.from_os(PROTOCOL), soundness_bits(public, group, bits)
    inner = prove_range(public, ciphertext, value, opening, low=0, bits=bits, context=context, stream=stream)
    openings = Openings(public)
    mask, hidden = stream.below(1 << bits + strength + HIDING_BITS), openings.mask(stream)
    blind_mask = stream.below(group.order)
    first, first_commitment = openings.hide(mask, hidden), group.commit(mask, blind_mask)
    transcript = _transcript(public, group, ciphertext, commitment, bits, context)
    challenge = _challenge(transcript, public, first, first_commitment, strength)
    return EqualityProof(
        inner,
        first,
        first_commitment,
        mpz(mask + challenge * int(value)),
        mpz(openings.combine([hidden, opening], [1, challenge])),
        mpz((blind_mask + challenge * blinding) % group.order),
    )


def verify_equality(
    public: PublicKey,
    group: PedersenGroup,
    ciphertext: int,
    commitment: Element,
    proof: EqualityProof,
    *,
    bits: int,
    context: bytes = b"",
) -> None:
    """Raises: ProofRejected; ParameterError when the group is too small.

    Assumes: discrete logarithms in the group are hard; the primes of n are longer than 128 bits.
    """
    strength = soundness_bits(public, group, bits)
    verify_range(public, ciphertext, proof.range, low=0, bits=bits, context=context)
    openings = Openings(public)
    openings.check(proof.opening)
    if not 0 <= proof.value < 1 << bits + strength + HIDING_BITS + 1 or not 0 <= proof.blinding < group.order:
        raise ProofRejected("a response is out of range")
    if not 0 < proof.first < public.n_squared:
        raise ProofRejected("the first message is out of range")
    transcript = _transcript(public, group, ciphertext, commitment, bits, context)
    challenge = _challenge(transcript, public, proof.first, proof.first_commitment, strength)
    right = proof.first * powmod(mpz(ciphertext), challenge, public.n_squared) % public.n_squared
    if openings.hide(proof.value, proof.opening) != right:
        raise ProofRejected("the response does not open the ciphertext")
    try:
        expected = group.weighted(proof.first_commitment, commitment, challenge)
    except DecodeError as error:
        raise ProofRejected(str(error)) from None
    if group.commit(int(proof.value), int(proof.blinding)) != expected:
        raise ProofRejected("the response does not open the commitment")
