"""Partial decryptions of many ciphertexts at once, proved by one equality proof, and their combination.

Member i sends c_j^(2 Delta s_i) for every ciphertext c_j, and proves for a random combination of them that
the exponent is the one behind v^(Delta s_i). The combination is sound because all these squares lie in the
cyclic group of squares mod n^2, whose order n p'q' has no factor below 2^128: one wrong value survives it
with probability 2^-128.

Source: Damgard and Jurik, PKC 2001, section 4.1; Shoup, Eurocrypt 2000, section 2.2 for the equality proof;
Bellare, Garay and Rabin, Eurocrypt 1998, for the small-exponents batching.
"""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod

import gmpy2
from gmpy2 import invert, mpz, powmod, powmod_sec

from he.ciphertexts import check_ciphertexts
from he.errors import InvalidCiphertext, TooFewContributions
from he.keys import PublicKey
from he.multi_exponent import multi_exponent
from he.paillier import signed
from he.threshold import KeyShare, ThresholdKey
from he.wire import MAX_INTEGER_BYTES, Reader, Writer
from mpc.errors import DecodeError, FaultyParty, NotEnoughParties, ParameterError, ProofRejected
from mpc.prg import Stream
from mpc.transcript import Transcript

__all__ = [
    "Combined",
    "PartialDecryption",
    "combine",
    "is_valid_partial",
    "partial_decrypt",
    "verify_partial",
]

MAGIC = b"EPPML paillier partial decryption 1\n"
CHALLENGE_BITS = 128
HIDING_BITS = 128


@dataclass(frozen=True, slots=True)
class PartialDecryption:
    """One member's part in decrypting a list of ciphertexts, with its proof."""

    party: int
    values: tuple[mpz, ...] = field(repr=False)
    challenge: int = field(repr=False)
    response: mpz = field(repr=False)

    def to_bytes(self, public: PublicKey) -> bytes:
        writer = (
            Writer(MAGIC)
            .number(self.party)
            .number(self.challenge, CHALLENGE_BITS // 8)
            .integer(self.response)
        )
        writer.number(len(self.values))
        return writer.raw(
            b"".join(int(c).to_bytes(public.ciphertext_bytes, "big") for c in self.values)
        ).done()

    @classmethod
    def from_bytes(cls, data: bytes, public: PublicKey) -> "PartialDecryption":
        """Raises: DecodeError for anything but the one encoding."""
        reader = Reader(data, MAGIC)
        party, challenge = reader.number(), reader.number(CHALLENGE_BITS // 8)
        response, size = reader.integer(2 * MAX_INTEGER_BYTES), public.ciphertext_bytes
        body = reader.raw(reader.number() * size)
        reader.end()
        values = tuple(mpz(int.from_bytes(body[at : at + size], "big")) for at in range(0, len(body), size))
        if any(c >= public.n_squared for c in values):
            raise DecodeError("a partial decryption is not reduced mod n^2")
        return cls(party, values, challenge, response)


@dataclass(frozen=True, slots=True)
class Combined:
    """Plaintexts, the members whose parts were used, and those whose proofs failed, with the reason."""

    plaintexts: tuple[mpz, ...]
    used: tuple[int, ...]
    faulty: dict[int, str]


def _response_bits(key: ThresholdKey) -> int:
    # the secret Delta s_i is below Delta n p'q' < Delta n^2
    return int((key.delta * key.public.n_squared).bit_length()) + CHALLENGE_BITS + HIDING_BITS


def _batched(
    key: ThresholdKey, party: int, ciphertexts: Sequence[int], values: Sequence[int], context: bytes
) -> tuple[Transcript, mpz, mpz]:
    """The transcript so far, and x = prod c_j^(4 t_j), y = prod c_ij^(2 t_j) for its challenges t_j."""
    size, n, n_squared = key.public.ciphertext_bytes, key.public.n, key.public.n_squared
    transcript = Transcript(b"he.partial")
    transcript.absorb(b"context", context)
    transcript.absorb(b"key", key.to_bytes())
    transcript.absorb(b"party", party.to_bytes(4, "big"))
    transcript.absorb(b"ciphertexts", b"".join(int(c).to_bytes(size, "big") for c in ciphertexts))
    transcript.absorb(b"values", b"".join(int(c).to_bytes(size, "big") for c in values))
    drawn = transcript.challenge_bytes(b"weights", len(values) * CHALLENGE_BITS // 8)
    step = CHALLENGE_BITS // 8
    weights = [int.from_bytes(drawn[at : at + step], "big") for at in range(0, len(drawn), step)]
    x = powmod(multi_exponent(ciphertexts, weights, n_squared, root=n), 4, n_squared)
    y = powmod(multi_exponent(values, weights, n_squared, root=n), 2, n_squared)
    return transcript, x, y


def _challenge(transcript: Transcript, public: PublicKey, at_x: int, at_v: int) -> int:
    for label, value in ((b"at x", at_x), (b"at v", at_v)):
        transcript.absorb(label, int(value).to_bytes(public.ciphertext_bytes, "big"))
    return int.from_bytes(transcript.challenge_bytes(b"challenge", CHALLENGE_BITS // 8), "big")


def _thread_starts() -> None:
    gmpy2.get_context().allow_release_gil = True


def partial_decrypt(
    share: KeyShare,
    ciphertexts: Sequence[int],
    *,
    contributions: int,
    context: bytes = b"",
    stream: Stream | None = None,
    threads: int | None = None,
) -> PartialDecryption:
    """This member's part in decrypting sums of `contributions` contributions.

    The caller answers for that number: `he.aggregate` counts signed uploads and adds them itself. `context`
    binds the proof to a session.

    Raises: TooFewContributions below the key's `min_contributions`; InvalidCiphertext.
    Leakage: with `needed` parts anyone reads the plaintexts; fewer reveal nothing. Exponentiations with the
        share run in constant time.
    """
    key, n_squared = share.key, share.key.public.n_squared
    if contributions < key.min_contributions:
        raise TooFewContributions(
            f"a sum of {contributions} contributions is not decrypted, {key.min_contributions} are needed"
        )
    check_ciphertexts(key.public, ciphertexts)
    stream = stream or Stream.from_os(b"partial decryption")
    exponent = 2 * key.delta * share.value
    with ThreadPoolExecutor(threads or os.cpu_count() or 1, initializer=_thread_starts) as pool:
        values = tuple(pool.map(lambda c: powmod_sec(mpz(c), exponent, n_squared), ciphertexts))
    transcript, x, y = _batched(key, share.party, ciphertexts, values, context)
    nonce = mpz(stream.below(1 << _response_bits(key))) + 1  # powmod_sec wants a positive exponent
    at_x, at_v = powmod_sec(x, nonce, n_squared), powmod_sec(key.v, nonce, n_squared)
    challenge = _challenge(transcript, key.public, at_x, at_v)
    return PartialDecryption(share.party, values, challenge, nonce + challenge * key.delta * share.value)


def verify_partial(
    key: ThresholdKey, ciphertexts: Sequence[int], part: PartialDecryption, *, context: bytes = b""
) -> None:
    """Raises: ProofRejected; ParameterError for a member that does not exist."""
    if not 1 <= part.party <= key.threshold.parties:
        raise ParameterError(f"there is no member {part.party} among {key.threshold.parties}")
    if len(part.values) != len(ciphertexts):
        raise ProofRejected(f"{len(part.values)} values for {len(ciphertexts)} ciphertexts")
    try:
        check_ciphertexts(key.public, part.values)
    except InvalidCiphertext as error:
        raise ProofRejected(f"a partial decryption is no unit: {error}") from None
    if not 0 <= part.response < 1 << _response_bits(key) + 1:
        raise ProofRejected("the response is out of range")
    n_squared = key.public.n_squared
    transcript, x, y = _batched(key, part.party, ciphertexts, part.values, context)
    v_i = key.verification[part.party - 1]
    at_x = powmod(x, part.response, n_squared) * powmod(y, -part.challenge, n_squared) % n_squared
    at_v = powmod(key.v, part.response, n_squared) * powmod(v_i, -part.challenge, n_squared) % n_squared
    if _challenge(transcript, key.public, at_x, at_v) != part.challenge:
        raise ProofRejected("the equality proof does not verify")


def is_valid_partial(
    key: ThresholdKey, ciphertexts: Sequence[int], part: PartialDecryption, *, context: bytes = b""
) -> bool:
    """Whether `verify_partial` would accept."""
    try:
        verify_partial(key, ciphertexts, part, context=context)
    except (ProofRejected, ParameterError):
        return False
    return True


def combine(
    key: ThresholdKey, ciphertexts: Sequence[int], parts: Sequence[PartialDecryption], *, context: bytes = b""
) -> Combined:
    """The plaintexts, signed, from any `needed` good parts; wrong parts are left out and named.

    Raises: FaultyParty when too few parts are good and one is wrong; NotEnoughParties when too few were
        given; ParameterError for two parts of one member.
    """
    check_ciphertexts(key.public, ciphertexts)
    if len({part.party for part in parts}) != len(parts):
        raise ParameterError("two parts of one member")
    good: list[PartialDecryption] = []
    faulty: dict[int, str] = {}
    for part in sorted(parts, key=lambda part: part.party):
        try:
            verify_partial(key, ciphertexts, part, context=context)
            good.append(part)
        except ProofRejected as error:
            faulty[part.party] = str(error)
    if len(good) < key.threshold.needed:
        if faulty:
            raise FaultyParty(*next(iter(faulty.items())))
        raise NotEnoughParties(f"{len(good)} of {key.threshold.needed} partial decryptions")
    good = good[: key.threshold.needed]
    used = tuple(part.party for part in good)
    n, n_squared = key.public.n, key.public.n_squared
    powers = [2 * _lagrange_at_zero(i, used, key.delta) for i in used]
    scale = invert(mpz(4 * key.delta**2), n)
    plaintexts = []
    for values in zip(*(part.values for part in good), strict=True):
        quotient, remainder = gmpy2.f_divmod(multi_exponent(values, powers, n_squared, root=n) - 1, n)
        if remainder:
            raise ProofRejected(
                "the parts do not combine to a plaintext: the dealer's shares do not fit together"
            )
        plaintexts.append(signed(quotient * scale % n, n))
    return Combined(tuple(plaintexts), used, faulty)


def _lagrange_at_zero(i: int, parties: Sequence[int], delta: int) -> int:
    """Delta prod_(j != i) j / (j - i), an integer."""
    others = [j for j in parties if j != i]
    return delta * prod(others) // prod(j - i for j in others)
