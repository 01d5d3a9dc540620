"""Replicated sharing among three parties: x = x0 + x1 + x2, and party i (of 0, 1, 2) holds x_i and x_i+1.

Multiplying costs one word an element and no triples, because any two neighbours' shares meet in one party.
What a party computes is masked afresh before it is sent: without that, the three terms it sums would tell
its neighbour more than a share.

Leakage: nothing to any single party; shapes are public.
Assumes: at most one party is curious, parties follow the protocol; a lie in `reveal` is noticed.
Source: Araki et al., "High-throughput semi-honest secure three-party computation with an honest majority",
    CCS 2016; Mohassel and Rindal, "ABY3", CCS 2018.
"""

import hashlib
import hmac
from collections.abc import Generator, Mapping

import numpy as np

from mpc.bits import planes, spread
from mpc.engine.base import Engine, Shape, Share
from mpc.errors import FaultyParty, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.replicated import THRESHOLD
from mpc.ring_product import ring_product
from mpc.runtime.types import Inbox, Outbox
from mpc.shares import Scheme
from mpc.threshold import Threshold
from mpc.wire import Words, pack, receive, unpack

__all__ = ["Replicated"]


class Replicated(Engine):
    """One of three parties; `setup` makes it. `with_previous` and `with_next` are keys shared by two each."""

    lead = 1
    scheme = Scheme.REPLICATED

    def __init__(self, me: int, parties: tuple[int, ...], with_previous: Stream, with_next: Stream) -> None:
        super().__init__(me, parties)
        if len(parties) != 3:
            raise ParameterError(f"replicated sharing is for three parties, not {len(parties)}")
        self._place = parties.index(me)
        self.previous = parties[self._place - 1]
        self.next = parties[(self._place + 1) % 3]
        self._keys = (with_previous, with_next)
        self._step = 0

    @classmethod
    def setup(
        cls, me: int, parties: tuple[int, ...], randomness: Stream
    ) -> Generator[Outbox, Inbox, "Replicated"]:
        """Exchange keys between neighbours. One round of 32 bytes.

        Assumes: messages between two parties are not seen by the third.
        """
        key = randomness.bytes(32)
        place = parties.index(me)
        after = parties[(place + 1) % 3]
        inbox = yield {parties[place - 1]: key}
        theirs = receive(inbox, after)
        if len(theirs) != 32:
            raise FaultyParty(after, f"sent a key of {len(theirs)} bytes")
        return cls(me, parties, Stream(key, b"replicated"), Stream(theirs, b"replicated"))

    @property
    def threshold(self) -> Threshold:
        """Two of three."""
        return THRESHOLD

    def public(self, values: Words) -> Share:
        """Part 0 is the number, so parties 0 and 2 hold it."""
        share = np.zeros((2, *values.shape), dtype=np.uint64)
        if self._place != 1:
            share[0 if self._place == 0 else 1] = values
        return share

    def inputs(
        self, mine: Words | None, shapes: Mapping[int, Shape]
    ) -> Generator[Outbox, Inbox, dict[int, Share]]:
        """One round, one word an element, to the next party; the previous one has a key."""
        return (yield from self._inputs(mine, shapes, binary=False))

    def _inputs(
        self, mine: Words | None, shapes: Mapping[int, Shape], *, binary: bool
    ) -> Generator[Outbox, Inbox, dict[int, Share]]:
        before, after = self._fresh()
        shares: dict[int, Share] = {}
        outbox: Outbox = {}
        if mine is not None:
            # Parts: own one from the key with the previous party, next one the rest, the third zero.
            first = before.uint64(mine.shape)
            rest = mine ^ first if binary else mine - first
            shares[self.me] = np.stack([first, rest])
            outbox = {self.next: pack(rest)}
        inbox = yield outbox
        for owner, shape in shapes.items():
            share = np.zeros((2, *shape), dtype=np.uint64)
            if owner == self.previous:
                (share[0],) = unpack(inbox, owner, shape)
            elif owner == self.next:
                share[1] = after.uint64(shape)
            else:
                continue
            shares[owner] = share
        return shares

    def reveal(self, x: Share) -> Generator[Outbox, Inbox, Words]:
        """One round: the missing part from one neighbour, and its digest from the other.

        Raises: ProtocolError when the two disagree: one of them lies, and which is not known to one alone.
        """
        inbox = yield {self.previous: pack(x[1]), self.next: hashlib.sha256(pack(x[0])).digest()}
        (missing,) = unpack(inbox, self.next, x.shape[1:])
        digest = receive(inbox, self.previous)
        if len(digest) != 32:
            raise FaultyParty(self.previous, f"sent a digest of {len(digest)} bytes")
        if not hmac.compare_digest(digest, hashlib.sha256(pack(missing)).digest()):
            raise ProtocolError(
                f"parties {self.previous} and {self.next} disagree about a share: one of them lies"
            )
        total: Words = x[0] + x[1] + missing
        return total

    def multiply(self, x: Share, y: Share) -> Generator[Outbox, Inbox, Share]:
        """One round, one word an element."""
        return (yield from self._reshare(x[0] * y[0] + x[0] * y[1] + x[1] * y[0]))

    def dot(self, x: Share, y: Share) -> Generator[Outbox, Inbox, Share]:
        """One round, one word a *row*: sums are taken before anything is sent."""
        products = x[0] * y[0] + x[0] * y[1] + x[1] * y[0]
        return (yield from self._reshare(products.sum(axis=-1, dtype=np.uint64)))

    def matmul(self, x: Share, y: Share) -> Generator[Outbox, Inbox, Share]:
        """One round, one word an entry of the product."""
        return (
            yield from self._reshare(ring_product(np.hstack([x[0], x[1]]), np.vstack([y[0] + y[1], y[0]])))
        )

    def square(self, x: Share) -> Generator[Outbox, Inbox, Share]:
        """One round, one word an element."""
        return (yield from self._reshare(x[0] * (x[0] + (x[1] << np.uint64(1)))))

    def squared_lengths(self, x: Share) -> Generator[Outbox, Inbox, Share]:
        """One round, one word a row."""
        return (yield from self.dot(x, x))

    def conjoin(self, x: Share, y: Share) -> Generator[Outbox, Inbox, Share]:
        """One round, one word for 64 bits."""
        return (yield from self._reshare((x[0] & (y[0] ^ y[1])) ^ (x[1] & y[0]), binary=True))

    def summands(self, x: Share, bits: int) -> Generator[Outbox, Inbox, tuple[Share, Share]]:
        """Two rounds: party 0 knows x0 + x1 and shares it as bits, x2 is bits already; then one AND."""
        shape = x.shape[1:]
        first = self.parties[0]
        mine = x[0] + x[1] if self._place == 0 else None
        known = (yield from self._inputs(mine, {first: shape}, binary=True))[first]
        third = np.zeros_like(x)
        if self._place != 0:
            third[2 - self._place] = x[2 - self._place]
        left, right = planes(known, bits), planes(third, bits)
        generate = yield from self.conjoin(left, right)
        return generate, left ^ right

    def number(self, plane: Share, n: int) -> Generator[Outbox, Inbox, Share]:
        """Two rounds: b = u + v - 2uv, where party 0 knows u = b0 ^ b1 and v = b2 is a share already."""
        first = self.parties[0]
        mine = spread(plane[0] ^ plane[1], n) if self._place == 0 else None
        u = (yield from self.inputs(mine, {first: (n,)}))[first]
        v = np.zeros((2, n), dtype=np.uint64)
        if self._place != 0:
            v[2 - self._place] = spread(plane[2 - self._place], n)
        both = yield from self.multiply(u, v)
        return u + v - (both << np.uint64(1))

    def _reshare(self, term: Words, *, binary: bool = False) -> Generator[Outbox, Inbox, Share]:
        """Mask this party's term with a fresh share of zero and pass it on: all hold two parts again."""
        before, after = self._fresh()
        if binary:
            term = term ^ before.uint64(term.shape) ^ after.uint64(term.shape)
        else:
            term = term + before.uint64(term.shape) - after.uint64(term.shape)
        inbox = yield {self.previous: pack(term)}
        (theirs,) = unpack(inbox, self.next, term.shape)
        return np.stack([term, theirs])

    def _fresh(self) -> tuple[Stream, Stream]:
        """New streams with both neighbours; all parties count the same steps."""
        self._step += 1
        before, after = self._keys
        return before.derive(self._step), after.derive(self._step)
