"""What a robust rule is: from the clients' updates to who is in, with which weight, and what stands for the mean.

    updates, context, memory --rule.accept--> Verdict(accepted, weights, aggregate, memory)

Updates may be floats or the encoded integers of `mpc.codec`: rules only compare them, so their units cancel. Encoded
integers of up to 24 bits make every inner product exact in float64, whatever the order of its additions.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError

__all__ = [
    "MODES",
    "Context",
    "Floats",
    "Memory",
    "Rule",
    "Verdict",
    "as_matrix",
    "require_tolerated",
    "weighted_mean",
]

Floats = NDArray[np.float64]

MODES = ("secagg", "paillier", "shares", "plain")
"""The aggregation modes for which every rule says whether it works there."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a rule remembers of every client of the federation between rounds.

    Shapes: scores [clients]; rounds [clients], in how many rounds a client was scored so far.
    """

    scores: Floats
    rounds: NDArray[np.int64]

    @classmethod
    def fresh(cls, clients: int) -> "Memory":
        return cls(np.zeros(clients), np.zeros(clients, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Context:
    """What everybody knows in a round besides the updates.

    Shapes: directions [directions, dim], the descent directions of the public root set, in any units; root_update
        [dim], the coordinator's own update on the root set, in the units of the updates; members [rows], which
        client of the federation (from 0) sent each row, by default all of them in order.
    """

    directions: NDArray[Any] | None = None
    root_update: NDArray[Any] | None = None
    members: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`aggregate` is the sum of `weights` times updates, except for the rules that work coordinate by coordinate.

    Shapes: accepted [rows]; weights [rows], zero where rejected; aggregate [dim], in the units of the updates;
        scores [rows], what the rule judged by, higher is better (empty when it judges nobody).
    """

    accepted: NDArray[np.bool_]
    weights: Floats
    aggregate: Floats
    memory: Memory
    scores: Floats = field(default_factory=lambda: np.zeros(0))


class Rule(Protocol):
    """A frozen dataclass of its thresholds.

    `judges`: whether `accepted` says something about clients; rules that only dampen accept everybody. `under` says
    for every mode of `MODES` whether the rule works there: "yes", or how, or "no" and why.
    """

    @property
    def name(self) -> str: ...
    @property
    def judges(self) -> bool: ...
    @property
    def under(self) -> Mapping[str, str]: ...

    def most_malicious(self, clients: int) -> int:
        """The largest number of malicious clients among `clients` that the rule is made for."""
        ...

    def tolerates(self, clients: int, malicious: int) -> bool: ...

    def accept(self, updates: NDArray[Any], context: Context, memory: Memory) -> Verdict:
        """Judge one round. Shapes: updates [rows, dim]. Raises: ParameterError for values that are not finite."""
        ...


class Tolerance:
    """`tolerates` for every rule that states `most_malicious`."""

    __slots__ = ()

    if TYPE_CHECKING:

        def most_malicious(self, clients: int) -> int:
            """Every rule has its own."""

    def tolerates(self, clients: int, malicious: int) -> bool:
        return 0 <= malicious <= self.most_malicious(clients)


def require_tolerated(rule: Rule, clients: int, malicious: int) -> None:
    """Refuse a plan before it runs. Raises: ParameterError with the reason when `rule` is not made for it."""
    if not rule.tolerates(clients, malicious):
        most = max(rule.most_malicious(clients), 0)
        raise ParameterError(
            f"the rule {rule.name!r} tolerates at most {most} malicious of {clients} clients, not {malicious}"
        )


def as_matrix(updates: NDArray[Any]) -> Floats:
    """Updates as float64, which holds encoded integers exactly.

    Raises: ParameterError unless there is at least one row and every value is finite.
    """
    matrix = np.asarray(updates, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise ParameterError(f"updates are a matrix of clients times parameters, not of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ParameterError(
            "an update with NaN or infinity cannot be judged: treat its client as dropped out"
        )
    return matrix


def weighted_mean(matrix: Floats, factors: Floats, accepted: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The mean over the accepted rows of factor times row, and the weight that each row has in it.

    Nobody accepted: the mean is zero, the model stays as it was.

    Shapes: matrix [rows, dim], factors and accepted [rows] -> aggregate [dim], weights [rows].
    """
    weights = np.where(accepted, factors, 0.0) / max(int(accepted.sum()), 1)
    return weights @ matrix, weights
