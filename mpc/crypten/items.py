"""What CrypTen asks a provider for, as items that a source can make, and the arithmetic that defines them.

    PRODUCT  a, b, a * b            SQUARE  r, r * r          AND  a, b, a & b       element by element
    BIT      a bit, under + and ^   WRAP    r, and how often its shares wrap around 2^64
    BILINEAR a, b, op(a, b)         for torch's matmul and convolutions, or products that broadcast

Element-wise items are flat and cut to shape from a stock, so that a source makes many at a time.

Source: Knott et al., "CrypTen: Secure multi-party computation meets machine learning", NeurIPS 2021, appendix C.
"""

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch

from mpc.crypten.encoding import decode_value, encode_value
from mpc.crypten.shapes import OPERATIONS, Shape, shape_of
from mpc.errors import DecodeError, ParameterError
from mpc.wire import Words

__all__ = ["Bilinear", "Item", "Kind", "item_from_bytes", "wraps"]

MAX_ELEMENTS = 2**31
"""Of any array of one item: what a dealer believes a request for."""


class Kind(IntEnum):
    """An element-wise kind."""

    PRODUCT = 1
    SQUARE = 2
    AND = 3
    BIT = 4
    WRAP = 5


@dataclass(frozen=True, slots=True)
class Item:
    """`count` elements of one kind."""

    kind: Kind
    count: int

    @property
    def size(self) -> int:
        """How many multiplications this stands for."""
        return self.count

    @property
    def free(self) -> list[Shape]:
        """Shapes of what is random on its own."""
        return [(self.count,)] * (2 if self.kind in (Kind.PRODUCT, Kind.AND) else 1)

    @property
    def bound(self) -> Shape:
        """The shape of what the others determine."""
        return (self.count,)

    @property
    def is_binary(self) -> tuple[bool, bool]:
        """Whether the random parts, and the determined one, are shared by exclusive or."""
        return self.kind in (Kind.AND, Kind.BIT), self.kind is Kind.AND

    def determined(self, shares: list[list[Words]]) -> Words:
        """The determined part in the clear, from the parties' shares of the random ones."""
        match self.kind:
            case Kind.WRAP:
                return wraps([free[0] for free in shares])
            case Kind.AND:
                return _total(shares, 0, True) & _total(shares, 1, True)
            case Kind.BIT:
                return _total(shares, 0, True)
            case Kind.SQUARE:
                r = _total(shares, 0, False)
                return r * r
            case Kind.PRODUCT:
                return _total(shares, 0, False) * _total(shares, 1, False)

    def trimmed(self, free: list[Words]) -> list[Words]:
        """Random parts as the kind has them: a bit is the lowest of its word."""
        return [part & np.uint64(1) for part in free] if self.kind is Kind.BIT else free

    def to_bytes(self) -> bytes:
        """The request, as `item_from_bytes` reads it."""
        return encode_value([int(self.kind), self.count])


@dataclass(frozen=True, slots=True)
class Bilinear:
    """One application of a bilinear function of torch to two arrays."""

    operation: str
    left: Shape
    right: Shape
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise ParameterError(f"{self.operation!r} is none of {', '.join(OPERATIONS)}")

    @property
    def size(self) -> int:
        """How many multiplications this stands for (those of a convolution's output counted once)."""
        if self.operation == "matmul":
            return math.prod(self.bound) * self.left[-1]
        return math.prod(self.bound)

    @property
    def free(self) -> list[Shape]:
        """Shapes of the two arrays."""
        return [self.left, self.right]

    @property
    def bound(self) -> Shape:
        """The shape of the result.

        Raises: ParameterError for arrays that do not fit together.
        """
        return shape_of(self.operation, self.left, self.right, dict(self.options))

    @property
    def is_binary(self) -> tuple[bool, bool]:
        """Nothing here is shared by exclusive or."""
        return False, False

    def apply(self, left: Words, right: Words) -> Words:
        """op(left, right) mod 2^64."""
        tensors = [torch.from_numpy(np.ascontiguousarray(array).view(np.int64)) for array in (left, right)]
        result: Words = self._function()(*tensors, **dict(self.options)).numpy().view(np.uint64)
        return result

    def determined(self, shares: list[list[Words]]) -> Words:
        """The result in the clear, from the parties' shares of the arrays."""
        return self.apply(_total(shares, 0, False), _total(shares, 1, False))

    def trimmed(self, free: list[Words]) -> list[Words]:
        """Both arrays are whole words."""
        return free

    def _function(self) -> Any:
        return getattr(torch, self.operation)

    def to_bytes(self) -> bytes:
        """The request, as `item_from_bytes` reads it."""
        options = [[name, value] for name, value in self.options]
        return encode_value([self.operation, list(self.left), list(self.right), options])


def item_from_bytes(data: bytes) -> Item | Bilinear:
    """A request that a peer made.

    Raises: DecodeError for anything else, or for more elements than a source makes at once.
    """
    fields = decode_value(data)
    try:
        if type(fields) is list and [type(field) for field in fields] == [int, int]:
            item: Item | Bilinear = Item(Kind(fields[0]), fields[1])
        elif type(fields) is list and [type(field) for field in fields] == [str, list, list, list]:
            options = tuple((name, _option(value)) for name, value in fields[3])
            item = Bilinear(fields[0], _shape(fields[1]), _shape(fields[2]), options)
        else:
            raise DecodeError("not a request for correlated randomness")
        sizes = [math.prod(shape) for shape in (*item.free, item.bound)]
    except (ParameterError, ValueError, TypeError) as error:
        raise DecodeError(f"not a request for correlated randomness: {error}") from None
    if not all(0 <= size <= MAX_ELEMENTS for size in sizes) or item.to_bytes() != data:
        raise DecodeError("a request for too much, or in another spelling")
    return item


def wraps(shares: list[Words]) -> Words:
    """How often the signed sum of the shares overflows, counted share by share as CrypTen does."""
    total = shares[0].view(np.int64)
    count = np.zeros_like(total)
    for share in shares[1:]:
        addend = share.view(np.int64)
        summed = (total.view(np.uint64) + share).view(np.int64)
        count += (total > 0) & (addend > 0) & (summed < 0)
        count -= (total < 0) & (addend < 0) & (summed > 0)
        total = summed
    return count.view(np.uint64)


def _shape(sizes: list[Any]) -> Shape:
    if any(type(size) is not int or not 0 <= size < 2**48 for size in sizes):
        raise DecodeError("a shape that is none")
    return tuple(sizes)


def _option(value: Any) -> Any:
    """An option of a convolution: a whole number, or some."""
    numbers = value if type(value) is tuple else (value,)
    if any(type(number) is not int or not 0 <= number < 2**16 for number in numbers):
        raise DecodeError("an option that no convolution has")
    return value


def _total(shares: list[list[Words]], part: int, binary: bool) -> Words:
    total = shares[0][part].copy()
    for free in shares[1:]:
        if binary:
            total ^= free[part]
        else:
            total += free[part]
    return total
