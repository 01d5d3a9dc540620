"""Proof that one knows the plaintexts of a vector of ciphertexts: one proof of constant size for all of them.

Against copying: a client who re-sends another's ciphertext, changed or not, cannot prove that it knows what
is inside.

Source: Cramer, Damgard and Nielsen, Eurocrypt 2001, section 8.1; batched with one challenge a ciphertext, as
in Schnorr batching (Gennaro, Leigh, Sundaram and Yerazunis, Asiacrypt 2004).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gmpy2 import mpz

from he.ciphertexts import check_ciphertexts
from he.errors import InvalidCiphertext
from he.keys import PublicKey
from he.multi_exponent import multi_exponent
from he.proofs.openings import Openings, absorb_all, draw, start
from he.wire import Reader, Writer
from mpc.errors import ParameterError, ProofRejected
from mpc.prg import Stream

__all__ = ["PlaintextProof", "prove_plaintexts", "verify_plaintexts"]

MAGIC = b"EPPML plaintext proof 1\n"
PROTOCOL = b"he.proofs.plaintext"


@dataclass(frozen=True, slots=True)
class PlaintextProof:
    """`first` is the masked message, the responses open it together with the challenged combination."""

    first: mpz = field(repr=False)
    message: mpz = field(repr=False)
    opening: mpz = field(repr=False)

    def to_bytes(self) -> bytes:
        return Writer(MAGIC).integer(self.first).integer(self.message).integer(self.opening).done()

    @classmethod
    def from_bytes(cls, data: bytes) -> "PlaintextProof":
        """Raises: DecodeError for anything but the one encoding."""
        reader = Reader(data, MAGIC)
        proof = cls(reader.integer(), reader.integer(), reader.integer())
        reader.end()
        return proof


def prove_plaintexts(
    public: PublicKey,
    ciphertexts: Sequence[int],
    messages: Sequence[int],
    openings: Sequence[int],
    *,
    context: bytes = b"",
    stream: Stream | None = None,
) -> PlaintextProof:
    """Prove knowledge of `messages` and `openings` of `ciphertexts`.

    Raises: ParameterError when lengths differ, or an opening is not one of a fresh ciphertext.
    Leakage: statistical zero-knowledge (2^-128), in the random oracle model.
    """
    if not len(ciphertexts) == len(messages) == len(openings):
        raise ParameterError("as many messages and openings as ciphertexts are needed")
    stream = stream or Stream.from_os(PROTOCOL)
    group = Openings(public, growth=len(ciphertexts).bit_length())
    for opening in openings:
        group.check_secret(opening)
    mask, hidden = stream.below(int(public.n)), group.mask(stream)
    first = group.hide(mask, hidden)
    transcript = start(PROTOCOL, public, context, ciphertexts)
    absorb_all(transcript, public, b"first", [first])
    challenges = draw(transcript, len(ciphertexts))
    message = (mask + sum(e * int(m) for e, m in zip(challenges, messages, strict=True))) % public.n
    return PlaintextProof(first, message, mpz(group.combine([hidden, *openings], [1, *challenges])))


def verify_plaintexts(
    public: PublicKey, ciphertexts: Sequence[int], proof: PlaintextProof, *, context: bytes = b""
) -> None:
    """Raises: ProofRejected.

    Assumes: the primes of n are longer than 128 bits.
    """
    group = Openings(public, growth=len(ciphertexts).bit_length())
    group.check(proof.opening)
    if not 0 <= proof.message < public.n:
        raise ProofRejected("the message response is out of range")
    try:
        check_ciphertexts(public, [*ciphertexts, proof.first])
    except InvalidCiphertext as error:
        raise ProofRejected(str(error)) from None
    transcript = start(PROTOCOL, public, context, ciphertexts)
    absorb_all(transcript, public, b"first", [proof.first])
    challenges = draw(transcript, len(ciphertexts))
    right = (
        proof.first
        * multi_exponent(ciphertexts, challenges, public.n_squared, root=public.n)
        % public.n_squared
    )
    if group.hide(proof.message, proof.opening) != right:
        raise ProofRejected("knowledge of the plaintexts is not shown")
