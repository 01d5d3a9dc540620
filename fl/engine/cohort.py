"""A cohort: clients that are trained together, as one batched computation."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.engine.augment import augment, draw_views
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["Batch", "Cohort", "gather"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One minibatch of each of the first `active` clients of a cohort; the others have finished.

    `weights` is 1 / (records of the client's batch), and 0 where a row is only padding.
    Shapes: features [active, batch, inputs]; labels, weights [active, batch].
    """

    active: int
    features: Tensor
    labels: Tensor
    weights: Tensor


@dataclass(frozen=True)
class Cohort:
    """Clients in order of decreasing size; their records are rows of one data set, copied only batch by batch.

    `clients` count from 1. `rows` is filled up with a client's first row: `mask` tells which entries are real.
    Shapes: data_x [all records, inputs]; data_y [all records]; rows [clients, n]; counts [clients].
    """

    clients: tuple[int, ...]
    data_x: Tensor
    data_y: Tensor
    rows: Tensor
    counts: tuple[int, ...]
    seed: int
    round: int

    def __post_init__(self) -> None:
        if not self.clients or min(self.counts) < 1:
            raise ParameterError("a cohort is of one or more clients, each with at least one record")
        if list(self.counts) != sorted(self.counts, reverse=True):
            raise ParameterError("the clients of a cohort must come in order of decreasing size")

    def __len__(self) -> int:
        return len(self.clients)

    @property
    def device(self) -> torch.device:
        return self.data_x.device

    def tensor(self, vector: NDArray[np.float32]) -> Tensor:
        """A copy of `vector` where the cohort's records are."""
        return torch.from_numpy(vector.copy()).to(self.device)

    @cached_property
    def features(self) -> Tensor:
        """All records of all clients, padded. Shapes: [clients, n, inputs]."""
        return self.records(self.rows)[0]

    @cached_property
    def labels(self) -> Tensor:
        """Shapes: [clients, n]."""
        return self.records(self.rows)[1]

    @cached_property
    def mask(self) -> Tensor:
        """1 for a record, 0 for padding. Shapes: float32 [clients, n]."""
        width = torch.arange(self.rows.shape[1], device=self.device)
        return (width < torch.tensor(self.counts, device=self.device)[:, None]).float()

    def records(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Features and labels of any rows of the data set. Shapes: rows [...]; [..., inputs] and [...]."""
        flat = rows.flatten()  # several times faster than indexing with a matrix
        features = self.data_x.index_select(0, flat).view(*rows.shape, self.data_x.shape[1])
        return features, self.data_y.index_select(0, flat).view(rows.shape)

    def steps(self, epochs: int, batch: int) -> list[int]:
        """How many minibatches each client takes."""
        return [epochs * -(-count // batch) for count in self.counts]

    def batches(self, epochs: int, batch: int, views: str = "") -> Iterator[Batch]:
        """Every client's epochs in its own order, side by side.

        Client k shuffles its records anew each epoch by the generator (seed, "training", round, k); the last batch of
        an epoch is shorter where sizes do not divide. No record is left out or seen twice.
        """
        steps = self.steps(epochs, batch)
        places = np.zeros((len(self), steps[0], batch), dtype=np.int64)
        sizes = np.zeros((len(self), steps[0]), dtype=np.int64)
        for k, (client, count) in enumerate(zip(self.clients, self.counts, strict=True)):
            order = generator(self.seed, "training", self.round, client)
            each = -(-count // batch)
            padded = np.zeros((epochs, each * batch), dtype=np.int64)
            for epoch in range(epochs):
                padded[epoch, :count] = order.permutation(count)
            places[k, : steps[k]] = padded.reshape(-1, batch)
            sizes[k, : steps[k]] = np.tile(np.minimum(batch, count - batch * np.arange(each)), epochs)
        rows = self.rows.gather(1, torch.from_numpy(places.reshape(len(self), -1)).to(self.device))
        rows = rows.view(len(self), steps[0], batch)
        shares = np.arange(batch) < sizes[..., None]
        weights = torch.from_numpy((shares / np.maximum(sizes, 1)[..., None]).astype(np.float32)).to(
            self.device
        )
        shown = self._views(views, steps, batch) if views else None
        for step in range(steps[0]):
            active = sum(step < mine for mine in steps)
            chosen = rows[:active, step]
            features, labels = self.records(chosen)
            if shown is not None:
                features = augment(views, features, shown[:active, step])
            yield Batch(active, features, labels, weights[:active, step])

    def _views(self, kind: str, steps: list[int], batch: int) -> Tensor:
        views = np.zeros((len(self), steps[0], batch), dtype=np.int64)
        for k, client in enumerate(self.clients):
            rng = generator(self.seed, "augment", self.round, client)
            views[k, : steps[k]] = draw_views(kind, rng, (steps[k], batch))
        return torch.from_numpy(views).to(self.device)


def gather(
    clients: Sequence[int],
    shards: Sequence[NDArray[np.int64]],
    data_x: Tensor,
    data_y: Tensor,
    seed: int,
    round: int,
) -> Cohort:
    """The cohort of `clients` (from 1), whose rows of the data set are `shards[client - 1]`.

    Larger clients come first, and of two equals the one with the smaller number.
    """
    order = sorted(clients, key=lambda client: (-len(shards[client - 1]), client))
    counts = tuple(len(shards[client - 1]) for client in order)
    rows = np.empty((len(order), max(counts, default=0)), dtype=np.int64)
    for k, client in enumerate(order):
        rows[k] = shards[client - 1][0] if counts[k] else 0
        rows[k, : counts[k]] = shards[client - 1]
    return Cohort(
        clients=tuple(order),
        data_x=data_x,
        data_y=data_y,
        rows=torch.from_numpy(rows).to(data_x.device),
        counts=counts,
        seed=seed,
        round=round,
    )
