"""What a curve library must do for the rest of `zk`, and nothing more.

Points in bulk are numpy arrays of affine coordinates in Montgomery form, little-endian 64-bit limbs: shape (n, 8) for G1 and
(n, 16) for G2 (x.c0, x.c1, y.c0, y.c1), infinity all zeros. It is the layout of a `.zkey` file and of mcl's memory, so keys
are memory-mapped and never converted. Scalars in bulk are arrays of shape (n, 4), Montgomery form as well (see `zk.limbs`).
Single points are `zk.curve.G1` and `G2`. Points are trusted here: they came through the strict parser of `zk.curve`.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from zk.curve import G1, G2
from zk.limbs import negated_g1, to_limbs

__all__ = ["Backend", "Limbs", "PreparedPairs", "usable_threads"]

Limbs = NDArray[np.uint64]


def usable_threads(threads: int | None) -> int:
    """`threads`, or as many as this process may run on (eight at most)."""
    if threads is not None:
        return max(1, threads)
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return min(8, available)


class PreparedPairs(ABC):
    """Fixed points of G2 with what a backend precomputes for them."""

    @abstractmethod
    def product_is_one(
        self, fixed: Sequence[G1], free: Sequence[tuple[G1, G2]] = (), constant: object = None
    ) -> bool:
        """Whether prod e(fixed[i], G2 number i) * prod e(free) equals `constant`, a value of `Backend.pairing` or one."""


class Backend(ABC):
    """Groups of alt_bn128 and their pairing."""

    name: str

    @abstractmethod
    def g1_sum(self, points: Sequence[G1]) -> G1:
        """The sum of these points."""

    @abstractmethod
    def g2_sum(self, points: Sequence[G2]) -> G2:
        """The sum of these points."""

    @abstractmethod
    def g1_mul(self, point: G1, scalar: int) -> G1:
        """[scalar] point."""

    @abstractmethod
    def g2_mul(self, point: G2, scalar: int) -> G2:
        """[scalar] point."""

    @abstractmethod
    def g2_in_subgroup(self, point: G2) -> bool:
        """Whether a point of the twist has order R."""

    @abstractmethod
    def msm_g1(self, bases: Limbs, scalars: Limbs, *, threads: int | None = None) -> G1:
        """sum [scalars_i] bases_i.

        Shapes: bases (n, 8), scalars (n, 4).
        """

    def msm_g1_integers(self, bases: Limbs, values: NDArray[np.int64], *, threads: int | None = None) -> G1:
        """sum values_i bases_i: machine integers are short scalars if a sign is moved to the point.

        Shapes: bases (n, 8), values (n,) below 2^62 in magnitude.
        """
        plus, minus = values > 0, values < 0
        signed = np.concatenate([bases[plus], negated_g1(bases[minus])])
        scalars = [*values[plus].tolist(), *(-values[minus]).tolist()]
        return self.msm_g1(signed, to_limbs(scalars), threads=threads)

    @abstractmethod
    def msm_g2(self, bases: Limbs, scalars: Limbs, *, threads: int | None = None) -> G2:
        """sum [scalars_i] bases_i.

        Shapes: bases (n, 16), scalars (n, 4).
        """

    @abstractmethod
    def multiples_g1(self, base: G1, scalars: Limbs, *, threads: int | None = None) -> Limbs:
        """[scalars_i] base for every i.

        Shapes: scalars (n, 4), result (n, 8).
        """

    @abstractmethod
    def multiples_g2(self, base: G2, scalars: Limbs, *, threads: int | None = None) -> Limbs:
        """[scalars_i] base for every i.

        Shapes: scalars (n, 4), result (n, 16).
        """

    @abstractmethod
    def pairing(self, p: G1, q: G2) -> object:
        """e(p, q), an opaque value of this backend that `PreparedPairs.product_is_one` understands."""

    @abstractmethod
    def pairing_product_is_one(self, pairs: Sequence[tuple[G1, G2]]) -> bool:
        """Whether the product of the pairings is one (the empty product is)."""

    @abstractmethod
    def prepare(self, points: Sequence[G2]) -> PreparedPairs:
        """Do the work on fixed points of G2 once."""
