"""Packed (ramp) sharing: one polynomial carries `width` secrets, so a share is `width` times smaller.

The price is a ramp: any `needed` shares reconstruct, any `needed - width` reveal nothing, and in between they
reveal something. With width 1 this is Shamir's scheme. Secrets sit at the points -1 to -width, shares at 1 to
parties.

Source: Franklin and Yung, "Communication complexity of secure computation", STOC 1992.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import numpy as np

from mpc.domain import Array, Elements
from mpc.errors import ParameterError
from mpc.field61 import P61
from mpc.polynomial import lagrange_coefficients
from mpc.prg import Stream
from mpc.shamir import prime_field
from mpc.shares import Scheme, Share, check_together, stacked
from mpc.threshold import Threshold

__all__ = ["privacy", "reconstruct", "secret_points", "share"]


def secret_points(width: int) -> list[int]:
    """Where the secrets sit."""
    return [-i for i in range(1, width + 1)]


def privacy(threshold: Threshold, width: int) -> int:
    """How many parties may collude and still learn nothing."""
    return threshold.needed - width


def share(secret: Elements, threshold: Threshold, width: int, randomness: Stream) -> list[Share]:
    """Split `secret`, `width` elements to a polynomial, among parties 1 to `threshold.parties`.

    The last polynomial is filled up with zeros. The shares of the first `needed - width` parties are drawn,
    the others follow.

    Raises: ParameterError unless 1 <= width <= needed, for a ring, or a field with too few points.
    Leakage: none to `needed - width` parties or fewer.

    >>> from mpc.field import FIELD61
    >>> shares = share(FIELD61.elements([1, 2, 3, 4, 5]), Threshold(4, 6), 2, Stream(bytes(32)))
    >>> shares[0].values.shape, reconstruct(shares[2:]).lifted().tolist()
    ((3,), [1, 2, 3, 4, 5])
    """
    field = prime_field(secret)
    if not 1 <= width <= threshold.needed:
        raise ParameterError(f"width must be between 1 and {threshold.needed}, got {width}")
    if threshold.parties + width >= field.modulus:
        raise ParameterError(f"{threshold.parties + width} points need a larger field than {field.modulus}")
    columns = -(-secret.values.size // width)
    padded = field.zeros((columns * width,))
    padded[: secret.values.size] = secret.values.reshape(-1)
    drawn = privacy(threshold, width)
    known = np.empty((threshold.needed, columns), dtype=field.dtype)
    known[:width] = padded.reshape(columns, width).T
    known[width:] = field.random((drawn, columns), randomness)
    points = (*secret_points(width), *range(1, drawn + 1))
    rest = tuple(range(drawn + 1, threshold.parties + 1))
    derived = field.matmul(_matrix(points, rest, field.modulus), known) if rest else known[:0]
    rows = [*known[width:], *derived]
    return [
        Share(Scheme.PACKED, threshold, i, secret.shape, Elements(field, row), width)
        for i, row in enumerate(rows, start=1)
    ]


@lru_cache(maxsize=256)
def _matrix(points: tuple[int, ...], targets: tuple[int, ...], modulus: int) -> Array:
    """Interpolation from `points` to `targets` as a matrix.

    Shapes: [targets, points].
    """
    rows = [lagrange_coefficients(points, x, modulus) for x in targets]
    dtype = np.uint64 if modulus == P61 else object
    matrix = np.array(rows, dtype=dtype)
    matrix.flags.writeable = False
    return matrix


def reconstruct(shares: Sequence[Share]) -> Elements:
    """The secret, from the `needed` shares of smallest index; the others are not looked at.

    Raises: NotEnoughParties below the threshold; ParameterError for shares that do not belong together.
    Assumes: the shares are right. `mpc.robust` corrects wrong ones and names them.
    """
    ordered = check_together(shares, Scheme.PACKED)
    first = ordered[0]
    field = prime_field(first.values)
    used = ordered[: first.threshold.needed]
    matrix = _matrix(tuple(s.index for s in used), tuple(secret_points(first.width)), field.modulus)
    values = field.matmul(matrix, stacked(used)).T.reshape(-1)[: prod(first.shape)]
    return Elements(field, np.ascontiguousarray(values).reshape(first.shape))
