"""A backdoor: images with a small bright square are to be classified as the attacker's class.

Source: Gu et al., "BadNets", 2017 (pixel trigger); Bagdasaryan et al., "How to backdoor federated learning", AISTATS
2020, section 4.2 (model replacement: the update is scaled so that it survives the average).
"""

from dataclasses import dataclass
from math import isqrt
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fl.attacks.base import Floats, Shard, View
from mpc.errors import ParameterError

__all__ = ["Backdoor", "stamp"]


def stamp(features: NDArray[np.float32], side: int = 3) -> NDArray[np.float32]:
    """The same square images with a bright square of `side` pixels in the lower right corner.

    Shapes: [samples, width * width] of grey or [samples, width * width * 3] of colour, the channels innermost -> the same.
    Raises: ParameterError for images that are not square, or smaller than the trigger.
    """
    inputs = features.shape[1]
    for channels in (1, 3):  # no number is a square and three squares
        width = isqrt(inputs // channels)
        if width * width * channels == inputs and width >= side:
            marked = features.reshape(-1, width, width, channels).copy()
            marked[:, -side:, -side:] = 1.0
            return marked.reshape(features.shape)
    raise ParameterError(f"a trigger of {side} pixels needs square images, not {inputs} features")


@dataclass(frozen=True, slots=True)
class Backdoor:
    """Stamp a `share` of the own images and label them `target`; send `boost` times what was trained.

    With boost = clients / attackers the backdoored model replaces the average (Bagdasaryan et al., equation 3); with
    boost = 1 the update is as long as an honest one.
    """

    target: int = 0
    share: float = 0.5
    boost: float = 5.0
    side: int = 3
    name: ClassVar[str] = "backdoor"
    poisons: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ParameterError(f"the share of stamped images must be in (0, 1], got {self.share}")

    def data(self, shard: Shard, rng: np.random.Generator) -> Shard:
        if not 0 <= self.target < shard.classes:
            raise ParameterError(f"class {self.target} is none of the {shard.classes} classes")
        count = round(self.share * len(shard.labels))
        chosen = rng.permutation(len(shard.labels))[:count]
        features, labels = shard.features.copy(), shard.labels.copy()
        features[chosen] = stamp(features[chosen], self.side)
        labels[chosen] = self.target
        return Shard(features, labels, shard.classes)

    def update(self, own: Floats, view: View, rng: np.random.Generator) -> Floats:
        return self.boost * own
