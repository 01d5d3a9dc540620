"""Federated averaging.

Source: McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-efficient learning of deep networks from
decentralized data" (2017), Algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from fl.engine.cohort import Cohort
from fl.engine.local import LocalSGD, local_sgd
from fl.models.base import Model, Vector
from fl.optim.base import Double, OneVector

__all__ = ["FedAvg"]


@dataclass(frozen=True, slots=True)
class FedAvg(OneVector):
    """Clients train with SGD and upload how far they came; the coordinator adds the mean."""

    name: ClassVar[str] = "fedavg"

    sgd: LocalSGD = LocalSGD()

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        start = cohort.tensor(state[: model.size])
        return local_sgd(model, cohort, start, self.sgd) - start, memory

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        return (state + mean).astype(np.float32)
