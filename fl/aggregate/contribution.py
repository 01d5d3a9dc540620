"""What a client adds to a sum."""

from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contribution"]


class Contribution(Interface):
    """The encoded update and the blindings of its commitment.

    Shapes: values [dim], signed, within the codec's limit; blinding: one scalar below the proof system's order a chunk.
    """

    @property
    def values(self) -> NDArray[np.int64]: ...
    @property
    def blinding(self) -> list[int]: ...
