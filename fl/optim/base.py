"""What every federated algorithm offers: a public state, what clients send, what the coordinator does with the mean."""

from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from fl.engine.cohort import Cohort
from fl.models.base import Model, Vector

__all__ = ["Algorithm", "Double", "OneVector"]

Double = NDArray[np.float64]


class Algorithm(Protocol):
    """A frozen dataclass of hyperparameters, so it pickles and can be written into a plan.

    The state is public, and the ledger pins it: the model's parameters, then whatever else every client must know to
    train, as one flat float32 vector. Each client uploads one vector, of which everybody learns the mean only.
    Clients may remember a vector between rounds, which nobody else sees.
    """

    @property
    def name(self) -> str:
        """The name `algorithm_for` knows it by."""

    def state_size(self, size: int) -> int:
        """Length of the state of a model with `size` parameters; its first `size` entries are the model."""

    def payload_size(self, size: int) -> int:
        """Length of what a client uploads."""

    def memory_size(self, size: int) -> int:
        """Length of what a client keeps to itself between rounds, zeros at first."""

    def initial_state(self, w: Vector) -> Vector:
        """The state before the first round, with the model `w`. Shapes: [size] -> [state_size]."""

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        """What each client of the cohort uploads, and what it remembers.

        Shapes: state [state_size]; memory [clients, memory_size]; payloads [clients, payload_size].
        """

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        """The next state, from the mean payload of those in the sum.

        `mean` weights clients as the plan says; `share` is the fraction of all members that were in the sum. It
        computes in float64 with numpy alone and rounds once, so an auditor repeats it bit for bit.
        Shapes: state and result [state_size]; mean [payload_size].
        """


class OneVector:
    """An algorithm whose clients upload one vector of the model's size and remember nothing.

    Its state is the model and behind it zeros at first: `kept` vectors of the same size, unless `state_size` says
    otherwise.
    """

    __slots__ = ()
    kept: ClassVar[int] = 0

    def state_size(self, size: int) -> int:
        return (1 + self.kept) * size

    def payload_size(self, size: int) -> int:
        return size

    def memory_size(self, size: int) -> int:
        return 0

    def initial_state(self, w: Vector) -> Vector:
        return np.concatenate([w, np.zeros(self.state_size(w.size) - w.size, dtype=w.dtype)])
