"""Integer noise: the fast samplers decide as exact comparisons would, and follow the laws that the slow ones follow."""

from collections.abc import Callable
from fractions import Fraction
from math import erfc, exp, sqrt

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fl.privacy.discrete_gaussian import DiscreteGaussian, discrete_gaussian
from fl.privacy.discrete_laplace import DiscreteLaplace, discrete_laplace, noisy_count
from fl.privacy.exact import bernoulli_exp, discrete_gaussian_exact, discrete_laplace_exact
from fl.privacy.inversion import DISTANCE_BITS, PRECISION, Law, Sampler, bucket_width
from fl.privacy.skellam import Poisson, poisson_reach, skellam, skellam_reach
from mpc.errors import ParameterError
from mpc.prg import Stream

# below this probability a fixed stream of an exact sampler does not fall: a wrong law does, by hundreds of orders
SURE = 1e-6


def stream(name: str) -> Stream:
    return Stream(bytes(32), name.encode())


def chi_square(samples: np.ndarray, chances: Callable[[np.ndarray], np.ndarray], edges: np.ndarray) -> float:
    """P-value of the counts between `edges`, where `chances` are P(X < edge); the outermost bins are open."""
    cumulated = np.concatenate([[0.0], chances(edges), [1.0]])
    expected = np.diff(cumulated) * len(samples)
    observed = np.bincount(np.searchsorted(edges, samples, side="right"), minlength=len(edges) + 1)
    keep = expected > 5
    expected = np.append(expected[keep], expected[~keep].sum())
    observed = np.append(observed[keep], observed[~keep].sum())
    if expected[-1] < 5:
        expected, observed = expected[:-1] * observed[:-1].sum() / expected[:-1].sum(), observed[:-1]
    return float(stats.chisquare(observed, expected).pvalue)


def gaussian_below(variance: float) -> Callable[[np.ndarray], np.ndarray]:
    """P(X < edge) of a wide discrete Gaussian: the midpoint rule, whose error is below exp(-2 pi^2 variance)."""
    return lambda edges: np.array([0.5 * erfc(-(e - 0.5) / sqrt(2 * variance)) for e in edges])


LAWS: list[tuple[Law, int]] = [
    (DiscreteGaussian(3), 1),
    (DiscreteGaussian(1_000_003), bucket_width(1000)),
    (DiscreteGaussian(10**11 + 7), bucket_width(10**5.5)),
    (Poisson(9), 1),
    (Poisson(2_000_001), bucket_width(1000)),
    (Poisson(10**11 + 1), bucket_width(2e5)),
    (DiscreteLaplace(Fraction(10_000, 3)), bucket_width(3333)),
    (DiscreteLaplace(Fraction(1 << 40)), bucket_width(1 << 40)),
]


@pytest.mark.parametrize(
    ("law", "width"), LAWS, ids=lambda v: str(v) if isinstance(v, int) else type(v).__name__
)
def test_floats_decide_nothing_that_exact_arithmetic_would_not(law: Law, width: int) -> None:
    fast = Sampler(law, width).draw(stream("same"), 4000)
    exact = Sampler(law, width, close=2).draw(stream("same"), 4000)
    assert np.array_equal(fast, exact)
    assert law.low <= fast.min() and fast.max() <= law.high


WIDE = [(law, width) for law, width in LAWS if width > 1]  # buckets of one integer compare nothing


@pytest.mark.parametrize(
    ("law", "width"), WIDE, ids=lambda v: str(v) if isinstance(v, int) else type(v).__name__
)
def test_the_float_logarithm_is_as_accurate_as_it_says(law: Law, width: int) -> None:
    k = np.linspace(law.low + law.high // 3 if law.low == 0 else law.low, law.high, 101).astype(np.int64)
    peak = np.where(k >= law.mode, np.maximum(k - width // 2, law.mode), np.minimum(k + width // 2, law.mode))
    floats = law.log_ratio(k, peak)
    with gmpy2.context(precision=PRECISION):
        for place in range(len(k)):
            true = law.exact_log(int(k[place])) - law.exact_log(int(peak[place]))
            assert abs(float(true - gmpy2.mpfr(float(floats[place])))) <= law.error


@pytest.mark.parametrize("law", [law for law, _ in LAWS], ids=lambda law: type(law).__name__)
def test_what_is_cut_off_is_as_rare_as_stated(law: Law) -> None:
    """The geometric bound p(edge) / (1 - ratio) on each tail, in high precision, against 2^-161."""
    with gmpy2.context(precision=PRECISION):
        spread = range(law.low, law.high + 1) if law.high - law.low < 5000 else None
        # the sum over all integers is at least the sum over a stretch around the mode
        around = spread or range(law.mode - 400, law.mode + 400)
        scale = 1 if spread else max(1, (law.high - law.low) // 60 // 800)
        top = law.exact_log(law.mode)
        total = sum(gmpy2.exp(law.exact_log(k) - top) for k in around) * scale
        for edge, beyond in ((law.high, law.high + 1), (law.low, law.low - 1)):
            if beyond < 0 and isinstance(law, Poisson):
                continue
            at, after = (gmpy2.exp(law.exact_log(k) - top) for k in (edge, beyond))
            tail = after / (1 - after / at)
            assert tail / total < gmpy2.mpfr(2) ** -(DISTANCE_BITS + 1)


@pytest.mark.parametrize("variance", [1, 3, 50])
def test_narrow_gaussians_follow_the_exact_chances(variance: int) -> None:
    samples = discrete_gaussian(stream("narrow"), variance, 200_000)
    support = np.arange(-200, 201)
    weights = np.exp(-(support**2) / (2 * variance))
    below = np.concatenate([[0.0], np.cumsum(weights / weights.sum())])
    edges = np.arange(-30, 31)
    assert chi_square(samples, lambda e: below[e + 200], edges) > SURE


@pytest.mark.parametrize("variance", [10**6, 4 * 10**11 + 1])
def test_wide_gaussians_follow_the_exact_chances(variance: int) -> None:
    samples = discrete_gaussian(stream("wide"), variance, 400_000)
    edges = np.round(np.linspace(-4, 4, 301) * sqrt(variance)).astype(np.int64)
    assert chi_square(samples, gaussian_below(variance), edges) > SURE
    # the last bits are as even as the law's: rejection inside buckets leaves no pattern
    assert stats.chisquare(np.bincount(samples & 63)).pvalue > SURE
    assert abs(samples.var() / variance - 1) < 6 * sqrt(2 / 400_000)
    assert abs(samples.mean()) < 6 * sqrt(variance / 400_000)


@pytest.mark.parametrize("variance", [1, 9, 400, 10**6])
def test_skellam_follows_the_exact_chances(variance: int) -> None:
    samples = skellam(stream("skellam"), variance, 200_000)
    edges = np.unique(np.round(np.linspace(-5, 5, 201) * sqrt(variance)).astype(np.int64))
    below = stats.skellam(variance / 2, variance / 2).cdf
    assert chi_square(samples, lambda e: below(e - 1), edges) > SURE
    assert np.abs(samples).max() <= skellam_reach(variance)


def test_skellam_of_the_size_that_plans_use_has_its_moments() -> None:
    variance = 3 * 10**10 + 1
    samples = skellam(stream("moments"), variance, 400_000).astype(float)
    assert abs(samples.var() / variance - 1) < 6 * sqrt(2 / 400_000)
    assert abs((samples**4).mean() / variance**2 - 3) < 6 * sqrt(96 / 400_000)
    edges = np.round(np.linspace(-4, 4, 101) * sqrt(variance)).astype(np.int64)
    assert chi_square(samples.astype(np.int64), gaussian_below(variance), edges) > SURE


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(7, 3), Fraction(5000)])
def test_laplace_follows_the_exact_chances(scale: Fraction) -> None:
    samples = discrete_laplace(stream("laplace"), scale, 200_000)
    q = exp(-1 / float(scale))
    edges = np.unique(np.round(np.linspace(-8, 8, 161) * float(scale)).astype(np.int64))

    def below(e: np.ndarray) -> np.ndarray:
        tail = q ** np.abs(np.where(e > 0, e, 1 - e)) / (1 + q)
        return np.where(e > 0, 1 - tail, tail)

    assert chi_square(samples, below, edges) > SURE


def test_the_slow_samplers_follow_the_same_laws() -> None:
    n = 4000
    slow = np.array([discrete_gaussian_exact(stream("slow").derive(i), Fraction(50)) for i in range(n)])
    fast = discrete_gaussian(stream("fast"), 50, 100_000)
    assert stats.ks_2samp(slow, fast).pvalue > SURE
    slow = np.array([discrete_laplace_exact(stream("slow").derive(i), Fraction(7, 3)) for i in range(n)])
    fast = discrete_laplace(stream("fast"), Fraction(7, 3), 100_000)
    assert stats.ks_2samp(slow, fast).pvalue > SURE


def test_exp_of_minus_gamma_is_the_chance_of_true() -> None:
    for gamma in (Fraction(0), Fraction(1, 3), Fraction(1), Fraction(5, 2)):
        source = stream(f"bernoulli {gamma}")
        hits = sum(bernoulli_exp(source, gamma) for _ in range(4000))
        chance = exp(-gamma)
        assert abs(hits - 4000 * chance) <= 6 * sqrt(4000 * chance * (1 - chance))


def test_shares_add_up_to_one_gaussian() -> None:
    clients, variance, dim = 20, 10_000, 30_000
    total = sum(discrete_gaussian(stream("share").derive(c), variance, dim) for c in range(clients))
    edges = np.round(np.linspace(-4, 4, 101) * sqrt(clients * variance)).astype(np.int64)
    assert chi_square(np.asarray(total), gaussian_below(clients * variance), edges) > SURE


@given(st.binary(min_size=32, max_size=32), st.integers(1, 10**12), st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_a_key_names_its_noise(key: bytes, variance: int, n: int) -> None:
    first = discrete_gaussian(Stream(key), variance, n)
    assert first.shape == (n,) and np.array_equal(first, discrete_gaussian(Stream(key), variance, n))


def test_words_that_hit_a_threshold_are_settled_by_more_bits() -> None:
    """A stream that returns just such words: the bucket then depends on the bits behind, and the tails are reachable."""
    sampler = Sampler(DiscreteGaussian(50), 1)

    class Told(Stream):
        __slots__ = ("behind", "word")

        def uint64(self, n: int | tuple[int, ...]) -> np.ndarray:
            return np.full(n, self.word, dtype=np.uint64)

        def bytes(self, n: int) -> bytes:
            return self.behind * n

    told = Told(bytes(32))
    results = {}
    for word in (0, int(sampler._words[-1]), int(sampler._words[len(sampler._words) // 2])):
        for behind in (b"\0", b"\xff"):
            told.word, told.behind = word, behind
            results[word, behind] = int(sampler.draw(told, 1)[0])
    low, middle, high = (
        (results[word, b"\0"], results[word, b"\xff"]) for word in sorted({word for word, _ in results})
    )
    assert low[0] == -DiscreteGaussian(50).high and low[1] > low[0]
    assert middle[1] == middle[0] + 1
    assert high[0] < high[1] == DiscreteGaussian(50).high


def test_poisson_tails_stay_below_their_bound() -> None:
    for mean in (0.5, 10.0, 1000.0, 1e6):
        reach = poisson_reach(mean, 40)
        assert stats.poisson(mean).sf(mean + reach) < 2.0**-40
        assert stats.poisson(mean).cdf(mean - reach) < 2.0**-40


def test_a_count_gets_noise_of_the_right_size() -> None:
    answers = [noisy_count(stream("count").derive(i), 100, Fraction(1, 2), 2) for i in range(4000)]
    # variance of the discrete Laplace law of scale 4
    q = exp(-1 / 4)
    variance = 2 * q / (1 - q) ** 2
    assert abs(np.mean(answers) - 100) < 6 * sqrt(variance / 4000)
    assert abs(np.var(answers) / variance - 1) < 6 * sqrt(5 / 4000)


@pytest.mark.parametrize(
    "refused",
    [
        lambda s: discrete_gaussian(s, 0, 1),
        lambda s: discrete_gaussian(s, (1 << 52) + 1, 1),
        lambda s: skellam(s, 0, 1),
        lambda s: discrete_laplace(s, Fraction(0), 1),
        lambda s: discrete_gaussian_exact(s, Fraction(0)),
        lambda s: discrete_laplace_exact(s, Fraction(-1)),
        lambda s: bernoulli_exp(s, Fraction(-1)),
        lambda s: noisy_count(s, 1, Fraction(0)),
    ],
)
def test_laws_without_meaning_are_refused(refused: Callable[[Stream], object]) -> None:
    with pytest.raises(ParameterError):
        refused(stream("refused"))
