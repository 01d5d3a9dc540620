"""How fast secret randomness comes: a million draws of each kind, on one core."""

import numpy as np

from mpc.prg import CIPHERS, Stream

from .side_by_side import seconds

N = 1_000_000


class Draws:
    """One million values from each cipher."""

    params = list(CIPHERS)
    param_names = ["cipher"]

    def setup(self, cipher: str) -> None:
        self.stream = Stream(bytes(32), b"bench", cipher)
        self.words = np.zeros(N, dtype=np.uint32)
        self.wide = np.zeros(N, dtype=np.uint64)

    def time_uint32(self, cipher: str) -> None:
        self.stream.uint32_into(self.words)

    def time_add_uint32(self, cipher: str) -> None:
        self.stream.add_uint32(self.words)

    def time_field61(self, cipher: str) -> None:
        self.stream.field61_into(self.wide)

    def time_1000_bn254_scalars(self, cipher: str) -> None:
        self.stream.integers_below((1 << 253) + 5, 1000)

    def time_1000_derived_streams(self, cipher: str) -> None:
        for i in range(1000):
            self.stream.derive("mask", i).bytes(16)

    def track_uint32_masks(self, cipher: str) -> float:
        """Gigabytes a second of masks added to a vector."""
        times = [seconds(lambda: self.stream.add_uint32(self.words)) for _ in range(30)]
        return float(self.words.nbytes / np.median(times) / 1e9)

    track_uint32_masks.unit = "GB/s"  # type: ignore[attr-defined]
