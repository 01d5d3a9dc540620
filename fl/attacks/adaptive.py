"""The attacker who knows the cone test: it sends one genuine class direction, as long as it may.

No test that accepts a client with one class can reject it, since such a client sends the same. What is left to do is
to bound how much one client weighs, and how many clients there are.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fl.attacks.base import Floats, OnUpdates, View, require_view
from mpc.errors import ParameterError

__all__ = ["InsideCone"]


@dataclass(frozen=True, slots=True)
class InsideCone(OnUpdates):
    """All attackers push towards `direction` with `length` times the median honest length.

    Source: this project, `docs/decisions/0071-cone-test.md`.
    """

    direction: int = 0
    length: float = 2.0
    name: ClassVar[str] = "adaptive"

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        require_view(view, own)
        if view.directions is None:
            raise ParameterError("there is no cone to stay inside: the coordinator has no directions")
        if not 0 <= self.direction < len(view.directions):
            raise ParameterError(
                f"there are {len(view.directions)} directions, and none of number {self.direction}"
            )
        ray = np.asarray(view.directions[self.direction], dtype=np.float64)
        length = self.length * float(np.median(np.linalg.norm(view.honest, axis=1)))
        return np.repeat((length / max(float(np.linalg.norm(ray)), 1e-300) * ray)[None, :], len(own), axis=0)
