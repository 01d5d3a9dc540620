"""Proof that d encrypts k times what c encrypts, for the k that is inside a third ciphertext.

Source: Cramer, Damgard and Nielsen, Eurocrypt 2001, section 8.2, with responses over the integers.
"""

from dataclasses import dataclass, field

from gmpy2 import mpz, powmod, powmod_sec

from he.ciphertexts import check_ciphertexts
from he.errors import InvalidCiphertext
from he.keys import PublicKey
from he.multi_exponent import batch_inverse
from he.paillier import encryptor
from he.proofs.openings import CHALLENGE_BITS, HIDING_BITS, Openings, absorb_all, draw, start
from he.wire import Reader, Writer
from mpc.errors import ParameterError, ProofRejected
from mpc.prg import Stream

__all__ = ["MultiplicationProof", "multiply_hidden", "prove_multiplication", "verify_multiplication"]

MAGIC = b"EPPML multiplication proof 1\n"
PROTOCOL = b"he.proofs.multiplication"


@dataclass(frozen=True, slots=True)
class MultiplicationProof:
    """The challenge and three responses: the factor, its opening, and the product's randomiser."""

    challenge: int
    factor: mpz = field(repr=False)
    factor_opening: mpz = field(repr=False)
    product_opening: mpz = field(repr=False)

    def to_bytes(self) -> bytes:
        writer = Writer(MAGIC).number(self.challenge, CHALLENGE_BITS // 8).integer(self.factor)
        return writer.integer(self.factor_opening).integer(self.product_opening).done()

    @classmethod
    def from_bytes(cls, data: bytes) -> "MultiplicationProof":
        """Raises: DecodeError for anything but the one encoding."""
        reader = Reader(data, MAGIC)
        challenge = reader.number(CHALLENGE_BITS // 8)
        proof = cls(challenge, reader.integer(), reader.integer(), reader.integer())
        reader.end()
        return proof


def multiply_hidden(public: PublicKey, ciphertext: int, factor: int, stream: Stream) -> tuple[mpz, int]:
    """An encryption of factor * plaintext that hides the factor, and its randomiser's opening."""
    (opening,) = encryptor(public).openings(1, stream)
    power = _secret_power(ciphertext, int(factor), public)
    return power * encryptor(public).images([opening])[0] % public.n_squared, opening


def _secret_power(base: int, exponent: int, public: PublicKey) -> mpz:
    if exponent == 0:
        return mpz(1)
    power = powmod_sec(mpz(base), abs(exponent), public.n_squared)
    return power if exponent > 0 else batch_inverse([power], public.n_squared)[0]


def _mask_bits(public: PublicKey) -> int:
    return public.bits + CHALLENGE_BITS + HIDING_BITS


def prove_multiplication(
    public: PublicKey,
    factor_ciphertext: int,
    ciphertext: int,
    product: int,
    factor: int,
    factor_opening: int,
    product_opening: int,
    *,
    context: bytes = b"",
    stream: Stream | None = None,
) -> MultiplicationProof:
    """Prove that `product` is ciphertext^factor * image(product_opening) for the hidden `factor`.

    Raises: ParameterError for a factor of magnitude n/2 or more.
    Leakage: statistical zero-knowledge (2^-128), in the random oracle model.
    """
    factor = int(factor)
    if 2 * abs(factor) >= public.n:
        raise ParameterError("the factor does not fit the modulus")
    stream = stream or Stream.from_os(PROTOCOL)
    group = Openings(public)
    group.check_secret(factor_opening)
    group.check_secret(product_opening)
    mask = stream.below(1 << _mask_bits(public))
    first_mask, second_mask = group.mask(stream), group.mask(stream)
    first = group.hide(mask, first_mask)
    second = _secret_power(ciphertext, mask, public) * group.image(second_mask) % public.n_squared
    transcript = start(PROTOCOL, public, context, [factor_ciphertext, ciphertext, product])
    absorb_all(transcript, public, b"first", [first, second])
    (challenge,) = draw(transcript)
    return MultiplicationProof(
        challenge,
        mpz(mask + challenge * factor),
        mpz(group.combine([first_mask, factor_opening], [1, challenge])),
        mpz(group.combine([second_mask, product_opening], [1, challenge])),
    )


def verify_multiplication(
    public: PublicKey,
    factor_ciphertext: int,
    ciphertext: int,
    product: int,
    proof: MultiplicationProof,
    *,
    context: bytes = b"",
) -> None:
    """Raises: ProofRejected.

    Assumes: the primes of n are longer than 128 bits.
    """
    group, n_squared = Openings(public), public.n_squared
    group.check(proof.factor_opening)
    group.check(proof.product_opening)
    if not 0 <= proof.factor < 1 << _mask_bits(public) + 1:
        raise ProofRejected("the factor response is out of range")
    try:
        check_ciphertexts(public, [factor_ciphertext, ciphertext, product])
    except InvalidCiphertext as error:
        raise ProofRejected(str(error)) from None
    first = group.hide(proof.factor, proof.factor_opening) * powmod(
        mpz(factor_ciphertext), -proof.challenge, n_squared
    )
    second = powmod(mpz(ciphertext), proof.factor, n_squared) * group.image(proof.product_opening) % n_squared
    second = second * powmod(mpz(product), -proof.challenge, n_squared) % n_squared
    transcript = start(PROTOCOL, public, context, [factor_ciphertext, ciphertext, product])
    absorb_all(transcript, public, b"first", [first % n_squared, second])
    if draw(transcript) != [proof.challenge]:
        raise ProofRejected("the product is not shown to be right")
