"""What events cost: dp-accounting's PLD and RDP accountants over integer noise, every approximation charged.

    NoisySum, Sampled, LaplaceAnswer, ... --> Gaussian, Poisson-sampled, Laplace events --> epsilon at delta
                 |
                 +-- integer slack: gamma (multiplicative, both ways) and distance (additive)

A sum of discrete Gaussians is not the continuous Gaussian that the accountants know. Three facts close the gap, for a
coordinate and noises of variance s^2:
  1. the sum of n discrete Gaussians is within a factor exp(+-5 (n - 1) exp(-pi^2 s^2)) of the discrete Gaussian of
     variance n s^2 (Kairouz, Liu, Steinke 2021, on sums of discrete Gaussians; each of their n - 1 terms at its largest);
  2. add to the exact integer sum a continuous Gaussian of variance n s^2 - r^2, then round it at random to an integer
     with a discrete Gaussian of variance r^2 around it: by Poisson summation the result is within a factor
     exp(+-5 exp(-2 pi^2 r^2)) of the discrete Gaussian of variance n s^2 (Peikert 2010, theorem 3.1);
  3. that rounding is post-processing, so the release costs no more than a continuous Gaussian of variance n s^2 - r^2.
The factors of all coordinates and releases multiply to exp(+-gamma). The samplers' statistical distance and the
probability that a client's noise breaks its norm bound add up to `distance`. Then the release is (epsilon + 2 gamma,
delta exp(gamma) + (1 + exp(epsilon)) distance)-private when the Gaussian is (epsilon, delta)-private.

Source: Kairouz, Liu, Steinke, "The distributed discrete Gaussian mechanism for federated learning with secure
aggregation" (2021); Agarwal, Kairouz, Liu, "The Skellam mechanism" (2021), Corollary 3.6; Peikert, "An efficient and
parallel Gaussian sampler for lattices" (2010).
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from fl.privacy.events import Event, LaplaceAnswer, NoisySum, Repeated, Sampled, Together
from fl.privacy.inversion import DISTANCE_BITS
from fl.privacy.terms import PrivacyTerms
from mpc.errors import ParameterError

if TYPE_CHECKING:
    from dp_accounting import DpEvent

__all__ = [
    "ACCOUNTANTS",
    "LEAST_VARIANCE",
    "ROUNDING_VARIANCE",
    "accountant_for",
    "epsilon_of",
    "gaussian_epsilon",
    "resolve",
]

ACCOUNTANTS = ("pld", "rdp")
ROUNDING_VARIANCE = 8
"""r^2 of the derivation above: 5 exp(-2 pi^2 r^2) is about 10^-68."""
LEAST_VARIANCE = 16
"""Narrower integer noise is refused: the factors would begin to matter."""
# one sample's distance from its law, twice for the two Poisson variables of a Skellam one; and a broken norm bound
_SAMPLE_DISTANCE, _BROKEN = 2.0 ** (1 - DISTANCE_BITS), 2.0 ** (1 - DISTANCE_BITS)
_SET_ASIDE = 1e-6
_WIDE, _INTEGER_PART = 1 << 24, 1e-5
_ORDERS = (*range(2, 65), *range(72, 257, 8), 320, 384, 448, 512, 1024)


def accountant_for(event: Event) -> str:
    """PLD where every loss distribution is known; RDP as soon as there is Skellam noise."""
    return "rdp" if any(e.mechanism == "skellam" for e, _ in _noisy_sums(event)) else "pld"


@lru_cache(maxsize=1024)
def epsilon_of(event: Event, delta: float, accountant: str = "") -> float:
    """The epsilon at `delta` of everything that happened; `accountant` is pld, rdp, or empty for `accountant_for`.

    Raises: ParameterError for an event, a mechanism or an accountant it does not know.
    """
    name = accountant or accountant_for(event)
    if not 0 < delta < 1:
        raise ParameterError(f"delta must be between 0 and 1, got {delta}")
    if name not in ACCOUNTANTS:
        raise ParameterError(f"unknown accountant {name!r}: there are {', '.join(ACCOUNTANTS)}")
    price = _pld if name == "pld" else _rdp
    gamma, distance = _slack(event)
    # a millionth of delta is set aside for what the integers and their samplers are inexact by
    epsilon = price(event, delta * (1 - _SET_ASIDE))
    lost = gamma + (1 + math.exp(min(epsilon, 700.0))) * distance / delta
    if lost > _SET_ASIDE / 2:
        raise ParameterError(
            f"at epsilon {epsilon:.3g} the noise is too inexact for delta {delta:g}: a part of {lost:.2g} of delta is lost"
        )
    return epsilon + 2 * gamma


def gaussian_epsilon(noise_multiplier: float, releases: int, delta: float) -> float:
    """The exact epsilon of `releases` continuous Gaussian mechanisms: what the accountants are tested against.

    Source: Balle, Wang, "Improving the Gaussian mechanism for differential privacy" (2018), Theorem 8; the composition
    is one Gaussian mechanism with noise_multiplier / sqrt(releases) (Dong, Roth, Su 2022, Corollary 3.3).

    >>> round(gaussian_epsilon(10.0, 50, 1e-5), 2)
    2.94
    """
    mu = math.sqrt(releases) / noise_multiplier

    def excess(epsilon: float) -> float:
        low, high = epsilon / mu - mu / 2, epsilon / mu + mu / 2
        # exp(epsilon) * erfc(high) in logarithms would be needed beyond epsilon 700 only
        return 0.5 * (math.erfc(low / math.sqrt(2)) - math.exp(epsilon) * math.erfc(high / math.sqrt(2)))

    low, high = 0.0, 1.0
    while excess(high) > delta:
        low, high = high, 2 * high
        if high > 600:
            return math.inf
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > delta else (low, middle)
    return high


def resolve(terms: PrivacyTerms, releases: int) -> PrivacyTerms:
    """`terms` with the smallest noise multiplier, to four digits, whose epsilon over `releases` sums keeps the promise.

    The multiplier then stands in the plan: clients compute integers from it, and an auditor recomputes epsilon.
    Terms that name a multiplier already are returned as they are, if they keep the promise.
    Raises: ParameterError when the named multiplier breaks the promise.
    """
    if not terms.enabled:
        return terms

    promised = terms.epsilon
    if terms.noise_multiplier:
        if (cost := _wide(terms, terms.noise_multiplier, releases)) > promised:
            raise ParameterError(
                f"noise multiplier {terms.noise_multiplier:g} over {releases} rounds costs epsilon {cost:.3f}, "
                f"more than the promised {promised:g}"
            )
        return terms
    if terms.mechanism == "skellam":
        estimate = partial(_unchecked, terms, releases=releases)
    else:
        estimate = partial(gaussian_epsilon, releases=releases, delta=terms.delta * (1 - _SET_ASIDE))
    low, high = 1e-3, 1.0
    while estimate(high) > promised:
        low, high = high, 2 * high
    while high - low > 1e-5 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if estimate(middle) > promised else (low, middle)
    unit = 10.0 ** (math.floor(math.log10(high)) - 3)
    steps = math.ceil(high / unit)
    while _wide(terms, steps * unit, releases) > promised * (1 - _INTEGER_PART):
        steps += 1
    # through its decimal text, so that the plan shows four digits
    return replace(terms, noise_multiplier=float(f"{steps * unit:.3e}"))


def _wide(terms: PrivacyTerms, noise_multiplier: float, releases: int) -> float:
    """Epsilon where the noise is wide; what little narrower integers add is `Noise.guarantee`'s to check."""
    return epsilon_of(_probe(terms, noise_multiplier, releases), terms.delta)


def _unchecked(terms: PrivacyTerms, noise_multiplier: float, releases: int) -> float:
    return _rdp(_probe(terms, noise_multiplier, releases), terms.delta * (1 - _SET_ASIDE))


def _probe(terms: PrivacyTerms, noise_multiplier: float, releases: int) -> Event:
    variance = math.ceil((noise_multiplier * _WIDE) ** 2) + ROUNDING_VARIANCE
    return Repeated(NoisySum(terms.mechanism, variance, 1, _WIDE, 1 << 16), releases)


# --- the integers' slack


def _noisy_sums(event: Event, count: int = 1) -> Iterator[tuple[NoisySum, int]]:
    match event:
        case NoisySum():
            yield event, count
        case Repeated():
            yield from _noisy_sums(event.event, count * event.count)
        case Together():
            for each in event.events:
                yield from _noisy_sums(each, count)
        case Sampled():
            yield from _noisy_sums(event.event, count)
        case LaplaceAnswer():
            return
        case _:
            raise ParameterError(f"no price is known for {type(event).__name__}")


def _slack(event: Event) -> tuple[float, float]:
    gamma = distance = 0.0
    for noise, count in _noisy_sums(event):
        if noise.mechanism == "discrete-gaussian":
            sum_of_shares = 5 * (noise.shares - 1) * math.exp(-(math.pi**2) * noise.variance)
            rounding = 5 * math.exp(-2 * math.pi**2 * ROUNDING_VARIANCE)
            gamma += count * noise.dim * (sum_of_shares + rounding)
        distance += count * noise.shares * (noise.dim * _SAMPLE_DISTANCE + _BROKEN)
    return gamma, distance


def _multiplier(noise: NoisySum) -> float:
    """The continuous Gaussian's noise multiplier that is no better than the discrete sum's."""
    if noise.variance < LEAST_VARIANCE:
        raise ParameterError(
            f"integer noise of variance {noise.variance} is too narrow to be priced as Gaussian: at least {LEAST_VARIANCE}"
        )
    return math.sqrt(noise.shares * noise.variance - ROUNDING_VARIANCE) / noise.sensitivity


# --- the two accountants


def _translated(event: Event) -> "DpEvent":
    """The event that dp-accounting knows."""
    import dp_accounting

    match event:
        case NoisySum() if event.mechanism == "discrete-gaussian":
            return dp_accounting.GaussianDpEvent(_multiplier(event))
        case NoisySum() if event.mechanism == "skellam":
            raise ParameterError(
                "no privacy loss distribution of Skellam noise is known here: use the rdp accountant"
            )
        case LaplaceAnswer():
            return dp_accounting.LaplaceDpEvent(1 / event.epsilon)
        case Repeated():
            return dp_accounting.SelfComposedDpEvent(_translated(event.event), event.count)
        case Together():
            return dp_accounting.ComposedDpEvent([_translated(each) for each in event.events])
        case Sampled() if event.secret:
            return dp_accounting.PoissonSampledDpEvent(event.rate, _translated(event.event))
        case Sampled():
            # who took part is public: a unit of somebody in the subset has the whole release against it
            return _translated(event.event)
        case _:
            raise ParameterError(f"no price is known for {event}")


def _pld(event: Event, delta: float) -> float:
    from dp_accounting import pld

    return _priced(pld.PLDAccountant(), event, delta)


def _priced(accountant: Any, event: Event, delta: float) -> float:
    accountant.compose(_translated(event))
    return float(accountant.get_epsilon(delta))


def _rdp(event: Event, delta: float) -> float:
    from dp_accounting import rdp

    if accountant_for(event) == "pld":
        # fractional orders help at large epsilons; under sampling their series may not converge
        orders = _ORDERS if _samples(event) else None
        return _priced(rdp.RdpAccountant(orders), event, delta)
    epsilon, _ = rdp.compute_epsilon(_ORDERS, [_renyi(event, order) for order in _ORDERS], delta)
    return float(epsilon)


def _samples(event: Event) -> bool:
    match event:
        case Sampled():
            return event.secret and event.rate < 1
        case Repeated():
            return _samples(event.event)
        case Together():
            return any(map(_samples, event.events))
        case _:
            return False


def _renyi(event: Event, order: int) -> float:
    """The Rényi divergence of an integer order, for the events that may stand beside Skellam noise."""
    match event:
        case NoisySum() if event.mechanism == "skellam":
            return _skellam_renyi(event, order)
        case NoisySum() if event.mechanism == "discrete-gaussian":
            return order / (2 * _multiplier(event) ** 2)
        case Repeated():
            return event.count * _renyi(event.event, order)
        case Together():
            return sum(_renyi(each, order) for each in event.events)
        case LaplaceAnswer():
            # a pure epsilon (Bun, Steinke 2016, Proposition 3.3)
            return min(event.epsilon, order * event.epsilon**2 / 2)
        case Sampled() if not event.secret or event.rate == 1:
            return _renyi(event.event, order)
        case _:
            raise ParameterError(f"no price is known for {event} beside Skellam noise")


def _skellam_renyi(noise: NoisySum, order: int) -> float:
    """Source: Agarwal, Kairouz, Liu 2021, Corollary 3.6, for integer vectors: L1 <= min(L2^2, sqrt(dim) L2)."""
    l2, total = float(noise.sensitivity), float(noise.shares * noise.variance)
    l1 = min(l2 * l2, math.sqrt(noise.dim) * l2)
    excess = min(((2 * order - 1) * l2 * l2 + 6 * l1) / (4 * total * total), 3 * l1 / (2 * total))
    return order * l2 * l2 / (2 * total) + excess
