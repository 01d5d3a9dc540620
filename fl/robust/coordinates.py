"""Rules that treat every coordinate alone: median and trimmed mean.

They accept everybody: what they throw away is single numbers. On clients with few classes each, honest values of a
coordinate differ so much that these rules throw away the honest signal; see `docs/explain/robustness.md`.

Source: Yin et al., "Byzantine-robust distributed learning: towards optimal statistical rates", ICML 2018,
definitions 1 and 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fl.robust.base import Context, Memory, Tolerance, Verdict, as_matrix
from mpc.errors import ParameterError

__all__ = ["Median", "TrimmedMean"]

_UNDER = {
    "secagg": "no: the sum shows no coordinate of a single client",
    "paillier": "no: ciphertexts can be added but not compared",
    "shares": "yes: every pair of clients is compared in every coordinate (`mpc.protocols`), for small federations",
    "plain": "yes",
}


@dataclass(frozen=True, slots=True)
class Median(Tolerance):
    """The median of every coordinate; of an even number of clients, the mean of the middle two."""

    name: ClassVar[str] = "median"
    judges: ClassVar[bool] = False
    under: ClassVar[Mapping[str, str]] = _UNDER

    def most_malicious(self, clients: int) -> int:
        """Fewer than half: the median then lies between two honest values."""
        return (clients - 1) // 2

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        matrix = as_matrix(updates)
        rows = len(matrix)
        return Verdict(
            np.ones(rows, dtype=np.bool_), np.full(rows, 1.0 / rows), np.median(matrix, axis=0), memory
        )


@dataclass(frozen=True, slots=True)
class TrimmedMean(Tolerance):
    """The mean of every coordinate without the `share` smallest and the `share` largest values (rounded up)."""

    share: float = 0.2
    name: ClassVar[str] = "trimmed-mean"
    judges: ClassVar[bool] = False
    under: ClassVar[Mapping[str, str]] = _UNDER

    def __post_init__(self) -> None:
        if not 0 <= self.share < 0.5:
            raise ParameterError(f"the share trimmed from both ends must be in [0, 0.5), got {self.share}")

    def trimmed(self, clients: int) -> int:
        """How many values go from each end."""
        return ceil(self.share * clients)

    def most_malicious(self, clients: int) -> int:
        """As many as are trimmed from one end, if anything is left."""
        return min(self.trimmed(clients), (clients - 1) // 2)

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        matrix = as_matrix(updates)
        rows, trim = len(matrix), self.trimmed(len(matrix))
        if 2 * trim >= rows:
            raise ParameterError(f"trimming {trim} from both ends of {rows} values leaves nothing")
        kept = np.sort(matrix, axis=0)[trim : rows - trim]
        return Verdict(np.ones(rows, dtype=np.bool_), np.full(rows, 1.0 / rows), kept.mean(axis=0), memory)
