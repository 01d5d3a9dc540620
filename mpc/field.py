"""Prime fields: 2^61 - 1 on numpy words, every other prime on Python integers."""

from dataclasses import dataclass
from typing import Any, ClassVar

import gmpy2
import numpy as np

from mpc import field61
from mpc.domain import Array, Domain, Elements, Shape
from mpc.errors import DecodeError, ParameterError
from mpc.polynomial import batch_inverse
from mpc.prg import Stream

__all__ = ["FIELD61", "PrimeField"]


@dataclass(frozen=True, slots=True)
class PrimeField(Domain):
    """Integers mod a prime.

    Raises: ParameterError when the modulus is not an odd prime of at most 512 bytes.
    """

    modulus: int
    MAX_BYTES: ClassVar[int] = 512

    def __post_init__(self) -> None:
        if not 3 <= self.modulus < 1 << (8 * self.MAX_BYTES) or not gmpy2.is_prime(self.modulus, 32):
            raise ParameterError("a prime field needs an odd prime of at most 512 bytes")

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(np.uint64 if self._is61 else object)

    @property
    def _is61(self) -> bool:
        return self.modulus == field61.P61

    def _objects(self, values: list[int], shape: Shape) -> Array:
        out = np.empty(len(values), dtype=object)
        out[:] = values
        return out.reshape(shape)

    def random(self, shape: Shape, randomness: Stream) -> Array:
        if self._is61:
            return randomness.field61(shape)
        count = int(np.prod(shape)) if shape else 1
        return self._objects(randomness.integers_below(self.modulus, count), shape)

    def add(self, a: Array, b: Array) -> Array:
        return field61.add(a, b) if self._is61 else np.asarray((a + b) % self.modulus, dtype=object)

    def subtract(self, a: Array, b: Array) -> Array:
        return field61.subtract(a, b) if self._is61 else np.asarray((a - b) % self.modulus, dtype=object)

    def multiply(self, a: Array, b: Array | int) -> Array:
        return field61.multiply(a, b) if self._is61 else np.asarray(a * b % self.modulus, dtype=object)

    def matmul(self, a: Array, b: Array) -> Array:
        if not self._is61:
            return np.asarray((a @ b) % self.modulus, dtype=object)
        left, right = a.reshape(-1, a.shape[-1]), b.reshape(b.shape[0], -1)
        return field61.matmul(left, right).reshape(*a.shape[:-1], *b.shape[1:])

    def inverse(self, a: Array) -> Array:
        """Elementwise inverses.

        Raises: ParameterError when an element is zero.
        """
        if self._is61:
            return field61.inverse(a)
        return self._objects(batch_inverse([int(v) for v in a.reshape(-1)], self.modulus), a.shape)

    def reduce(self, integers: Any) -> Array:
        given = np.asarray(integers)
        if given.dtype.kind not in "iuO":
            given = np.asarray(integers, dtype=object)
        if self._is61 and given.dtype.kind in "iu":
            return (
                np.asarray(np.mod(given, given.dtype.type(self.modulus))).astype(np.uint64)
                if (given.dtype.itemsize == 8)
                else np.mod(given.astype(np.int64), np.int64(self.modulus)).astype(np.uint64)
            )
        reduced = self._objects([int(v) % self.modulus for v in given.reshape(-1)], given.shape)
        return reduced.astype(self.dtype)

    def lift(self, a: Array) -> Array:
        half = self.modulus // 2
        if self._is61:
            signed = a.astype(np.int64)
            return np.where(signed > half, signed - np.int64(self.modulus), signed)
        flat = a.reshape(-1)
        lifted = self._objects([int(v) - self.modulus if v > half else int(v) for v in flat], a.shape)
        return lifted.astype(np.int64) if self.modulus < 1 << 63 else lifted

    def encode(self, a: Array) -> bytes:
        if self._is61:
            return a.astype("<u8", copy=False).tobytes()
        return b"".join(int(v).to_bytes(self.element_bytes, "little") for v in a.reshape(-1))

    def decode(self, data: bytes, shape: Shape) -> Array:
        size = self.element_bytes
        count = int(np.prod(shape, dtype=object)) if shape else 1
        if len(data) != count * size:
            raise DecodeError(f"want {count * size} bytes, got {len(data)}")
        if self._is61:
            values = np.frombuffer(data, dtype="<u8").astype(np.uint64, copy=False).reshape(shape)
        else:
            values = self._objects(
                [int.from_bytes(data[i : i + size], "little") for i in range(0, len(data), size)], shape
            )
        if values.size and int(values.max()) >= self.modulus:
            raise DecodeError("an element is not reduced")
        return values

    def to_bytes(self) -> bytes:
        raw = self.modulus.to_bytes((self.modulus.bit_length() + 7) // 8, "big")
        return b"F" + len(raw).to_bytes(2, "big") + raw

    def elements(self, integers: Any) -> Elements:
        """Integers as elements of this field."""
        return Elements(self, self.reduce(integers))


FIELD61 = PrimeField(field61.P61)
"""The field of 2^61 - 1 elements: tensors are shared in it."""
