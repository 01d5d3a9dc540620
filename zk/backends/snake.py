"""The portable backend: arkworks, through the primitives of the package zksnake."""

from collections.abc import Sequence
from typing import Any

from zk.backends.mcl_library import BackendUnavailable
from zk.backends.pointwise import PointwiseBackend
from zk.curve import G1, G1_GENERATOR, G1_INFINITY, G2, G2_GENERATOR, G2_INFINITY

__all__ = ["SnakeBackend"]


class SnakeBackend(PointwiseBackend):
    """alt_bn128 in arkworks.

    zksnake's own points take any integers and panic outside Python's exceptions, so only points that our parser let
    through reach it.

    Raises: BackendUnavailable when zksnake is not installed or fails its self-test.
    """

    name = "zksnake"

    def __init__(self) -> None:
        try:
            from zksnake._algebra import ec_bn254
        except ImportError as error:
            raise BackendUnavailable("the package zksnake is not installed") from error
        self._lib: Any = ec_bn254
        if self.lower_g1(self._lib.g1()) != G1_GENERATOR or self.lower_g2(self._lib.g2()) != G2_GENERATOR:
            raise BackendUnavailable("zksnake has other generators")
        double, twice = self.g1_mul(G1_GENERATOR, 2), self.g2_mul(G2_GENERATOR, 2)
        if not self.pairing_product_is_one([(double, G2_GENERATOR), (-G1_GENERATOR, twice)]):
            raise BackendUnavailable("zksnake pairs wrongly")

    def lift_g1(self, point: G1) -> Any:
        return self._lib.PointG1(point.x, point.y)

    def lift_g2(self, point: G2) -> Any:
        return self._lib.PointG2(*point.x, *point.y)

    def lower_g1(self, point: Any) -> G1:
        return G1_INFINITY if point.is_zero() else G1(point.x, point.y)

    def lower_g2(self, point: Any) -> G2:
        return G2_INFINITY if point.is_zero() else G2(tuple(point.x), tuple(point.y))

    def linear_g1(self, points: Sequence[G1], scalars: Sequence[int]) -> G1:
        return self.lower_g1(self._lib.multiscalar_mul_g1([self.lift_g1(p) for p in points], list(scalars)))

    def linear_g2(self, points: Sequence[G2], scalars: Sequence[int]) -> G2:
        return self.lower_g2(self._lib.multiscalar_mul_g2([self.lift_g2(p) for p in points], list(scalars)))

    def pairs_are_one(self, pairs: Sequence[tuple[G1, G2]]) -> bool:
        left, right = [self.lift_g1(p) for p, _ in pairs], [self.lift_g2(q) for _, q in pairs]
        one = self._lib.multi_pairing([left[0], -left[0]], [right[0], right[0]])
        return bool(self._lib.multi_pairing(left, right) == one)
