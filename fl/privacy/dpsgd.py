"""DP-SGD inside one client: its update is private before it leaves, whoever adds it up.

Each step takes a batch that nobody else learns (every record with probability `rate`, from the client's secret stream),
sums the records' clipped gradients, and adds discrete Gaussian noise to the sum on a fixed grid: floating-point noise
would betray the exact sum in its last bits (Mironov 2012), integers do not. Because the batches are secret, the
sampling counts; that one client took part in a round is public, and counts for nothing.

Source: Abadi et al., "Deep learning with differential privacy" (2016), Algorithm 1; Mironov, "On significance of the
least significant bits for differential privacy" (2012).
"""

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray

from fl.models.base import Model, Vector
from fl.privacy.accountant import ROUNDING_VARIANCE
from fl.privacy.discrete_gaussian import discrete_gaussian
from fl.privacy.events import Event, NoisySum, Repeated, Sampled
from fl.privacy.gradients import clipped_sum
from fl.privacy.noise import record_sensitivity
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["DPSGD"]

# a clip is this many steps of the grid
_GRID = 1 << 24


@dataclass(frozen=True, slots=True)
class DPSGD:
    """`steps` of DP-SGD on batches that hold each record with probability `rate`.

    `clip` cuts each record's gradient; `noise_multiplier` is noise_std / clip.
    Assumes: the number of records is public; nothing of the batches is ever told.
    """

    steps: int
    rate: float
    learning_rate: float
    clip: float
    noise_multiplier: float

    def __post_init__(self) -> None:
        if self.steps < 1 or not 0 < self.rate <= 1:
            raise ParameterError(
                f"DP-SGD takes steps at a rate in (0, 1], got {self.steps} steps at {self.rate}"
            )
        for name, value in (
            ("learning_rate", self.learning_rate),
            ("clip", self.clip),
            ("noise_multiplier", self.noise_multiplier),
        ):
            if not 0 < value < 1e9:
                raise ParameterError(f"{name} must be a positive number, got {value}")

    def train(
        self,
        model: Model,
        start: Vector,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        stream: Stream,
    ) -> Vector:
        """The update after all steps. Shapes: start and result [size]; features [records, inputs]; labels [records].

        Leakage: the update is as private as `event` costs; how long a step takes depends on the size of its batch.
        """
        x, y = torch.from_numpy(features), torch.from_numpy(labels)
        w = start.astype(np.float64)
        step = self.clip / _GRID
        expected = self.rate * len(labels)
        variance = self._variance(model.size, len(labels))
        for _ in range(self.steps):
            batch = torch.from_numpy(self._batch(stream, len(labels)))
            parameters = torch.from_numpy(w.astype(np.float32))
            exact = clipped_sum(model, parameters, x[batch], y[batch], self.clip).numpy()
            noisy = np.rint(exact / step).astype(np.int64) + discrete_gaussian(stream, variance, model.size)
            w -= self.learning_rate / expected * step * noisy
        update: Vector = (w - start).astype(np.float32)
        return update

    def event(self, size: int, records: int) -> Event:
        """What one call of `train` releases, for a model of `size` parameters and a client with `records` records."""
        noise = NoisySum(
            "discrete-gaussian", self._variance(size, records), 1, self._sensitivity(size, records), size
        )
        return Repeated(Sampled(noise, self.rate, secret=True), self.steps)

    def _sensitivity(self, size: int, records: int) -> int:
        return record_sensitivity(Fraction(_GRID), size, records)

    def _variance(self, size: int, records: int) -> int:
        deviation = Fraction(self.noise_multiplier) * self._sensitivity(size, records)
        return ceil(deviation**2) + ROUNDING_VARIANCE

    def _batch(self, stream: Stream, records: int) -> NDArray[np.int64]:
        """The places of the records in this batch: each word is below rate * 2^64, or not."""
        words = stream.uint64(records)
        last = int(Fraction(self.rate) * (1 << 64)) - 1
        chosen: NDArray[np.int64] = np.flatnonzero(words <= np.uint64(max(last, 0)))
        return chosen
