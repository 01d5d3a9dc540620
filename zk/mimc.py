"""MiMC7 and MiMCSponge over the scalar field of alt_bn128, with circomlib's constants.

Slower in a proof than Poseidon, kept because deployed circuits use them.

Source: Albrecht, Grassi, Rechberger, Roy, Tiessen 2016 (ePrint 2016/492), sections 2.1 (the permutation) and 5.
"""

from collections.abc import Sequence
from functools import cache

from gmpy2 import mpz, powmod

from mpc.errors import ParameterError
from zk.babyjubjub import P
from zk.keccak import keccak256

__all__ = ["MIMC7_ROUNDS", "SPONGE_ROUNDS", "constants", "mimc7", "mimc7_hash", "mimc_feistel", "mimc_sponge"]

MIMC7_ROUNDS = 91
SPONGE_ROUNDS = 220
_P = mpz(P)


@cache
def constants(seed: bytes, rounds: int) -> tuple[int, ...]:
    """The Keccak chain from `seed`, its first constant 0; the sponge also has its last one 0."""
    chain, digest = [0], keccak256(seed)
    for _ in range(rounds - 1):
        digest = keccak256(digest)
        chain.append(int.from_bytes(digest, "big") % P)
    if seed == b"mimcsponge":
        chain[-1] = 0
    return tuple(chain)


def _elements(values: Sequence[int]) -> None:
    if any(type(value) is not int or not 0 <= value < P for value in values):
        raise ParameterError("MiMC takes field elements: whole numbers below P")


def mimc7(value: int, key: int) -> int:
    """The keyed permutation x^7, 91 rounds.

    >>> mimc7(1, 2)
    10594780656576967754230020536574539122676596303354946869887184401991294982664
    """
    _elements((value, key))
    current = mpz(value)
    for constant in constants(b"mimc", MIMC7_ROUNDS):
        current = powmod(current + key + constant, 7, _P)
    return int((current + key) % _P)


def mimc7_hash(values: Sequence[int], *, key: int = 0) -> int:
    """Miyaguchi-Preneel over `mimc7`, as circomlib's `MultiMiMC7`."""
    state = key
    for value in values:
        state = (state + value + mimc7(value, state)) % P
    return state


def mimc_feistel(left: int, right: int, key: int) -> tuple[int, int]:
    """The Feistel permutation x^5 of 220 rounds."""
    _elements((left, right, key))
    a, b = mpz(left), mpz(right)
    for constant in constants(b"mimcsponge", SPONGE_ROUNDS):
        a, b = (b + powmod(a + key + constant, 5, _P)) % _P, a
    return int(b), int(a)


def mimc_sponge(values: Sequence[int], *, key: int = 0, outputs: int = 1) -> list[int]:
    """circomlib's `MiMCSponge`: absorb one element a permutation, squeeze `outputs` of them.

    Raises: ParameterError without an output, or for values that are not below P.
    """
    if outputs < 1:
        raise ParameterError("a sponge gives at least one output")
    rate, capacity = 0, 0
    for value in values:
        _elements((value,))
        rate, capacity = mimc_feistel((rate + value) % P, capacity, key)
    squeezed = [rate]
    while len(squeezed) < outputs:
        rate, capacity = mimc_feistel(rate, capacity, key)
        squeezed.append(rate)
    return squeezed
