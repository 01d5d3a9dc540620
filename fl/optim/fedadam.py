"""FedAdam: the coordinator treats the mean update as a gradient and takes an Adam step.

Source: Reddi, Charles, Zaheer, Garrett, Rush, Konečný, Kumar, McMahan, "Adaptive federated optimization" (2021),
Algorithm 2 (FedAdam), without bias correction, as there.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fl.models.base import Vector
from fl.optim.base import Double
from fl.optim.checks import below_one, positive
from fl.optim.fedavg import FedAvg

__all__ = ["FedAdam"]


@dataclass(frozen=True, slots=True)
class FedAdam(FedAvg):
    """The state is [w | first moment | second moment]; `adaptivity` is the source's tau, and v starts at tau^2."""

    name: ClassVar[str] = "fedadam"
    kept: ClassVar[int] = 2

    server_rate: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.99
    adaptivity: float = 1e-3

    def __post_init__(self) -> None:
        positive(server_rate=self.server_rate, adaptivity=self.adaptivity)
        below_one(beta1=self.beta1, beta2=self.beta2)

    def initial_state(self, w: Vector) -> Vector:
        return np.concatenate([w, np.zeros_like(w), np.full_like(w, self.adaptivity**2)])

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        w, m, v = np.split(state.astype(np.float64), 3)
        m = self.beta1 * m + (1 - self.beta1) * mean
        v = self.beta2 * v + (1 - self.beta2) * mean**2
        w = w + self.server_rate * m / (np.sqrt(v) + self.adaptivity)
        return np.concatenate([w, m, v]).astype(np.float32)
