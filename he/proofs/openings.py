"""The algebra of openings: what sigma protocols need to know about r^n and h_s^e.

An opening hides a message in (1 + mn) image(opening). For a DJN key it is an integer e and image(e) = h_s^e;
for a textbook key a unit r and image(r) = r^n. Both are homomorphic, so one protocol text serves both.
Responses of DJN keys are integers that are masked statistically, as the order of h_s is secret.
"""

from collections.abc import Sequence
from functools import lru_cache

from gmpy2 import gcd, mpz, powmod, powmod_sec

from he.fixed_base import FixedBase
from he.keys import PublicKey
from mpc.errors import ParameterError, ProofRejected
from mpc.prg import Stream
from mpc.transcript import Transcript

__all__ = ["CHALLENGE_BITS", "HIDING_BITS", "Openings", "start"]

CHALLENGE_BITS = 128
"""Length of a challenge: a false statement passes with probability 2^-128."""
HIDING_BITS = 128
"""How much longer masks are than what they hide: responses are within 2^-128 of independent of the
secrets."""


@lru_cache(maxsize=8)
def _comb(public: PublicKey, bits: int) -> FixedBase:
    return FixedBase(public.h_s, public.n, bits)


class Openings:
    """Openings of one key; `growth` bits more than a fresh opening are allowed for combined ones."""

    __slots__ = ("_mask_bits", "public")

    def __init__(self, public: PublicKey, growth: int = 0) -> None:
        self.public = public
        self._mask_bits = public.exponent_bits + growth + CHALLENGE_BITS + HIDING_BITS

    def mask(self, stream: Stream) -> int:
        """The opening of a prover's first message."""
        if self.public.exponent_bits:
            return stream.below(1 << self._mask_bits)
        while True:
            unit = stream.below(int(self.public.n))
            if gcd(unit, self.public.n) == 1:
                return unit

    def image(self, opening: int) -> mpz:
        """The n-th residue of an opening, of either sign."""
        if not self.public.exponent_bits:
            return powmod(mpz(opening), self.public.n, self.public.n_squared)
        bits = self._mask_bits + 8
        if opening < 0 or opening.bit_length() > bits:
            return powmod(self.public.h_s, mpz(opening), self.public.n_squared)
        return _comb(self.public, bits).power(opening)

    def hide(self, message: int, opening: int) -> mpz:
        """The ciphertext with this message and opening."""
        n = self.public.n
        return (1 + message % n * n) * self.image(opening) % self.public.n_squared

    def combine(self, openings: Sequence[int], coefficients: Sequence[int]) -> int:
        """The opening of prod_i c_i^k_i."""
        if self.public.exponent_bits:
            return sum(int(k) * int(e) for e, k in zip(openings, coefficients, strict=True))
        result, n = mpz(1), self.public.n
        for r, k in zip(openings, coefficients, strict=True):
            base = mpz(r) if k >= 0 else powmod(mpz(r), -1, n)
            result = result * (powmod_sec(base, abs(k), n) if k else 1) % n
        return int(result)

    def check_secret(self, opening: int) -> None:
        """Raises: ParameterError for a secret too long for the mask to hide, or no unit."""
        hidden_bits = self._mask_bits - CHALLENGE_BITS - HIDING_BITS
        if self.public.exponent_bits and abs(opening).bit_length() > hidden_bits:
            raise ParameterError(
                f"an opening of {opening.bit_length()} bits: proofs are about fresh ciphertexts"
            )
        if not self.public.exponent_bits and gcd(mpz(opening), self.public.n) != 1:
            raise ParameterError("an opening is not a unit mod n")

    def check(self, response: int) -> None:
        """Raises: ProofRejected for a response that no honest prover sends."""
        if self.public.exponent_bits:
            # masks are below 2^mask_bits and the masked term is shorter; one bit more for their sum
            if not 0 <= response < 1 << self._mask_bits + 1:
                raise ProofRejected("a response is out of range")
        elif not 0 < response < self.public.n or gcd(response, self.public.n) != 1:
            raise ProofRejected("a response is not a unit mod n")


def start(protocol: bytes, public: PublicKey, context: bytes, elements: Sequence[int]) -> Transcript:
    """A transcript that binds the protocol, the key, the caller's context and the statement."""
    transcript = Transcript(protocol)
    transcript.absorb(b"context", context)
    transcript.absorb(b"key", public.to_bytes())
    absorb_all(transcript, public, b"statement", elements)
    return transcript


def absorb_all(transcript: Transcript, public: PublicKey, label: bytes, elements: Sequence[int]) -> None:
    """Bind numbers mod n^2, in order."""
    size = public.ciphertext_bytes
    transcript.absorb(label, b"".join(int(c).to_bytes(size, "big") for c in elements))


def draw(transcript: Transcript, count: int = 1) -> list[int]:
    """`count` challenges of 128 bits."""
    size = CHALLENGE_BITS // 8
    data = transcript.challenge_bytes(b"challenge", count * size)
    return [int.from_bytes(data[at : at + size], "big") for at in range(0, len(data), size)]
