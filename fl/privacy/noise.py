"""Noise in shares: each client adds a little, and the smallest sum that may be opened holds all that was promised.

    encoded update, clipped --+ clamp to the room--> + integer noise --> what is committed, proven, masked and summed

`Noise` is what a plan's privacy terms come to in the codec's integers: the sensitivity with all rounding, the variance
of a client's share, the room that is left for values, and the bound for the norm proof. It is computed with integers
and fractions, so clients, coordinator and auditor get the same numbers on every machine.

Sensitivity, in steps of the codec, for a clip of C = l2_clip / step and `dim` coordinates. Clipping, clamping and the
projection on the ball of update.l2_clip are projections on convex sets, which bring no two points further apart; only
rounding does. Rounding to nearest moves a coordinate by at most 1/2, a vector by sqrt(dim) / 2:
  client, zero-out: the rounded update against zeros, C + sqrt(dim) / 2;   replace-one: two of them, 2 C + sqrt(dim)
  record, zero-out: two rounded sums that differ by one record, C + sqrt(dim);   replace-one: 2 C + sqrt(dim)
Float arithmetic moves a record's gradient, and the payload's float32, by a little that depends on the other records: 2^-20
of a clip for each of `records` covers both; sums of float64 add records^2 2^-51.
A client of less than full weight is scaled down after clipping: its sensitivity is smaller, and the noise is not.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, isqrt, log, sqrt

import numpy as np

from fl.privacy.accountant import LEAST_VARIANCE, ROUNDING_VARIANCE, accountant_for, epsilon_of
from fl.privacy.discrete_gaussian import MAX_VARIANCE as MAX_GAUSSIAN
from fl.privacy.discrete_gaussian import DiscreteGaussian, discrete_gaussian
from fl.privacy.events import Event, NoisySum, Repeated
from fl.privacy.guarantee import Guarantee
from fl.privacy.inversion import DISTANCE_BITS, Int64s
from fl.privacy.skellam import MAX_VARIANCE as MAX_SKELLAM
from fl.privacy.skellam import poisson_reach, skellam, skellam_reach
from fl.privacy.terms import PrivacyTerms
from mpc.codec import Codec
from mpc.errors import EppmlError, ParameterError
from mpc.prg import Stream

__all__ = ["Noise", "NoiseOverflow", "add_noise", "noisy_l2_bound", "record_sensitivity"]

# why nobody sees less than a sum
_HIDDEN = {
    "secagg": "secure aggregation hides single updates",
    "paillier": "fewer of the committee than can decrypt work together",
    "shares": "the servers do not all work together",
    "plain": "the coordinator, which sees every single update",
}


class NoiseOverflow(EppmlError):
    """A client's noise broke the norm bound, which happens with probability 2^-159 at most.

    The client sits the round out, like any other dropout. It must not draw again: noise kept only when it is small
    is not the noise that was accounted for.
    """


def _ceil_sqrt(n: int) -> int:
    return isqrt(n - 1) + 1 if n > 0 else 0


@dataclass(frozen=True, slots=True)
class Noise:
    """One client's share of the noise, in steps of the codec.

    `shares` noises at least are in every opened sum and unknown to whoever reads it; `value_bound` is the largest L2
    norm a value has before noise, `room` the largest coordinate.
    Assumes: of any `min_clients` clients at most a fraction `malicious` of all leaves its noise out or tells it.
    """

    terms: PrivacyTerms
    dim: int
    clients: int
    shares: int
    sensitivity: int
    variance: int
    value_bound: int
    limit: int
    reach: int = field(init=False)
    noise_bound: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reach", _reach(self.terms.mechanism, self.variance))
        object.__setattr__(self, "noise_bound", _norm(self.terms.mechanism, self.variance, self.dim))

    @classmethod
    def of(
        cls,
        terms: PrivacyTerms,
        *,
        codec: Codec,
        clients: int,
        min_clients: int,
        l2_clip: float,
        dim: int,
        records: int = 1,
    ) -> "Noise":
        """The noise that `terms`, resolved, come to; `l2_clip` is update.l2_clip, `records` the most that a client holds.

        Raises: ParameterError for terms that this codec, these clients or this dimension cannot keep.
        """
        if not terms.enabled:
            raise ParameterError("privacy.kind is 'none': there is no noise")
        if terms.noise_multiplier == 0:
            raise ParameterError("the noise multiplier is not found yet: resolve the privacy terms first")
        terms.verify_update_clip(l2_clip)
        if 2 * min_clients <= clients:
            raise ParameterError(
                f"privacy needs aggregation.min_clients above half of the {clients} clients, got {min_clients}: "
                "two smaller sums of one round would show more than was accounted for"
            )
        # more than half of the clients, less than half of them malicious: at least one is left
        shares = min_clients - int(terms.malicious * clients + 1e-9)
        limit, dim_root = codec.limit, _ceil_sqrt(dim)
        steps = Fraction(limit) / Fraction(codec.clip)
        clip = Fraction(terms.l2_clip) * steps
        if clip < dim_root:
            raise ParameterError(
                f"the clip {terms.l2_clip:g} is only {float(clip):.1f} steps of the codec, less than the rounding of "
                f"{dim} coordinates: update.bits must be larger, or update.clip smaller"
            )
        sensitivity = _sensitivity(terms, clip, dim, records)
        multiplier = Fraction(terms.noise_multiplier)
        variance = ceil(((multiplier * sensitivity) ** 2 + ROUNDING_VARIANCE) / shares)
        most = MAX_SKELLAM if terms.mechanism == "skellam" else MAX_GAUSSIAN
        if not LEAST_VARIANCE <= variance <= most:
            raise ParameterError(
                f"a client's noise has variance {variance} in steps of the codec, outside {LEAST_VARIANCE} to {most}: "
                f"update.bits must be {'larger' if variance < LEAST_VARIANCE else 'smaller'}"
            )
        value_bound = ceil(Fraction(l2_clip) * steps) + ceil(sqrt(dim) / 2)
        noise = cls(terms, dim, clients, shares, sensitivity, variance, value_bound, limit)
        wanted = min(value_bound, limit // 2)
        if noise.room < wanted:
            spread = codec.clip * noise.reach / limit  # in model units, where it hardly depends on the codec
            raise ParameterError(
                f"noise of up to {spread:.3g} leaves no room for values: update.clip {codec.clip:g} must be at least about "
                f"{1.05 * min(2 * spread, spread + l2_clip):.3g}"
            )
        return noise

    @property
    def room(self) -> int:
        """The largest magnitude of a coordinate before noise: no sampled noise then leaves the codec's range."""
        return self.limit - self.reach

    @property
    def l2_bound(self) -> int:
        """The bound for the norm proof: value and noise together, broken with probability at most 2^-159."""
        return self.value_bound + self.noise_bound

    @property
    def noise_multiplier(self) -> float:
        """What the smallest sum really has: never less than the plan's."""
        return sqrt(self.shares * self.variance) / self.sensitivity

    @property
    def release(self) -> NoisySum:
        """The event of one opened sum."""
        return NoisySum(self.terms.mechanism, self.variance, self.shares, self.sensitivity, self.dim)

    def verify_bound(self, l2_bound: int) -> None:
        """Raises: ParameterError for a norm bound that honest values with noise would break."""
        if l2_bound < self.l2_bound:
            raise ParameterError(
                f"the norm bound of {l2_bound} steps lies under value and noise, which need {self.l2_bound}"
            )

    def draw(self, stream: Stream) -> Int64s:
        """One client's noise for one sum. Shapes: the result [dim]."""
        sample = skellam if self.terms.mechanism == "skellam" else discrete_gaussian
        return sample(stream, self.variance, self.dim)

    def add(self, values: Int64s, stream: Stream) -> tuple[Int64s, int]:
        """Encoded, clipped values with noise, and how many coordinates had to be clamped to the room first.

        `stream` must be fresh: derive it from the client's secret, the plan, the round and the values.
        Shapes: values and result [dim].
        Raises: ParameterError for values of a wrong shape or not clipped; NoiseOverflow.
        """
        if values.shape != (self.dim,) or values.dtype != np.int64:
            raise ParameterError(f"want {self.dim} int64 values, got {values.shape} of {values.dtype}")
        # the float's error is far below the half step a coordinate that the bound allows for
        if float(np.linalg.norm(values.astype(np.float64))) > self.value_bound * (1 + 2.0**-40):
            raise ParameterError("the values are longer than the clip: clip before adding noise")
        clamped = int(np.count_nonzero(np.abs(values) > self.room))
        noisy = np.clip(values, -self.room, self.room) + self.draw(stream)
        if sum(v * v for v in noisy.tolist()) > self.l2_bound**2:
            raise NoiseOverflow("this round's noise broke the norm bound: the client sits the round out")
        return noisy, clamped

    def spent(self, releases: int, delta: float = 0.0, accountant: str = "") -> float:
        """Epsilon after `releases` sums, at the terms' delta unless another is given."""
        return (
            0.0 if not releases else epsilon_of(self._event(releases), delta or self.terms.delta, accountant)
        )

    def guarantee(self, releases: int, mode: str = "secagg") -> Guarantee:
        """What `releases` sums, opened by aggregation `mode`, promise to whoever sees no more than those sums."""
        return Guarantee(
            epsilon=self.spent(releases),
            delta=self.terms.delta,
            unit=self.terms.kind,
            neighbours=self.terms.neighbours,
            trust=f"{self.shares} of {self.clients} clients are in every sum, add their noise and tell it nobody; "
            f"{_HIDDEN[mode]}",
            mechanism=self.terms.mechanism,
            releases=releases,
            accountant=accountant_for(self.release),
            remark="no amplification: who takes part is public",
        )

    def _event(self, releases: int) -> Event:
        return Repeated(self.release, releases)


def _sensitivity(terms: PrivacyTerms, clip: Fraction, dim: int, records: int) -> int:
    replaced = terms.neighbours == "replace-one"
    if terms.kind == "record":
        return record_sensitivity(clip, dim, records, replaced=replaced)
    rounding = _ceil_sqrt(dim) if replaced else _ceil_sqrt(-(-dim // 4))
    # one step more for the float64 arithmetic of the codec
    return ceil(clip * (2 if replaced else 1)) + rounding + 1


def record_sensitivity(clip: Fraction, dim: int, records: int, *, replaced: bool = False) -> int:
    """How far one of `records` records moves a rounded sum of gradients, each cut to `clip` steps of the grid."""
    floats = records * (Fraction(1, 1 << 20) + Fraction(records, 1 << 51))
    return ceil(clip * (2 if replaced else 1) + clip * floats) + _ceil_sqrt(dim) + 1


def _reach(mechanism: str, variance: int) -> int:
    """The largest magnitude the sampler ever returns."""
    return skellam_reach(variance) if mechanism == "skellam" else DiscreteGaussian(variance).high


def _norm(mechanism: str, variance: int, dim: int) -> int:
    """An L2 norm that the noise exceeds with probability at most 2^-159.

    A vector of independent coordinates with subgaussian parameter v satisfies P(|X|^2 > v (d + 2 sqrt(d s) + 2 s)) <=
    exp(-s). The discrete Gaussian is subgaussian with its variance. Skellam noise is a sum of N signs for a Poisson
    number N of mean `variance`, subgaussian with parameter N given N; all N stay below their reach.

    Source: Hsu, Kakade, Zhang, "A tail inequality for quadratic forms of subgaussian random vectors" (2012), Theorem 2.1;
    Canonne, Kamath, Steinke 2020 for the discrete Gaussian, Hoeffding's lemma for signs.
    """
    nats = DISTANCE_BITS * log(2)
    parameter = float(variance)
    if mechanism == "skellam":
        parameter += poisson_reach(variance, DISTANCE_BITS + dim.bit_length())
    square = parameter * (dim + 2 * sqrt(dim * nats) + 2 * nats)
    return ceil(sqrt(square) * (1 + 2.0**-40))


def add_noise(
    values: Int64s,
    terms: PrivacyTerms,
    *,
    codec: Codec,
    clients: int,
    min_clients: int,
    l2_clip: float,
    stream: Stream,
    records: int = 1,
) -> Int64s:
    """A client's encoded update with its share of the noise; see `Noise.of` and `Noise.add`, which this calls.

    Shapes: values and result [dim].
    """
    noise = Noise.of(
        terms,
        codec=codec,
        clients=clients,
        min_clients=min_clients,
        l2_clip=l2_clip,
        dim=len(values),
        records=records,
    )
    return noise.add(values, stream)[0]


def noisy_l2_bound(
    terms: PrivacyTerms,
    *,
    codec: Codec,
    clients: int,
    min_clients: int,
    l2_clip: float,
    dim: int,
    records: int = 1,
) -> int:
    """The norm bound of a noisy update in steps of the codec; see `Noise.l2_bound`."""
    return Noise.of(
        terms,
        codec=codec,
        clients=clients,
        min_clients=min_clients,
        l2_clip=l2_clip,
        dim=dim,
        records=records,
    ).l2_bound
