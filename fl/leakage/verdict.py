"""From measured leakage to the words high, medium and low, by thresholds that stand here and nowhere else.

    high     reconstruction succeeds for more than half of the records, or membership AUC above 0.7:
             the typical record is exposed, not an unlucky one; from 0.7 on Hosmer and Lemeshow call a classifier acceptable
    low      fewer than 1 in 20 reconstructions succeed; the AUC is below 0.55, its interval holds 0.5 and ends below 0.7:
             what was seen is compatible with guessing, and enough was measured to have shown "high"
    medium   everything between: something beyond guessing was seen, or too little was measured to exclude it

A word is about the attacks that ran. An attack that failed proves nothing about the next one; only a differential-privacy
guarantee does, so epsilon is printed beside every word.

Source: thresholds after Hosmer, Lemeshow, Sturdivant, "Applied Logistic Regression" (2013), chapter 5; the
    word "low" needs an interval, after Carlini et al. 2022, who show that averages near 0.5 can hide exposed records:
    hence the true-positive rate at 1 % false positives, which is reported and not folded into the word.
"""

from dataclasses import dataclass
from enum import StrEnum

from mpc.errors import ParameterError

__all__ = ["HIGH_AUC", "HIGH_SUCCESS", "LOW_SUCCESS", "MEDIUM_AUC", "Risk", "Verdict", "judge"]

HIGH_SUCCESS, LOW_SUCCESS = 0.5, 0.05
HIGH_AUC, MEDIUM_AUC = 0.7, 0.55


class Risk(StrEnum):
    """How much was found, in order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, and the numbers that made it one."""

    risk: Risk
    because: str


def judge(*, success: float | None = None, auc: tuple[float, float, float] | None = None) -> Verdict:
    """The word for what was measured on one view: the worse of reconstruction and membership, with both as the reason.

    `success` is the share of records reconstructed; `auc` is the estimate and its 95 % interval (estimate, low, high).
    Raises: ParameterError when nothing was measured.

    >>> judge(success=0.01, auc=(0.51, 0.48, 0.54)).risk.value
    'low'
    >>> judge(success=0.65).because
    'reconstruction succeeds for 65 % of the records'
    """
    if success is None and auc is None:
        raise ParameterError("a verdict needs a measurement: success, auc, or both")
    found = [_of_success(success)] if success is not None else []
    if auc is not None:
        found.append(_of_auc(*auc))
    order = list(Risk)
    worst = max((verdict.risk for verdict in found), key=order.index)
    return Verdict(worst, ", ".join(verdict.because for verdict in found))


def _of_success(success: float) -> Verdict:
    because = f"reconstruction succeeds for {100 * success:.3g} % of the records"
    if success > HIGH_SUCCESS:
        return Verdict(Risk.HIGH, because)
    return Verdict(Risk.LOW if success < LOW_SUCCESS else Risk.MEDIUM, because)


def _of_auc(estimate: float, low: float, high: float) -> Verdict:
    because = f"membership AUC {estimate:.2f} [{low:.2f}, {high:.2f}]"
    if estimate > HIGH_AUC:
        return Verdict(Risk.HIGH, because)
    if estimate < MEDIUM_AUC and low <= 0.5 <= high < HIGH_AUC:
        return Verdict(Risk.LOW, because)
    return Verdict(Risk.MEDIUM, because)
