"""What an attack is: what a malicious client trains on, and what it sends.

    shard --data--> poisoned shard --training--> own update --update--> what is sent

Attackers work together, know every honest update of the round and everything that is public: the strongest view the
literature grants. Defences are measured against it; a real attacker sees less.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError

__all__ = ["Attack", "Floats", "OnData", "OnUpdates", "Shard", "View", "require_view"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shard:
    """One client's training data. Shapes: features [samples, inputs] in [0, 1]; labels [samples]."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int


@dataclass(frozen=True, slots=True)
class View:
    """What the attackers know when they choose their updates.

    Shapes: honest [honest clients, dim], this round's honest updates; previous [dim], the last change of the global
        model (zero in the first round); directions [k, dim], the coordinator's public descent directions, if it has
        any; clients, how many there are in all.
    """

    honest: Floats
    previous: Floats
    clients: int
    directions: NDArray[Any] | None = None


class Attack(Protocol):
    """A frozen dataclass of the attack's strength.

    `poisons`: whether `data` changes the shard, so that the attackers' own updates come from poisoned training.
    """

    @property
    def name(self) -> str: ...
    @property
    def poisons(self) -> bool: ...

    def data(self, shard: Shard, rng: np.random.Generator) -> Shard: ...

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        """Shapes: own [attackers, dim], what they trained -> what they send [attackers, dim]."""
        ...


class OnUpdates:
    """Base of the attacks that leave the data alone."""

    __slots__ = ()
    poisons = False

    def data(self, shard: Shard, rng: np.random.Generator) -> Shard:
        return shard


class OnData:
    """Base of the attacks that train on poisoned data and send what comes out."""

    __slots__ = ()
    poisons = True

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        return own


def require_view(view: View, own: Floats, honest: int = 1) -> None:
    """Raises: ParameterError when fewer than `honest` honest updates are there to imitate, or shapes differ."""
    if view.honest.ndim != 2 or own.ndim != 2 or view.honest.shape[1] != own.shape[1]:
        raise ParameterError(f"updates of shapes {view.honest.shape} and {own.shape} are not of one model")
    if len(view.honest) < honest:
        raise ParameterError(f"this attack needs {honest} honest updates to look at, got {len(view.honest)}")
