"""One share of a secret array, whatever the scheme: linear arithmetic, and canonical bytes.

A share carries its scheme, threshold, holder and domain, so that shares which do not belong together cannot
be added or reconstructed by mistake.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from math import prod

import numpy as np

from mpc.domain import Array, Domain, Elements, Shape, domain_from_bytes
from mpc.errors import DecodeError, NotEnoughParties, ParameterError
from mpc.threshold import Threshold

__all__ = ["Scheme", "Share", "check_together"]

MAGIC = b"EPPMLshr1"
MAX_PARTIES = 1 << 16
MAX_AXES = 8


class Scheme(IntEnum):
    """How a secret is split."""

    ADDITIVE = 1
    SHAMIR = 2
    PACKED = 3
    REPLICATED = 4


@dataclass(frozen=True, slots=True, eq=False)
class Share:
    """What party `index` holds of a secret of shape `shape`.

    `width` secrets ride on one polynomial in the packed scheme; there any `needed` shares reconstruct and any
    `needed - width` reveal nothing. In the other schemes width is 1.

    Shapes: values [*shape], except packed [ceil(size / width)] and replicated [2, *shape].
    Raises: ParameterError for an index that is no party, or values of another shape.
    """

    scheme: Scheme
    threshold: Threshold
    index: int
    shape: Shape
    values: Elements = field(repr=False)
    width: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.threshold.parties:
            raise ParameterError(f"party {self.index} is not one of {self.threshold.parties}")
        if self.width < 1 or (self.width > 1 and self.scheme is not Scheme.PACKED):
            raise ParameterError(f"a {self.scheme.name.lower()} share has no width of {self.width}")
        if self.values.shape != self._value_shape():
            raise ParameterError(
                f"a share of {self.shape} holds values of {self._value_shape()}, got {self.values.shape}"
            )

    def _value_shape(self) -> Shape:
        if self.scheme is Scheme.PACKED:
            return (-(-prod(self.shape) // self.width),)
        return (2, *self.shape) if self.scheme is Scheme.REPLICATED else self.shape

    @property
    def domain(self) -> Domain:
        """The ring or field it is shared in."""
        return self.values.domain

    def is_kin(self, other: "Share") -> bool:
        """Whether both are shares of arrays split in the same way."""
        mine = (self.scheme, self.threshold, self.shape, self.domain, self.width)
        return mine == (other.scheme, other.threshold, other.shape, other.domain, other.width)

    def _peer(self, other: object) -> Elements:
        if not isinstance(other, Share) or not self.is_kin(other) or self.index != other.index:
            raise ParameterError("only shares of one party, split in one way, can be combined")
        return other.values

    def __add__(self, other: "Share") -> "Share":
        """A share of the sum."""
        return replace(self, values=self.values + self._peer(other))

    def __sub__(self, other: "Share") -> "Share":
        """A share of the difference."""
        return replace(self, values=self.values - self._peer(other))

    def __mul__(self, factor: int) -> "Share":
        """A share of a public multiple."""
        return replace(self, values=self.values * factor)

    __rmul__ = __mul__

    def to_bytes(self) -> bytes:
        """Canonical bytes: header with scheme, threshold, index, domain and shape, then the values."""
        head = [self.scheme.to_bytes(1, "big")]
        head += [v.to_bytes(4, "big") for v in (self.threshold.needed, self.threshold.parties, self.index)]
        head += [self.width.to_bytes(4, "big"), len(self.shape).to_bytes(1, "big")]
        head += [n.to_bytes(8, "big") for n in self.shape]
        return MAGIC + b"".join(head) + self.domain.to_bytes() + self.values.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Share":
        """The share that `to_bytes` made.

        Raises: DecodeError for anything else.
        """
        if data[: len(MAGIC)] != MAGIC or len(data) < len(MAGIC) + 18:
            raise DecodeError("not a share")
        body = data[len(MAGIC) :]
        needed, parties, index, width = (int.from_bytes(body[i : i + 4], "big") for i in (1, 5, 9, 13))
        axes, rest = body[17], body[18:]
        if axes > MAX_AXES or len(rest) < 8 * axes or parties > MAX_PARTIES:
            raise DecodeError("a share of too many axes or parties")
        shape = tuple(int.from_bytes(rest[8 * i : 8 * i + 8], "big") for i in range(axes))
        domain, values = domain_from_bytes(rest[8 * axes :])
        # nothing is allocated before the bytes that would fill it are known to be there
        if prod(shape) > len(data) * max(width, 1) or max(shape, default=0) >= 1 << 48:
            raise DecodeError("the shape does not fit the bytes")
        try:
            scheme = Scheme(body[0])
            outline = cls.__new__(cls)
            for name, value in (("scheme", scheme), ("shape", shape), ("width", max(width, 1))):
                object.__setattr__(outline, name, value)
            elements = Elements(domain, domain.decode(values, outline._value_shape()))
            return cls(scheme, Threshold(needed, parties), index, shape, elements, width)
        except (ParameterError, ValueError) as error:
            raise DecodeError(str(error)) from None


def check_together(shares: Sequence[Share], scheme: Scheme, needed: int | None = None) -> list[Share]:
    """The shares by index, once it is sure that they are of one secret and enough.

    Raises: ParameterError for shares of another scheme or of different secrets; NotEnoughParties below
        `needed`.
    """
    if not shares:
        raise NotEnoughParties("there are no shares")
    first = shares[0]
    if first.scheme is not scheme:
        raise ParameterError(f"want {scheme.name.lower()} shares, got {first.scheme.name.lower()}")
    if not all(first.is_kin(s) for s in shares):
        raise ParameterError("these shares are not of one secret")
    ordered = sorted(shares, key=lambda s: s.index)
    if any(a.index == b.index for a, b in zip(ordered, ordered[1:], strict=False)):
        raise ParameterError("two shares of one party")
    wanted = first.threshold.needed if needed is None else needed
    if len(ordered) < wanted:
        raise NotEnoughParties(f"{wanted} shares are needed, {len(ordered)} are there")
    return ordered


def stacked(shares: Sequence[Share]) -> Array:
    """The values of shares, one row each."""
    return np.stack([s.values.values.reshape(-1) for s in shares])
