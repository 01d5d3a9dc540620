"""The discrete Gaussian: integers x with probability proportional to exp(-x^2 / (2 variance)).

Source: Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (2020).
"""

from functools import lru_cache
from math import ceil, isqrt, log, sqrt
from typing import Any

import gmpy2
import numpy as np
import numpy.typing as npt

from fl.privacy.inversion import TAIL_BITS, Int64s, Sampler, bucket_width
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["MAX_VARIANCE", "DiscreteGaussian", "discrete_gaussian"]

MAX_VARIANCE = 1 << 52
"""Beyond it squares of samples would no longer fit 64 bits."""


class DiscreteGaussian:
    """The law for an integer variance, on [-high, high]; each tail has at most 2^-161 of the mass.

    It is subgaussian with its own variance as parameter, as the source shows, hence the tail exp(-high^2 / (2 variance)).
    """

    mode = 0
    error = 2.0**-45

    def __init__(self, variance: int) -> None:
        if not 1 <= variance <= MAX_VARIANCE:
            raise ParameterError(f"a variance must be an integer from 1 to {MAX_VARIANCE}, got {variance}")
        self.variance = variance
        # rounded up on the way: one more integer for the square root, one part in 2^40 for the logarithm
        self.high = ceil((isqrt(variance) + 1) * sqrt(2 * TAIL_BITS * log(2)) * (1 + 2.0**-40))
        self.low = -self.high

    def log_ratio(self, k: Int64s, peak: Int64s) -> npt.NDArray[np.float64]:
        ratio: npt.NDArray[np.float64] = ((peak - k) * (peak + k)).astype(np.float64) / (2 * self.variance)
        return ratio

    def exact_log(self, k: int) -> Any:
        return -gmpy2.mpfr(k * k) / (2 * self.variance)


@lru_cache(maxsize=16)
def _sampler(variance: int) -> Sampler:
    return Sampler(DiscreteGaussian(variance), bucket_width(isqrt(variance)))


def discrete_gaussian(stream: Stream, variance: int, n: int) -> Int64s:
    """`n` independent samples within 2^-160 of the discrete Gaussian each, in statistical distance.

    Shapes: the result [n].
    Raises: ParameterError for a variance outside [1, MAX_VARIANCE].

    >>> discrete_gaussian(Stream(bytes(32)), 10_000, 5).tolist() == discrete_gaussian(Stream(bytes(32)), 10_000, 5).tolist()
    True
    """
    return _sampler(variance).draw(stream, n)
