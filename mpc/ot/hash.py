"""The tweakable hash that breaks the correlation of extended transfers: two AES calls with one fixed key.

    H(x, i) = E(E(x) xor i) xor E(x)

Source: Guo, Katz, Wang and Yu, "Efficient and secure multiparty computation from fixed-key block ciphers",
    IEEE S&P 2020, section VII (TMMO, tweakable circular correlation robust).
"""

from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import ParameterError
from mpc.wire import Words

__all__ = ["CorrelationRobustHash"]


class CorrelationRobustHash:
    """H under one 16-byte key that both parties know; it hides by its tweak, not by its key."""

    def __init__(self, key: bytes) -> None:
        if len(key) != 16:
            raise ParameterError(f"the hash has a 16-byte key, got {len(key)}")
        self._cipher = Cipher(algorithms.AES(key), modes.ECB())

    def pads(self, rows: Words, first_tweak: int, width: int) -> Words:
        """Pads of `width` words from rows of 128 bits; no tweak is used twice while `first_tweak` moves on
        by `n * blocks(width)`.

        Shapes: rows [n, 2] -> [n, width].
        """
        inner = self._encrypt(rows)
        blocks = self.blocks(width)
        pads = np.empty((len(rows), 2 * blocks), dtype=np.uint64)
        tweaks = np.arange(len(rows), dtype=np.uint64) * np.uint64(blocks) + np.uint64(first_tweak)
        for block in range(blocks):
            tweaked = inner.copy()
            tweaked[:, 0] ^= tweaks + np.uint64(block)
            pads[:, 2 * block : 2 * block + 2] = self._encrypt(tweaked) ^ inner
        return pads[:, :width]

    @staticmethod
    def blocks(width: int) -> int:
        """How many tweaks one pad of `width` words takes."""
        return -(-width // 2)

    def _encrypt(self, rows: Words) -> Words:
        data: Any = np.ascontiguousarray(rows)
        # The cipher wants room for a block more than it writes.
        room = bytearray(data.nbytes + 15)
        self._cipher.encryptor().update_into(memoryview(data).cast("B"), room)
        return np.frombuffer(room, dtype=np.uint64, count=data.size).reshape(data.shape)
