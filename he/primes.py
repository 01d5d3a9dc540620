"""Primes for Paillier keys: Blum primes by uniform search, safe primes by a double sieve."""

from functools import cache

import gmpy2
import numpy as np
from gmpy2 import mpz

from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["blum_prime", "is_prime", "is_safe_prime", "primes_below", "safe_prime", "smallest_factor"]

SIEVE_LIMIT = 1 << 17
SIEVE_WINDOW = 1 << 15
TRIAL_LIMIT = 1 << 16


@cache
def primes_below(limit: int) -> tuple[int, ...]:
    """All primes below `limit`, by Eratosthenes.

    >>> primes_below(20)
    (2, 3, 5, 7, 11, 13, 17, 19)
    """
    sieve = np.ones(max(limit, 2), dtype=bool)
    sieve[:2] = False
    for candidate in range(2, int(limit**0.5) + 1):
        if sieve[candidate]:
            sieve[candidate * candidate :: candidate] = False
    return tuple(np.flatnonzero(sieve).tolist())


@cache
def _primorial(limit: int) -> mpz:
    return gmpy2.primorial(limit - 1)


def is_prime(n: int) -> bool:
    """Whether `n` is prime, by Baillie-PSW and 40 Miller-Rabin rounds with random bases.

    Assumes: no composite passes both; the bases are GMP's, so this is safe against chosen `n` by BPSW, for
        which no counterexample is known.
    """
    return bool(n > 1 and gmpy2.is_prime(mpz(n), 64))


def is_safe_prime(n: int) -> bool:
    """Whether n and (n - 1) / 2 are both prime."""
    return is_prime(n) and is_prime((n - 1) // 2)


def smallest_factor(n: int, limit: int = TRIAL_LIMIT) -> int | None:
    """The smallest prime factor of `n` below `limit`, or None.

    >>> smallest_factor(3 * 65537), smallest_factor(65537 * 65539)
    (3, None)
    """
    if gmpy2.gcd(mpz(n), _primorial(limit)) == 1:
        return None
    return next(p for p in primes_below(limit) if n % p == 0)


def _check_size(bits: int) -> None:
    if bits < 32:
        raise ParameterError(f"primes of fewer than 32 bits are of no use here, got {bits}")


def blum_prime(bits: int, stream: Stream) -> mpz:
    """A uniformly random prime p = 3 mod 4 with exactly `bits` bits, the two highest of them set.

    The product of two of them has exactly 2 * bits bits.

    Leakage: the number of candidates tried shows in the running time; it is independent of the result.
    Raises: ParameterError below 32 bits.
    """
    _check_size(bits)
    high, small = mpz(3) << (bits - 2), _primorial(1 << 12)
    while True:
        candidate = high | stream.below(1 << (bits - 2)) | 3
        if gmpy2.gcd(candidate, small) == 1 and is_prime(candidate):
            return candidate


def _survivors(start: mpz) -> list[int]:
    """The k for which neither s = start + 6k nor 2s + 1 has a small factor."""
    alive = np.ones(SIEVE_WINDOW, dtype=bool)
    for prime in primes_below(SIEVE_LIMIT)[2:]:
        residue, inverse6 = int(start % prime), pow(6, -1, prime)
        alive[-residue * inverse6 % prime :: prime] = False
        # 2s + 1 = 0 mod prime exactly when s = (prime - 1) / 2
        alive[((prime - 1) // 2 - residue) * inverse6 % prime :: prime] = False
    found: list[int] = np.flatnonzero(alive).tolist()
    return found


def safe_prime(bits: int, stream: Stream) -> mpz:
    """A random prime p = 2s + 1 with s prime, of exactly `bits` bits, the two highest set; p = 3 mod 4.

    Candidates come from random windows of 2^15; the first hit of a window is taken. That is not uniform:
    primes after long gaps are likelier, which costs a fraction of a bit of min-entropy.

    Raises: ParameterError below 32 bits.
    Source: Wiener, "Safe prime generation with a combined sieve", ePrint 2003/186; Brandt and Damgard,
        Crypto 1992, on incremental search.
    """
    _check_size(bits)
    low = mpz(3) << (bits - 3)  # s has its two highest bits set, so 2s + 1 has them too
    while True:
        start = low | stream.below(1 << (bits - 3))
        start += (5 - start) % 6  # s = 5 mod 6: s odd, and 3 divides neither s nor 2s + 1
        for k in _sieve_or_all(start, bits):
            s = start + 6 * k
            p = 2 * s + 1
            if p.bit_length() == bits and gmpy2.powmod(2, s - 1, s) == 1 and is_prime(s) and is_prime(p):
                return p


def _sieve_or_all(start: mpz, bits: int) -> list[int]:
    # sieving would strike out primes that are themselves below the sieve's limit
    return _survivors(start) if bits > 40 else list(range(1024))
