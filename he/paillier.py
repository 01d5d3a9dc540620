"""Encryption and decryption of lists of integers: the layer below vectors.

Encryption takes the public key, or the private one, whose CRT path is about twice as fast. Decryption works
modulo p^2 and q^2 with `powmod_sec` and checks itself before anything leaves.

Source: Paillier, Eurocrypt 1999, sections 4 and 7; Damgard, Jurik and Nielsen 2010, section 4.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import gmpy2
from gmpy2 import gcd, mpz, powmod, powmod_sec

from he.ciphertexts import check_ciphertexts
from he.errors import ComputationFault
from he.fixed_base import FixedBase
from he.keys import PrivateKey, PublicKey
from he.multi_exponent import multi_exponent
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["CHUNK", "Decryptor", "Encryptor", "Progress", "encryptor", "signed"]

CHUNK = 16
FAULT_CHECK_BITS = 64
Progress = Callable[[int, int], None]
"""Called with how many ciphertexts are done, and how many there are."""


def signed(residue: int, modulus: int) -> mpz:
    """The representative of least magnitude.

    >>> int(signed(6, 7))
    -1
    """
    residue = mpz(residue) % modulus
    return residue - modulus if 2 * residue > modulus else residue


class Encryptor:
    """Encrypts under one key; holds its comb tables, which are built at the first use.

    Assumes: nobody shares the cache of this machine: table look-ups depend on the secret exponents.
    """

    __slots__ = ("_combs", "key", "public")

    def __init__(self, key: PublicKey | PrivateKey) -> None:
        self.key = key
        self.public = key.public if isinstance(key, PrivateKey) else key
        self._combs: list[FixedBase] = []

    @property
    def table_bytes(self) -> int:
        """Memory of the comb tables."""
        return sum(comb.memory_bytes for comb in self._tables())

    def _tables(self) -> list[FixedBase]:
        if not self._combs and self.public.exponent_bits:
            roots = [self.key.p, self.key.q] if isinstance(self.key, PrivateKey) else [self.public.n]
            self._combs = [FixedBase(self.public.h_s, root, self.public.exponent_bits) for root in roots]
        return self._combs

    def openings(self, count: int, stream: Stream) -> list[int]:
        """Fresh randomness for `count` ciphertexts: short exponents, or units mod n for a textbook key."""
        if self.public.exponent_bits:
            return stream.integers_below(1 << self.public.exponent_bits, count)
        return [_unit(self.public.n, stream) for _ in range(count)]

    def images(self, openings: Sequence[int]) -> list[mpz]:
        """The n-th residues that hide messages: h_s^e or r^n."""
        if not self.public.exponent_bits:
            return [powmod(mpz(r), self.public.n, self.public.n_squared) for r in openings]
        parts = [comb.powers(openings) for comb in self._tables()]
        return [self._crt(*pair) for pair in zip(*parts, strict=True)] if len(parts) == 2 else parts[0]

    def randomizers(self, count: int, stream: Stream) -> list[mpz]:
        """`count` fresh n-th residues; each may hide one message, once."""
        key = self.key
        if self.public.exponent_bits or not isinstance(key, PrivateKey):
            return self.images(self.openings(count, stream))
        # r^n mod p^2 is the p-th power of a random unit mod p
        halves = (
            (
                powmod_sec(_unit(key.p, stream), key.p, key.p_squared),
                powmod_sec(_unit(key.q, stream), key.q, key.q_squared),
            )
            for _ in range(count)
        )
        return [self._crt(*pair) for pair in halves]

    def _crt(self, at_p: mpz, at_q: mpz) -> mpz:
        key = self.key
        assert isinstance(key, PrivateKey)
        return at_p + key.p_squared * ((at_q - at_p) * key.p_squared_inverse % key.q_squared)

    def hide(self, messages: Sequence[int], randomizers: Sequence[int]) -> list[mpz]:
        """(1 + mn) y mod n^2, for messages of either sign.

        Raises: ParameterError for a message of magnitude n/2 or more.
        """
        n, n_squared = self.public.n, self.public.n_squared
        # a numpy integer would overflow below
        integers = [mpz(int(m)) for m in messages]
        for m in integers:
            if 2 * abs(m) >= n:
                raise ParameterError(f"a message of {m.bit_length()} bits does not fit {n.bit_length()} bits")
        return [(1 + m % n * n) * y % n_squared for m, y in zip(integers, randomizers, strict=True)]

    def encrypt(
        self, messages: Sequence[int], stream: Stream | None = None, progress: Progress | None = None
    ) -> list[mpz]:
        """Encrypt integers of either sign; the same stream position gives the same ciphertexts."""
        seeds = chunk_seeds(len(messages), stream)
        out: list[mpz] = []
        for at, seed in zip(range(0, len(messages), CHUNK), seeds, strict=True):
            out += self.encrypt_chunk(messages[at : at + CHUNK], seed)
            if progress:
                progress(len(out), len(messages))
        return out

    def encrypt_chunk(self, messages: Sequence[int], seed: bytes) -> list[mpz]:
        """One chunk, from its own seed: what a worker process runs."""
        return self.hide(messages, self.randomizers(len(messages), Stream(seed, b"paillier chunk")))

    def encrypt_opened(self, messages: Sequence[int], stream: Stream) -> tuple[list[mpz], list[int]]:
        """Ciphertexts and their openings, for a prover."""
        openings = self.openings(len(messages), stream)
        return self.hide(messages, self.images(openings)), openings


def chunk_seeds(count: int, stream: Stream | None) -> list[bytes]:
    """One seed for each chunk; drawn, not derived, so that a second call never repeats them."""
    stream = stream or Stream.from_os(b"paillier encryption")
    return [stream.bytes(32) for _ in range(0, count, CHUNK)]


def _unit(n: mpz, stream: Stream) -> int:
    while True:
        r = stream.below(int(n))
        if gcd(r, n) == 1:
            return r


@lru_cache(maxsize=8)
def encryptor(key: PublicKey | PrivateKey) -> Encryptor:
    """The encryptor of `key`; the last eight are kept with their tables."""
    return Encryptor(key)


def _thread_starts() -> None:
    gmpy2.get_context().allow_release_gil = True


class Decryptor:
    """Decrypts under one private key.

    Leakage: the long exponentiations run in constant time (`powmod_sec`); the short operations around them
        do not. Whoever may choose ciphertexts and see plaintexts can read everything: decrypt only what was
        checked.
    """

    __slots__ = ("key",)

    def __init__(self, key: PrivateKey) -> None:
        self.key = key

    def _halves(self, ciphertext: mpz) -> tuple[mpz, mpz]:
        key = self.key
        out = []
        for p, p_squared, h_p in ((key.p, key.p_squared, key.h_p), (key.q, key.q_squared, key.h_q)):
            power = powmod_sec(ciphertext % p_squared, p - 1, p_squared) - 1
            quotient, remainder = gmpy2.f_divmod(power, p)
            if remainder:
                raise ComputationFault("c^(p-1) is not 1 mod p: the computation went wrong")
            out.append(quotient * h_p % p)
        return out[0], out[1]

    def residue(self, ciphertext: int) -> mpz:
        """The plaintext in [0, n) of one ciphertext, by CRT; not checked against faults of both halves."""
        at_p, at_q = self._halves(mpz(ciphertext))
        return at_p + self.key.p * ((at_q - at_p) * self.key.p_inverse % self.key.q)

    def residue_plain(self, ciphertext: int) -> mpz:
        """The plain twin of `residue`: c^lambda mod n^2, straight from the paper."""
        n, totient = self.key.public.n, self.key.totient
        return (powmod_sec(mpz(ciphertext), totient, n * n) - 1) // n * gmpy2.invert(totient, n) % n

    def decrypt(
        self, ciphertexts: Sequence[int], *, threads: int | None = None, progress: Progress | None = None
    ) -> list[mpz]:
        """The plaintexts, of magnitude below n/2 and of either sign.

        A random combination of the ciphertexts is decrypted as well and compared, so that a fault in one
        half, from which a plaintext would give the factors away, does not get out.

        Units: `threads` defaults to the processors there are; gmpy2 releases the lock while it computes.
        Raises: InvalidCiphertext; ComputationFault.
        Source: Boneh, DeMillo and Lipton, Eurocrypt 1997, for the attack.
        """
        check_ciphertexts(self.key.public, ciphertexts)
        values = [mpz(c) for c in ciphertexts]
        if not values:
            return []
        workers = min(threads or os.cpu_count() or 1, -(-len(values) // 4))
        plain: list[mpz] = []
        with ThreadPoolExecutor(workers, initializer=_thread_starts) as pool:
            for residue in pool.map(self.residue, values):
                plain.append(residue)
                if progress:
                    progress(len(plain), len(values))
        self._check(values, plain)
        return [signed(residue, self.key.public.n) for residue in plain]

    def _check(self, ciphertexts: Sequence[mpz], plain: Sequence[mpz]) -> None:
        n, n_squared = self.key.public.n, self.key.public.n_squared
        weights = [
            1 + w for w in Stream.from_os(b"fault check").integers_below(1 << FAULT_CHECK_BITS, len(plain))
        ]
        expected = sum(w * m for w, m in zip(weights, plain, strict=True)) % n
        if self.residue(multi_exponent(ciphertexts, weights, n_squared, root=n)) != expected:
            raise ComputationFault("a decryption does not agree with its check")
