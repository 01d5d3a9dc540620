"""What libraries have in common whose points are Python objects: the bulk operations, one object at a time."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from zk.backends.base import Backend, Limbs, PreparedPairs
from zk.curve import G1, G1_INFINITY, G2, G2_INFINITY, in_g2_subgroup
from zk.field import R
from zk.limbs import from_limbs, g1_array, g1_points, g2_array, g2_points

__all__ = ["PointwiseBackend"]


class PointwiseBackend(Backend):
    """Subclasses combine points with scalars and pair them."""

    @abstractmethod
    def linear_g1(self, points: Sequence[G1], scalars: Sequence[int]) -> G1:
        """sum [scalars_i] points_i, neither empty nor with infinity among the points."""

    @abstractmethod
    def linear_g2(self, points: Sequence[G2], scalars: Sequence[int]) -> G2:
        """sum [scalars_i] points_i, neither empty nor with infinity among the points."""

    @abstractmethod
    def pairs_are_one(self, pairs: Sequence[tuple[G1, G2]]) -> bool:
        """Whether the product of the pairings is one; no pair holds infinity and there is at least one."""

    def _combine_g1(self, points: Sequence[G1], scalars: Sequence[int]) -> G1:
        terms = [(p, k % R) for p, k in zip(points, scalars, strict=True) if not p.is_infinity and k % R]
        return self.linear_g1([p for p, _ in terms], [k for _, k in terms]) if terms else G1_INFINITY

    def _combine_g2(self, points: Sequence[G2], scalars: Sequence[int]) -> G2:
        terms = [(p, k % R) for p, k in zip(points, scalars, strict=True) if not p.is_infinity and k % R]
        return self.linear_g2([p for p, _ in terms], [k for _, k in terms]) if terms else G2_INFINITY

    def g1_sum(self, points: Sequence[G1]) -> G1:
        return self._combine_g1(points, [1] * len(points))

    def g2_sum(self, points: Sequence[G2]) -> G2:
        return self._combine_g2(points, [1] * len(points))

    def g1_mul(self, point: G1, scalar: int) -> G1:
        return self._combine_g1([point], [scalar])

    def g2_mul(self, point: G2, scalar: int) -> G2:
        return self._combine_g2([point], [scalar])

    def g2_in_subgroup(self, point: G2) -> bool:
        return in_g2_subgroup(point)

    def msm_g1(self, bases: Limbs, scalars: Limbs, *, threads: int | None = None) -> G1:
        return self._combine_g1(g1_points(bases), from_limbs(scalars))

    def msm_g2(self, bases: Limbs, scalars: Limbs, *, threads: int | None = None) -> G2:
        return self._combine_g2(g2_points(bases), from_limbs(scalars))

    def multiples_g1(self, base: G1, scalars: Limbs, *, threads: int | None = None) -> Limbs:
        return g1_array([self.g1_mul(base, k) for k in from_limbs(scalars)])

    def multiples_g2(self, base: G2, scalars: Limbs, *, threads: int | None = None) -> Limbs:
        return g2_array([self.g2_mul(base, k) for k in from_limbs(scalars)])

    def pairing(self, p: G1, q: G2) -> object:
        return (p, q)

    def pairing_product_is_one(self, pairs: Sequence[tuple[G1, G2]]) -> bool:
        finite = [(p, q) for p, q in pairs if not p.is_infinity and not q.is_infinity]
        return not finite or self.pairs_are_one(finite)

    def prepare(self, points: Sequence[G2]) -> PreparedPairs:
        return _Remembered(self, points)


class _Remembered(PreparedPairs):
    """Fixed points, kept as they are; a constant is the pair it is the pairing of."""

    def __init__(self, backend: PointwiseBackend, points: Sequence[G2]) -> None:
        self._backend, self._points = backend, tuple(points)

    def product_is_one(
        self, fixed: Sequence[G1], free: Sequence[tuple[G1, G2]] = (), constant: Any = None
    ) -> bool:
        pairs = [*zip(fixed, self._points, strict=False), *free]
        if constant is not None:
            pairs.append((-constant[0], constant[1]))
        return self._backend.pairing_product_is_one(pairs)
