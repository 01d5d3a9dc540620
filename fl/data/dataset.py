"""What every loader returns."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["Dataset"]


@dataclass(frozen=True)
class Dataset:
    """Features scaled to [0, 1] and integer labels.

    Shapes: train_x [train, inputs] float32; train_y [train] int64; test_x, test_y likewise.
    """

    name: str
    classes: int
    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]

    @property
    def inputs(self) -> int:
        return int(self.train_x.shape[1])

    @cached_property
    def sha256(self) -> str:
        """Digest of names, shapes and contents: pins the data in a plan."""
        digest = hashlib.sha256(f"{self.name}:{self.classes}".encode())
        for array in (self.train_x, self.train_y, self.test_x, self.test_y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
