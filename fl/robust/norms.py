"""Rules that look at nothing but the length of an update: reject the long ones, or shorten them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fl.robust.base import Context, Floats, Memory, Tolerance, Verdict, as_matrix, weighted_mean
from mpc.errors import ParameterError

__all__ = ["Clipping", "NormBound", "shortening"]

_PROVEN = "with a fixed bound: every client proves its norm in zero knowledge, the sum leaves out who cannot"


@dataclass(frozen=True, slots=True)
class NormBound(Tolerance):
    """Reject updates longer than `bound`, or than `times` the median length when there is no fixed bound.

    A fixed bound is what `zk.statements` proves; the relative one needs every length, or a protocol on shares.

    Units: `bound` in those of the updates.
    Source: Sun et al., "Can you really backdoor federated learning?", 2019, section 4 (norm thresholding).
    """

    times: float = 2.0
    bound: float | None = None
    name: ClassVar[str] = "norm-bound"
    judges: ClassVar[bool] = True
    under: ClassVar[Mapping[str, str]] = {
        "secagg": _PROVEN,
        "paillier": _PROVEN,
        "shares": "yes: squared lengths and comparisons, one bit a client is revealed",
        "plain": "yes",
    }

    def __post_init__(self) -> None:
        for value in (self.times, self.bound):
            if value is not None and not (isfinite(value) and value > 0):
                raise ParameterError(f"a norm bound must be a positive number, got {value}")

    def most_malicious(self, clients: int) -> int:
        """Fewer than half: beyond it the median length is the attackers', and so is most of the sum."""
        return (clients - 1) // 2

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        matrix = as_matrix(updates)
        norms: Floats = np.linalg.norm(matrix, axis=1)
        bound = self.times * float(np.median(norms)) if self.bound is None else self.bound
        accepted = norms <= bound
        aggregate, weights = weighted_mean(matrix, np.ones(len(matrix)), accepted)
        return Verdict(accepted, weights, aggregate, memory, -norms)


@dataclass(frozen=True, slots=True)
class Clipping(Tolerance):
    """Shorten updates to `bound`, or to the median length when there is no fixed bound; nobody is rejected.

    Source: Sun et al. 2019, section 4; the median as bound: Nguyen et al., "FLAME", USENIX Security 2022, section 4.3.
    """

    bound: float | None = None
    name: ClassVar[str] = "clipping"
    judges: ClassVar[bool] = False
    under: ClassVar[Mapping[str, str]] = {
        "secagg": "with a fixed bound: clients clip, and prove it in zero knowledge",
        "paillier": "with a fixed bound: clients clip, and prove it in zero knowledge",
        "shares": "with a fixed bound: clipped on shares (`mpc.protocols`), or by the client and checked",
        "plain": "yes",
    }

    def __post_init__(self) -> None:
        if self.bound is not None and not (isfinite(self.bound) and self.bound > 0):
            raise ParameterError(f"a norm bound must be a positive number, got {self.bound}")

    def most_malicious(self, clients: int) -> int:
        """Fewer than half: an attacker weighs as much as an honest client, so the sum's sign is the majority's."""
        return (clients - 1) // 2

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        matrix = as_matrix(updates)
        norms: Floats = np.linalg.norm(matrix, axis=1)
        everybody = np.ones(len(matrix), dtype=np.bool_)
        bound = float(np.median(norms)) if self.bound is None else self.bound
        aggregate, weights = weighted_mean(matrix, shortening(norms, bound), everybody)
        return Verdict(everybody, weights, aggregate, memory)


def shortening(norms: Floats, bound: float) -> Floats:
    """The factors, at most 1, that bring lengths down to `bound`. Shapes: [rows] -> [rows]."""
    return np.where(norms > bound, bound / np.where(norms > 0, norms, 1.0), 1.0)
