"""Attacks that hide inside the spread of the honest updates: ALIE, min-max, inner-product manipulation.

All attackers send the same vector, made from the honest updates of the round.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import ClassVar

import numpy as np

from fl.attacks.base import Floats, OnUpdates, View, require_view
from mpc.errors import ParameterError

__all__ = ["ALittleIsEnough", "InnerProduct", "MinMax", "alie_deviations"]

PERTURBATIONS = ("std", "unit", "sign")
_HALVINGS = 40


def alie_deviations(clients: int, attackers: int) -> float:
    """How many standard deviations the attackers may be off so that enough honest clients are farther out.

    s = floor(n / 2 + 1) - m supporters make a majority; z = max z with Phi(z) < (n - m - s) / (n - m).

    Source: Baruch et al. 2019, algorithm 3 and section 3.2.

    >>> round(alie_deviations(50, 24), 2)
    1.43
    """
    supporters = clients // 2 + 1 - attackers
    share = (clients - attackers - supporters) / (clients - attackers)
    if not 0 < share < 1:
        raise ParameterError(
            f"{attackers} of {clients} attackers are too many for this attack: they are the majority"
        )
    return NormalDist().inv_cdf(share)


@dataclass(frozen=True, slots=True)
class ALittleIsEnough(OnUpdates):
    """Mean minus z standard deviations in every coordinate; z follows from the numbers of clients unless given.

    Source: Baruch et al., "A little is enough: circumventing defenses for distributed learning", NeurIPS 2019,
    algorithm 3.
    """

    deviations: float | None = None
    name: ClassVar[str] = "alie"

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        require_view(view, own)
        z = alie_deviations(view.clients, len(own)) if self.deviations is None else self.deviations
        sent = view.honest.mean(axis=0) - z * view.honest.std(axis=0)
        return np.repeat(sent[None, :], len(own), axis=0)


@dataclass(frozen=True, slots=True)
class MinMax(OnUpdates):
    """Go as far from the mean as no two honest updates are apart, against the honest `perturbation`.

    The largest gamma with max_i |m + gamma p - u_i| <= max_ij |u_i - u_j|, found by halving.

    Source: Shejwalkar and Houmansadr, "Manipulating the Byzantine: optimizing model poisoning attacks and defenses for
    federated learning", NDSS 2021, equation 3 and section 4.2 (perturbations inverse std, unit vector, sign).
    """

    perturbation: str = "std"
    name: ClassVar[str] = "min-max"

    def __post_init__(self) -> None:
        if self.perturbation not in PERTURBATIONS:
            raise ParameterError(
                f"min-max perturbs along one of {', '.join(PERTURBATIONS)}, not {self.perturbation!r}"
            )

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        require_view(view, own, honest=2)
        honest = view.honest
        centre = honest.mean(axis=0)
        direction = self._direction(honest, centre)
        lengths = np.einsum("ij,ij->i", honest, honest)
        apart = lengths[:, None] + lengths[None, :] - 2 * honest @ honest.T
        allowed = max(float(apart.max()), 0.0)
        # |centre - u_i + gamma p|^2 = from_centre_i + 2 gamma along_i + gamma^2 |p|^2
        off = centre - honest
        from_centre, along = np.einsum("ij,ij->i", off, off), off @ direction
        square = float(direction @ direction)

        def fits(gamma: float) -> bool:
            return float((from_centre + 2 * gamma * along + gamma**2 * square).max()) <= allowed

        low, high = 0.0, 2 * np.sqrt(allowed / square) if square > 0 else 0.0
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        return np.repeat((centre + low * direction)[None, :], len(own), axis=0)

    def _direction(self, honest: Floats, centre: Floats) -> Floats:
        if self.perturbation == "std":
            spread: Floats = -honest.std(axis=0)
            return spread
        if self.perturbation == "sign":
            signs: Floats = -np.sign(centre)
            return signs
        length = float(np.linalg.norm(centre))
        unit: Floats = -centre / length if length > 0 else -centre
        return unit


@dataclass(frozen=True, slots=True)
class InnerProduct(OnUpdates):
    """Minus `strength` times the honest mean: the sum shrinks, or turns, while every norm looks small.

    Source: Xie, Koyejo and Gupta, "Fall of empires: breaking Byzantine-tolerant SGD by inner product manipulation",
    UAI 2020, section 4.
    """

    strength: float = 0.5
    name: ClassVar[str] = "ipm"

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        require_view(view, own)
        return np.repeat(-self.strength * view.honest.mean(axis=0)[None, :], len(own), axis=0)
