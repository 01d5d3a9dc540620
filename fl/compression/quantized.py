"""An algorithm whose clients round what they send to a coarse grid, at random and without bias, and keep the error.

Source: Alistarh, Grubic, Li, Tomioka, Vojnovic, "QSGD" (2017), section 3.1, for rounding up with the probability of the
fraction; the error kept at the client is the error feedback of Seide et al., "1-bit stochastic gradient descent"
(2014).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.engine.cohort import Cohort
from fl.models import Model, Vector
from fl.optim import Algorithm
from fl.optim.base import Double
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["Quantized", "round_at_random"]


@dataclass(frozen=True, slots=True)
class Quantized:
    """`inner` with every coordinate of the payload a multiple of `step` (model units).

    With `step` a multiple of the codec's, and equal weights, the codec rounds nothing further. The choice between the
    two neighbours is training randomness, from the public seed: it hides nothing.

    Shapes: state and payload are the inner ones; a client's memory is [inner memory | error].
    Raises: ParameterError for a step that is not positive.
    """

    inner: Algorithm
    step_size: float

    def __post_init__(self) -> None:
        if not 0 < self.step_size < 1e9:
            raise ParameterError(f"quantization wants a positive step, got {self.step_size}")

    @property
    def name(self) -> str:
        return f"{self.inner.name}+quantized"

    def state_size(self, size: int) -> int:
        return self.inner.state_size(size)

    def payload_size(self, size: int) -> int:
        return self.inner.payload_size(size)

    def memory_size(self, size: int) -> int:
        return self.inner.memory_size(size) + self.inner.payload_size(size)

    def initial_state(self, w: Vector) -> Vector:
        return self.inner.initial_state(w)

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        own = self.inner.memory_size(model.size)
        update, after = self.inner.local(model, cohort, state, memory[:, :own], round)
        exact = (update + memory[:, own:]).cpu().numpy().astype(np.float64)
        rounded = np.empty_like(exact)
        for row, client in enumerate(cohort.clients):
            rng = generator(cohort.seed, "rounding", round, client)
            rounded[row] = round_at_random(exact[row], self.step_size, rng)
        error = torch.from_numpy((exact - rounded).astype(np.float32)).to(cohort.device)
        sent = torch.from_numpy(rounded.astype(np.float32)).to(cohort.device)
        return sent, torch.cat([after, error], dim=1)

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        return self.inner.step(state, mean, share, round)


def round_at_random(values: NDArray[np.float64], step: float, rng: np.random.Generator) -> Double:
    """Multiples of `step` next to `values`, whose expectation is the values.

    Shapes: any -> the same.
    """
    scaled = values / step
    down = np.floor(scaled)
    rounded: Double = (down + (rng.random(values.shape) < scaled - down)) * step
    return rounded
