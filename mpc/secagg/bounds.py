"""Exact tail bounds, in rational arithmetic, for neighbours drawn at random.

A client draws its `degree` neighbours uniformly from the `others` = clients - 1 other clients. If `marked` of
those are corrupt (or gone), the number of marked neighbours is hypergeometric, whoever chose which ones to
mark before the draw.
"""

from functools import lru_cache
from math import comb, log2

__all__ = ["bits_of", "disconnected", "hypergeometric_tail", "small_component"]

Ratio = tuple[int, int]
"""A probability as numerator and denominator: floats would underflow exactly where it matters."""


@lru_cache(maxsize=4096)
def hypergeometric_tail(others: int, marked: int, degree: int, at_least: int) -> Ratio:
    """P[at least `at_least` of `degree` draws without replacement from `others` are marked].

    >>> hypergeometric_tail(4, 2, 2, 2)
    (1, 6)
    """
    unmarked = others - marked
    low, high = max(at_least, degree - unmarked, 0), min(degree, marked)
    total = 0
    term = comb(marked, low) * comb(unmarked, degree - low) if low <= high else 0
    for j in range(low, high + 1):
        total += term
        # the next term from this one, exactly: comb(marked, j + 1) * comb(unmarked, degree - j - 1)
        term = term * (marked - j) * (degree - j) // ((j + 1) * (unmarked - degree + j + 1))
    return total, comb(others, degree)


def bits_of(probability: Ratio, events: int = 1) -> float:
    """Minus the base-2 logarithm of a union bound over `events` events; infinite for an impossible one.

    >>> bits_of((1, 1024), events=4)
    8.0
    """
    numerator, denominator = probability
    numerator *= events
    if numerator == 0:
        return float("inf")
    return max(0.0, _log2(denominator) - _log2(numerator))


def _log2(value: int) -> float:
    shift = max(0, value.bit_length() - 64)
    return shift + log2(value >> shift)


def disconnected(others: int, survivors: int, degree: int) -> float:
    """Bits of security of: the honest survivors' neighbour graph is connected, whoever else is removed.

    If it is not, there is a set of at most half the survivors with no draw leaving it and none entering it;
    the bound sums over those sets.

    Source: the union bound over cuts of Bell et al. 2020, section 3, here for directed draws.
    """
    if survivors <= 1 or degree >= others:
        return float("inf")
    best = float("inf")
    whole = _log2(comb(others, degree))
    # binomials of neighbouring sizes differ by a small factor, so each follows from the last, exactly
    inner = comb(
        others - survivors + 1, degree
    )  # a draw of one in the set that stays in it, or leaves the survivors
    outer = comb(others - 1, degree)  # a draw of one in the rest that avoids the set
    sets = survivors
    for size in range(1, survivors // 2 + 1):
        if inner and outer:
            rest = survivors - size
            bits = size * (whole - _log2(inner)) + rest * (whole - _log2(outer)) - _log2(sets)
            best = _add_bits(best, bits)
        top = others - survivors + size + 1
        inner = inner * top // (top - degree) if inner else comb(top, degree)
        outer = outer * (others - size - degree) // (others - size)
        sets = sets * (survivors - size) // (size + 1)
    return max(best, 0.0)


def small_component(others: int, honest: int, degree: int, inside: int, bits: float) -> int:
    """The size below which no honest set is closed, except with probability 2^-bits.

    A set is closed when each of its members has at least `inside` of its draws in it. A server that chooses
    who drops out can isolate only closed sets, because a client's mask is removed only if enough of its
    neighbours survive.
    """
    failed = float("inf")
    sets = comb(honest, inside + 1)
    for size in range(inside + 1, honest + 1):
        tail = hypergeometric_tail(others, size - 1, degree, inside)
        if tail[0]:
            failed = _add_bits(failed, size * (_log2(tail[1]) - _log2(tail[0])) - _log2(sets))
        if failed < bits:
            return size
        sets = sets * (honest - size) // (size + 1)
    return honest


def _add_bits(a: float, b: float) -> float:
    """-log2(2^-a + 2^-b)."""
    low, high = min(a, b), max(a, b)
    return low if high == float("inf") else low - log2(1 + 2.0 ** max(low - high, -1000.0))
