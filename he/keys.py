"""Paillier keys, textbook and Damgard-Jurik-Nielsen.

A textbook ciphertext is (1 + mn) r^n mod n^2. In the DJN variant the key also holds h, of Jacobi symbol +1,
and h_s = h^n mod n^2 replaces r^n by h_s^e for an exponent e of `exponent_bits` bits: half the bits of n by
default, or fewer under a stronger assumption (docs/explain/paillier-parameters.md). The key carries h itself,
the n-th root of h_s: the receiver computes h_s, so that h_s is an n-th residue needs no further proof.

Source: Paillier, Eurocrypt 1999; Damgard, Jurik and Nielsen, Int. J. Inf. Sec. 9 (2010), section 4.
"""

from dataclasses import InitVar, dataclass, field
from hashlib import sha256

from gmpy2 import gcd, invert, is_square, jacobi, mpz, powmod

from he.errors import InvalidKey
from he.primes import blum_prime, is_prime, safe_prime, smallest_factor
from he.wire import MAX_INTEGER_BYTES, Reader, Writer
from mpc.errors import DecodeError, InsecureError, ParameterError
from mpc.prg import Stream

__all__ = ["MIN_SECURE_BITS", "PrivateKey", "PublicKey", "keygen", "public_from_primes"]

MIN_SECURE_BITS = 2048
MIN_SHORT_EXPONENT = 448
MAX_BITS = 8 * MAX_INTEGER_BYTES // 4
PUBLIC_MAGIC = b"EPPML paillier public 1\n"
PRIVATE_MAGIC = b"EPPML paillier private 1\n"


@dataclass(frozen=True, slots=True)
class PublicKey:
    """What one needs to encrypt; `exponent_bits` is 0 for a textbook key.

    Construction checks what can be checked without a proof; `verify_public_key` checks the rest.

    Raises: InvalidKey for a modulus or h that no honest key has; InsecureError for a modulus below 2048 bits
        without `allow_insecure`.
    """

    n: mpz
    h: mpz = mpz(0)
    exponent_bits: int = 0
    allow_insecure: InitVar[bool] = False
    n_squared: mpz = field(init=False, repr=False, compare=False)
    h_s: mpz = field(init=False, repr=False, compare=False)
    fingerprint: bytes = field(init=False, compare=False)

    def __post_init__(self, allow_insecure: bool) -> None:
        n, h, bits = mpz(self.n), mpz(self.h), self.n.bit_length()
        if bits < MIN_SECURE_BITS and not allow_insecure:
            raise InsecureError(
                f"a modulus of {bits} bits is below {MIN_SECURE_BITS}; pass allow_insecure=True to test"
            )
        if not 64 <= bits <= MAX_BITS:
            raise InvalidKey(f"a modulus has between 64 and {MAX_BITS} bits, this has {bits}")
        if (factor := smallest_factor(n)) is not None:
            raise InvalidKey(f"{factor} divides the modulus")
        if is_square(n):
            raise InvalidKey("the modulus is a square: its primes are equal")
        if is_prime(n):
            raise InvalidKey("the modulus is a prime")
        if self.exponent_bits:
            if not min(MIN_SHORT_EXPONENT, (bits + 1) // 2) <= self.exponent_bits <= (bits + 1) // 2:
                raise InvalidKey(
                    f"an exponent of {self.exponent_bits} bits does not fit a modulus of {bits} bits"
                )
            if not 1 < h < n - 1 or jacobi(h, n) != 1:
                raise InvalidKey("h is trivial, out of range, or not of Jacobi symbol +1")
        elif h:
            raise InvalidKey("a textbook key has no h")
        for name, value in (("n", n), ("h", h), ("n_squared", n * n)):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "h_s", powmod(h, n, self.n_squared))
        object.__setattr__(self, "fingerprint", sha256(self.to_bytes()).digest())

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    @property
    def bits(self) -> int:
        """The length of the modulus."""
        return int(self.n.bit_length())

    @property
    def insecure(self) -> bool:
        """Whether the modulus is too short for anything but tests."""
        return self.bits < MIN_SECURE_BITS

    @property
    def ciphertext_bytes(self) -> int:
        """The length of one ciphertext on the wire."""
        return int(self.n_squared.bit_length() + 7) // 8

    def to_bytes(self) -> bytes:
        """The one encoding of this key."""
        return Writer(PUBLIC_MAGIC).integer(self.n).integer(self.h).number(self.exponent_bits).done()

    @classmethod
    def from_bytes(cls, data: bytes, *, allow_insecure: bool = False) -> "PublicKey":
        """Raises: DecodeError, InvalidKey or InsecureError."""
        reader = Reader(data, PUBLIC_MAGIC)
        n, h, exponent_bits = reader.integer(), reader.integer(), reader.number()
        reader.end()
        return cls(n, h, exponent_bits, allow_insecure)


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """The two primes behind a public key.

    Raises: InvalidKey when the primes are equal, composite, unbalanced, do not give n, or do not have the
        form that the DJN variant needs.
    Assumes: whoever holds the bytes can decrypt; Python cannot wipe them from memory.
    """

    public: PublicKey
    p: mpz = field(repr=False)
    q: mpz = field(repr=False)
    p_squared: mpz = field(init=False, repr=False, compare=False)
    q_squared: mpz = field(init=False, repr=False, compare=False)
    h_p: mpz = field(init=False, repr=False, compare=False)
    h_q: mpz = field(init=False, repr=False, compare=False)
    p_inverse: mpz = field(init=False, repr=False, compare=False)
    p_squared_inverse: mpz = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        p, q, n = mpz(self.p), mpz(self.q), self.public.n
        if p == q:
            raise InvalidKey("the two primes are equal")
        if p * q != n:
            raise InvalidKey("the primes do not give the modulus")
        if 2 * min(p.bit_length(), q.bit_length()) < n.bit_length() - 16:
            raise InvalidKey("one prime is much smaller than the other")
        # primes that agree in their upper half are found by Fermat's method
        if abs(p - q).bit_length() < n.bit_length() // 2 - 100 and not self.public.insecure:
            raise InvalidKey("the primes are too close to each other")
        if not (is_prime(p) and is_prime(q)):
            raise InvalidKey("a factor of the modulus is not a prime")
        if gcd(n, (p - 1) * (q - 1)) != 1:
            raise InvalidKey("the modulus and its totient have a common factor")
        if self.public.exponent_bits and not (p % 4 == q % 4 == 3 and gcd(p - 1, q - 1) == 2):
            raise InvalidKey("the DJN variant wants p = q = 3 mod 4 and gcd(p - 1, q - 1) = 2")
        derived = {
            "p": p,
            "q": q,
            "p_squared": p * p,
            "q_squared": q * q,
            # L((1 + n)^(p-1) mod p^2)^-1 = (-q)^-1 mod p
            "h_p": invert(-q % p, p),
            "h_q": invert(-p % q, q),
            "p_inverse": invert(p, q),
            "p_squared_inverse": invert(p * p, q * q),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def __hash__(self) -> int:
        return hash(self.public)

    @property
    def totient(self) -> mpz:
        """(p - 1)(q - 1)."""
        return (self.p - 1) * (self.q - 1)

    def to_bytes(self) -> bytes:
        """The one encoding, in the clear; `save_private_key` encrypts it."""
        return Writer(PRIVATE_MAGIC).blob(self.public.to_bytes()).integer(self.p).integer(self.q).done()

    @classmethod
    def from_bytes(cls, data: bytes, *, allow_insecure: bool = False) -> "PrivateKey":
        """Raises: DecodeError, InvalidKey or InsecureError."""
        reader = Reader(data, PRIVATE_MAGIC)
        public = PublicKey.from_bytes(reader.blob(4 * MAX_INTEGER_BYTES), allow_insecure=allow_insecure)
        p, q = reader.integer(), reader.integer()
        reader.end()
        if p >= q:
            raise DecodeError("the smaller prime comes first")
        return cls(public, p, q)


def _exponent_bits(exponent: str | int, bits: int) -> int:
    if exponent == "textbook":
        return 0
    if exponent == "half":
        return (bits + 1) // 2
    if isinstance(exponent, int) and not isinstance(exponent, bool) and exponent > 0:
        return exponent
    raise ParameterError(f'exponent must be "half", "textbook" or a number of bits, got {exponent!r}')


def keygen(
    bits: int = 3072,
    *,
    exponent: str | int = "half",
    safe_primes: bool = False,
    stream: Stream | None = None,
    allow_insecure: bool = False,
) -> tuple[PublicKey, PrivateKey]:
    """A fresh key pair; `exponent` is "half", "textbook", or the bits of a short exponent such as 512.

    Raises: InsecureError below 2048 bits without `allow_insecure`; ParameterError for other bad sizes.
    Assumes: decisional composite residuosity; with "half", also that h^e is indistinguishable from random
        for e of half the length of n, which follows from factoring; shorter exponents are an assumption of
        their own.
    Source: Damgard, Jurik and Nielsen 2010; Goldreich and Rosen, J. Cryptology 16 (2003), for "half".

    >>> public, private = keygen(512, allow_insecure=True)
    >>> public.bits, public.exponent_bits
    (512, 256)
    """
    if bits % 2 or not 128 <= bits <= MAX_BITS:
        raise ParameterError(f"bits must be even and between 128 and {MAX_BITS}, got {bits}")
    if bits < MIN_SECURE_BITS and not allow_insecure:
        raise InsecureError(f"{bits} bits are below {MIN_SECURE_BITS}; pass allow_insecure=True to test")
    _exponent_bits(exponent, bits)  # a bad argument is reported before the search for primes
    stream = stream or Stream.from_os(b"paillier keygen")
    draw = safe_prime if safe_primes else blum_prime
    while True:
        p, q = sorted((draw(bits // 2, stream), draw(bits // 2, stream)))
        if p != q and gcd(p - 1, q - 1) == 2 and abs(p - q).bit_length() >= bits // 2 - 100:
            break
    public = public_from_primes(p, q, exponent, stream, allow_insecure)
    return public, PrivateKey(public, p, q)


def public_from_primes(
    p: int, q: int, exponent: str | int, stream: Stream, allow_insecure: bool = False
) -> PublicKey:
    """The public key of two primes; draws h for the DJN variant."""
    n, h = mpz(p) * q, mpz(0)
    exponent_bits = _exponent_bits(exponent, n.bit_length())
    # -x^2 has Jacobi symbol +1 and is no square: it generates all of that subgroup but for small factors
    while exponent_bits and not 1 < h < n - 1:
        x = stream.below(int(n))
        h = -x * x % n if gcd(x, n) == 1 else mpz(0)
    return PublicKey(n, h, exponent_bits, allow_insecure)
