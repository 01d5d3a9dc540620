"""Threshold Paillier: a trusted dealer splits the decryption exponent among a committee.

The modulus is a product of safe primes p = 2p' + 1 and q = 2q' + 1. The dealer picks d = 1 mod n and d = 0
mod p'q', and shares it by a polynomial mod n p'q'; he also publishes v^(Delta s_i) for each share s_i,
against which partial decryptions are proved (he/partial.py). **The dealer knows everything**: he must be
trusted and must forget.

Source: Damgard and Jurik, PKC 2001, section 4.1; Shoup, Eurocrypt 2000.
"""

from dataclasses import dataclass, field
from math import factorial

from gmpy2 import gcd, invert, mpz, powmod, powmod_sec

from he.errors import InvalidKey
from he.keys import PublicKey, keygen, public_from_primes
from he.primes import is_safe_prime
from he.wire import MAX_INTEGER_BYTES, Reader, Writer
from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream
from mpc.threshold import Threshold

__all__ = ["KeyShare", "ThresholdKey", "deal"]

MAX_PARTIES = 64
KEY_MAGIC = b"EPPML paillier threshold key 1\n"
SHARE_MAGIC = b"EPPML paillier key share 1\n"


@dataclass(frozen=True, slots=True)
class ThresholdKey:
    """What everyone knows: the key to encrypt with, who decrypts, and what partial decryptions are checked
    against.

    A committee that follows the protocol decrypts no sum of fewer than `min_contributions` contributions.
    """

    public: PublicKey
    threshold: Threshold
    min_contributions: int
    v: mpz = field(repr=False)
    verification: tuple[mpz, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if self.threshold.parties > MAX_PARTIES:
            raise ParameterError(
                f"a committee has at most {MAX_PARTIES} members, not {self.threshold.parties}"
            )
        if self.min_contributions < 1:
            raise ParameterError("min_contributions is at least 1")
        if len(self.verification) != self.threshold.parties:
            raise InvalidKey("there must be one verification value for each member")
        n, n_squared = self.public.n, self.public.n_squared
        for value in (self.v, *self.verification):
            if not 1 < value < n_squared - 1 or gcd(value, n) != 1:
                raise InvalidKey("a verification value is trivial, out of range, or no unit")

    @property
    def delta(self) -> int:
        """parties!, which clears the denominators of the interpolation."""
        return factorial(self.threshold.parties)

    def to_bytes(self) -> bytes:
        writer = Writer(KEY_MAGIC).blob(self.public.to_bytes())
        writer.number(self.threshold.needed).number(self.threshold.parties).number(self.min_contributions)
        return writer.integer(self.v).integers(self.verification).done()

    @classmethod
    def from_bytes(cls, data: bytes, *, allow_insecure: bool = False) -> "ThresholdKey":
        """Raises: DecodeError, InvalidKey or InsecureError."""
        reader = Reader(data, KEY_MAGIC)
        public = PublicKey.from_bytes(reader.blob(4 * MAX_INTEGER_BYTES), allow_insecure=allow_insecure)
        needed, parties, least = reader.number(), reader.number(4, MAX_PARTIES + 1), reader.number()
        v, verification = reader.integer(), reader.integers(parties)
        reader.end()
        try:
            return cls(public, Threshold(needed, parties), least, v, verification)
        except InvalidKey:
            raise
        except ParameterError as error:
            raise DecodeError(f"no threshold key has this header: {error}") from None


@dataclass(frozen=True, slots=True)
class KeyShare:
    """One member's share of the decryption exponent; `party` counts from 1 within the committee."""

    key: ThresholdKey
    party: int
    value: mpz = field(repr=False)

    def __post_init__(self) -> None:
        if not 1 <= self.party <= self.key.threshold.parties:
            raise ParameterError(f"there is no member {self.party} among {self.key.threshold.parties}")
        expected = self.key.verification[self.party - 1]
        n_squared = self.key.public.n_squared
        if self.value <= 0 or powmod_sec(self.key.v, self.key.delta * self.value, n_squared) != expected:
            raise InvalidKey(f"the share of member {self.party} does not belong to this key")

    def to_bytes(self) -> bytes:
        """The one encoding, in the clear: it decrypts, together with others."""
        return Writer(SHARE_MAGIC).blob(self.key.to_bytes()).number(self.party).integer(self.value).done()

    @classmethod
    def from_bytes(cls, data: bytes, *, allow_insecure: bool = False) -> "KeyShare":
        """Raises: DecodeError, InvalidKey or InsecureError."""
        reader = Reader(data, SHARE_MAGIC)
        key = ThresholdKey.from_bytes(reader.blob(len(data)), allow_insecure=allow_insecure)
        party, value = reader.number(below=key.threshold.parties + 1), reader.integer()
        reader.end()
        if party < 1:
            raise DecodeError("members count from 1")
        return cls(key, party, value)


def deal(
    needed: int,
    parties: int,
    *,
    min_contributions: int,
    bits: int = 3072,
    exponent: str | int = "half",
    primes: tuple[int, int] | None = None,
    stream: Stream | None = None,
    allow_insecure: bool = False,
) -> tuple[ThresholdKey, tuple[KeyShare, ...]]:
    """A committee's key, made by a trusted dealer: any `needed` of `parties` members decrypt.

    `primes` gives two safe primes made elsewhere; finding two of 1536 bits takes seconds to a minute.

    Raises: ParameterError; InsecureError below 2048 bits without `allow_insecure`; InvalidKey for bad primes.
    Leakage: the dealer knows the factors and every share.
    Assumes: the dealer is honest and erases; decisional composite residuosity.
    """
    threshold = Threshold(needed, parties)
    if parties > MAX_PARTIES:
        raise ParameterError(f"a committee has at most {MAX_PARTIES} members, not {parties}")
    stream = stream or Stream.from_os(b"paillier threshold dealer")
    if primes is None:
        public, private = keygen(
            bits,
            exponent=exponent,
            safe_primes=True,
            stream=stream.derive("keygen"),
            allow_insecure=allow_insecure,
        )
        p, q = private.p, private.q
    else:
        p, q = mpz(primes[0]), mpz(primes[1])
        if p == q or not (is_safe_prime(p) and is_safe_prime(q)):
            raise InvalidKey("a threshold key is made of two different safe primes")
        public = public_from_primes(p, q, exponent, stream.derive("keygen"), allow_insecure)
    n, order = public.n, (p // 2) * (q // 2)
    # d = 0 mod p'q' and d = 1 mod n
    coefficients = [order * invert(order, n)] + [
        mpz(c) for c in stream.integers_below(int(n * order), needed - 1)
    ]
    values = [_evaluate(coefficients, i, n * order) for i in range(1, parties + 1)]
    v = mpz(1)
    while v in (1, public.n_squared - 1) or gcd(v - 1, n) != 1 or gcd(v, n) != 1:
        v = powmod(stream.below(int(public.n_squared)), 2, public.n_squared)
    delta = factorial(parties)
    verification = tuple(powmod_sec(v, delta * value, public.n_squared) for value in values)
    key = ThresholdKey(public, threshold, min_contributions, v, verification)
    return key, tuple(KeyShare(key, i, value) for i, value in enumerate(values, 1))


def _evaluate(coefficients: list[mpz], at: int, modulus: mpz) -> mpz:
    value = mpz(0)
    for coefficient in reversed(coefficients):
        value = (value * at + coefficient) % modulus
    return value
