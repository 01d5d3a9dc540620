"""Checks on ciphertexts from outside: range, units, and randomness."""

from collections.abc import Sequence

from gmpy2 import gcd, mpz

from he.errors import InvalidCiphertext, TrivialCiphertext
from he.keys import PublicKey
from he.multi_exponent import product

__all__ = ["check_ciphertexts"]


def check_ciphertexts(public: PublicKey, ciphertexts: Sequence[int], *, refuse_trivial: bool = False) -> None:
    """All of them in (0, n^2) and units, with one gcd for the lot.

    A ciphertext is trivial when it is 1 or -1 mod n: then its randomness is r = 1 or -1 and anyone can read
    it. Sums inside a computation may be trivial (v - v is); what comes in from a client may not.

    Raises: InvalidCiphertext or TrivialCiphertext, naming the positions.
    """
    n, n_squared = public.n, public.n_squared
    if outside := [i for i, c in enumerate(ciphertexts) if not 0 < c < n_squared]:
        raise InvalidCiphertext("not between 0 and n^2", outside)
    residues = [mpz(c) % n for c in ciphertexts]
    if gcd(product(residues, n), n) != 1:
        raise InvalidCiphertext("not a unit mod n", [i for i, r in enumerate(residues) if gcd(r, n) != 1])
    if refuse_trivial and (trivial := [i for i, r in enumerate(residues) if r in (1, n - 1)]):
        raise TrivialCiphertext("encrypted without randomness", trivial)
