"""Gradient descent on all records with each record's gradient clipped: the algorithm of record-level privacy.

One step a round is DP-SGD's with every record in the batch: the sum over all clients of clipped gradients, with noise that
the clients add in shares (`fl.privacy.noise`), so nothing depends on how records are spread over clients.

Source: Abadi et al., "Deep learning with differential privacy" (2016), Algorithm 1, with sampling probability 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from fl.engine.cohort import Cohort
from fl.engine.local import LocalSGD
from fl.models.base import Model, Vector
from fl.optim.base import Double, OneVector
from fl.privacy.gradients import clipped_sums
from mpc.errors import ParameterError

__all__ = ["DPFedSGD"]


@dataclass(frozen=True, slots=True)
class DPFedSGD(OneVector):
    """Each client uploads the sum of its records' clipped gradients; the coordinator steps along the mean.

    The state is [w | velocity]. Of `sgd` the learning rate counts alone. `clip` is the norm that one record's gradient is
    cut to, the plan's privacy.l2_clip. `records` is how many records a client has in the mean: public, and only a unit
    for the learning rate, which then is that of a step along the mean gradient of a record.
    """

    name: ClassVar[str] = "dp-fedsgd"
    kept: ClassVar[int] = 1

    sgd: LocalSGD = LocalSGD()
    clip: float = 1.0
    records: float = 1.0
    server_momentum: float = 0.0

    def __post_init__(self) -> None:
        for setting, value in (("clip", self.clip), ("records", self.records)):
            if not 0 < value < 1e9:
                raise ParameterError(f"{setting} must be a positive number, got {value}")
        if not 0 <= self.server_momentum < 1:
            raise ParameterError(f"server_momentum must be in [0, 1), got {self.server_momentum}")

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        return clipped_sums(model, cohort, cohort.tensor(state[: model.size]), self.clip).float(), memory

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        w, velocity = np.split(state.astype(np.float64), 2)
        velocity = self.server_momentum * velocity + mean / self.records
        return np.concatenate([w - self.sgd.learning_rate * velocity, velocity]).astype(np.float32)
