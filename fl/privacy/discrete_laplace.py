"""The discrete Laplace (two-sided geometric) law: integers x with probability proportional to exp(-|x| / scale).

The noise of counting queries: an answer that one unit changes by at most `sensitivity`, with noise of
scale = sensitivity / epsilon, is epsilon-differentially private, with no delta.

Source: Ghosh, Roughgarden, Sundararajan, "Universally utility-maximizing privacy mechanisms" (2009).
"""

from fractions import Fraction
from functools import lru_cache
from math import ceil, log
from typing import Any

import gmpy2
import numpy as np
import numpy.typing as npt

from fl.privacy.exact import discrete_laplace_exact
from fl.privacy.inversion import TAIL_BITS, Int64s, Sampler, bucket_width
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["DiscreteLaplace", "discrete_laplace", "noisy_count"]

_MAX_SCALE = 1 << 40


class DiscreteLaplace:
    """The law for a rational scale, on [-high, high]; each tail has at most 2^-162 of the mass."""

    mode = 0
    error = 2.0**-45

    def __init__(self, scale: Fraction) -> None:
        if not 0 < scale <= _MAX_SCALE:
            raise ParameterError(f"a scale must be positive and at most {_MAX_SCALE}, got {scale}")
        self._scale, self._exact_scale = float(scale), gmpy2.mpq(scale.numerator, scale.denominator)
        self.high = ceil(float(scale) * TAIL_BITS * log(2)) + 1
        self.low = -self.high

    def log_ratio(self, k: Int64s, peak: Int64s) -> npt.NDArray[np.float64]:
        ratio: npt.NDArray[np.float64] = (np.abs(peak) - np.abs(k)) / self._scale
        return ratio

    def exact_log(self, k: int) -> Any:
        return -gmpy2.mpfr(abs(k)) / self._exact_scale


@lru_cache(maxsize=16)
def _sampler(scale: Fraction) -> Sampler:
    return Sampler(DiscreteLaplace(scale), bucket_width(float(scale)))


def discrete_laplace(stream: Stream, scale: Fraction, n: int) -> Int64s:
    """`n` independent samples within 2^-160 of the discrete Laplace law each, in statistical distance.

    Shapes: the result [n].
    Raises: ParameterError for a scale outside (0, 2^40].
    """
    return _sampler(scale).draw(stream, n)


def noisy_count(stream: Stream, count: int, epsilon: Fraction, sensitivity: int = 1) -> int:
    """An integer answer made epsilon-differentially private by exact discrete Laplace noise.

    Units: `epsilon` as a rational number, so that nothing is rounded; `sensitivity` is how much one unit can change `count`.
    Raises: ParameterError unless epsilon and sensitivity are positive.
    """
    if epsilon <= 0 or sensitivity < 1:
        raise ParameterError(f"epsilon and sensitivity must be positive, got {epsilon} and {sensitivity}")
    return count + discrete_laplace_exact(stream, Fraction(sensitivity) / epsilon)
