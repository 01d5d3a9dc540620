"""Krum and multi-Krum: keep the updates that have many close neighbours.

Source: Blanchard et al., "Machine learning with adversaries: Byzantine tolerant gradient descent", NeurIPS 2017,
sections 4 (Krum) and 5 (multi-Krum).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fl.robust.base import Context, Floats, Memory, Tolerance, Verdict, as_matrix, weighted_mean
from mpc.errors import ParameterError

__all__ = ["Krum", "MultiKrum", "krum_scores", "squared_distances"]

_UNDER = {
    "secagg": "no: the sum shows no distance between two clients",
    "paillier": "no: a distance is a product of two plaintexts",
    "shares": "no: n (n - 1) / 2 squared lengths of the whole dimension a round; possible, and not built",
    "plain": "yes",
}


def squared_distances(matrix: Floats) -> Floats:
    """Between all pairs of rows, from one matrix product. Shapes: [rows, dim] -> [rows, rows]."""
    products = matrix @ matrix.T
    lengths = np.diag(products)
    distances: Floats = np.maximum(lengths[:, None] + lengths[None, :] - 2 * products, 0.0)
    np.fill_diagonal(distances, 0.0)
    return distances


def krum_scores(distances: Floats, malicious: int) -> Floats:
    """For each client, the sum of the squared distances to its n - f - 2 nearest others (section 4, s(i)).

    Shapes: distances [n, n] -> [n]; low is good.
    Raises: ParameterError unless 2 f + 2 < n, which the source's proposition 1 needs.
    """
    clients = len(distances)
    if not 0 <= malicious <= (clients - 3) // 2:
        raise ParameterError(
            f"Krum needs 2 f + 2 < n: {malicious} malicious of {clients} clients are too many"
        )
    others = np.sort(distances + np.diag(np.full(clients, np.inf)), axis=1)
    total: Floats = others[:, : clients - malicious - 2].sum(axis=1)
    return total


@dataclass(frozen=True, slots=True)
class MultiKrum(Tolerance):
    """The mean of the n - f clients with the best scores, for f = `share` of the clients (rounded up).

    It always rejects f clients, so without an attack its false positives are `share`.
    """

    share: float = 0.2
    name: ClassVar[str] = "multi-krum"
    judges: ClassVar[bool] = True
    under: ClassVar[Mapping[str, str]] = _UNDER

    def __post_init__(self) -> None:
        if not 0 <= self.share < 0.5:
            raise ParameterError(f"the share of malicious clients must be in [0, 0.5), got {self.share}")

    def assumed(self, clients: int) -> int:
        """The source's f."""
        return ceil(self.share * clients)

    def most_malicious(self, clients: int) -> int:
        return min(self.assumed(clients), (clients - 3) // 2)

    def kept(self, clients: int) -> int:
        """The source's m: how many of the best are averaged."""
        return clients - self.assumed(clients)

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        matrix = as_matrix(updates)
        scores = krum_scores(squared_distances(matrix), self.assumed(len(matrix)))
        accepted = np.zeros(len(matrix), dtype=np.bool_)
        accepted[np.argsort(scores, kind="stable")[: self.kept(len(matrix))]] = True
        aggregate, weights = weighted_mean(matrix, np.ones(len(matrix)), accepted)
        return Verdict(accepted, weights, aggregate, memory, -scores)


@dataclass(frozen=True, slots=True)
class Krum(MultiKrum):
    """The one update with the best score; of equal ones, the first."""

    name: ClassVar[str] = "krum"

    def kept(self, clients: int) -> int:
        return 1
