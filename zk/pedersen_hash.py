"""Pedersen hashing over BabyJubJub, in the two dialects circuits use: circomlib's and ZoKrates'.

Bits choose small multiples of independent bases, so finding a collision means finding a discrete logarithm. It is
not a random oracle and not hiding: use a Pedersen commitment when secrecy is wanted.

Source: Zcash protocol specification, section 5.4.1.7 (the construction); circomlib and zokrates-pycrypto (dialects).
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from gmpy2 import invert, mpz

from mpc.errors import DecodeError, ParameterError
from zk.babyjubjub import COFACTOR, IDENTITY, A, D, FixedBase, P, Point, multi_scalar, square_root
from zk.blake import blake256

__all__ = ["circom_pedersen", "zokrates_pedersen", "zokrates_pedersen_scalars"]

CIRCOM_WINDOW = 4
CIRCOM_WINDOWS_PER_BASE = 50
# as many as circomlib's circuit has; beyond them implementations disagree about y coordinates above the modulus
CIRCOM_BASES = 10
ZOKRATES_WINDOWS_PER_BASE = 62


@lru_cache(maxsize=CIRCOM_BASES)
def _circom_base(index: int) -> FixedBase:
    for attempt in range(1 << 16):
        name = f"PedersenGenerator_{index:032d}_{attempt:032d}"
        candidate = bytearray(blake256(name.encode("ascii")))
        candidate[31] &= 0xBF
        try:
            return FixedBase(COFACTOR * Point.from_circom(bytes(candidate)))
        except DecodeError:
            continue
    raise ParameterError(f"no Pedersen base number {index}")


def circom_pedersen(data: bytes) -> Point:
    """The point circomlibjs's `pedersenHash.hash(data)` packs.

    Raises: ParameterError for empty data, or more than the 250 bytes circomlib's circuit has bases for.

    >>> circom_pedersen(b"Hello").to_circom().hex()[:16]
    '0e90d7d613ab8b5e'
    """
    if not data:
        raise ParameterError("the Pedersen hash of nothing is not defined")
    per_base = CIRCOM_WINDOW * CIRCOM_WINDOWS_PER_BASE
    if 8 * len(data) > CIRCOM_BASES * per_base:
        raise ParameterError(
            f"circomlib's Pedersen hash takes {CIRCOM_BASES * per_base // 8} bytes, got {len(data)}"
        )
    bits = [byte >> i & 1 for byte in data for i in range(8)]
    total = IDENTITY
    for index, start in enumerate(range(0, len(bits), per_base)):
        scalar = 0
        for window, at in enumerate(range(start, min(start + per_base, len(bits)), CIRCOM_WINDOW)):
            b0, b1, b2, sign = bits[at : at + 4]
            digit = 1 + b0 + 2 * b1 + 4 * b2
            scalar += (-digit if sign else digit) << (CIRCOM_WINDOW + 1) * window
        total = total + _circom_base(index).times(scalar)
    return total


@lru_cache(maxsize=4096)
def _zokrates_base(name: str, index: int) -> Point:
    """The digest read as y, counted up until a point exists; of its two x the larger; then the cofactor cleared."""
    label = b"%-28s%04X" % (name.encode("ascii"), index)
    y = int.from_bytes(sha256(label).digest(), "big") % P
    while True:
        yy = mpz(y) * y % P
        x = square_root(int((yy - 1) * invert((D * yy - A) % P, P)))
        if x is not None:
            return COFACTOR * Point((P - x) % P, y)
        y = (y + 1) % P


def _zokrates_windows(windows: Sequence[int], name: str) -> Point:
    if not windows:
        raise ParameterError("the Pedersen hash of nothing is not defined")
    if len(name) > 28:
        raise ParameterError("the name of a Pedersen hash has at most 28 characters")
    terms = []
    for index, start in enumerate(range(0, len(windows), ZOKRATES_WINDOWS_PER_BASE)):
        scalar = 0
        for position, window in enumerate(windows[start : start + ZOKRATES_WINDOWS_PER_BASE]):
            digit = (window & 0b11) + 1
            scalar += (-digit if window > 0b11 else digit) << 4 * position
        terms.append((_zokrates_base(name, index), scalar))
    return multi_scalar(terms)


def zokrates_pedersen(data: bytes, name: str) -> Point:
    """The point zokrates-pycrypto's `PedersenHasher(name).hash_bytes(data)` gives: bits most significant first.

    Raises: ParameterError for empty data or a name of over 28 characters.
    """
    bits = [byte >> i & 1 for byte in data for i in range(7, -1, -1)]
    triples = [bits[i : i + 3] for i in range(0, len(bits), 3)]
    return _zokrates_windows([sum(bit << i for i, bit in enumerate(triple)) for triple in triples], name)


def zokrates_pedersen_scalars(scalars: Sequence[int], name: str) -> Point:
    """The point `PedersenHasher(name).hash_scalars(*scalars)` gives.

    The windows of a scalar end at its top bit, so scalars of different lengths run into each other: fix the
    lengths, or the hash of one list can equal the hash of another.

    Raises: ParameterError for negative scalars, none, or a name of over 28 characters.
    """
    if any(scalar < 0 for scalar in scalars):
        raise ParameterError("scalars must not be negative")
    windows = [scalar >> i & 0b111 for scalar in scalars for i in range(0, scalar.bit_length(), 3)]
    return _zokrates_windows(windows, name)
