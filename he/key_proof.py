"""A proof that a modulus is a Paillier-Blum modulus, for public keys from strangers.

Two parts, both non-interactive. (1) n-th roots of challenges: x -> x^n is a permutation mod n, so n is
square-free and coprime to its totient. As no prime below 2^16 divides n, each root convinces with 16 bits.
(2) Fourth roots, up to the factors -1 and w: n has exactly two prime factors, both 3 mod 4; each root
convinces with one bit.

Source: Canetti, Gennaro, Goldfeder, Makriyannis and Peled, CCS 2020 (ePrint 2021/060), figure 16; Goldberg,
Reyzin, Sagga and Baldimtsi, Asiacrypt 2019 (ePrint 2018/057), for the number of n-th roots.
"""

from dataclasses import dataclass

from gmpy2 import gcd, invert, jacobi, mpz, powmod, powmod_sec

from he.keys import PrivateKey, PublicKey
from he.wire import Reader, Writer
from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from mpc.transcript import Transcript

__all__ = ["KeyProof", "is_valid_public_key", "prove_public_key", "verify_public_key"]

MAGIC = b"EPPML paillier key proof 1\n"
PERMUTATION_ROUNDS = 8
"""2^16 to the 8: a soundness error of 2^-128."""
BLUM_ROUNDS = 128


@dataclass(frozen=True, slots=True)
class KeyProof:
    """Roots of challenges that only the owner of the factors can take."""

    w: mpz
    nth_roots: tuple[mpz, ...]
    signs: tuple[int, ...]
    """For each fourth root: 1 when the challenge was negated, plus 2 when it was multiplied by w."""
    fourth_roots: tuple[mpz, ...]

    def to_bytes(self) -> bytes:
        writer = Writer(MAGIC).integer(self.w).integers(self.nth_roots)
        return writer.raw(bytes(self.signs)).integers(self.fourth_roots).done()

    @classmethod
    def from_bytes(cls, data: bytes) -> "KeyProof":
        """Raises: DecodeError for anything but the one encoding."""
        reader = Reader(data, MAGIC)
        w, nth_roots = reader.integer(), reader.integers(PERMUTATION_ROUNDS)
        signs, fourth_roots = tuple(reader.raw(BLUM_ROUNDS)), reader.integers(BLUM_ROUNDS)
        reader.end()
        if any(sign > 3 for sign in signs):
            raise DecodeError("a sign out of range")
        return cls(w, nth_roots, signs, fourth_roots)


def _challenges(public: PublicKey, w: int, context: bytes) -> tuple[list[mpz], list[mpz]]:
    transcript = Transcript(b"he.key_proof")
    transcript.absorb(b"context", context)
    transcript.absorb(b"key", public.to_bytes())
    transcript.absorb(b"w", Writer().integer(w).done())
    drawn = [mpz(transcript.challenge(b"y", int(public.n))) for _ in range(PERMUTATION_ROUNDS + BLUM_ROUNDS)]
    return drawn[:PERMUTATION_ROUNDS], drawn[PERMUTATION_ROUNDS:]


def _square_root(y: mpz, p: mpz) -> mpz | None:
    root = powmod_sec(y, (p + 1) // 4, p)
    return root if root * root % p == y % p else None


def prove_public_key(private: PrivateKey, stream: Stream | None = None, context: bytes = b"") -> KeyProof:
    """Prove that the modulus of `private` is a product of two primes 3 mod 4, coprime to its totient.

    Leakage: zero-knowledge, in the random oracle model.
    Raises: ParameterError for a key with other primes (a textbook key from elsewhere).
    """
    public, p, q = private.public, private.p, private.q
    if not p % 4 == q % 4 == 3:
        raise ParameterError("only a key whose primes are 3 mod 4 can be proved")
    stream = stream or Stream.from_os(b"paillier key proof")
    w = mpz(0)
    while jacobi(w, public.n) != -1:
        w = mpz(stream.below(int(public.n)))
    for_nth, for_fourth = _challenges(public, w, context)
    inverse = invert(public.n, private.totient)
    to_p, signs, roots = invert(p, q), [], []
    for y in for_fourth:
        for sign in range(4):
            target = (-y if sign & 1 else y) * (w if sign & 2 else 1) % public.n
            at_p, at_q = _square_root(target, p), _square_root(target, q)
            if at_p is None or at_q is None:
                continue
            # of the two square roots mod a Blum prime exactly one is a square again
            at_p = _square_root(at_p if jacobi(at_p, p) == 1 else p - at_p, p)
            at_q = _square_root(at_q if jacobi(at_q, q) == 1 else q - at_q, q)
            assert at_p is not None and at_q is not None
            signs.append(sign)
            roots.append(at_p + p * ((at_q - at_p) * to_p % q))
            break
    return KeyProof(w, tuple(powmod_sec(y, inverse, public.n) for y in for_nth), tuple(signs), tuple(roots))


def verify_public_key(public: PublicKey, proof: KeyProof, context: bytes = b"") -> None:
    """Check a stranger's key; its h_s needs no proof, as `PublicKey` computes it from h.

    Raises: ProofRejected.
    """
    n = public.n
    if not 0 < proof.w < n or jacobi(proof.w, n) != -1:
        raise ProofRejected("w does not have Jacobi symbol -1")
    if (
        len(proof.nth_roots) != PERMUTATION_ROUNDS
        or len(proof.signs) != BLUM_ROUNDS
        or len(proof.fourth_roots) != BLUM_ROUNDS
    ):
        raise ProofRejected("a key proof has 8 n-th roots and 128 fourth roots")
    for_nth, for_fourth = _challenges(public, proof.w, context)
    for y, root in zip(for_nth, proof.nth_roots, strict=True):
        if gcd(y, n) != 1 or not 0 < root < n or powmod(root, n, n) != y:
            raise ProofRejected("an n-th root is wrong: the modulus may share a factor with its totient")
    for y, sign, root in zip(for_fourth, proof.signs, proof.fourth_roots, strict=True):
        if sign not in range(4) or not 0 < root < n:
            raise ProofRejected("a fourth root is out of range")
        target = (-y if sign & 1 else y) * (proof.w if sign & 2 else 1) % n
        if powmod(root, 4, n) != target:
            raise ProofRejected(
                "a fourth root is wrong: the modulus may not be a product of two primes 3 mod 4"
            )


def is_valid_public_key(public: PublicKey, proof: KeyProof, context: bytes = b"") -> bool:
    """Whether `verify_public_key` would accept."""
    try:
        verify_public_key(public, proof, context)
    except ProofRejected:
        return False
    return True
