"""Shamir's secret sharing: a secret is the value at zero of a random polynomial, a share is its value
elsewhere.

Source: Shamir, "How to share a secret", CACM 22(11), 1979.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from mpc.errors import NotEnoughParties, ParameterError
from mpc.polynomial import evaluate_many, lagrange_coefficients
from mpc.prg import Stream
from mpc.threshold import Threshold

__all__ = ["KEY_FIELD", "reconstruct_secret", "share_secret"]

KEY_FIELD = 2**256 - 189
"""The largest prime below 2^256: a 32-byte key is one element of it, and a share is 32 bytes too."""


def share_secret(
    secret: int, needed: int, points: Iterable[int], randomness: Stream, field: int = KEY_FIELD
) -> dict[int, int]:
    """Shares of one secret by point; any `needed` of them reconstruct, fewer are uniform.

    Raises: ParameterError for a secret outside the field, or points that are zero or repeated mod the field.
    Leakage: none to fewer than `needed` holders.

    >>> shares = share_secret(42, 2, [1, 2, 3], Stream(bytes(32)))
    >>> reconstruct_secret({1: shares[1], 3: shares[3]}, 2)
    42
    """
    if not 0 <= secret < field:
        raise ParameterError("the secret is not an element of the field")
    at = list(points)
    Threshold(needed, len(at))
    if len({x % field for x in at} | {0}) != len(at) + 1:
        raise ParameterError("points must differ from each other and from zero")
    coefficients = [secret, *randomness.integers_below(field, needed - 1)]
    return dict(zip(at, evaluate_many(coefficients, at, field), strict=True))


def reconstruct_secret(shares: Mapping[int, int], needed: int, field: int = KEY_FIELD) -> int:
    """The secret behind shares by point; the `needed` smallest points are used.

    Raises: NotEnoughParties with fewer than `needed` shares.
    """
    if len(shares) < needed:
        raise NotEnoughParties(f"{needed} shares are needed, {len(shares)} are there")
    points = tuple(sorted(shares)[:needed])
    weights = _weights_at_zero(points, field)
    return combine(weights, [shares[x] for x in points], field)


def combine(weights: Sequence[int], shares: Sequence[int], field: int) -> int:
    """The weighted sum that a reconstruction is."""
    return sum(w * s for w, s in zip(weights, shares, strict=True)) % field


@lru_cache(maxsize=1024)
def _weights_at_zero(points: tuple[int, ...], field: int) -> list[int]:
    return lagrange_coefficients(points, 0, field)
