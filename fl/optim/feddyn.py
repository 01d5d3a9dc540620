"""FedDyn: each client's loss is bent so that the clients' minima agree with the minimum of their mean.

Source: Acar, Zhao, Matas, Mattina, Whatmough, Saligrama, "Federated learning based on dynamic regularization" (2021),
Algorithm 1.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from fl.engine.cohort import Cohort
from fl.engine.local import LocalSGD, local_sgd
from fl.models.base import Model, Vector
from fl.optim.base import Double
from fl.optim.checks import positive

__all__ = ["FedDyn"]


@dataclass(frozen=True, slots=True)
class FedDyn:
    """The state is [theta | h], and a client remembers the gradient it ended at; `strength` is the source's alpha.

    The source assumes that each client minimises its bent loss; SGD comes near. Its mean weights clients alike.
    """

    name: ClassVar[str] = "feddyn"

    sgd: LocalSGD = LocalSGD()
    strength: float = 0.1

    def __post_init__(self) -> None:
        positive(strength=self.strength)

    def state_size(self, size: int) -> int:
        return 2 * size

    def payload_size(self, size: int) -> int:
        return size

    def memory_size(self, size: int) -> int:
        return size

    def initial_state(self, w: Vector) -> Vector:
        return np.concatenate([w, np.zeros_like(w)])

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        start = cohort.tensor(state[: model.size])
        end = local_sgd(model, cohort, start, self.sgd, proximal=self.strength, correction=-memory)
        travelled = end - start
        return travelled, memory - self.strength * travelled

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        theta, h = np.split(state.astype(np.float64), 2)
        h = h - self.strength * share * mean
        return np.concatenate([theta + mean - h / self.strength, h]).astype(np.float32)
