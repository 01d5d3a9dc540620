"""Minibatch SGD on a cohort: the loop that the algorithms share."""

from dataclasses import dataclass

import torch
from torch import Tensor

from fl.engine.augment import AUGMENTATIONS
from fl.engine.cohort import Cohort
from fl.models.base import Model
from mpc.errors import ParameterError

__all__ = ["LocalSGD", "full_gradient", "local_sgd"]

_GRADIENT_BATCH = 200


@dataclass(frozen=True, slots=True)
class LocalSGD:
    """How a client trains: `epochs` over its records in batches of `batch`.

    `momentum` is the heavy-ball factor, forgotten between rounds; `augment` is "" or a kind of `augment.AUGMENTATIONS`.
    """

    epochs: int = 1
    batch: int = 32
    learning_rate: float = 0.1
    momentum: float = 0.0
    augment: str = ""

    def __post_init__(self) -> None:
        if not (1 <= self.epochs <= 1000 and 1 <= self.batch <= 1 << 20):
            raise ParameterError(
                f"epochs must be 1 to 1000 and batch at least 1, got {self.epochs} and {self.batch}"
            )
        if not 0 < self.learning_rate < 1e4:
            raise ParameterError(f"learning_rate must be positive, got {self.learning_rate}")
        if not 0 <= self.momentum < 1:
            raise ParameterError(f"momentum must be in [0, 1), got {self.momentum}")
        if self.augment not in AUGMENTATIONS:
            raise ParameterError(
                f"augment must be one of {', '.join(map(repr, AUGMENTATIONS))}, not {self.augment!r}"
            )


def local_sgd(
    model: Model,
    cohort: Cohort,
    start: Tensor,
    how: LocalSGD,
    *,
    proximal: float = 0.0,
    correction: Tensor | None = None,
) -> Tensor:
    """Where each client's SGD ends that begins at `start`.

    A step follows gradient + proximal * (w - start) + correction; momentum accumulates that whole direction. A
    client that has taken all its steps stands still while larger ones go on.
    Shapes: start [size]; correction [clients, size], constant over the steps; result [clients, size].
    """
    current = start.expand(len(cohort), -1).clone()
    velocity = torch.zeros_like(current) if how.momentum else None
    for batch in cohort.batches(how.epochs, how.batch, how.augment):
        some = slice(batch.active)
        w = current[some]
        direction = model.gradient(w, batch.features, batch.labels, batch.weights)
        if proximal:
            direction.add_(w - start, alpha=proximal)
        if correction is not None:
            direction.add_(correction[some])
        if velocity is not None:
            direction = velocity[some].mul_(how.momentum).add_(direction)
        w.add_(direction, alpha=-how.learning_rate)
    return current


def full_gradient(model: Model, cohort: Cohort, parameters: Tensor) -> Tensor:
    """The gradient of each client's mean loss over all its records.

    Shapes: parameters [size], the same for everybody, or [clients, size]; result [clients, size].
    """
    at = parameters.expand(len(cohort), -1).contiguous()
    total = torch.zeros_like(at)
    shares = cohort.mask / cohort.mask.sum(1, keepdim=True)
    for first in range(0, cohort.rows.shape[1], _GRADIENT_BATCH):
        active = sum(count > first for count in cohort.counts)
        part = (slice(active), slice(first, first + _GRADIENT_BATCH))
        features, labels = cohort.records(cohort.rows[part])
        total[:active] += model.gradient(at[:active], features, labels, shares[part].contiguous())
    return total
