"""What noise costs: against the exact Gaussian formula, dp-accounting's own discrete mechanisms, and brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fl.privacy.accountant import ROUNDING_VARIANCE, accountant_for, epsilon_of, gaussian_epsilon, resolve
from fl.privacy.events import Event, LaplaceAnswer, NoisySum, Repeated, Sampled, Together
from fl.privacy.terms import PrivacyTerms
from mpc.errors import ParameterError

WIDE = 1 << 20


def wide(multiplier: float, mechanism: str = "discrete-gaussian") -> NoisySum:
    """A sum of 70 shares whose noise multiplier is this, with integers so wide that they cost nothing."""
    return NoisySum(mechanism, math.ceil((multiplier * WIDE) ** 2 / 70), 70, WIDE, 28_874)


@pytest.mark.parametrize(("multiplier", "epsilon"), [(5, 6.573), (10, 2.943), (20, 1.356)])
def test_fifty_rounds_cost_what_the_exact_formula_says(multiplier: int, epsilon: float) -> None:
    event = Repeated(wide(multiplier), 50)
    exact = gaussian_epsilon(multiplier, 50, 1e-5)
    assert exact == pytest.approx(epsilon, abs=0.005)
    assert exact * (1 - 1e-9) <= epsilon_of(event, 1e-5) <= exact * 1.001
    # Rényi accounting is a bound on the same thing, 5 to 10 % looser
    assert exact * 1.02 < epsilon_of(event, 1e-5, "rdp") < exact * 1.12
    skellam = epsilon_of(Repeated(wide(multiplier, "skellam"), 50), 1e-5)
    assert epsilon_of(event, 1e-5, "rdp") * 0.999 < skellam < exact * 1.12


def hockey_stick(p: np.ndarray, shift: int, epsilon: float) -> float:
    """The exact delta at `epsilon` between integer noise `p` and the same noise moved by `shift`."""
    moved = np.concatenate([np.zeros(shift), p])
    still = np.concatenate([p, np.zeros(shift)])
    return float(np.maximum(still - math.exp(epsilon) * moved, 0).sum())


def discrete_gaussian_mass(variance: float, half: int) -> np.ndarray:
    weights = np.exp(-(np.arange(-half, half + 1.0) ** 2) / (2 * variance))
    mass: np.ndarray = weights / weights.sum()
    return mass


@pytest.mark.parametrize(("shares", "variance", "shift"), [(1, 90, 7), (3, 20, 6), (5, 16, 4)])
def test_one_coordinate_is_as_private_as_accounted(shares: int, variance: int, shift: int) -> None:
    """The sum of the shares is convolved by brute force; its exact delta stays below the accounted one."""
    single = discrete_gaussian_mass(variance, 200)
    total = single
    for _ in range(shares - 1):
        total = np.convolve(total, single)
    for delta in (1e-3, 1e-5, 1e-7):
        epsilon = epsilon_of(NoisySum("discrete-gaussian", variance, shares, shift, 1), delta)
        exact = hockey_stick(total, shift, epsilon)
        assert delta / 10 < exact <= delta


@pytest.mark.parametrize(("shares", "variance", "shift"), [(1, 90, 7), (4, 20, 6)])
def test_one_coordinate_of_skellam_noise_is_as_private_as_accounted(
    shares: int, variance: int, shift: int
) -> None:
    half = shares * variance / 2
    total = stats.skellam(half, half).pmf(np.arange(-400, 401))
    for delta in (1e-3, 1e-5):
        epsilon = epsilon_of(NoisySum("skellam", variance, shares, shift, 1), delta)
        assert delta / 100 < hockey_stick(total, shift, epsilon) <= delta


def test_dp_accountings_own_discrete_gaussian_agrees() -> None:
    from dp_accounting.pld import privacy_loss_distribution

    theirs = privacy_loss_distribution.from_discrete_gaussian_mechanism(sigma=30.0, sensitivity=7)
    ours = epsilon_of(NoisySum("discrete-gaussian", 900, 1, 7, 1), 1e-5)
    # ours pays for the rounding variance, 8 of 900
    assert theirs.get_epsilon_for_delta(1e-5) <= ours * 1.0001 <= theirs.get_epsilon_for_delta(1e-5) * 1.01


@pytest.mark.parametrize("variance", [0.5, 0.7, 1.0])
@pytest.mark.parametrize("shares", [2, 3, 6])
def test_sums_of_discrete_gaussians_are_within_the_stated_factor(variance: float, shares: int) -> None:
    """Fact 1 of the accountant, where the noise is narrow enough for floats to see the difference."""
    single = discrete_gaussian_mass(variance, 40)
    total = single
    for _ in range(shares - 1):
        total = np.convolve(total, single)
    joint = discrete_gaussian_mass(variance * shares, 40 * shares)
    middle = slice(40 * shares - 6, 40 * shares + 7)
    seen = np.abs(np.log(total[middle] / joint[middle])).max()
    bound = 5 * (shares - 1) * math.exp(-(math.pi**2) * variance)
    assert 1e-12 < seen <= bound


@pytest.mark.parametrize("rounding", [0.3, 0.6])
def test_a_rounded_gaussian_is_within_the_stated_factor_of_the_discrete_one(rounding: float) -> None:
    """Fact 2: a continuous Gaussian rounded at random by a discrete one of variance `rounding`, integrated numerically."""
    variance, whole = 5.0, np.arange(-60, 61)
    y = np.linspace(-30, 30, 60_001)
    density = np.exp(-(y**2) / (2 * (variance - rounding)))
    kernel = np.exp(-((whole[:, None] - y) ** 2) / (2 * rounding))
    mixed = (kernel / kernel.sum(0) * density).sum(1)
    exact = discrete_gaussian_mass(variance, 60)
    middle = slice(54, 67)
    seen = np.abs(np.log(mixed[middle] / mixed.sum() / exact[middle])).max()
    assert 1e-12 < seen <= 5 * math.exp(-2 * math.pi**2 * rounding)


def test_composition_adds_up_whatever_its_shape() -> None:
    once = wide(10)
    flat = epsilon_of(Repeated(once, 6), 1e-5)
    nested = epsilon_of(Together((Repeated(Repeated(once, 2), 2), Together((once,)), once)), 1e-5)
    assert nested == pytest.approx(flat, rel=1e-6)


def test_mixed_noise_is_priced_by_renyi_divergences() -> None:
    event = Together((Repeated(wide(10), 25), Repeated(wide(10, "skellam"), 25), LaplaceAnswer(0.01)))
    assert accountant_for(event) == "rdp"
    all_gaussian = epsilon_of(Repeated(wide(10), 50), 1e-5, "rdp")
    assert all_gaussian < epsilon_of(event, 1e-5) < all_gaussian * 1.02
    with pytest.raises(ParameterError, match="Skellam"):
        epsilon_of(event, 1e-5, "pld")


def test_a_query_costs_its_epsilon() -> None:
    assert epsilon_of(LaplaceAnswer(0.5), 1e-12) == pytest.approx(0.5, abs=1e-3)
    assert epsilon_of(Together((LaplaceAnswer(0.5), wide(20))), 1e-5) > epsilon_of(wide(20), 1e-5)


def test_a_public_subset_amplifies_nothing() -> None:
    whole = epsilon_of(Repeated(wide(2), 10), 1e-5)
    assert epsilon_of(Repeated(Sampled(wide(2), 0.1, secret=False), 10), 1e-5) == whole
    assert epsilon_of(Repeated(Sampled(wide(2), 0.1, secret=True), 10), 1e-5) < whole / 3


def test_what_is_not_known_has_no_price() -> None:
    class Rumour(Event):
        __slots__ = ()

    for event in (Rumour(), Repeated(Rumour(), 3), Together((wide(10), Rumour()))):
        with pytest.raises(ParameterError, match="no price is known for Rumour"):
            epsilon_of(event, 1e-5)
    with pytest.raises(ParameterError, match="no price is known"):
        epsilon_of(NoisySum("uniform", 1000, 2, 3, 1), 1e-5)
    with pytest.raises(ParameterError, match="beside Skellam"):
        epsilon_of(Together((wide(9, "skellam"), Sampled(wide(9), 0.5, secret=True))), 1e-5)


@pytest.mark.parametrize(
    ("attempt", "reason"),
    [
        (lambda: epsilon_of(wide(10), 0.0), "delta must be"),
        (lambda: epsilon_of(wide(10), 1e-5, "moments"), "unknown accountant"),
        (lambda: epsilon_of(NoisySum("discrete-gaussian", 15, 9, 1, 1), 1e-5), "too narrow"),
        (lambda: epsilon_of(Repeated(wide(0.3), 50), 1e-5, "rdp"), "too inexact"),
        (lambda: NoisySum("skellam", 0, 1, 1, 1), "at least 1"),
        (lambda: Repeated(wide(1), -1), "no fewer than 0"),
        (lambda: Sampled(wide(1), 0.0, secret=True), "rate"),
        (lambda: LaplaceAnswer(0.0), "positive"),
    ],
)
def test_prices_that_would_mean_nothing_are_refused(attempt: object, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        attempt()  # type: ignore[operator]


@settings(max_examples=8, deadline=None)
@given(st.floats(0.3, 6), st.integers(1, 200), st.sampled_from(["discrete-gaussian", "skellam"]))
def test_the_multiplier_found_keeps_the_promise_and_little_more(
    epsilon: float, rounds: int, mechanism: str
) -> None:
    terms = PrivacyTerms(kind="record", mechanism=mechanism, epsilon=epsilon, l2_clip=1.0)
    found = resolve(terms, rounds)
    cost = epsilon_of(Repeated(wide(found.noise_multiplier, mechanism), rounds), 1e-5)
    assert epsilon * 0.99 < cost <= epsilon
    assert resolve(found, rounds) == found
    with pytest.raises(ParameterError, match="more than the promised"):
        resolve(found, 2 * rounds)


def test_terms_without_privacy_need_no_noise() -> None:
    assert resolve(PrivacyTerms(), 50) == PrivacyTerms()


def test_the_rounding_variance_costs_nothing_where_noise_is_wide() -> None:
    assert 5 * math.exp(-2 * math.pi**2 * ROUNDING_VARIANCE) < 1e-60
