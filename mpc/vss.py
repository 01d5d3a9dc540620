"""Verifiable secret sharing: every holder can check its share against public commitments to the polynomial.

    Feldman     C_j = a_j G             small, but C_0 tells the secret times G: for uniform secrets, keys
    Pedersen    C_j = a_j G + b_j H     hides the secret unconditionally: for anything else

Secrets live in the field of the group's order, not in 2^61 - 1.

Source: Feldman, FOCS 1987; Pedersen, CRYPTO 1991.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

from mpc.errors import DecodeError, NotEnoughParties, ParameterError, ProofRejected
from mpc.group import (
    GENERATOR,
    ORDER,
    POINT_BYTES,
    SECOND_GENERATOR,
    Point,
    evaluate_commitments,
    multiply_base,
    sum_points,
)
from mpc.polynomial import evaluate_many
from mpc.prg import Stream
from mpc.shamir import reconstruct_secret
from mpc.threshold import Threshold

__all__ = [
    "Commitments",
    "Dealing",
    "Kind",
    "VerifiableShare",
    "combine",
    "deal",
    "is_valid",
    "reconstruct",
    "verify",
]

MAX_NEEDED = 1 << 12


class Kind(IntEnum):
    """How coefficients are committed to."""

    FELDMAN = 1
    PEDERSEN = 2


@dataclass(frozen=True, slots=True)
class VerifiableShare:
    """One holder's share; `blind` is zero in Feldman's scheme."""

    index: int
    value: int = field(repr=False)
    blind: int = field(default=0, repr=False)

    SIZE = 4 + 2 * 32

    def __add__(self, other: "VerifiableShare") -> "VerifiableShare":
        """A share of the sum of two secrets.

        Raises: ParameterError for another holder's.
        """
        if self.index != other.index:
            raise ParameterError(f"cannot add shares of parties {self.index} and {other.index}")
        return VerifiableShare(
            self.index, (self.value + other.value) % ORDER, (self.blind + other.blind) % ORDER
        )

    def to_bytes(self) -> bytes:
        return b"".join(
            v.to_bytes(s, "big") for v, s in ((self.index, 4), (self.value, 32), (self.blind, 32))
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "VerifiableShare":
        """Raises: DecodeError for another length, index 0, or a value that is not reduced."""
        if len(data) != cls.SIZE:
            raise DecodeError(f"a verifiable share has {cls.SIZE} bytes, got {len(data)}")
        index, value, blind = (int.from_bytes(data[a:b], "big") for a, b in ((0, 4), (4, 36), (36, 68)))
        if not index or value >= ORDER or blind >= ORDER:
            raise DecodeError("a verifiable share is not reduced, or has no holder")
        return cls(index, value, blind)


@dataclass(frozen=True, slots=True)
class Commitments:
    """Commitments to a polynomial's coefficients, lowest first: public."""

    kind: Kind
    points: tuple[Point, ...]

    @property
    def needed(self) -> int:
        """How many shares reconstruct."""
        return len(self.points)

    def __add__(self, other: "Commitments") -> "Commitments":
        """Commitments to the sum of two polynomials.

        Raises: ParameterError for another kind or degree.
        """
        if (self.kind, self.needed) != (other.kind, other.needed):
            raise ParameterError("commitments of different kinds or degrees cannot be added")
        pairs = zip(self.points, other.points, strict=True)
        return Commitments(self.kind, tuple(a + b for a, b in pairs))

    def at(self, x: int) -> Point:
        """The commitment to the polynomial's value at `x`; at 0, to the secret."""
        return evaluate_commitments(self.points, x)

    def to_bytes(self) -> bytes:
        head = self.kind.to_bytes(1, "big") + self.needed.to_bytes(4, "big")
        return head + b"".join(p.to_bytes() for p in self.points)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Commitments":
        """Raises: DecodeError for anything that `to_bytes` does not make."""
        needed = int.from_bytes(data[1:5], "big")
        if len(data) < 5 or not 1 <= needed <= MAX_NEEDED or len(data) != 5 + needed * POINT_BYTES:
            raise DecodeError("not commitments to a polynomial")
        try:
            kind = Kind(data[0])
        except ValueError:
            raise DecodeError(f"no kind of commitment is numbered {data[0]}") from None
        starts = range(5, len(data), POINT_BYTES)
        return cls(kind, tuple(Point.from_bytes(data[i : i + POINT_BYTES]) for i in starts))


@dataclass(frozen=True, slots=True)
class Dealing:
    """What a dealer makes: one share for each holder, and commitments for everyone."""

    shares: Mapping[int, VerifiableShare]
    commitments: Commitments


def _commit(kind: Kind, value: int, blind: int) -> Point:
    point = multiply_base(GENERATOR, value)
    return point if kind is Kind.FELDMAN else point + multiply_base(SECOND_GENERATOR, blind)


def deal(secret: int, threshold: Threshold, randomness: Stream, kind: Kind = Kind.PEDERSEN) -> Dealing:
    """Share `secret` among parties 1 to `threshold.parties`, verifiably.

    Raises: ParameterError for a secret that is not reduced mod the group's order.
    Leakage: none to fewer than `needed` holders; Feldman's commitments tell everyone secret * G.
    Assumes: discrete logarithms in secp256k1 are hard, for shares to be binding.

    >>> dealing = deal(42, Threshold(2, 3), Stream(bytes(32)))
    >>> verify(dealing.commitments, dealing.shares[3])
    >>> reconstruct(dealing.commitments, [dealing.shares[1], dealing.shares[2]])
    42
    """
    if not 0 <= secret < ORDER:
        raise ParameterError("the secret is not reduced mod the group's order")
    values = [secret, *randomness.integers_below(ORDER, threshold.needed - 1)]
    blinds = randomness.integers_below(ORDER, threshold.needed) if kind is Kind.PEDERSEN else [0]
    points = range(1, threshold.parties + 1)
    at_values, at_blinds = (evaluate_many(c, points, ORDER) for c in (values, blinds))
    shares = {i: VerifiableShare(i, v, b) for i, v, b in zip(points, at_values, at_blinds, strict=True)}
    padded = blinds + [0] * (len(values) - len(blinds))
    commitments = tuple(_commit(kind, v, b) for v, b in zip(values, padded, strict=True))
    return Dealing(shares, Commitments(kind, commitments))


def is_valid(commitments: Commitments, share: VerifiableShare) -> bool:
    """Whether the share is the committed polynomial's value at its holder's index."""
    reduced = 0 <= share.value < ORDER and 0 <= share.blind < ORDER and share.index >= 1
    if not reduced or (commitments.kind is Kind.FELDMAN and share.blind):
        return False
    return _commit(commitments.kind, share.value, share.blind) == commitments.at(share.index)


def verify(commitments: Commitments, share: VerifiableShare) -> None:
    """Raises: ProofRejected unless the share is the committed polynomial's value at its holder's index."""
    if not is_valid(commitments, share):
        raise ProofRejected(f"the share of party {share.index} does not fit the commitments")


def reconstruct(commitments: Commitments, shares: Sequence[VerifiableShare]) -> int:
    """The secret, from the shares that fit the commitments; others are passed over.

    Raises: NotEnoughParties, naming the wrong ones, when fewer than `needed` fit.
    """
    good, wrong = {}, []
    for share in shares:
        if is_valid(commitments, share):
            good[share.index] = share.value
        else:
            wrong.append(share.index)
    if len(good) < commitments.needed:
        named = f"; wrong: parties {wrong}" if wrong else ""
        raise NotEnoughParties(f"{commitments.needed} shares are needed, {len(good)} fit{named}")
    return reconstruct_secret(good, commitments.needed, ORDER)


def combine(dealings: Sequence[Commitments]) -> Commitments:
    """Commitments to the sum of several dealers' polynomials: what a jointly dealt secret is checked
    against."""
    if not dealings:
        raise ParameterError("there are no commitments")
    first = dealings[0]
    if any((c.kind, c.needed) != (first.kind, first.needed) for c in dealings):
        raise ParameterError("commitments of different kinds or degrees cannot be added")
    columns = zip(*(c.points for c in dealings), strict=True)
    return Commitments(first.kind, tuple(sum_points(column) for column in columns))
