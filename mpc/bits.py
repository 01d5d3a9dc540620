"""Bits turned sideways: 64 x 64 blocks of them transposed with masks and shifts, for words by the million.

Source: Warren, Hacker's Delight, section 7-3.
"""

import numpy as np

from mpc.wire import Words

__all__ = ["planes", "spread", "transpose64"]

_MASKS = {
    32: 0x00000000FFFFFFFF,
    16: 0x0000FFFF0000FFFF,
    8: 0x00FF00FF00FF00FF,
    4: 0x0F0F0F0F0F0F0F0F,
    2: 0x3333333333333333,
    1: 0x5555555555555555,
}


def transpose64(words: Words) -> None:
    """Transpose, in place, every 64 x 64 block of bits: bit j of word i and bit i of word j change places.

    Shapes: words [64, blocks], contiguous.
    """
    swap = np.empty_like(words[:32])
    for step, mask in _MASKS.items():
        view = words.reshape(64 // (2 * step), 2, step, -1)
        low, high = view[:, 0], view[:, 1]
        moved = swap.reshape(low.shape)
        np.right_shift(low, np.uint64(step), out=moved)
        moved ^= high
        moved &= np.uint64(mask)
        high ^= moved
        moved <<= np.uint64(step)
        low ^= moved


def planes(words: Words, bits: int) -> Words:
    """Bit planes of words: bit j of 64 consecutive values stand together in one word of plane j.

    Shapes: words [..., n] -> [..., bits, ceil(n / 64)].

    >>> planes(np.array([1, 2, 3], dtype=np.uint64), 2)
    array([[5],
           [6]], dtype=uint64)
    """
    lead, n = words.shape[:-1], words.shape[-1]
    width = -(-n // 64)
    padded = np.zeros((*lead, 64 * width), dtype=np.uint64)
    padded[..., :n] = words
    block = np.ascontiguousarray(padded.reshape(-1, 64).T)
    transpose64(block)
    return np.ascontiguousarray(np.moveaxis(block[:bits].reshape(bits, *lead, width), 0, -2))


def spread(plane: Words, n: int) -> Words:
    """The first `n` bits of a plane as words that are 0 or 1.

    Shapes: plane [..., width] -> [..., n].
    """
    raw = np.ascontiguousarray(plane).astype("<u8", copy=False).view(np.uint8)
    return np.unpackbits(raw, axis=-1, bitorder="little")[..., :n].astype(np.uint64)
