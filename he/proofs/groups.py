"""Groups of prime order for Pedersen commitments: the squares mod a safe prime, and BN254."""

from functools import cache
from hashlib import shake_256
from importlib import import_module
from typing import Any, Protocol

import gmpy2
from gmpy2 import mpz, powmod, powmod_sec

from mpc.errors import DecodeError

__all__ = ["Bn254Group", "Element", "ModpGroup", "PedersenGroup"]

Element = bytes
"""A group element in its one encoding."""


class PedersenGroup(Protocol):
    """A group of prime `order` with two generators whose relation nobody knows; elements are bytes."""

    name: bytes
    order: int

    def commit(self, value: int, blinding: int) -> Element:
        """value * G + blinding * H."""

    def weighted(self, first: Element, second: Element, factor: int) -> Element:
        """first + factor * second.

        Raises: DecodeError for bytes that are not an element.
        """


@cache
def _rfc3526_prime() -> mpz:
    """2^3072 - 2^3008 - 1 + 2^64 * (floor(2^2942 pi) + 1690314)."""
    with gmpy2.context(gmpy2.get_context(), precision=3200):
        scaled = gmpy2.floor(gmpy2.const_pi(3200) * (mpz(1) << 2942))
        return (mpz(1) << 3072) - (mpz(1) << 3008) - 1 + (mpz(scaled) + 1690314 << 64)


class ModpGroup:
    """The squares modulo the 3072-bit safe prime of RFC 3526, group 15.

    Source: RFC 3526, section 4; the second generator is the square of a hash, so nobody knows its logarithm.
    """

    name = b"rfc3526-3072"

    def __init__(self) -> None:
        self._p = _rfc3526_prime()
        self.order = int(self._p // 2)
        hashed = mpz(int.from_bytes(shake_256(b"EPPML pedersen modp h").digest(400), "big"))
        self._g, self._h = mpz(4), powmod(hashed, 2, self._p)

    def commit(self, value: int, blinding: int) -> Element:
        p, q = self._p, self.order
        # powmod_sec refuses an exponent of zero; q is one that gives the same
        result = (
            powmod_sec(self._g, mpz(value % q or q), p) * powmod_sec(self._h, mpz(blinding % q or q), p) % p
        )
        return int(result).to_bytes(384, "big")

    def weighted(self, first: Element, second: Element, factor: int) -> Element:
        result = self._element(first) * powmod(self._element(second), factor % self.order, self._p) % self._p
        return int(result).to_bytes(384, "big")

    def _element(self, data: Element) -> mpz:
        value = mpz(int.from_bytes(data, "big"))
        if len(data) != 384 or not 0 < value < self._p or gmpy2.legendre(value, self._p) != 1:
            raise DecodeError("not a square modulo the prime of RFC 3526")
        return value


Point = Any
"""A point in py_ecc's projective coordinates."""


@cache
def _bn254() -> Any:
    # py_ecc takes a noticeable time to import, and most users never commit on this curve
    return import_module("py_ecc.optimized_bn128")


class Bn254Group:
    """G1 of BN254 (alt_bn128), the curve of Ethereum's precompiles; in pure Python, so slow.

    Source: EIP-196; the second generator is found by hashing to an x-coordinate.
    """

    name = b"bn254"
    order = 21888242871839275222246405745257275088548364400416034343698204186575808495617

    def __init__(self) -> None:
        bn254 = _bn254()
        self._g = bn254.G1
        self._h = _hashed_point(b"EPPML pedersen bn254 h")

    def commit(self, value: int, blinding: int) -> Element:
        bn254 = _bn254()
        left = bn254.multiply(self._g, value % self.order)
        return _encoded(bn254.add(left, bn254.multiply(self._h, blinding % self.order)))

    def weighted(self, first: Element, second: Element, factor: int) -> Element:
        bn254 = _bn254()
        return _encoded(bn254.add(_point(first), bn254.multiply(_point(second), factor % self.order)))


def _encoded(point: Point) -> Element:
    """x || y, big-endian; infinity is 64 zero bytes."""
    bn254 = _bn254()
    if bn254.is_inf(point):
        return bytes(64)
    x, y = bn254.normalize(point)
    return int(x).to_bytes(32, "big") + int(y).to_bytes(32, "big")


def _point(data: Element) -> Point:
    bn254 = _bn254()
    if data == bytes(64):
        return bn254.Z1
    x, y = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    if len(data) != 64 or max(x, y) >= bn254.field_modulus:
        raise DecodeError("not a point of BN254: wrong length, or a coordinate is not reduced")
    point = (bn254.FQ(x), bn254.FQ(y), bn254.FQ.one())
    if not bn254.is_on_curve(point, bn254.b):
        raise DecodeError("not a point of BN254: off the curve")
    return point


def _hashed_point(label: bytes) -> Point:
    bn254 = _bn254()
    p = bn254.field_modulus
    for counter in range(256):
        x = int.from_bytes(shake_256(label + bytes([counter])).digest(48), "big") % p
        square = (x**3 + 3) % p
        y = pow(square, (p + 1) // 4, p)
        if y * y % p == square:
            return bn254.FQ(x), bn254.FQ(min(y, p - y)), bn254.FQ.one()
    raise AssertionError("unreachable: half of all x have a point")
