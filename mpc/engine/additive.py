"""Additive sharing among any number of parties, multiplying with Beaver triples.

Leakage: nothing to any coalition that leaves out one party; shapes are public.
Assumes: parties follow the protocol (a wrong share changes the result unnoticed: see `mpc.spdz` for the
    engine that notices), and the source of triples is one they trust, or made by oblivious transfer.
Source: Beaver, CRYPTO 1991; Damgard et al., "New primitives for actively-secure MPC over rings", 2019 (bits).
"""

from collections.abc import Generator, Mapping
from functools import reduce
from operator import add, xor

import numpy as np

from mpc.bits import planes, spread
from mpc.engine.base import Engine, Shape, Share
from mpc.prg import Stream
from mpc.ring_product import ring_product
from mpc.runtime.types import Inbox, Outbox
from mpc.shares import Scheme
from mpc.threshold import Threshold
from mpc.triples import Kind, Request, Source
from mpc.wire import Words, pack, unpack

__all__ = ["Additive"]


class Additive(Engine):
    """One party of an additive sharing; every party needs the same recipe from its source."""

    lead = 0
    scheme = Scheme.ADDITIVE

    def __init__(self, me: int, parties: tuple[int, ...], source: Source, randomness: Stream) -> None:
        super().__init__(me, parties)
        self._source = source
        self._randomness = randomness
        self._first = me == parties[0]

    @property
    def threshold(self) -> Threshold:
        """All of them."""
        return Threshold(len(self.parties), len(self.parties))

    def public(self, values: Words) -> Share:
        """The first party holds the number, the others zero."""
        return values.copy() if self._first else np.zeros_like(values)

    def inputs(
        self, mine: Words | None, shapes: Mapping[int, Shape]
    ) -> Generator[Outbox, Inbox, dict[int, Share]]:
        """One round; every owner sends each other party uniformly random words."""
        shares: dict[int, Share] = {}
        outbox: Outbox = {}
        if mine is not None:
            masks = {party: self._randomness.uint64(mine.shape) for party in self.others}
            outbox = {party: pack(mask) for party, mask in masks.items()}
            shares[self.me] = mine - reduce(add, masks.values())
        inbox = yield outbox
        for owner, shape in shapes.items():
            if owner != self.me:
                (shares[owner],) = unpack(inbox, owner, shape)
        return shares

    def reveal(self, x: Share) -> Generator[Outbox, Inbox, Words]:
        """One round. A party that lies changes the result unnoticed."""
        (total,) = yield from self._open([(x, False)])
        return total

    def multiply(self, x: Share, y: Share) -> Generator[Outbox, Inbox, Share]:
        """One round, one triple an element."""
        a, b, c = self._source.take(Request(Kind.PRODUCT, x.shape))
        d, e = yield from self._open([(x - a, False), (y - b, False)])
        product: Share = self.public(d * e) + d * b + e * a + c
        return product

    def dot(self, x: Share, y: Share) -> Generator[Outbox, Inbox, Share]:
        """One round; the triple's product is already summed, so the dealer sends one correction a row."""
        a, b, c = self._source.take(Request(Kind.DOT, x.shape))
        d, e = yield from self._open([(x - a, False), (y - b, False)])
        products: Words = self.public(d * e) + d * b + e * a
        summed: Words = products.sum(axis=-1, dtype=np.uint64)
        return summed + c

    def matmul(self, x: Share, y: Share) -> Generator[Outbox, Inbox, Share]:
        """One round that carries the two matrices, not the products of their entries."""
        (rows, inner), (_, columns) = x.shape, y.shape
        a, b, c = self._source.take(Request(Kind.MATRIX, (rows, inner, columns)))
        d, e = yield from self._open([(x - a, False), (y - b, False)])
        product: Share = self.public(ring_product(d, e)) + ring_product(d, b) + ring_product(a, e) + c
        return product

    def square(self, x: Share) -> Generator[Outbox, Inbox, Share]:
        """One round that opens one word an element, half of a product's."""
        a, c = self._source.take(Request(Kind.SQUARE, x.shape))
        (d,) = yield from self._open([(x - a, False)])
        squares: Share = self.public(d * d) + (d * a << np.uint64(1)) + c
        return squares

    def squared_lengths(self, x: Share) -> Generator[Outbox, Inbox, Share]:
        """One round that opens one word an element; a square is half of what an inner product opens."""
        squares = yield from self.square(x)
        lengths: Share = squares.sum(axis=-1, dtype=np.uint64)
        return lengths

    def conjoin(self, x: Share, y: Share) -> Generator[Outbox, Inbox, Share]:
        """One round, one AND triple a word."""
        a, b, c = self._source.take(Request(Kind.AND, x.shape))
        d, e = yield from self._open([(x ^ a, True), (y ^ b, True)])
        conjunction: Share = self.public(d & e) ^ (d & b) ^ (e & a) ^ c
        return conjunction

    def summands(self, x: Share, bits: int) -> Generator[Outbox, Inbox, tuple[Share, Share]]:
        """One round: x + r is opened, and x = (x + r) + ~r + 1 with r known as shared bits."""
        r, r_bits = self._source.take(Request(Kind.MASK, x.shape))
        (masked,) = yield from self._open([(x + r, False)])
        known = planes(masked, bits)
        flipped = planes(r_bits, bits) ^ self.public(np.full_like(known, ~np.uint64(0)))
        generate, propagate = known & flipped, flipped ^ self.public(known)
        # The carry into bit 0 is one, so bit 0 carries when it generates or propagates.
        generate[0] ^= propagate[0]
        return generate, propagate

    def number(self, plane: Share, n: int) -> Generator[Outbox, Inbox, Share]:
        """One round of one bit an element, masked by a bit that is also shared as a number."""
        mask, mask_numbers = self._source.take(Request(Kind.BIT, (n,)))
        (opened,) = yield from self._open([(plane ^ mask, True)])
        flip = spread(opened, n)
        # c ^ r = c + r - 2cr, and c is public.
        return self.public(flip) + mask_numbers * (np.uint64(1) - (flip << np.uint64(1)))

    def _open(self, shares: list[tuple[Words, bool]]) -> Generator[Outbox, Inbox, list[Words]]:
        """Open several arrays in one round: sums, or exclusive ors where marked."""
        message = pack(*(share for share, _ in shares))
        inbox = yield dict.fromkeys(self.others, message)
        theirs = [unpack(inbox, party, *(share.shape for share, _ in shares)) for party in self.others]
        return [
            reduce(xor if binary else add, (arrays[index] for arrays in theirs), share)
            for index, (share, binary) in enumerate(shares)
        ]
