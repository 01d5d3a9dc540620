"""SCAFFOLD: control variates correct each client's drift.

Source: Karimireddy, Kale, Mohri, Reddi, Stich, Suresh, "SCAFFOLD: stochastic controlled averaging for federated
learning" (2020), Algorithm 1 with option II.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fl.engine.cohort import Cohort
from fl.engine.local import LocalSGD, local_sgd
from fl.models.base import Model, Vector
from fl.optim.base import Double
from fl.optim.checks import positive
from mpc.errors import ParameterError

__all__ = ["Scaffold"]


@dataclass(frozen=True, slots=True)
class Scaffold:
    """The state is [x | c], a payload [y_i - x | c_i+ - c_i], and a client remembers its c_i.

    Option II reads the mean gradient off the distance travelled, which is right for plain SGD only. With clients
    weighted by samples, c is the mean of the c_i under those weights.
    Raises: ParameterError for local momentum.
    """

    name: ClassVar[str] = "scaffold"

    sgd: LocalSGD = LocalSGD()
    server_rate: float = 1.0

    def __post_init__(self) -> None:
        positive(server_rate=self.server_rate)
        if self.sgd.momentum:
            raise ParameterError("scaffold's control variates are for plain SGD: momentum must be 0")

    def state_size(self, size: int) -> int:
        return 2 * size

    def payload_size(self, size: int) -> int:
        return 2 * size

    def memory_size(self, size: int) -> int:
        return size

    def initial_state(self, w: Vector) -> Vector:
        return np.concatenate([w, np.zeros_like(w)])

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        x, c = torch.split(cohort.tensor(state), model.size)
        travelled = local_sgd(model, cohort, x, self.sgd, correction=c - memory) - x
        steps = torch.tensor(cohort.steps(self.sgd.epochs, self.sgd.batch), device=cohort.device)
        change = -c - travelled / (steps * self.sgd.learning_rate)[:, None]
        return torch.cat([travelled, change], dim=1), memory + change

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        x, c = np.split(state.astype(np.float64), 2)
        travelled, change = np.split(mean, 2)
        return np.concatenate([x + self.server_rate * travelled, c + share * change]).astype(np.float32)
