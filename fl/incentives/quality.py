"""A round as a game: a coalition is worth what its mean update improves on public records.

The records belong to nobody and are known to all, so the coordinator's scores can be repeated by anybody who sees the
same updates or sums.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fl.models import Model, Vector

__all__ = ["RoundGame"]


@dataclass(slots=True)
class RoundGame:
    """`game(coalition)` is how much cross-entropy the coalition's weighted mean update takes off; nobody is worth 0.

    Values are remembered: sampled orders meet the same coalitions again. `evaluated` counts models that were run.

    Shapes: start [size]; updates [size] each; features [records, inputs]; labels [records].
    Units: nats.
    """

    model: Model
    start: Vector
    updates: Mapping[int, NDArray[np.float32]]
    samples: Mapping[int, int]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    _losses: dict[frozenset[int], float] = field(default_factory=dict, repr=False)

    @property
    def players(self) -> list[int]:
        return sorted(self.updates)

    @property
    def evaluated(self) -> int:
        return len(self._losses)

    def afresh(self) -> "RoundGame":
        """The same game with nothing evaluated yet."""
        return replace(self, _losses={})

    def __call__(self, coalition: frozenset[int]) -> float:
        return self._loss(frozenset()) - self._loss(coalition)

    def _loss(self, coalition: frozenset[int]) -> float:
        if coalition not in self._losses:
            weights = self.start + self.mean(coalition)
            self._losses[coalition] = self.model.evaluate(weights, self.features, self.labels).loss
        return self._losses[coalition]

    def mean(self, coalition: frozenset[int]) -> Vector:
        """The coalition's mean update, weighted by samples; nobody's is nothing. Shapes: [size]."""
        total = np.zeros_like(self.start, dtype=np.float64)
        for player in sorted(coalition):
            total += self.samples[player] * self.updates[player].astype(np.float64)
        mean: Vector = (total / max(sum(self.samples[p] for p in coalition), 1)).astype(np.float32)
        return mean
