"""Random flips and crops of training images.

Source: He, Zhang, Ren, Sun, "Deep residual learning for image recognition" (2016), section 4.2: four pixels of
padding on every side, a random crop of the original size, and a flip from left to right every second time.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mpc.errors import ParameterError

__all__ = ["AUGMENTATIONS", "draw_views", "flip_crop"]

AUGMENTATIONS = ("", "flip-crop")

_PAD = 4
_PLACES = 2 * _PAD + 1
_CHANNELS, _SIDE = 3, 32


def draw_views(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """One number below 162 for each record: which of two flips and nine by nine crops it is shown as."""
    return rng.integers(0, 2 * _PLACES * _PLACES, shape)


def flip_crop(features: Tensor, views: Tensor) -> Tensor:
    """Each image of 3x32x32 shifted and mirrored as its view says; what is shifted in is black.

    Shapes: features [..., 3072]; views [...]. Raises: ParameterError for records that are no such images.
    """
    if features.shape[-1] != _CHANNELS * _SIDE * _SIDE:
        raise ParameterError(
            f"flips and crops are for images of 3x32x32, not for records of {features.shape[-1]} features"
        )
    images = features.reshape(-1, _CHANNELS, _SIDE, _SIDE)
    padded = functional.pad(images, (_PAD,) * 4).flatten(2)
    place, flip = views.reshape(-1) // 2, views.reshape(-1) % 2
    line = torch.arange(_SIDE, device=features.device)
    down = (place // _PLACES)[:, None] + line
    across = (place % _PLACES)[:, None] + torch.where(flip[:, None] == 1, line.flip(0), line)
    pixels = down[:, :, None] * (_SIDE + 2 * _PAD) + across[:, None, :]
    shown = padded.gather(2, pixels.flatten(1)[:, None, :].expand(-1, _CHANNELS, -1))
    return shown.reshape(features.shape)
