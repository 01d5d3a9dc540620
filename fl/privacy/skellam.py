"""Skellam noise: the difference of two Poisson variables of mean variance / 2; sums of it are Skellam again.

Source: Agarwal, Kairouz, Liu, "The Skellam mechanism for differentially private federated learning" (2021), section 2.
"""

from functools import lru_cache
from math import ceil, floor, isqrt, log, sqrt
from typing import Any

import gmpy2
import numpy as np
import numpy.typing as npt

from fl.privacy.inversion import TAIL_BITS, Int64s, Sampler, bucket_width
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["MAX_VARIANCE", "Poisson", "poisson_reach", "skellam", "skellam_reach"]

MAX_VARIANCE = 1 << 48


def poisson_reach(mean: float, bits: int) -> float:
    """x with P(N >= mean + x) <= 2^-bits and P(N <= mean - x) <= 2^-bits for a Poisson variable N.

    Source: Bernstein's inequality, P <= exp(-x^2 / (2 (mean + x / 3))) (Boucheron, Lugosi, Massart 2013, section 2.7).
    """
    nats = bits * log(2)
    return (nats / 3 + sqrt(nats * nats / 9 + 2 * nats * mean)) * (1 + 2.0**-40)


class Poisson:
    """The law for the mean half_units / 2, cut where each tail has at most 2^-162 of the mass."""

    def __init__(self, half_units: int) -> None:
        if not 1 <= half_units <= MAX_VARIANCE:
            raise ParameterError(
                f"twice a mean must be an integer from 1 to {MAX_VARIANCE}, got {half_units}"
            )
        self.mean = half_units / 2
        self._exact_mean = gmpy2.mpq(half_units, 2)
        self.mode = half_units // 2
        reach = poisson_reach(self.mean, TAIL_BITS)
        self.low, self.high = max(0, floor(self.mean - reach)), ceil(self.mean + reach)
        # (1 + x) log(1 + x) - x loses x in the last place, and is multiplied by the mean
        self.error = 2.0**-40 + reach * 2.0**-50

    def log_ratio(self, k: Int64s, peak: Int64s) -> npt.NDArray[np.float64]:
        return self._deviance(peak) - self._deviance(k)

    def _deviance(self, k: Int64s) -> npt.NDArray[np.float64]:
        """-log p(k) up to a constant, by Stirling.

        Buckets wider than 1 have k > 3000: the term left out, 1 / (360 k^3), is under 2^-43 there.

        Source: Loader, "Fast and accurate computation of binomial probabilities" (2000).
        """
        count = k.astype(np.float64)
        x = (count - self.mean) / self.mean
        deviance: npt.NDArray[np.float64] = self.mean * ((1 + x) * np.log1p(x) - x)
        deviance += 0.5 * np.log1p(x) + 1 / (12 * count)
        return deviance

    def exact_log(self, k: int) -> Any:
        return k * gmpy2.log(gmpy2.mpfr(self._exact_mean)) - gmpy2.lgamma(gmpy2.mpfr(k + 1))[0]


@lru_cache(maxsize=16)
def _sampler(half_units: int) -> Sampler:
    return Sampler(Poisson(half_units), bucket_width(isqrt(half_units // 2)))


def skellam(stream: Stream, variance: int, n: int) -> Int64s:
    """`n` independent samples within 2^-159 of the symmetric Skellam law of this variance, in statistical distance.

    Shapes: the result [n].
    Raises: ParameterError for a variance outside [1, MAX_VARIANCE].
    """
    sampler = _sampler(variance)
    return sampler.draw(stream, n) - sampler.draw(stream, n)


def skellam_reach(variance: int) -> int:
    """The largest magnitude that `skellam` ever returns."""
    law = Poisson(variance)
    return law.high - law.low
