"""What secret sharing computes in: a ring or a field, and arrays that know which one they belong to.

Domain  --  Ring (mpc.ring): Z_2^32, Z_2^64
        \\-  PrimeField (mpc.field): 2^61 - 1 in numpy, any prime in Python integers
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream

__all__ = ["Array", "Domain", "Elements", "domain_from_bytes"]

Array = npt.NDArray[Any]
Shape = tuple[int, ...]


class Domain(ABC):
    """Arithmetic mod `modulus` on arrays of one dtype; every array is reduced.

    These functions do not look at where an array comes from: `Elements` does.
    """

    __slots__ = ()
    modulus: int

    @property
    @abstractmethod
    def dtype(self) -> np.dtype[Any]:
        """The dtype of its arrays."""

    @property
    def element_bytes(self) -> int:
        """Bytes of one encoded element."""
        return ((self.modulus - 1).bit_length() + 7) // 8

    @abstractmethod
    def random(self, shape: Shape, randomness: Stream) -> Array:
        """Uniform elements."""

    @abstractmethod
    def add(self, a: Array, b: Array) -> Array:
        """a + b."""

    @abstractmethod
    def subtract(self, a: Array, b: Array) -> Array:
        """a - b."""

    @abstractmethod
    def multiply(self, a: Array, b: Array | int) -> Array:
        """a * b, elementwise."""

    @abstractmethod
    def matmul(self, a: Array, b: Array) -> Array:
        """The matrix product."""

    @abstractmethod
    def reduce(self, integers: Any) -> Array:
        """Integers of any sign and size as elements."""

    @abstractmethod
    def lift(self, a: Array) -> Array:
        """The integers of smallest magnitude: int64 when the modulus has at most 64 bits, Python's beyond."""

    @abstractmethod
    def encode(self, a: Array) -> bytes:
        """`element_bytes` little-endian bytes each."""

    @abstractmethod
    def decode(self, data: bytes, shape: Shape) -> Array:
        """The array.

        Raises: DecodeError for another length, or an element that is not reduced.
        """

    @abstractmethod
    def to_bytes(self) -> bytes:
        """The domain's own name, canonical and self-delimiting."""

    def zeros(self, shape: Shape) -> Array:
        """An array of zeros."""
        return self.reduce(np.zeros(shape, dtype=np.int64))

    def sum(self, arrays: Sequence[Array]) -> Array:
        """The sum of at least one array."""
        total = arrays[0]
        for array in arrays[1:]:
            total = self.add(total, array)
        return total


def domain_from_bytes(data: bytes) -> tuple[Domain, bytes]:
    """The domain named at the start of `data`, and what follows.

    Raises: DecodeError for a name that no domain has.
    """
    from mpc.field import PrimeField
    from mpc.ring import Ring

    if data[:1] == b"R" and len(data) >= 2 and data[1] in (32, 64):
        return Ring(data[1]), data[2:]
    if data[:1] == b"F" and len(data) >= 3:
        size = int.from_bytes(data[1:3], "big")
        raw = data[3 : 3 + size]
        if not 1 <= size <= PrimeField.MAX_BYTES or len(raw) != size or raw[0] == 0:
            raise DecodeError("not the canonical encoding of a prime")
        try:
            return PrimeField(int.from_bytes(raw, "big")), data[3 + size :]
        except ParameterError as error:
            raise DecodeError(str(error)) from None
    raise DecodeError("neither a ring nor a field")


@dataclass(frozen=True, slots=True, eq=False)
class Elements:
    """An array of elements of one domain; arithmetic with another domain's raises.

    >>> from mpc.ring import RING32
    >>> (RING32.elements([1, 2]) * 3 - RING32.elements([4, 4])).lifted().tolist()
    [-1, 2]
    """

    domain: Domain
    values: Array = field(repr=False)

    @property
    def shape(self) -> Shape:
        return self.values.shape

    def _peer(self, other: object) -> Array:
        if not isinstance(other, Elements):
            raise ParameterError(f"cannot mix elements of {self.domain} with {type(other).__name__}")
        if other.domain != self.domain:
            raise ParameterError(f"cannot mix elements of {self.domain} and of {other.domain}")
        return other.values

    def __add__(self, other: "Elements") -> "Elements":
        return Elements(self.domain, self.domain.add(self.values, self._peer(other)))

    def __sub__(self, other: "Elements") -> "Elements":
        return Elements(self.domain, self.domain.subtract(self.values, self._peer(other)))

    def __neg__(self) -> "Elements":
        return Elements(self.domain, self.domain.subtract(self.domain.zeros(self.shape), self.values))

    def __mul__(self, other: "Elements | int") -> "Elements":
        factor = other % self.domain.modulus if isinstance(other, int) else self._peer(other)
        return Elements(self.domain, self.domain.multiply(self.values, factor))

    __rmul__ = __mul__

    def __matmul__(self, other: "Elements") -> "Elements":
        return Elements(self.domain, self.domain.matmul(self.values, self._peer(other)))

    def __getitem__(self, key: Any) -> "Elements":
        return Elements(self.domain, np.asarray(self.values[key]))

    def __eq__(self, other: object) -> bool:
        """Whether domain, shape and every element agree."""
        if not isinstance(other, Elements):
            return NotImplemented
        return self.domain == other.domain and bool(np.array_equal(self.values, other.values))

    __hash__ = None  # type: ignore[assignment]

    def lifted(self) -> Array:
        """The signed integers of smallest magnitude."""
        return self.domain.lift(self.values)

    def to_bytes(self) -> bytes:
        """The elements alone, without domain or shape."""
        return self.domain.encode(self.values)
