"""Attacks that need no knowledge of the others: flipped signs or labels, noise, scaling."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from fl.attacks.base import Floats, OnData, OnUpdates, Shard, View

__all__ = ["Gaussian", "LabelFlip", "Scaling", "SignFlip"]


@dataclass(frozen=True, slots=True)
class SignFlip(OnUpdates):
    """Send `strength` times the opposite of what was trained.

    Source: Li et al., "RSA: Byzantine-robust stochastic aggregation methods for distributed learning from
    heterogeneous datasets", AAAI 2019, section 5 (sign-flipping attack, there with strength 4).
    """

    strength: float = 3.0
    name: ClassVar[str] = "sign-flip"

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        return -self.strength * own


@dataclass(frozen=True, slots=True)
class LabelFlip(OnData):
    """Train honestly on label L - 1 - y in place of y, for L classes.

    Source: Fang et al., "Local model poisoning attacks to Byzantine-robust federated learning", USENIX Security 2020,
    section 5.1 (label flipping attack).
    """

    name: ClassVar[str] = "label-flip"

    def data(self, shard: Shard, rng: np.random.Generator) -> Shard:
        return Shard(shard.features, shard.classes - 1 - shard.labels, shard.classes)


@dataclass(frozen=True, slots=True)
class Gaussian(OnUpdates):
    """Send white noise, `strength` times as long as what was trained.

    Source: Blanchard et al., "Machine learning with adversaries", NeurIPS 2017, section 6 (Gaussian Byzantine, there
    with a fixed standard deviation of 200, which any bound on the norm stops).
    """

    strength: float = 3.0
    name: ClassVar[str] = "gaussian"

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        noise = rng.standard_normal(own.shape)
        lengths = np.linalg.norm(own, axis=1, keepdims=True) / np.linalg.norm(noise, axis=1, keepdims=True)
        scaled: Floats = self.strength * lengths * noise
        return scaled


@dataclass(frozen=True, slots=True)
class Scaling(OnUpdates):
    """Multiply what was trained by `factor`; a negative one drives the sum backwards.

    Source: Bhagoji et al., "Analyzing federated learning through an adversarial lens", ICML 2019, section 3 (explicit
    boosting).
    """

    factor: float = -10.0
    name: ClassVar[str] = "scaling"

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        return self.factor * own
