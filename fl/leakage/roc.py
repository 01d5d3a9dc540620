"""What a membership score is worth: area under the ROC curve with an interval, true positives at few false ones."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError

__all__ = ["Area", "area", "true_positives_at"]

Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Area:
    """Probability that a member scores above a non-member, and its confidence interval."""

    auc: float
    low: float
    high: float


def area(members: Scores, others: Scores, confidence: float = 0.95) -> Area:
    """AUC with DeLong's interval; ties count one half.

    When the scores separate completely DeLong's variance is zero; the interval is then that of Clopper and Pearson for
    as many successes as the smaller group has records, none of which failed.

    Shapes: members [m]; others [n].
    Raises: ParameterError unless both groups have at least two records.
    Assumes: records are independent; those of one target model are only nearly so.
    Source: DeLong, DeLong, Clarke-Pearson 1988; placements by mid-ranks as Sun and Xu 2014, Algorithm 2.

    >>> area(np.array([2.0, 3.0, 4.0]), np.array([0.0, 1.0, 3.0])).auc.__round__(3)
    0.833
    """
    m, n = len(members), len(others)
    if min(m, n) < 2:
        raise ParameterError(
            f"an AUC wants at least two records of each kind, got {m} members and {n} others"
        )
    together = _mid_ranks(np.concatenate([members, others]))
    above = (together[:m] - _mid_ranks(members)) / n
    below = 1 - (together[m:] - _mid_ranks(others)) / m
    auc = float(above.mean())
    variance = float(above.var(ddof=1)) / m + float(below.var(ddof=1)) / n
    if variance < 1e-15:
        margin = 1 - ((1 - confidence) / 2) ** (1 / min(m, n))
    else:
        margin = NormalDist().inv_cdf(0.5 + confidence / 2) * sqrt(variance)
    return Area(auc, max(0.0, auc - margin), min(1.0, auc + margin))


def true_positives_at(members: Scores, others: Scores, false_positive_rate: float) -> float:
    """Share of members above the threshold that at most `false_positive_rate` of the others exceed.

    Source: Carlini et al. 2022, section III: averages hide records that are exposed with certainty.

    >>> true_positives_at(np.array([0.1, 0.5, 0.9]), np.array([0.2, 0.3, 0.4, 0.5]), 0.25)
    0.6666666666666666
    """
    allowed = int(false_positive_rate * len(others))
    threshold = np.sort(others)[::-1][allowed] if allowed < len(others) else -np.inf
    return float(np.mean(members > threshold))


def _mid_ranks(values: Scores) -> NDArray[np.float64]:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = (last - (counts - 1) / 2)[inverse]
    return ranks
