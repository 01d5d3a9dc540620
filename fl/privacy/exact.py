"""Exact integer noise by rational arithmetic alone: slow, short, and what the fast samplers are tested against.

Every decision compares a uniform integer with an integer, so the laws are exact: no float, no table, no cut tail.
Use them for single answers (a query's noise); `fl.privacy.inversion` makes whole vectors.

Source: Canonne, Kamath, Steinke, "The discrete Gaussian for differential privacy" (2020), Algorithms 1 to 3.
"""

from fractions import Fraction
from math import isqrt

from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["bernoulli_exp", "discrete_gaussian_exact", "discrete_laplace_exact"]


def bernoulli_exp(stream: Stream, gamma: Fraction) -> bool:
    """True with probability exp(-gamma).

    Raises: ParameterError for a negative gamma.
    Source: Algorithm 1.
    """
    if gamma < 0:
        raise ParameterError(f"exp(-gamma) is a probability for gamma >= 0 only, got {gamma}")
    while gamma > 1:
        if not _bernoulli_exp_unit(stream, Fraction(1)):
            return False
        gamma -= 1
    return _bernoulli_exp_unit(stream, gamma)


def _bernoulli_exp_unit(stream: Stream, gamma: Fraction) -> bool:
    # the number of successes before the first failure of Bernoulli(gamma / k), k = 1, 2, ..., is even with
    # probability 1 - gamma + gamma^2 / 2 - ... = exp(-gamma)
    k = 1
    while stream.below(gamma.denominator * k) < gamma.numerator:
        k += 1
    return k % 2 == 1


def discrete_laplace_exact(stream: Stream, scale: Fraction) -> int:
    """One integer x with probability proportional to exp(-|x| / scale).

    Raises: ParameterError unless `scale` is positive.
    Source: Algorithm 2, with s / t = scale.
    """
    if scale <= 0:
        raise ParameterError(f"a scale must be positive, got {scale}")
    t, s = scale.numerator, scale.denominator
    while True:
        low = stream.below(t)
        if not bernoulli_exp(stream, Fraction(low, t)):
            continue
        high = 0
        while bernoulli_exp(stream, Fraction(1)):
            high += 1
        magnitude = (low + t * high) // s
        negative = stream.below(2) == 1
        if not (negative and magnitude == 0):
            return -magnitude if negative else magnitude


def discrete_gaussian_exact(stream: Stream, variance: Fraction) -> int:
    """One integer x with probability proportional to exp(-x^2 / (2 variance)).

    Raises: ParameterError unless `variance` is positive.
    Source: Algorithm 3.
    """
    if variance <= 0:
        raise ParameterError(f"a variance must be positive, got {variance}")
    scale = isqrt(variance.numerator // variance.denominator) + 1
    while True:
        candidate = discrete_laplace_exact(stream, Fraction(scale))
        miss = abs(candidate) - variance / scale
        if bernoulli_exp(stream, miss * miss / (2 * variance)):
            return candidate
