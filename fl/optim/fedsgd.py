"""Federated SGD: clients upload gradients instead of weights.

Source: McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-efficient learning of deep networks from
decentralized data" (2017), section 2.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from fl.engine.cohort import Cohort
from fl.engine.local import LocalSGD, full_gradient
from fl.models.base import Model, Vector
from fl.optim.base import Double, OneVector
from fl.optim.checks import below_one

__all__ = ["FedSGD"]


@dataclass(frozen=True, slots=True)
class FedSGD(OneVector):
    """Each client uploads the mean gradient of its records; the coordinator takes one step along their mean.

    The state is [w | velocity]. Of `sgd` the learning rate counts alone: there is one step a round, over all records.
    """

    name: ClassVar[str] = "fedsgd"
    kept: ClassVar[int] = 1

    sgd: LocalSGD = LocalSGD()
    server_momentum: float = 0.0

    def __post_init__(self) -> None:
        below_one(server_momentum=self.server_momentum)

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        return full_gradient(model, cohort, cohort.tensor(state[: model.size])), memory

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        w, velocity = np.split(state.astype(np.float64), 2)
        velocity = self.server_momentum * velocity + mean
        return np.concatenate([w - self.sgd.learning_rate * velocity, velocity]).astype(np.float32)
