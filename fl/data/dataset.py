"""What every loader returns."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from mpc.errors import ParameterError

__all__ = ["Dataset"]


@dataclass(frozen=True)
class Dataset:
    """Features scaled to [0, 1] and integer labels.

    `shape` is one sample's: (height, width, channels) for images, (inputs,) for records. `unverified` names the files
    that are not the published ones and were accepted all the same; a run on them says so.

    Shapes: train_x [train, inputs] float32; train_y [train] int64; test_x, test_y likewise.
    Raises: ParameterError when the shape, the features and the labels do not belong together.
    """

    name: str
    classes: int
    shape: tuple[int, ...]
    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]
    unverified: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for features, labels in ((self.train_x, self.train_y), (self.test_x, self.test_y)):
            if features.ndim != 2 or labels.ndim != 1 or len(features) != len(labels):
                raise ParameterError(
                    f"the {self.name} files do not belong together: samples and labels differ in number"
                )
            if features.shape[1] != prod(self.shape):
                raise ParameterError(
                    f"{self.name} has {features.shape[1]} features a sample, its shape {self.shape} says {prod(self.shape)}"
                )

    @property
    def inputs(self) -> int:
        return int(self.train_x.shape[1])

    @cached_property
    def sha256(self) -> str:
        """Digest of names, shapes and contents: pins the data in a plan."""
        digest = hashlib.sha256(f"{self.name}:{self.classes}".encode())
        for array in (self.train_x, self.train_y, self.test_x, self.test_y):
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).reshape(-1).data)
        return digest.hexdigest()
