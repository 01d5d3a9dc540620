"""FedProx: a client is held back by the square of its distance from where it started.

Source: Li, Sahu, Zaheer, Sanjabi, Talwalkar, Smith, "Federated optimization in heterogeneous networks" (2020),
Algorithm 2 with SGD as the local solver.
"""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fl.engine.cohort import Cohort
from fl.engine.local import local_sgd
from fl.models.base import Model, Vector
from fl.optim.checks import positive
from fl.optim.fedavg import FedAvg

__all__ = ["FedProx"]


@dataclass(frozen=True, slots=True)
class FedProx(FedAvg):
    """FedAvg whose clients minimise their loss plus `proximal` / 2 times the squared distance from the round's model."""

    name: ClassVar[str] = "fedprox"

    proximal: float = 0.01

    def __post_init__(self) -> None:
        positive(proximal=self.proximal)

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        start = cohort.tensor(state[: model.size])
        return local_sgd(model, cohort, start, self.sgd, proximal=self.proximal) - start, memory
