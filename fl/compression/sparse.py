"""An algorithm of which only an agreed part of the payload travels each round.

Source: Lin, Han, Mao, Wang, Dally, "Deep gradient compression" (2018), Algorithms 1 and 4: local accumulation of what is
not sent, momentum correction (the momentum of every update is accumulated, not the update alone) and momentum factor
masking (both are cleared where something was sent). The paper's clients each send their own largest entries; under
secure aggregation all send the same ones, by `fl.compression.indices`. Its warm-up lowers the number of entries over
the first epochs; a round's message has one length here, so the warm-up is that every coordinate travels once first.
"""

from bisect import bisect_left
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from torch import Tensor

from fl.compression.indices import KINDS, agreed_indices, updated_scores
from fl.compression.leftovers import require_alike_rounds
from fl.engine.cohort import Cohort
from fl.models import Model, Vector
from fl.optim import Algorithm
from fl.optim.base import Double
from mpc.errors import ParameterError

__all__ = ["Sparse", "compress"]


@dataclass(frozen=True, slots=True)
class Sparse:
    """`inner` with `keep` of its payload sent; clients remember the rest and add it to what comes next.

    `momentum` is that of the correction, 0 for plain accumulation. `seed` is the plan's, public.

    Shapes: the state is [inner state | rate | last sent], the last two of the inner payload's length; a client's
        memory [inner memory | unsent | momentum, if there is any].
    Leakage: the sums of the agreed coordinates; which those are follows from earlier sums.
    Assumes: every client starts from the newest state, because the index set follows from it (`random-k` does not
        need that). What a client sent into a sum that then failed is lost, as an uncompressed update would be.
    Raises: ParameterError for a setting out of range, or an algorithm whose rounds differ in meaning.
    """

    inner: Algorithm
    kind: str = "top-k"
    keep: float = 0.1
    momentum: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ParameterError(f"compression.kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not (0 < self.keep <= 1 and 0 <= self.momentum < 1):
            raise ParameterError(
                "compression wants keep in (0, 1] and momentum in [0, 1),"
                f" got {self.keep} and {self.momentum}"
            )
        require_alike_rounds(self.inner)

    @property
    def name(self) -> str:
        return f"{self.inner.name}+{self.kind}"

    def state_size(self, size: int) -> int:
        return self.inner.state_size(size) + 2 * self.inner.payload_size(size)

    def payload_size(self, size: int) -> int:
        return ceil(self.keep * self.inner.payload_size(size))

    def memory_size(self, size: int) -> int:
        kept = 2 if self.momentum else 1
        return self.inner.memory_size(size) + kept * self.inner.payload_size(size)

    def initial_state(self, w: Vector) -> Vector:
        payload = self.inner.payload_size(w.size)
        never = np.full(payload, -1, dtype=np.float32)
        return np.concatenate([self.inner.initial_state(w), np.zeros(payload, dtype=np.float32), never])

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        payload, own = self.inner.payload_size(model.size), self.inner.memory_size(model.size)
        inner_state, scores = _split(state, payload)
        update, after = self.inner.local(model, cohort, inner_state, memory[:, :own], round)
        unsent = memory[:, own : own + payload].clone()
        kept = [unsent]
        if self.momentum:
            update = update + self.momentum * memory[:, own + payload :]
            kept.append(update.clone())
        unsent += update
        indices = agreed_indices(self.kind, scores, self.payload_size(model.size), round, self.seed)
        chosen = torch.from_numpy(indices).to(cohort.device)
        sent = unsent[:, chosen]
        for part in kept:
            part[:, chosen] = 0
        return sent, torch.cat([after, *kept], dim=1)

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        payload = self.inner.payload_size(self._model_size(len(state)))
        inner_state, scores = _split(state, payload)
        chosen = agreed_indices(self.kind, scores, mean.size, round, self.seed)
        whole = np.zeros(payload)
        whole[chosen] = mean
        after = self.inner.step(inner_state, whole, share, round)
        scores = updated_scores(scores, chosen, mean, round)
        return np.concatenate([after, scores.ravel().astype(np.float32)])

    def _model_size(self, state_size: int) -> int:
        """The number of parameters whose state has this length, which grows with it."""
        return bisect_left(range(state_size + 1), state_size, key=self.state_size)


def compress(algorithm: Algorithm, kind: str, keep: float, momentum: float, seed: int) -> Algorithm:
    """What a plan's `compression` table makes of `algorithm`; `momentum` is used by "deep-gradient" alone.

    Raises: ParameterError as `Sparse` does.
    """
    if kind == "none":
        return algorithm
    return Sparse(algorithm, kind, keep, momentum if kind == "deep-gradient" else 0.0, seed)


def _split(state: Vector, payload: int) -> tuple[Vector, Double]:
    """The inner algorithm's state, and the scores as [2, payload]."""
    return state[: -2 * payload], state[-2 * payload :].astype(np.float64).reshape(2, payload)
