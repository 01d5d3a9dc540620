"""What an attacker sees of a round: the sum that is published, through the codec, clipped and noised as a plan would.

The sum is the integer sum secure aggregation gives, so whatever fixed point hides or keeps is part of the measurement.
The attacker knows everything else that is public: the model, who took part, clip, noise and codec.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mpc.codec import Codec
from mpc.errors import ParameterError

__all__ = ["IntegerNoise", "Release"]

IntegerNoise = Callable[[int, float], NDArray[np.int64]]

_BITS = 16


@dataclass(frozen=True, slots=True)
class Release:
    """How the sum of a round is made.

    `noise_multiplier` is the noise of the whole sum over `l2_clip`, whoever adds it; one client is a raw update.

    Units: l2_clip in model units; every client's vector is scaled to it when it is longer.
    Raises: ParameterError for numbers without meaning.
    """

    clients: int
    l2_clip: float
    noise_multiplier: float = 0.0

    def __post_init__(self) -> None:
        if self.clients < 1 or not self.l2_clip > 0 or not self.noise_multiplier >= 0:
            raise ParameterError(
                f"a release wants clients, a clip above 0 and noise of at least 0, got {self.clients}, "
                f"{self.l2_clip} and {self.noise_multiplier}"
            )

    def codec(self) -> Codec:
        """16 bits, as in a plan, over the clip; noise comes on top in the ring."""
        return Codec(clip=self.l2_clip, bits=_BITS, max_clients=self.clients)

    def mean(self, updates: NDArray[np.float32], noise: IntegerNoise | None = None) -> NDArray[np.float64]:
        """The decoded mean of the published sum.

        `noise(n, std)` draws n integers of that standard deviation, in steps of the codec.

        Shapes: updates [clients, size]; the result [size].
        Raises: ParameterError for another number of updates, or when noise is due and none is given.
        """
        if len(updates) != self.clients:
            raise ParameterError(f"{self.clients} clients are in the sum, got {len(updates)} updates")
        codec = self.codec()
        exact = updates.astype(np.float64)
        lengths = np.linalg.norm(exact, axis=1, keepdims=True)
        exact *= np.minimum(1.0, self.l2_clip / np.maximum(lengths, 1e-30))
        total: NDArray[np.int64] = codec.encode(exact).values.sum(axis=0)
        if self.noise_multiplier:
            if noise is None:
                raise ParameterError("this release adds noise, and no source of noise was given")
            total = total + noise(total.size, self.noise_multiplier * self.l2_clip / codec.step)
        # not `Codec.decode_sum`, which refuses what honest updates cannot sum to: the noise can
        decoded: NDArray[np.float64] = total.astype(np.float64) * (codec.step / self.clients)
        return decoded
