"""Shamir's secret sharing: a secret is a random polynomial's value at zero, a share is its value elsewhere.

    share / reconstruct                 arrays over a prime field, one polynomial an element, vectorised
    share_secret / reconstruct_secret   one integer, say a 32-byte key, at any points

Source: Shamir, "How to share a secret", CACM 22(11), 1979.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import gmpy2
import numpy as np

from mpc import field61
from mpc.domain import Array, Elements
from mpc.errors import NotEnoughParties, ParameterError
from mpc.field import PrimeField
from mpc.polynomial import evaluate_many, lagrange_coefficients
from mpc.prg import Stream
from mpc.shares import Scheme, Share, check_together
from mpc.threshold import Threshold

__all__ = [
    "KEY_FIELD",
    "prime_field",
    "reconstruct",
    "reconstruct_secret",
    "share",
    "share_secret",
    "weights_at",
]

KEY_FIELD = 2**256 - 189
"""The largest prime below 2^256: a 32-byte key is one element of it, and a share is 32 bytes too."""


def prime_field(elements: Elements) -> PrimeField:
    """The field that `elements` belong to.

    Raises: ParameterError for a ring, where points have no inverses.
    """
    if not isinstance(elements.domain, PrimeField):
        raise ParameterError(f"polynomial sharing needs a prime field, got {elements.domain}")
    return elements.domain


def share(secret: Elements, threshold: Threshold, randomness: Stream) -> list[Share]:
    """Split every element of `secret` among parties 1 to `threshold.parties`.

    Raises: ParameterError for a ring, or a field with too few points.
    Leakage: none to fewer than `threshold.needed` parties.

    >>> from mpc.field import FIELD61
    >>> shares = share(FIELD61.elements([5, -6]), Threshold(2, 3), Stream(bytes(32)))
    >>> reconstruct(shares[1:]).lifted().tolist()
    [5, -6]
    """
    field = prime_field(secret)
    if threshold.parties >= field.modulus:
        raise ParameterError(f"{threshold.parties} parties do not fit a field of {field.modulus} elements")
    m = secret.values.size
    coefficients = np.empty((threshold.needed, m), dtype=field.dtype)
    coefficients[0] = secret.values.reshape(-1)
    coefficients[1:] = field.random((threshold.needed - 1, m), randomness)
    rows = evaluate_rows(coefficients, range(1, threshold.parties + 1), field)
    return [
        Share(Scheme.SHAMIR, threshold, i, secret.shape, Elements(field, row.reshape(secret.shape)))
        for i, row in enumerate(rows, start=1)
    ]


def evaluate_rows(coefficients: Array, points: Sequence[int], field: PrimeField) -> Array:
    """Values of the polynomials whose coefficients are the columns.

    Shapes: coefficients [degree + 1, m], points [n] -> [n, m].
    """
    if field.modulus == field61.P61:
        return field61.evaluate(coefficients, points)
    out = np.empty((len(points), coefficients.shape[1]), dtype=object)
    for j in range(coefficients.shape[1]):
        out[:, j] = evaluate_many(coefficients[:, j].tolist(), points, field.modulus)
    return out


def reconstruct(shares: Sequence[Share]) -> Elements:
    """The secret, from the `needed` shares of smallest index; the others are not looked at.

    Raises: NotEnoughParties below the threshold; ParameterError for shares that do not belong together.
    Assumes: the shares are right. `mpc.robust` corrects wrong ones and names them.
    """
    ordered = check_together(shares, Scheme.SHAMIR)
    used = ordered[: ordered[0].threshold.needed]
    field = prime_field(used[0].values)
    weights = weights_at(tuple(s.index for s in used), 0, field.modulus)
    rows = [s.values.values.reshape(-1) for s in used]
    return Elements(field, combine_rows(weights, rows, field).reshape(used[0].shape))


def combine_rows(weights: Sequence[int], rows: Sequence[Array], field: PrimeField) -> Array:
    """The weighted sum of rows.

    Shapes: k rows of m -> [m].
    """
    if field.modulus == field61.P61:
        return field61.weighted_sum(weights, rows)
    total = np.asarray(sum(w * row for w, row in zip(weights, rows, strict=True)), dtype=object)
    return np.asarray(total % field.modulus, dtype=object)


@lru_cache(maxsize=1024)
def weights_at(points: tuple[int, ...], at: int, modulus: int) -> tuple[int, ...]:
    """Lagrange's weights, remembered: the same parties reconstruct many things."""
    return tuple(lagrange_coefficients(points, at, modulus))


def share_secret(
    secret: int, needed: int, points: Iterable[int], randomness: Stream, modulus: int = KEY_FIELD
) -> dict[int, int]:
    """Shares of one secret by point; any `needed` of them reconstruct, fewer are uniform.

    Raises: ParameterError for a secret outside the field, or points that are zero or repeated mod `modulus`.
    Leakage: none to fewer than `needed` holders.

    >>> shares = share_secret(42, 2, [1, 2, 3], Stream(bytes(32)))
    >>> reconstruct_secret({1: shares[1], 3: shares[3]}, 2)
    42
    """
    if not 0 <= secret < modulus:
        raise ParameterError("the secret is not an element of the field")
    at = list(points)
    Threshold(needed, len(at))
    if len({x % modulus for x in at} | {0}) != len(at) + 1:
        raise ParameterError("points must differ from each other and from zero")
    coefficients = [secret, *randomness.integers_below(modulus, needed - 1)]
    return dict(zip(at, evaluate_many(coefficients, at, modulus), strict=True))


def reconstruct_secret(shares: Mapping[int, int], needed: int, modulus: int = KEY_FIELD) -> int:
    """The secret behind shares by point; the `needed` smallest points are used.

    Raises: NotEnoughParties with fewer than `needed` shares.
    """
    if len(shares) < needed:
        raise NotEnoughParties(f"{needed} shares are needed, {len(shares)} are there")
    points = tuple(sorted(shares)[:needed])
    total = gmpy2.mpz(0)
    for w, x in zip(weights_at(points, 0, modulus), points, strict=True):
        total += gmpy2.mpz(w) * shares[x]
    return int(total % modulus)
