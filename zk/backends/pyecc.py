"""The reference backend: py_ecc, pure Python, always installed. Slow: a verification takes most of a second."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from zk.backends.pointwise import PointwiseBackend
from zk.curve import G1, G1_INFINITY, G2, G2_INFINITY

__all__ = ["PyEccBackend"]

# the package does not declare what it exports
bn128: Any = import_module("py_ecc.optimized_bn128")


class PyEccBackend(PointwiseBackend):
    """alt_bn128 as the Ethereum specification executes it."""

    name = "py_ecc"

    def lift_g1(self, point: G1) -> Any:
        return (bn128.FQ(point.x), bn128.FQ(point.y), bn128.FQ(1))

    def lift_g2(self, point: G2) -> Any:
        return (bn128.FQ2(point.x), bn128.FQ2(point.y), bn128.FQ2.one())

    def lower_g1(self, point: Any) -> G1:
        if bn128.is_inf(point):
            return G1_INFINITY
        x, y = bn128.normalize(point)
        return G1(int(x.n), int(y.n))

    def lower_g2(self, point: Any) -> G2:
        if bn128.is_inf(point):
            return G2_INFINITY
        x, y = bn128.normalize(point)
        (x0, x1), (y0, y1) = x.coeffs, y.coeffs
        return G2((int(x0), int(x1)), (int(y0), int(y1)))

    @staticmethod
    def _linear(points: Sequence[Any], scalars: Sequence[int]) -> Any:
        total = bn128.multiply(points[0], scalars[0])
        for point, scalar in zip(points[1:], scalars[1:], strict=True):
            total = bn128.add(total, bn128.multiply(point, scalar))
        return total

    def linear_g1(self, points: Sequence[G1], scalars: Sequence[int]) -> G1:
        return self.lower_g1(self._linear([self.lift_g1(p) for p in points], scalars))

    def linear_g2(self, points: Sequence[G2], scalars: Sequence[int]) -> G2:
        return self.lower_g2(self._linear([self.lift_g2(p) for p in points], scalars))

    def pairs_are_one(self, pairs: Sequence[tuple[G1, G2]]) -> bool:
        product = bn128.FQ12.one()
        for p, q in pairs:
            product *= bn128.pairing(self.lift_g2(q), self.lift_g1(p), final_exponentiate=False)
        return bool(bn128.final_exponentiate(product) == bn128.FQ12.one())
