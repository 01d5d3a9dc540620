"""Products of matrices modulo 2^64 on floating-point hardware, exact to the last bit.

    x = l0 + 2^22 l1 + 2^43 l2   (signed limbs of 22, 21 and 21 bits)
    x y = l0 r0 + 2^22 (l0 r1 + l1 r0) + 2^43 (l0 r2 + l2 r0 + 2 l1 r1)   mod 2^64

Integer products in numpy are loops; those of doubles are BLAS. Sums of at most 1,024 products of limbs stay below 2^53
and are exact in a double, so six products of doubles replace one of integers, and longer sums are taken in pieces.

Source: the splitting is CrypTen's for GPUs (Knott et al., NeurIPS 2021, section 4.1), with signed limbs of more bits.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from mpc.errors import ParameterError
from mpc.wire import Words

__all__ = ["Limbs", "ring_product"]

Doubles = npt.NDArray[np.float64]

_WIDTHS = (22, 21, 21)
_INNER = 1024
_BLOCK = 8192
_FEW_COLUMNS = 24
"""With fewer columns numpy's own loop over integers is faster."""


class Limbs:
    """A matrix split into limbs once, for several products; `T` is its transpose.

    Shapes: [n, k].
    """

    __slots__ = ("parts",)

    def __init__(self, parts: tuple[Doubles, Doubles, Doubles]) -> None:
        self.parts = parts

    @classmethod
    def of(cls, matrix: Words) -> "Limbs":
        """Split; signed limbs leave one bit more for sums than unsigned ones."""
        flat = np.ascontiguousarray(matrix).view(np.int64).reshape(-1)
        parts = np.empty((3, flat.size), dtype=np.float64)
        # in blocks that stay in cache: a temporary of a megabyte costs more than the arithmetic
        for start in range(0, flat.size, _BLOCK):
            rest = flat[start : start + _BLOCK]
            for part, width in zip(parts, _WIDTHS, strict=True):
                half = np.int64(1 << (width - 1))
                low = ((rest + half) & np.int64((1 << width) - 1)) - half
                part[start : start + _BLOCK] = low
                rest = (rest - low) >> np.int64(width)
        a, b, c = parts.reshape(3, *matrix.shape)
        return cls((a, b, c))

    @property
    def T(self) -> "Limbs":  # noqa: N802
        """The transpose, without splitting again."""
        a, b, c = self.parts
        return Limbs((a.T, b.T, c.T))

    @property
    def shape(self) -> tuple[int, int]:
        rows, columns = self.parts[0].shape
        return rows, columns

    def __matmul__(self, other: "Limbs") -> Words:
        rows, inner = self.shape
        if inner != other.shape[0]:
            raise ParameterError(f"matrices of {self.shape} and {other.shape} do not fit")
        total = np.zeros((rows, other.shape[1]), dtype=np.uint64)
        for start in range(0, inner, _INNER):
            piece = slice(start, start + _INNER)
            total += _exact([p[:, piece] for p in self.parts], [p[piece] for p in other.parts])
        return total


def ring_product(a: Words, b: Words) -> Words:
    """a @ b modulo 2^64. Shapes: [n, k], [k, m] -> [n, m].

    >>> big = np.array([[2**63 + 5, 3]], dtype=np.uint64)
    >>> ring_product(big, big.T).tolist()
    [[34]]
    """
    if b.shape[-1] < _FEW_COLUMNS:
        product: Words = a @ b
        return product
    return Limbs.of(a) @ Limbs.of(b)


def _exact(left: Sequence[Doubles], right: Sequence[Doubles]) -> Words:
    """One piece: three wide products share the reading of a left limb between right limbs."""
    m = right[0].shape[1]
    first = left[0] @ np.concatenate(right, axis=1)
    second = left[1] @ np.concatenate(right[:2], axis=1)
    third = left[2] @ right[0]
    low = _words(first[:, :m])
    middle = _words(first[:, m : 2 * m] + second[:, :m])
    high = _words(first[:, 2 * m :] + third + 2 * second[:, m:])
    product: Words = low + (middle << np.uint64(22)) + (high << np.uint64(43))
    return product


def _words(exact: Doubles) -> Words:
    words: Words = exact.astype(np.int64).view(np.uint64)
    return words
