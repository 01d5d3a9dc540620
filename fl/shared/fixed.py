"""Fixed point for training on shares: where the binary point of every number is, and how large it may be.

    features   8 bits behind the point, up to 1 in absolute value (pixels are multiples of 1/255)
    weights   16 bits           logits = features x weights: 24
    errors    12 bits           gradients = features x errors: 20

Truncation rounds to a neighbour, to within one unit of the result; results are exact to that apart from the chance that
`failure` states. A number that is out of range is refused where it is encoded; what grows in training is not looked at,
and is assumed to stay below `LARGEST`.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mpc.errors import ParameterError
from mpc.protocols.truncation import failure_probability
from mpc.wire import Words

__all__ = ["ERRORS", "FEATURES", "LARGEST", "LOGIT_BITS", "WEIGHTS", "encode", "failure", "one_hot"]

FEATURES, WEIGHTS, ERRORS = 8, 16, 12
LARGEST = 512
"""Logits, weights and activations are below this."""

LOGIT_BITS = FEATURES + WEIGHTS + LARGEST.bit_length() + 1


def encode(values: ArrayLike, bits: int, largest: float = 1.0) -> Words:
    """Values with `bits` bits behind the point, as residues modulo 2^64.

    Raises: ParameterError for anything above `largest` in absolute value, and what is not finite.

    >>> encode([0.5, -1.0], 8).astype(np.int64).tolist()
    [128, -256]
    """
    exact = np.asarray(values, dtype=np.float64)
    if exact.size and not float(np.abs(exact).max()) <= largest:
        raise ParameterError(
            f"values must be finite and at most {largest:g} in absolute value: scale them first"
        )
    return np.rint(exact * 2.0**bits).astype(np.int64).astype(np.uint64)


def one_hot(labels: NDArray[np.int64], classes: int) -> Words:
    """A one in the column of the label. Raises: ParameterError for a label outside [0, classes)."""
    if labels.ndim != 1 or (labels.size and not (0 <= labels.min() and labels.max() < classes)):
        raise ParameterError(f"labels are a vector of numbers from 0 to {classes - 1}")
    rows = np.zeros((len(labels), classes), dtype=np.uint64)
    rows[np.arange(len(labels)), labels] = 1
    return rows


def failure(steps: int, rows: int, columns: int, classes: int) -> float:
    """A bound on the chance that a truncation of `steps` steps on `rows` rows goes wrong; see `mpc.protocols.truncation`."""
    errors = failure_probability(1 << (FEATURES + WEIGHTS), steps * rows * classes)
    gradients = failure_probability(rows << (FEATURES + ERRORS), steps * columns * classes)
    return min(1.0, errors + gradients)
