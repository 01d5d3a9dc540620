"""How unlike the whole each client's data is, as the distance between label distributions.

The earth mover's distance between two distributions over labels, where moving mass from one label to any other costs
one, is their total variation distance: half the sum of absolute differences, from 0 (alike) to 1 (no label in common).

Source: Zhao et al., "Federated learning with non-IID data" (2018), section 3, who print the sum without the half.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError

__all__ = ["Divergence", "label_distances", "summarize"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """Distances of all clients in five numbers; `weighted_mean` counts a client by its samples.

    `smallest_client` and `largest_client` are numbers of samples.
    """

    mean: float
    weighted_mean: float
    lowest: float
    median: float
    highest: float
    smallest_client: int
    largest_client: int

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def label_distances(labels: NDArray[np.int64], shards: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """Each client's distance from the union of all clients' data.

    Shapes: labels [samples]; shards: one array of indices into labels a client; the result [clients].
    Leakage: a distance is a function of a client's label counts, which a real client would keep to itself; a
        simulation may print it.
    Raises: ParameterError for a client without samples.

    >>> label_distances(np.array([0, 0, 1, 1]), [np.array([0, 1]), np.array([2, 3])])
    array([0.5, 0.5])
    """
    if any(len(shard) == 0 for shard in shards):
        raise ParameterError("a client without samples has no label distribution")
    classes = int(labels.max()) + 1
    counts = np.array([np.bincount(labels[shard], minlength=classes) for shard in shards], dtype=np.float64)
    whole = counts.sum(axis=0) / counts.sum()
    distances: NDArray[np.float64] = (
        np.abs(counts / counts.sum(axis=1, keepdims=True) - whole).sum(axis=1) / 2
    )
    return distances


def summarize(labels: NDArray[np.int64], shards: Sequence[NDArray[np.int64]]) -> Divergence:
    """`label_distances` for a report."""
    distances = label_distances(labels, shards)
    sizes = np.array([len(shard) for shard in shards])
    return Divergence(
        mean=float(distances.mean()),
        weighted_mean=float(np.average(distances, weights=sizes)),
        lowest=float(distances.min()),
        median=float(np.median(distances)),
        highest=float(distances.max()),
        smallest_client=int(sizes.min()),
        largest_client=int(sizes.max()),
    )
