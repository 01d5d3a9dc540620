"""What protocols are written on: shares of 64-bit numbers and bits, whoever multiplies them.

A share is a numpy array of uint64: numbers mod 2^64 are added with `+`, multiplied by public integers with
`*`; shared bits are added with `^`. Everything that needs a round is a generator.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from mpc.domain import Elements
from mpc.errors import ParameterError
from mpc.ring import RING64
from mpc.runtime.types import Protocol
from mpc.shares import Scheme
from mpc.shares import Share as Shares
from mpc.threshold import Threshold
from mpc.wire import Words

__all__ = ["Engine", "Shape", "Share", "as_words"]

Share: TypeAlias = Words
"""One party's share of an array; the shared array's own shape are the axes behind `Engine.lead`."""

Shape: TypeAlias = tuple[int, ...]


class Engine(ABC):
    """One party's side of a sharing scheme over Z_2^64, and over bits.

    `lead` is how many leading axes a share has beyond the array it shares. Inputs come from the parties
    themselves (`inputs`) or from outside, dealt by `mpc.additive` or `mpc.replicated` (`adopt`).
    """

    lead: int
    scheme: Scheme

    def __init__(self, me: int, parties: tuple[int, ...]) -> None:
        if me not in parties or len(set(parties)) != len(parties):
            raise ParameterError(f"party {me} is not one of the different parties {parties}")
        self.me = me
        self.parties = parties
        self.others = tuple(party for party in parties if party != me)

    def shape(self, x: Share) -> Shape:
        """The shape of the array behind a share."""
        return x.shape[self.lead :]

    def reshape(self, x: Share, shape: Shape) -> Share:
        """The same share with its array in another shape."""
        return x.reshape(*x.shape[: self.lead], *shape)

    def adopt(self, share: Shares) -> Share:
        """A share that came from outside, such as a client's, as one to compute with.

        Raises: ParameterError unless it is this party's, of this engine's scheme, over Z_2^64.
        """
        place = self.parties.index(self.me) + 1
        want = (self.scheme, self.threshold, place, RING64)
        if (share.scheme, share.threshold, share.index, share.domain) != want:
            raise ParameterError(f"this party computes with share {place} of {self.scheme.name} over Z_2^64")
        values: Share = share.values.values.astype(np.uint64, copy=False)
        return values

    def release(self, x: Share) -> Shares:
        """A share as an object that knows its scheme and can be sent, stored or reconstructed."""
        place = self.parties.index(self.me) + 1
        return Shares(self.scheme, self.threshold, place, self.shape(x), Elements(RING64, x))

    @property
    @abstractmethod
    def threshold(self) -> Threshold:
        """How many parties reconstruct."""

    @abstractmethod
    def public(self, values: Words) -> Share:
        """A share of a number everybody knows."""

    @abstractmethod
    def inputs(self, mine: Words | None, shapes: Mapping[int, Shape]) -> Protocol[dict[int, Share]]:
        """Share everybody's input in one round; `shapes` says who has one, and of which shape."""

    @abstractmethod
    def reveal(self, x: Share) -> Protocol[Words]:
        """Make a shared array public. Leakage: the array, to all parties."""

    @abstractmethod
    def multiply(self, x: Share, y: Share) -> Protocol[Share]:
        """The products element by element."""

    @abstractmethod
    def dot(self, x: Share, y: Share) -> Protocol[Share]:
        """The inner products along the last axis. Shapes: x, y [rows, n] -> [rows]."""

    @abstractmethod
    def matmul(self, x: Share, y: Share) -> Protocol[Share]:
        """The product of two matrices. Shapes: x [n, k], y [k, m] -> [n, m]."""

    @abstractmethod
    def square(self, x: Share) -> Protocol[Share]:
        """The squares element by element."""

    @abstractmethod
    def squared_lengths(self, x: Share) -> Protocol[Share]:
        """The squared Euclidean length of every row. Shapes: [rows, n] -> [rows]."""

    @abstractmethod
    def conjoin(self, x: Share, y: Share) -> Protocol[Share]:
        """The conjunction of shared bits, 64 in a word."""

    @abstractmethod
    def summands(self, x: Share, bits: int) -> Protocol[tuple[Share, Share]]:
        """`generate` and `propagate` bit planes of two numbers whose sum is x, any carry-in included.

        Shapes: x [n] -> two times [bits, ceil(n / 64)].
        """

    @abstractmethod
    def number(self, plane: Share, n: int) -> Protocol[Share]:
        """The first n bits of a plane as shared numbers 0 or 1. Shapes: [ceil(n / 64)] -> [n]."""


def as_words(values: object) -> Words:
    """Integers as residues mod 2^64, negative ones in two's complement.

    Raises: ParameterError for anything but integers.
    """
    array = np.asarray(values)
    if array.dtype == np.uint64:
        return array
    if array.dtype.kind not in "iub":
        raise ParameterError(f"shares hold integers, not {array.dtype}: encode with a Codec first")
    return array.astype(np.int64).astype(np.uint64)
