"""Proof that a plaintext lies in [low, low + 2^bits): exact, bit by bit.

The prover encrypts every bit, proves of each that it is 0 or 1 (an OR of two proofs of an encryption of
zero), and that the bits add up to the plaintext. An encryption of zero is proved by an opening; since h_s is
an n-th residue, two accepting answers show that the statement is one too.

Source: Cramer, Damgard and Schoenmakers, Crypto 1994, for the OR; Damgard and Jurik, PKC 2001, section 5.
"""

from dataclasses import dataclass, field

from gmpy2 import mpz, powmod

from he.ciphertexts import check_ciphertexts
from he.errors import InvalidCiphertext
from he.keys import PublicKey
from he.multi_exponent import multi_exponent
from he.proofs.openings import CHALLENGE_BITS, Openings, absorb_all, draw, start
from he.wire import Reader, Writer
from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from mpc.transcript import Transcript

__all__ = ["RangeProof", "prove_range", "verify_range"]

MAGIC = b"EPPML range proof 1\n"
PROTOCOL = b"he.proofs.range"
MAX_BITS = 64
MODULUS = 1 << CHALLENGE_BITS


@dataclass(frozen=True, slots=True)
class RangeProof:
    """An encryption of each bit, the part of the challenge that went to "it is 0", and the responses."""

    challenge: int
    bits: tuple[mpz, ...] = field(repr=False)
    shares: tuple[int, ...] = field(repr=False)
    if_zero: tuple[mpz, ...] = field(repr=False)
    if_one: tuple[mpz, ...] = field(repr=False)
    sum: mpz = field(repr=False)

    def to_bytes(self) -> bytes:
        size = CHALLENGE_BITS // 8
        writer = Writer(MAGIC).number(len(self.bits), 1).number(self.challenge, size)
        writer.raw(b"".join(share.to_bytes(size, "big") for share in self.shares))
        for numbers in (self.bits, self.if_zero, self.if_one):
            writer.integers(numbers)
        return writer.integer(self.sum).done()

    @classmethod
    def from_bytes(cls, data: bytes) -> "RangeProof":
        """Raises: DecodeError for anything but the one encoding."""
        reader, size = Reader(data, MAGIC), CHALLENGE_BITS // 8
        count = reader.number(1, MAX_BITS + 1)
        if not count:
            raise DecodeError("a range of no bits")
        challenge = reader.number(size)
        shares = tuple(reader.number(size) for _ in range(count))
        bits, if_zero, if_one = (reader.integers(count) for _ in range(3))
        total = reader.integer()
        reader.end()
        return cls(challenge, bits, shares, if_zero, if_one, total)


def _transcript(
    public: PublicKey, ciphertext: int, low: int, bits: tuple[mpz, ...], context: bytes
) -> Transcript:
    transcript = start(PROTOCOL, public, context, [ciphertext])
    transcript.absorb(b"range", f"{low} {len(bits)}".encode())
    absorb_all(transcript, public, b"bits", bits)
    return transcript


def _branches(public: PublicKey, bit: mpz) -> tuple[mpz, mpz]:
    """What encrypts zero if the bit is 0, and if it is 1."""
    return bit, bit * (1 - public.n) % public.n_squared


def _total(public: PublicKey, ciphertext: int, low: int, bits: tuple[mpz, ...]) -> mpz:
    """What encrypts zero if the bits add up to the plaintext minus low."""
    below = multi_exponent(bits, [-(1 << i) for i in range(len(bits))], public.n_squared, root=public.n)
    return ciphertext * (1 - low % public.n * public.n) % public.n_squared * below % public.n_squared


def prove_range(
    public: PublicKey,
    ciphertext: int,
    message: int,
    opening: int,
    *,
    low: int,
    bits: int,
    context: bytes = b"",
    stream: Stream | None = None,
) -> RangeProof:
    """Prove that `message`, in `ciphertext` under `opening`, lies in [low, low + 2^bits).

    Raises: ParameterError when it does not, or bits is not in 1..64.
    Leakage: statistical zero-knowledge (2^-128), in the random oracle model; Python's branches show the bits
        to who can time single operations.
    """
    message, low = int(message), int(low)
    if not 1 <= bits <= MAX_BITS or not 0 <= message - low < 1 << bits:
        raise ParameterError(f"the message is not in a range of {bits} bits from {low}")
    stream = stream or Stream.from_os(PROTOCOL)
    group, wide = Openings(public), Openings(public, growth=bits + 1)
    group.check_secret(opening)
    digits = [(message - low) >> i & 1 for i in range(bits)]
    hidden = [_fresh(public, stream) for _ in digits]
    encrypted = tuple(group.hide(digit, r) for digit, r in zip(digits, hidden, strict=True))
    masks, fakes = [], []
    firsts: list[mpz] = []
    for digit, bit in zip(digits, encrypted, strict=True):
        mask, fake_challenge, fake_response = group.mask(stream), stream.below(MODULUS), group.mask(stream)
        false_branch = _branches(public, bit)[1 - digit]
        fake = group.image(fake_response) * powmod(false_branch, -fake_challenge, public.n_squared)
        pair = (group.image(mask), fake % public.n_squared)
        firsts += pair if digit == 0 else pair[::-1]
        masks.append(mask)
        fakes.append((fake_challenge, fake_response))
    sum_mask = wide.mask(stream)
    transcript = _transcript(public, ciphertext, low, encrypted, context)
    absorb_all(transcript, public, b"first", [*firsts, wide.image(sum_mask)])
    (challenge,) = draw(transcript)
    shares, answers = [], []
    for digit, r, mask, (fake_challenge, fake_response) in zip(digits, hidden, masks, fakes, strict=True):
        true_share = (challenge - fake_challenge) % MODULUS
        response = group.combine([mask, r], [1, true_share])
        shares.append(true_share if digit == 0 else fake_challenge)
        answers.append((response, fake_response) if digit == 0 else (fake_response, response))
    rest = wide.combine([opening, *hidden], [1, *(-(1 << i) for i in range(bits))])
    total = wide.combine([sum_mask, rest], [1, challenge])
    zeros, ones = (tuple(mpz(pair[side]) for pair in answers) for side in (0, 1))
    return RangeProof(challenge, encrypted, tuple(shares), zeros, ones, mpz(total))


def _fresh(public: PublicKey, stream: Stream) -> int:
    return stream.below(1 << public.exponent_bits) if public.exponent_bits else Openings(public).mask(stream)


def verify_range(
    public: PublicKey, ciphertext: int, proof: RangeProof, *, low: int, bits: int, context: bytes = b""
) -> None:
    """Raises: ProofRejected.

    Assumes: the primes of n are longer than 128 bits.
    """
    if not len(proof.bits) == len(proof.shares) == len(proof.if_zero) == len(proof.if_one) == bits:
        raise ProofRejected(f"a range of {len(proof.bits)} bits was proved, not {bits}")
    try:
        check_ciphertexts(public, [ciphertext, *proof.bits])
    except InvalidCiphertext as error:
        raise ProofRejected(str(error)) from None
    group, wide, n_squared = Openings(public), Openings(public, growth=bits + 1), public.n_squared
    firsts = []
    for bit, share, zero, one in zip(proof.bits, proof.shares, proof.if_zero, proof.if_one, strict=True):
        group.check(zero)
        group.check(one)
        at_zero, at_one = _branches(public, bit)
        other = (proof.challenge - share) % MODULUS
        firsts.append(group.image(zero) * powmod(at_zero, -share, n_squared) % n_squared)
        firsts.append(group.image(one) * powmod(at_one, -other, n_squared) % n_squared)
    wide.check(proof.sum)
    total = powmod(_total(public, ciphertext, low, proof.bits), -proof.challenge, n_squared)
    transcript = _transcript(public, ciphertext, low, proof.bits, context)
    absorb_all(transcript, public, b"first", [*firsts, wide.image(proof.sum) * total % n_squared])
    if draw(transcript) != [proof.challenge]:
        raise ProofRejected(f"the plaintext is not shown to lie in {bits} bits from {low}")
