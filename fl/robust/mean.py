"""The mean of all updates: what every other rule is measured against."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fl.robust.base import Context, Memory, Tolerance, Verdict, as_matrix, weighted_mean

__all__ = ["Mean"]


@dataclass(frozen=True, slots=True)
class Mean(Tolerance):
    """Accepts everybody.

    Source: McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS 2017.
    """

    name: ClassVar[str] = "mean"
    judges: ClassVar[bool] = False
    under: ClassVar[Mapping[str, str]] = {
        "secagg": "yes",
        "paillier": "yes",
        "shares": "yes",
        "plain": "yes",
    }

    def most_malicious(self, clients: int) -> int:
        """None: one unbounded update moves the mean anywhere (Blanchard et al. 2017, lemma 1)."""
        return 0

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        matrix = as_matrix(updates)
        everybody = np.ones(len(matrix), dtype=np.bool_)
        aggregate, weights = weighted_mean(matrix, np.ones(len(matrix)), everybody)
        return Verdict(everybody, weights, aggregate, memory)
