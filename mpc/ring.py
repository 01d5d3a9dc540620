"""The rings Z_2^32 and Z_2^64: numpy's own wrap-around."""

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np

from mpc.domain import Array, Domain, Elements, Shape
from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream

__all__ = ["RING32", "RING64", "Ring"]


@dataclass(frozen=True, slots=True)
class Ring(Domain):
    """Integers mod 2^bits.

    Raises: ParameterError unless bits is 32 or 64.
    """

    bits: int

    def __post_init__(self) -> None:
        if self.bits not in (32, 64):
            raise ParameterError(f"a ring has 32 or 64 bits, got {self.bits}")

    @property
    def modulus(self) -> int:  # type: ignore[override]
        return 1 << self.bits

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint32 if self.bits == 32 else np.uint64)

    def random(self, shape: Shape, randomness: Stream) -> Array:
        return randomness.uint32(shape) if self.bits == 32 else randomness.uint64(shape)

    def add(self, a: Array, b: Array) -> Array:
        return np.asarray(a + b)

    def subtract(self, a: Array, b: Array) -> Array:
        return np.asarray(a - b)

    def multiply(self, a: Array, b: Array | int) -> Array:
        return np.asarray(a * (self.dtype.type(b % self.modulus) if isinstance(b, int) else b))

    def matmul(self, a: Array, b: Array) -> Array:
        return np.asarray(a @ b)

    def reduce(self, integers: Any) -> Array:
        given = np.asarray(integers)
        if given.dtype.kind in "iu":
            return given.astype(np.uint64).astype(self.dtype)
        out = np.empty(given.shape, dtype=self.dtype)
        out.reshape(-1)[:] = [int(v) % self.modulus for v in given.reshape(-1)]
        return out

    def lift(self, a: Array) -> Array:
        return a.view(np.int32 if self.bits == 32 else np.int64).astype(np.int64)

    def encode(self, a: Array) -> bytes:
        return a.astype(self.dtype.newbyteorder("<"), copy=False).tobytes()

    def decode(self, data: bytes, shape: Shape) -> Array:
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if len(data) != count * self.element_bytes:
            raise DecodeError(f"want {count * self.element_bytes} bytes, got {len(data)}")
        array = np.frombuffer(data, dtype=self.dtype.newbyteorder("<")).reshape(shape)
        return array if sys.byteorder == "little" else array.astype(self.dtype)

    def to_bytes(self) -> bytes:
        return b"R" + bytes([self.bits])

    def elements(self, integers: Any) -> Elements:
        """Integers as elements of this ring."""
        return Elements(self, self.reduce(integers))


RING32, RING64 = Ring(32), Ring(64)
