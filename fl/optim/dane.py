"""DANE: every client minimises its own loss, bent so that its gradient at the start is the gradient of all data.

Source: Shamir, Srebro, Zhang, "Communication-efficient distributed optimization using an approximate Newton-type
method" (2014), Figure 1: with g = grad phi(w) and g_k = grad phi_k(w) at the start w,

    w_k = argmin_v  phi_k(v) - (g_k - eta g)^T v + mu/2 |v - w|^2,   and the next w is the mean of the w_k.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor

from fl.engine import LocalSGD, full_gradient, local_sgd
from fl.engine.cohort import Cohort
from fl.models import Model, Vector
from fl.optim.base import Double, OneVector
from mpc.errors import ParameterError

__all__ = ["DANE"]


@dataclass(frozen=True, slots=True)
class DANE(OneVector):
    """Odd rounds move the model, with the gradient of all data that the even round before them summed.

    `prox` is mu, `gradient_weight` is eta. The local problem is solved inexactly, by `sgd`: as many epochs as are
    given; a batch at least as large as every client makes them full-gradient steps, which converge to its solution.

    Shapes: the state is [w | gradient].
    Raises: ParameterError for augmentation, or a setting out of range.
    """

    name: ClassVar[str] = "dane"
    kept: ClassVar[int] = 1

    sgd: LocalSGD = LocalSGD()
    prox: float = 0.1
    gradient_weight: float = 1.0

    def __post_init__(self) -> None:
        if self.sgd.augment:
            raise ParameterError(
                "dane takes no training.augment: its gradients are of the records themselves"
            )
        if not (0 <= self.prox < 1e6 and 0 < self.gradient_weight < 1e3):
            raise ParameterError(
                "dane wants prox of at least 0 and gradient_weight above 0,"
                f" got {self.prox} and {self.gradient_weight}"
            )

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        start, total = cohort.tensor(state).view(2, -1)
        own = full_gradient(model, cohort, start)
        if round % 2 == 0:
            return own, memory
        bend = self.gradient_weight * total - own
        return local_sgd(model, cohort, start, self.sgd, proximal=self.prox, correction=bend) - start, memory

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        w, total = state.astype(np.float64).reshape(2, -1)
        pair = (w, mean) if round % 2 == 0 else (w + mean, total)
        return np.concatenate(pair).astype(np.float32)
