"""An epsilon with everything without which it means nothing."""

from dataclasses import dataclass

__all__ = ["Guarantee"]


@dataclass(frozen=True, slots=True)
class Guarantee:
    """(epsilon, delta) for one `unit`, for data sets that differ as `neighbours` says, if `trust` holds.

    `releases` is how many noisy sums it covers; `accountant` is how epsilon was computed; `remark` is what was left
    out of it, such as an amplification that could not be claimed.
    """

    epsilon: float
    delta: float
    unit: str
    neighbours: str
    trust: str
    mechanism: str
    releases: int
    accountant: str
    remark: str = ""

    @property
    def line(self) -> str:
        """The guarantee in one line.

        >>> Guarantee(2.9, 1e-5, "record", "zero-out", "70 of 100", "skellam", 50, "rdp").line
        'epsilon 2.900, delta 1e-05 for one record (zero-out neighbours), 50 x skellam, by rdp; trusted: 70 of 100'
        """
        remark = f"; {self.remark}" if self.remark else ""
        return (
            f"epsilon {self.epsilon:.3f}, delta {self.delta:g} for one {self.unit} ({self.neighbours} neighbours), "
            f"{self.releases} x {self.mechanism}, by {self.accountant}; trusted: {self.trust}{remark}"
        )
