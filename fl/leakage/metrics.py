"""How close a reconstructed picture is to the one that was hidden: PSNR, SSIM, success.

Both compare pictures in [0, 1]. PSNR is a mean squared error in decibels; SSIM asks whether structure survived, so a
blurred digit that a person still reads keeps a high SSIM at a low PSNR.
"""

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError

__all__ = ["PSNR_CAP", "SUCCESS_DB", "best_match", "psnr", "ssim", "succeeded"]

Pictures = NDArray[np.float64]

PSNR_CAP = 100.0
SUCCESS_DB = 20.0

_WINDOW, _SIGMA = 11, 1.5
_C1, _C2 = 0.01**2, 0.03**2


def psnr(truth: Pictures, guess: Pictures) -> NDArray[np.float64]:
    """Peak signal-to-noise ratio over the last axis, for a peak of 1; capped, because an exact copy has no noise.

    Shapes: truth [..., pixels]; guess [..., pixels], the two broadcast; the result [...].
    Units: decibels.

    >>> psnr(np.zeros(4), np.full(4, 0.1)).round(6).item()
    20.0
    """
    error = np.square(np.asarray(truth, dtype=np.float64) - guess).mean(axis=-1)
    floor: float = 10 ** (-PSNR_CAP / 10)
    decibels: NDArray[np.float64] = -10 * np.log10(np.maximum(error, floor))
    return decibels


def succeeded(decibels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a reconstruction counts: more than `SUCCESS_DB`, at which an error of a tenth of the range is left."""
    return np.asarray(decibels) > SUCCESS_DB


def best_match(truth: Pictures, found: Pictures) -> Pictures:
    """For every true picture the found one that is closest: which of them is which, an attacker need not know.

    An upper bound for the attacker, who must pick by eye.

    Shapes: truth [records, pixels]; found [any number above 0, pixels]; the result like `truth`.
    """
    truth, found = np.asarray(truth, np.float64), np.asarray(found, np.float64)
    matched: Pictures = found[psnr(truth[:, None], found[None]).argmax(axis=1)]
    return matched


def ssim(truth: Pictures, guess: Pictures, side: int) -> NDArray[np.float64]:
    """Mean structural similarity of square pictures under a Gaussian window of 11 pixels, sigma 1.5.

    Pictures smaller than the window (8x8 digits) get the largest odd window that fits, cut from the same Gaussian.

    Shapes: truth and guess [..., side * side]; the result [...].
    Raises: ParameterError when the pictures are not `side` pixels wide.
    Source: Wang, Bovik, Sheikh, Simoncelli 2004, equation (13), K1 = 0.01, K2 = 0.03, L = 1; only windows that lie
        inside the picture count.

    >>> picture = np.linspace(0, 1, 144)
    >>> float(ssim(picture, picture, 12))
    1.0
    """
    if np.shape(truth)[-1] != side * side or np.shape(guess)[-1] != side * side:
        raise ParameterError(f"pictures of {side} x {side} pixels expected, got {np.shape(truth)[-1]} pixels")
    x, y = (np.reshape(np.asarray(p, np.float64), (*np.shape(p)[:-1], side, side)) for p in (truth, guess))
    mean_x, mean_y = _smooth(x), _smooth(y)
    var_x = _smooth(x * x) - mean_x**2
    var_y = _smooth(y * y) - mean_y**2
    covariance = _smooth(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    similarity: NDArray[np.float64] = (luminance * structure).mean(axis=(-2, -1))
    return similarity


def _smooth(pictures: Pictures) -> Pictures:
    """The Gaussian-weighted mean around every pixel whose window lies inside: the window is a product, so two passes."""
    size = min(_WINDOW, (pictures.shape[-1] - 1) // 2 * 2 + 1)
    places = np.arange(size) - size // 2
    window = np.exp(-(places**2) / (2 * _SIGMA**2))
    window /= window.sum()
    for axis in (-2, -1):
        pictures = np.lib.stride_tricks.sliding_window_view(pictures, size, axis=axis) @ window
    return pictures
