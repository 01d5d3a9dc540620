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

from fl.compression.leftovers import require_alike_rounds
from fl.engine.cohort import Cohort
from fl.models import Model, Vector
from fl.optim import Algorithm
from fl.optim.base import Double
from fl.seeds import generator
from mpc.codec import Codec
from mpc.errors import ParameterError

__all__ = ["Quantized", "quantize", "round_at_random"]

_MAX_BITS = 16  # single precision holds the multiples of a finer grid too badly for the codec to find them


@dataclass(frozen=True, slots=True)
class Quantized:
    """`inner` with every coordinate of the payload a multiple of `step_size`, at most `levels` steps from zero.

    With a step that is a multiple of the codec's, levels within the codec's clip, and equal weights, the codec rounds
    and cuts nothing further, unless the whole update is above the plan's norm bound and scaled down. The choice between
    the two neighbours is training randomness, from the public seed: it hides nothing.

    Shapes: state and payload are the inner ones; a client's memory is [inner memory | error], the error being what
        was rounded away and what lay beyond the levels.
    Units: `step_size` in model units.
    Raises: ParameterError for a setting out of range, or an algorithm whose rounds differ in meaning.
    """

    inner: Algorithm
    step_size: float
    levels: int = 1 << 23  # of single precision, whose 24 bits hold every multiple up to there

    def __post_init__(self) -> None:
        if not 0 < self.step_size < 1e9:
            raise ParameterError(f"quantization wants a positive step, got {self.step_size}")
        if not 1 <= self.levels <= 1 << 23:
            raise ParameterError(f"quantization wants between 1 and 2^23 levels, got {self.levels}")
        require_alike_rounds(self.inner)

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
            rounded[row] = round_at_random(exact[row], self.step_size, rng, self.levels)
        error = torch.from_numpy((exact - rounded).astype(np.float32)).to(cohort.device)
        sent = torch.from_numpy(rounded.astype(np.float32)).to(cohort.device)
        return sent, torch.cat([after, error], dim=1)

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        return self.inner.step(state, mean, share, round)


def round_at_random(
    values: NDArray[np.float64], step: float, rng: np.random.Generator, levels: int = 1 << 23
) -> Double:
    """Multiples of `step` next to `values`, whose expectation is the values, as far as `levels` steps reach.

    Shapes: any -> the same.
    """
    scaled = np.clip(values / step, -levels, levels)
    down = np.floor(scaled)
    rounded: Double = (down + (rng.random(values.shape) < scaled - down)) * step
    return rounded


def quantize(algorithm: Algorithm, codec: Codec, bits: int) -> Quantized:
    """`algorithm` on the grid of `bits` bits that is a part of the codec's: every 2^(codec.bits - bits)th of its codes.

    Raises: ParameterError for more bits than the codec has, or as `Quantized` does.

    >>> from fl.optim import FedAvg
    >>> found = quantize(FedAvg(), Codec(clip=2.0, bits=16, max_clients=9), bits=3)
    >>> found.levels, round(found.step_size, 3)
    (3, 0.5)
    """
    most = min(codec.bits, _MAX_BITS)
    if not 2 <= bits <= most:
        raise ParameterError(f"quantization wants between 2 and {most} bits here, got {bits}")
    levels = (1 << (bits - 1)) - 1
    # a payload is in single precision: its top level must not come out above the clip, where the codec would cut it
    top = np.float32(codec.clip)
    if float(top) > codec.clip:
        top = np.nextafter(top, np.float32(0))
    return Quantized(algorithm, min(codec.step * 2 ** (codec.bits - bits), float(top) / levels), levels)
