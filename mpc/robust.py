"""Reconstruction that corrects wrong shares and names who sent them.

n shares of a polynomial of degree below `needed` form a Reed-Solomon codeword: up to (n - needed) / 2 wrong
ones are found. For arrays, one random linear combination of all elements finds the culprits (a wrong share
escapes with probability 1 / p), and the rest is a plain, vectorised reconstruction.

Source: Gao, "A new algorithm for decoding Reed-Solomon codes", 2003; McEliece and Sarwate, CACM 24(9), 1981.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

import gmpy2

from mpc import packed, shamir
from mpc.domain import Elements
from mpc.errors import NotEnoughParties, ParameterError, ProtocolError
from mpc.polynomial import evaluate_many, interpolate, multiply
from mpc.prg import Stream
from mpc.shares import Scheme, Share, check_together, stacked

__all__ = ["Recovered", "decode", "reconstruct", "reconstruct_secret"]


@dataclass(frozen=True, slots=True)
class Recovered:
    """A secret, and the parties whose shares were wrong."""

    secret: Elements = field(repr=False)
    faulty: tuple[int, ...]


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


def reconstruct_secret(
    shares: Mapping[int, int], needed: int, modulus: int = shamir.KEY_FIELD
) -> tuple[int, tuple[int, ...]]:
    """One integer behind shares by point, and the points whose shares were wrong: `shamir`'s, made robust."""
    message, wrong = decode(shares, needed, modulus)
    return message[0], wrong


def reconstruct(shares: Sequence[Share], randomness: Stream, rounds: int = 2) -> Recovered:
    """The secret behind Shamir or packed shares, and the parties whose shares are wrong.

    A share whose header differs from most is wrong too. `randomness` must not be known when the shares are
    sent: it picks the linear combinations, `rounds` of them, and a wrong share escapes all with probability
    p^-rounds.

    Raises: NotEnoughParties below the threshold; ProtocolError when more than (n - needed) / 2 shares are
        wrong; ParameterError for another scheme.
    """
    kin, strangers = _majority(shares)
    scheme = kin[0].scheme
    if scheme not in (Scheme.SHAMIR, Scheme.PACKED):
        raise ParameterError(f"{scheme.name.lower()} shares carry no redundancy to correct errors with")
    ordered = check_together(kin, scheme)
    needed = ordered[0].threshold.needed
    prime = shamir.prime_field(ordered[0].values)
    rows = stacked(ordered)
    faulty = {s.index for s in strangers}
    if rows.shape[1]:
        factors = prime.random((rows.shape[1], rounds), randomness)
        for column in prime.matmul(rows, factors).T:
            combined = {s.index: int(v) for s, v in zip(ordered, column, strict=True)}
            faulty |= set(decode(combined, needed, prime.modulus)[1])
    good = [s for s in ordered if s.index not in faulty]
    if len(good) < needed:
        raise ProtocolError(f"only {len(good)} right shares are left, {needed} are needed")
    secret = (shamir if scheme is Scheme.SHAMIR else packed).reconstruct(good)
    return Recovered(secret, tuple(sorted(faulty)))


def _majority(shares: Sequence[Share]) -> tuple[list[Share], list[Share]]:
    """The largest group of shares that belong together, and the others."""
    if not shares:
        raise NotEnoughParties("there are no shares")
    groups: list[list[Share]] = []
    for s in shares:
        for group in groups:
            if group[0].is_kin(s):
                group.append(s)
                break
        else:
            groups.append([s])
    largest = max(groups, key=len)
    return largest, [s for s in shares if not any(s is kin for kin in largest)]
