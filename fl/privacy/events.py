"""What happened, apart from what it costs: `fl.privacy.accountant` puts a price on these, and refuses what it does not know.

Source: the separation is that of Google's dp_accounting (`dp_event`, `privacy_accountant`).
"""

from dataclasses import dataclass

from mpc.errors import ParameterError

__all__ = ["Event", "LaplaceAnswer", "NoisySum", "Repeated", "Sampled", "Together"]


class Event:
    """Something that was released."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class NoisySum(Event):
    """An opened integer sum in which at least `shares` independent noises of `variance` each are unknown to the reader.

    `sensitivity` bounds in L2 how far one unit can move the exact sum; more noise than counted never hurts, because
    adding it is post-processing.
    """

    mechanism: str
    variance: int
    shares: int
    sensitivity: int
    dim: int

    def __post_init__(self) -> None:
        if min(self.variance, self.shares, self.sensitivity, self.dim) < 1:
            raise ParameterError(
                f"a noisy sum has variance, shares, sensitivity and dimension of at least 1, got {self}"
            )


@dataclass(frozen=True, slots=True)
class LaplaceAnswer(Event):
    """A query answered with Laplace noise of scale sensitivity / `epsilon`."""

    epsilon: float

    def __post_init__(self) -> None:
        if not 0 < self.epsilon < 1e6:
            raise ParameterError(f"a Laplace answer has a positive epsilon, got {self.epsilon}")


@dataclass(frozen=True, slots=True)
class Repeated(Event):
    """`event`, `count` times, each possibly chosen after seeing the earlier ones."""

    event: Event
    count: int

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ParameterError(f"an event happens no fewer than 0 times, got {self.count}")


@dataclass(frozen=True, slots=True)
class Together(Event):
    """All of `events`."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Sampled(Event):
    """`event` on a subset that holds each unit with probability `rate`, independently (Poisson sampling).

    `secret` says that nobody who sees the release learns who was in the subset. A ledger that lists the participants
    makes it public, and then the subset hides nothing.
    """

    event: Event
    rate: float
    secret: bool

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise ParameterError(f"a sampling rate is above 0 and at most 1, got {self.rate}")
