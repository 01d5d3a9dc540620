"""Spreading a training set over clients.

Source: Dirichlet partition of Hsu, Qi, Brown, "Measuring the effects of non-identical data distribution" (2019).
"""

import numpy as np
from numpy.typing import NDArray

from fl.plan import Partition
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["split"]

_TRIES = 1000


def split(
    labels: NDArray[np.int64], clients: int, partition: Partition, seed: int, batch: int
) -> list[NDArray[np.int64]]:
    """Indices of the training samples of each client; every client gets at least one sample, every sample one client.

    Shapes: labels [samples]; the result has `clients` arrays whose lengths add up to `samples`.
    Raises: ParameterError when there are more clients than samples.
    """
    if clients > len(labels):
        raise ParameterError(f"{clients} clients are more than the {len(labels)} training samples")
    rng = generator(seed, "partition", partition.kind)
    if partition.kind == "iid":
        return [np.sort(part) for part in np.array_split(rng.permutation(len(labels)), clients)]
    return _dirichlet(labels, clients, partition.alpha, rng, min(batch, len(labels) // (2 * clients)))


def _dirichlet(
    labels: NDArray[np.int64], clients: int, alpha: float, rng: np.random.Generator, smallest: int
) -> list[NDArray[np.int64]]:
    """Draw class shares until every client has `smallest` samples, as the source does; else top up from the largest."""
    parts: list[list[NDArray[np.int64]]] = []
    for _ in range(_TRIES):
        parts = [[] for _ in range(clients)]
        for label in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == label))
            shares = rng.dirichlet(np.full(clients, alpha))
            cuts = (np.cumsum(shares)[:-1] * len(members)).astype(np.int64)
            for client, part in enumerate(np.split(members, cuts)):
                parts[client].append(part)
        if min(sum(map(len, part)) for part in parts) >= max(smallest, 1):
            break
    merged = [np.concatenate(part) for part in parts]
    for client, part in enumerate(merged):
        if len(part) == 0:
            donor = max(range(clients), key=lambda other: len(merged[other]))
            merged[client], merged[donor] = merged[donor][-1:], merged[donor][:-1]
    return [np.sort(part) for part in merged]
