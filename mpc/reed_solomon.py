"""Reed-Solomon decoding: the polynomial behind values of which some are wrong, and which.

Source: Gao, "A new algorithm for decoding Reed-Solomon codes", 2003.
"""

from collections.abc import Mapping, Sequence
from itertools import zip_longest

import gmpy2

from mpc.errors import NotEnoughParties, ProtocolError
from mpc.polynomial import evaluate_many, interpolate, multiply

__all__ = ["decode"]


def _trim(a: list[int]) -> list[int]:
    while a and a[-1] == 0:
        a.pop()
    return a


def _divide(a: Sequence[int], b: Sequence[int], p: int) -> tuple[list[int], list[int]]:
    """Quotient and remainder of polynomials; `b` has no leading zero."""
    rest = [gmpy2.mpz(c) for c in a]
    inverse = gmpy2.invert(b[-1], p)
    quotient = [gmpy2.mpz(0)] * max(len(a) - len(b) + 1, 0)
    for shift in range(len(a) - len(b), -1, -1):
        factor = rest[shift + len(b) - 1] * inverse % p
        quotient[shift] = factor
        if factor:
            for i, c in enumerate(b):
                rest[shift + i] = (rest[shift + i] - factor * c) % p
    return _trim([int(c) for c in quotient]), _trim([int(c) for c in rest[: len(b) - 1]])


def _minus(a: Sequence[int], b: Sequence[int], p: int) -> list[int]:
    return _trim([(x - y) % p for x, y in zip_longest(a, b, fillvalue=0)])


def decode(values: Mapping[int, int], needed: int, modulus: int) -> tuple[list[int], tuple[int, ...]]:
    """The polynomial of degree below `needed` that most values by point lie on, and the points of the others.

    Raises: NotEnoughParties with fewer than `needed` values; ProtocolError when more than (n - needed) / 2
        are wrong.

    >>> decode({1: 5, 2: 7, 3: 9, 4: 0, 5: 13}, 2, 97)
    ([3, 2], (4,))
    """
    points = sorted(values)
    n = len(points)
    if n < needed:
        raise NotEnoughParties(f"{needed} shares are needed, {n} are there")
    received = [values[x] % modulus for x in points]
    whole = [1]
    for x in points:
        whole = multiply(whole, [-x % modulus, 1], modulus)
    # the extended Euclidean algorithm, stopped half way, leaves message times error locator
    older, newer = whole, _trim(interpolate(points, received, modulus))
    factor_older: list[int] = []
    factor_newer = [1]
    while len(newer) > (n + needed + 1) // 2:
        quotient, rest = _divide(older, newer, modulus)
        older, newer = newer, rest
        factor_older, factor_newer = (
            factor_newer,
            _minus(factor_older, multiply(quotient, factor_newer, modulus), modulus),
        )
    message, rest = _divide(newer, factor_newer, modulus)
    if rest or len(message) > needed:
        raise ProtocolError(f"more than {(n - needed) // 2} of {n} shares are wrong")
    expected = evaluate_many(message, points, modulus)
    wrong = tuple(x for x, a, b in zip(points, received, expected, strict=True) if a != b)
    if len(wrong) > (n - needed) // 2:
        raise ProtocolError(f"more than {(n - needed) // 2} of {n} shares are wrong")
    return message + [0] * (needed - len(message)), wrong
