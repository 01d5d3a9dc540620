"""Clients that want the model and the reward without training.

Source: Lin, Du and Liu, "Free-riders in federated learning: attacks and defenses", 2019, section 3 (delta weights);
Fraboni, Vidal and Lorenzi, "Free-rider attacks on model aggregation in federated learning", AISTATS 2021, section 3.2
(plain, and disguised by noise).
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fl.attacks.base import Floats, OnUpdates, View, require_view
from mpc.errors import ParameterError

__all__ = ["FreeRider"]

KINDS = ("zero", "delta", "noise")


@dataclass(frozen=True, slots=True)
class FreeRider(OnUpdates):
    """`zero` sends nothing but zeros; `delta` re-sends the last change of the global model; `noise` disguises zeros.

    The noise has the length of the last change of the global model, so that norms give nothing away.
    """

    kind: str = "delta"
    name: ClassVar[str] = "free-rider"

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ParameterError(f"a free rider sends one of {', '.join(KINDS)}, not {self.kind!r}")

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        require_view(view, own, honest=0)
        if self.kind == "zero":
            return np.zeros_like(own)
        if self.kind == "delta":
            return np.repeat(view.previous[None, :], len(own), axis=0)
        noise = rng.standard_normal(own.shape)
        noise *= np.linalg.norm(view.previous) / np.linalg.norm(noise, axis=1, keepdims=True)
        return noise
