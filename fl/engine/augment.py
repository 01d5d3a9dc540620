"""Training images shown a little differently each time: shifted, and where it makes sense mirrored.

Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), section 4.2, for colour images of
32x32: four pixels of padding on every side, a random crop of the original size, and a mirror image every second time.
Digits are shifted by up to two pixels and never mirrored.
"""

from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mpc.errors import ParameterError

__all__ = ["AUGMENTATIONS", "augment", "draw_views"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """Shifts by up to `reach` pixels each way, one of `flips` (1: never mirrored) for images of `channels`."""

    channels: int
    reach: int
    flips: int

    @property
    def views(self) -> int:
        return self.flips * (2 * self.reach + 1) ** 2


_KINDS = {"flip-crop": _Kind(channels=3, reach=4, flips=2), "shift": _Kind(channels=1, reach=2, flips=1)}

AUGMENTATIONS = ("", *sorted(_KINDS))


def draw_views(kind: str, rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """One number for each record: as which of its views it is shown."""
    return rng.integers(0, _KINDS[kind].views, shape)


def augment(kind: str, features: Tensor, views: Tensor) -> Tensor:
    """Each image shifted and mirrored as its view says; what is shifted in is black.

    A view is flip + flips * (column + columns * row) of the crop's corner in the padded image.
    Shapes: features [..., inputs], row by row, the channels innermost, as `fl.data` has them; views [...].
    Raises: ParameterError for records that are not square images of as many channels as `kind` is for.
    """
    channels, reach, flips = _KINDS[kind].channels, _KINDS[kind].reach, _KINDS[kind].flips
    inputs = features.shape[-1]
    side = isqrt(inputs // channels)
    if channels * side * side != inputs:
        raise ParameterError(
            f"{kind} is for square images of {channels} channels, not for records of {inputs} features"
        )
    wide, places = side + 2 * reach, 2 * reach + 1
    images = features.reshape(-1, side, side, channels)
    padded = functional.pad(images, (0, 0) + (reach,) * 4).flatten(1, 2)
    place, flip = views.reshape(-1) // flips, views.reshape(-1) % flips
    line = torch.arange(side, device=features.device)
    across = torch.where(flip[:, None] == 1, line.flip(0), line)
    corner = place // places * wide + place % places
    pixels = (corner[:, None] + across)[:, None, :] + (line * wide)[:, None]
    shown = padded.gather(1, pixels.flatten(1)[:, :, None].expand(-1, -1, channels))
    return shown.reshape(features.shape)
