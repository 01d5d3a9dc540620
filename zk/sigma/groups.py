"""Groups of prime order, with canonical encodings and points nobody knows the logarithm of."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar

from mpc.errors import DecodeError
from mpc.transcript import Transcript
from zk import babyjubjub, backends
from zk.babyjubjub import Point
from zk.curve import G1, G1_GENERATOR, G1_INFINITY, Q, R, decode_g1, parse_g1
from zk.limbs import g1_array, to_limbs

__all__ = ["BABYJUBJUB", "BN254_G1", "Element", "PrimeGroup"]

Element = TypeVar("Element")


class PrimeGroup(ABC, Generic[Element]):
    """A group of prime order in which discrete logarithms are hard."""

    name: bytes
    order: int
    generator: Element
    identity: Element

    @abstractmethod
    def sum_of_products(self, elements: Sequence[Element], scalars: Sequence[int]) -> Element:
        """sum scalar * element; scalars are taken mod the order."""

    @abstractmethod
    def encode(self, element: Element) -> bytes:
        """The one encoding of an element."""

    @abstractmethod
    def decode(self, data: bytes) -> Element:
        """The element of an encoding.

        Raises: DecodeError unless it is the one encoding of an element of this group.
        """

    @abstractmethod
    def contains(self, element: Element) -> bool:
        """Whether `element` lies in the group of prime order, and not merely on its curve."""

    @abstractmethod
    def independent(self, label: bytes, index: int) -> Element:
        """A generator whose logarithm to any other base nobody knows, from a label and a number."""


class _Bn254G1(PrimeGroup[G1]):
    name, order, generator, identity = b"bn254-g1", R, G1_GENERATOR, G1_INFINITY

    def sum_of_products(self, elements: Sequence[G1], scalars: Sequence[int]) -> G1:
        lib = backends.get()
        if len(elements) < 4:
            return lib.g1_sum([lib.g1_mul(p, k % R) for p, k in zip(elements, scalars, strict=True)])
        return lib.msm_g1(g1_array(elements), to_limbs([k % R for k in scalars]))

    def encode(self, element: G1) -> bytes:
        return element.to_bytes()

    def decode(self, data: bytes) -> G1:
        return decode_g1(data, infinity=True)

    def contains(self, element: G1) -> bool:
        try:
            return parse_g1(*element, infinity=True) == element
        except DecodeError:
            return False

    def independent(self, label: bytes, index: int) -> G1:
        transcript = Transcript(b"zk independent generator of bn254-g1")
        transcript.absorb(b"label", label)
        transcript.absorb(b"index", index.to_bytes(8, "big"))
        while True:
            x, odd = transcript.challenge(b"x", Q), transcript.challenge(b"sign", 2)
            square = (x * x * x + 3) % Q
            # q = 3 mod 4; the curve has prime order, so every point of it generates it
            y = pow(square, (Q + 1) // 4, Q)
            if y * y % Q == square and y:
                return G1(x, y if y % 2 == odd else Q - y)


class _BabyJubJub(PrimeGroup[Point]):
    name, order = b"babyjubjub", babyjubjub.L
    generator, identity = babyjubjub.BASE8, babyjubjub.IDENTITY

    def sum_of_products(self, elements: Sequence[Point], scalars: Sequence[int]) -> Point:
        pairs = zip(elements, scalars, strict=True)
        return babyjubjub.multi_scalar([(point, scalar % self.order) for point, scalar in pairs])

    def encode(self, element: Point) -> bytes:
        return element.to_circom()

    def decode(self, data: bytes) -> Point:
        point = Point.from_circom(data)
        if not point.in_subgroup():
            raise DecodeError("a point of BabyJubJub outside the subgroup of prime order")
        return point

    def contains(self, element: Point) -> bool:
        return element.in_subgroup()

    def independent(self, label: bytes, index: int) -> Point:
        transcript = Transcript(b"zk independent generator of babyjubjub")
        transcript.absorb(b"label", label)
        transcript.absorb(b"index", index.to_bytes(8, "big"))
        while True:
            y, odd = transcript.challenge(b"y", babyjubjub.P), transcript.challenge(b"sign", 2)
            try:
                point = babyjubjub.COFACTOR * Point.from_y(y, odd_x=bool(odd))
            except DecodeError:
                continue
            if point != self.identity:
                return point


BN254_G1: PrimeGroup[G1] = _Bn254G1()
BABYJUBJUB: PrimeGroup[Point] = _BabyJubJub()
