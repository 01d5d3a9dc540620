"""FedAvg with momentum at the coordinator.

Source: Hsu, Qi, Brown, "Measuring the effects of non-identical data distribution for federated visual classification"
(2019), section 4.2: v = beta v + mean, w = w + v (their mean has the opposite sign).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fl.models.base import Vector
from fl.optim.base import Double
from fl.optim.checks import below_one, positive
from fl.optim.fedavg import FedAvg

__all__ = ["FedAvgM"]


@dataclass(frozen=True, slots=True)
class FedAvgM(FedAvg):
    """The coordinator's velocity is public: the state is [w | velocity]. `server_rate` scales each step."""

    name: ClassVar[str] = "fedavgm"
    kept: ClassVar[int] = 1

    server_momentum: float = 0.9
    server_rate: float = 1.0

    def __post_init__(self) -> None:
        below_one(server_momentum=self.server_momentum)
        positive(server_rate=self.server_rate)

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        w, velocity = np.split(state.astype(np.float64), 2)
        velocity = self.server_momentum * velocity + mean
        return np.concatenate([w + self.server_rate * velocity, velocity]).astype(np.float32)
