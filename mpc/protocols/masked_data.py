"""Products of one large shared matrix with many small ones: the large one is masked once, not at every product.

    X = X1 + X2: what each of two parties holds of the data, be it shares, rows or columns of its own
    once           party p -> peer   X_p - A_p
    X W            party p -> peer   W_p - B_p          z_p = (X_p + X_q - A_q) W_p + A_p (W_q - B_q) + C_p
    C1 + C2 = A1 B2 + A2 B1, dealt; the z_p add up to X W because the terms with A_q W_p cancel

A product moves the small matrix only, and A comes from a key. The same for X^T G.

Leakage: nothing; shapes, and which rows are used when, are public.
Assumes: both parties follow the protocol; the dealer knows A and B and colludes with neither.
Source: Mohassel and Zhang, "SecureML", IEEE S&P 2017, section 4.1 (one mask for the data over all iterations).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.ring_product import ring_product
from mpc.runtime.meter import count_triples
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words, pack, receive, unpack

__all__ = ["Layout", "MaskDealer", "MaskedData", "Use"]

_CHUNK = 1 << 22


@dataclass(frozen=True, slots=True)
class Layout:
    """What is public about the data: rows in batches, and the columns that each party brings something to.

    Shared data: both parties all columns. Data of one party: the other none. Vertically split: a part each.
    """

    batches: tuple[int, ...]
    columns: int
    spans: tuple[tuple[int, int], tuple[int, int]]

    def __post_init__(self) -> None:
        inside = all(0 <= start <= stop <= self.columns for start, stop in self.spans)
        if not self.batches or min(self.batches) < 1 or not inside:
            raise ParameterError("data has batches of at least one row, and spans within its columns")

    def width(self, place: int) -> int:
        start, stop = self.spans[place]
        return stop - start


@dataclass(frozen=True, slots=True)
class Use:
    """One product: X[batch] W with `columns` columns, or X[batch]^T G when `transposed`."""

    batch: int
    columns: int
    transposed: bool = False

    def factor(self, layout: Layout, place: int) -> tuple[int, int]:
        """The shape of what party `place` masks: only what the peer's part of the data is multiplied with."""
        return (layout.batches[self.batch] if self.transposed else layout.width(1 - place)), self.columns

    def product(self, layout: Layout) -> tuple[int, int]:
        return (layout.columns if self.transposed else layout.batches[self.batch]), self.columns


def _mask(key: bytes, layout: Layout, place: int, batch: int) -> Words:
    shape = (layout.batches[batch], layout.width(place))
    return Stream(key, b"masked data").derive("data", batch).uint64(shape)


def _factors(key: bytes, layout: Layout, place: int, number: int, use: Use) -> tuple[Words, Words]:
    """This party's B, and its share of C; the last party's is replaced by a correction."""
    stream = Stream(key, b"masked data").derive("use", number)
    return stream.uint64(use.factor(layout, place)), stream.uint64(use.product(layout))


class MaskDealer:
    """The dealer's side: a key each, then corrections for every use."""

    def __init__(self, layout: Layout, randomness: Stream) -> None:
        self.layout = layout
        self.keys = (randomness.bytes(32), randomness.bytes(32))
        self._number = 0

    def corrections(self, uses: Sequence[Use]) -> bytes:
        """What the second party needs for the next uses, in their order."""
        parts = []
        for use in uses:
            (b1, c1), (b2, _) = (
                _factors(key, self.layout, place, self._number, use) for place, key in enumerate(self.keys)
            )
            a1, a2 = (_mask(key, self.layout, place, use.batch) for place, key in enumerate(self.keys))
            total = np.zeros(use.product(self.layout), dtype=np.uint64)
            for place, (a, b) in enumerate(((a1, b2), (a2, b1))):
                start, stop = self.layout.spans[place]
                if use.transposed:
                    total[start:stop] += ring_product(a.T, b)
                else:
                    total += ring_product(a, b)
            parts.append(total - c1)
            self._number += 1
        return pack(*parts)


@dataclass(slots=True)
class MaskedData:
    """A party's side; `load` comes first. `place` is 0 or 1, `key` the dealer's, `corrections` for the second party."""

    layout: Layout
    place: int
    me: int
    peer: int
    key: bytes = field(repr=False)
    corrections: list[Words] = field(default_factory=list, repr=False)
    _data: list[Words] = field(default_factory=list, repr=False)
    _number: int = 0

    def load(self, mine: Sequence[Words]) -> Generator[Outbox, Inbox, None]:
        """Mask this party's part of every batch and exchange it, a few megabytes a round.

        Shapes: mine, one [rows, width of this party's span] a batch.
        Raises: ParameterError for other shapes.
        """
        layout, (start, stop) = self.layout, self.layout.spans[self.place]
        shapes = [(rows, stop - start) for rows in layout.batches]
        if [part.shape for part in mine] != shapes:
            raise ParameterError("the data has other batches or columns than its layout says")
        theirs_at = layout.spans[1 - self.place]
        for group in _grouped(layout):
            masked = [mine[b] - _mask(self.key, layout, self.place, b) for b in group]
            inbox = yield {self.peer: pack(*masked)} if stop > start else {}
            due = [(layout.batches[b], layout.width(1 - self.place)) for b in group]
            theirs = unpack(inbox, self.peer, *due) if theirs_at[1] > theirs_at[0] else []
            for place, batch in enumerate(group):
                known = np.zeros((layout.batches[batch], layout.columns), dtype=np.uint64)
                known[:, start:stop] += mine[batch]
                if theirs:
                    known[:, slice(*theirs_at)] += theirs[place]
                self._data.append(known)

    def provide(self, uses: Sequence[Use], data: bytes) -> None:
        """Take the corrections for the next uses.

        Raises: DecodeError for another length than they have.
        """
        shapes = [use.product(self.layout) for use in uses]
        sizes = [rows * columns for rows, columns in shapes]
        if len(data) != 8 * sum(sizes):
            raise DecodeError(f"want {8 * sum(sizes)} bytes of corrections, got {len(data)}")
        words = np.frombuffer(data, dtype="<u8").astype(np.uint64)
        ends = np.cumsum(sizes)[:-1]
        self.corrections += [
            part.reshape(shape) for part, shape in zip(np.split(words, ends), shapes, strict=True)
        ]

    def times(self, use: Use, factor: Words) -> Generator[Outbox, Inbox, Words]:
        """This party's share of X[batch] W, or of X[batch]^T G. One round.

        Shapes: factor, a share of [columns of the data, m], or of [rows, m] -> [rows, m], or [columns, m].
        """
        layout = self.layout
        b, c = _factors(self.key, layout, self.place, self._number, use)
        self._number += 1
        count_triples(layout.batches[use.batch] * layout.columns * use.columns)
        if self.place == 1:
            if not self.corrections:
                raise FaultyParty(self.peer, "more products than the dealer made corrections for")
            c = self.corrections.pop(0)
        mine, theirs = (slice(*layout.spans[place]) for place in (self.place, 1 - self.place))
        part = factor if use.transposed else factor[theirs]
        inbox = yield {self.peer: pack(part - b)} if layout.width(1 - self.place) else {}
        known = self._data[use.batch]
        if use.transposed:
            product = ring_product(known.T, factor) + c
        else:
            product = ring_product(known, factor) + c
        if layout.width(self.place):
            (masked,) = unpack(inbox, self.peer, use.factor(layout, 1 - self.place))
            mask = _mask(self.key, layout, self.place, use.batch)
            if use.transposed:
                product[mine] += ring_product(mask.T, masked)
            else:
                product += ring_product(mask, masked)
        return product


def receive_key(inbox: Inbox, dealer: int) -> bytes:
    """Raises: FaultyParty unless the dealer sent a key."""
    key = receive(inbox, dealer)
    if len(key) != 32:
        raise FaultyParty(dealer, f"sent a key of {len(key)} bytes")
    return key


def _grouped(layout: Layout) -> list[list[int]]:
    """Batches whose masked rows travel in one message."""
    groups: list[list[int]] = [[]]
    size = 0
    for batch, rows in enumerate(layout.batches):
        size += 8 * rows * layout.columns
        if groups[-1] and size > _CHUNK:
            groups.append([])
            size = 8 * rows * layout.columns
        groups[-1].append(batch)
    return groups
