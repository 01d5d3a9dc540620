"""Correlated randomness between two parties without a dealer: products by oblivious transfer, bit by bit.

One party's bits choose, the other's numbers are transferred masked, and the masks add up to shares of the
product. Both cross terms of a1*b2 + a2*b1 use the same direction, so one setup is enough.

Leakage: nothing, to either party.
Assumes: both follow the protocol here: whoever transfers other numbers than it keeps makes products wrong,
    and may learn from what that does to results. The transfers themselves hold against cheaters.
Source: Gilboa, "Two party RSA key generation", CRYPTO 1999, section 4.
"""

from collections.abc import Generator, Iterator

import numpy as np

from mpc.bits import spread
from mpc.errors import ParameterError
from mpc.ot.extension import Receiver, Sender
from mpc.prg import Stream
from mpc.runtime.compose import together
from mpc.runtime.types import Inbox, Outbox
from mpc.triples import Kind, Recipe, Request, StoredSource
from mpc.wire import Words, pack, unpack

__all__ = ["Pair", "make", "mixed", "mixed_matrix", "transferred"]

_WORDS_AT_ONCE = 2**14
"""Numbers times row width in one exchange: about a million transfers, 16 MB one way and 8 MB back."""

_SHIFTS = np.arange(64, dtype=np.uint64)


def transferred(
    me: int, parties: tuple[int, ...], recipe: Recipe, randomness: Stream
) -> Generator[Outbox, Inbox, StoredSource]:
    """A source for `recipe` that two parties make themselves. Three rounds of setup, then four at least.

    Raises: ParameterError unless there are two parties; FaultyParty for malformed messages.
    """
    if len(parties) != 2 or me not in parties:
        raise ParameterError(f"oblivious transfer is between two parties, not {parties}")
    peer = parties[1] if me == parties[0] else parties[0]
    role = Receiver if me == parties[0] else Sender
    pair = Pair((yield from role.setup(peer, randomness)))
    shares: list[tuple[Words, ...]] = []
    for group in _groups(recipe):
        shares += yield from together([make(pair, request, randomness) for request in group])
    return StoredSource(recipe, iter(shares))


def _groups(recipe: Recipe) -> Iterator[list[Request]]:
    """Neighbouring requests, small enough to be made in the same rounds with one message each way."""
    group: list[Request] = []
    size = 0
    for request in recipe:
        if group and size + request.size > _WORDS_AT_ONCE:
            yield group
            group, size = [], 0
        group.append(request)
        size += request.size
    if group:
        yield group


class Pair:
    """This party's end of the transfers: the one whose bits choose, or the one whose numbers are moved.

    Each end hands in its own half and an array of the right shape for the other's.
    """

    def __init__(self, end: Receiver | Sender) -> None:
        self._end = end

    def bits_times(self, choices: Words, deltas: Words) -> Generator[Outbox, Inbox, Words]:
        """Shares of (the receiver's bit) * (the sender's delta), for the 64 bits of each choice word.

        Shapes: choices [n], deltas [n, 64, width] -> [n, 64, width].
        """
        shape = deltas.shape
        if isinstance(self._end, Receiver):
            chosen = yield from self._end.extend(choices, shape[-1])
            inbox = yield {}
            (corrections,) = unpack(inbox, self._end.peer, shape)
            corrections *= spread(choices[:, None], 64)[..., None]
            corrections += chosen.reshape(shape)
            return corrections
        zero, one = yield from self._end.extend(64 * len(choices), shape[-1])
        yield {self._end.peer: pack(zero - one + deltas.reshape(zero.shape))}
        return np.negative(zero).reshape(shape)

    def cross(self, mine: Words, rows: Words) -> Generator[Outbox, Inbox, Words]:
        """Shares of (the receiver's number) * (the sender's row). Shapes: mine [n], rows [n, width]."""
        at_once = max(1, _WORDS_AT_ONCE // rows.shape[1])
        parts: list[Words] = []
        for begin in range(0, len(mine), at_once):
            part = slice(begin, begin + at_once)
            shares = yield from self.bits_times(mine[part], rows[part, None, :] << _SHIFTS[None, :, None])
            parts.append(shares.sum(axis=1, dtype=np.uint64))
        return np.concatenate(parts)

    def cross_bits(self, mine: Words, theirs: Words) -> Generator[Outbox, Inbox, Words]:
        """Shares, under exclusive or, of (the receiver's word) & (the sender's word). Shapes: [n] -> [n]."""
        parts: list[Words] = []
        for begin in range(0, len(mine), _WORDS_AT_ONCE):
            part = slice(begin, begin + _WORDS_AT_ONCE)
            count = len(mine[part])
            if isinstance(self._end, Receiver):
                chosen = _low_bits((yield from self._end.extend(mine[part], 1)))
                inbox = yield {}
                (corrections,) = unpack(inbox, self._end.peer, (count,))
                parts.append(chosen ^ (corrections & mine[part]))
            else:
                zero, one = map(_low_bits, (yield from self._end.extend(64 * count, 1)))
                yield {self._end.peer: pack(zero ^ one ^ theirs[part])}
                parts.append(zero)
        return np.concatenate(parts)


def _low_bits(pads: Words) -> Words:
    """The lowest bit of each pad, 64 in a word."""
    low = (pads[:, 0] & np.uint64(1)).astype(np.uint8)
    return np.packbits(low, bitorder="little").view("<u8").astype(np.uint64)


def make(pair: Pair, request: Request, randomness: Stream) -> Generator[Outbox, Inbox, tuple[Words, ...]]:
    """This party's shares of one item."""
    shape = request.shape
    match request.kind:
        case Kind.PRODUCT | Kind.DOT:
            a, b = randomness.uint64(shape), randomness.uint64(shape)
            product = a * b + (yield from mixed(pair, a, b))
            return (a, b, product.sum(axis=-1, dtype=np.uint64) if request.kind is Kind.DOT else product)
        case Kind.SQUARE:
            a = randomness.uint64(shape)
            flat = a.reshape(-1)
            doubled = yield from pair.cross(flat, flat[:, None])
            return a, a * a + (doubled.reshape(shape) << np.uint64(1))
        case Kind.MATRIX:
            return (yield from _matrix(pair, shape, randomness))
        case Kind.AND:
            a, b = randomness.uint64(shape), randomness.uint64(shape)
            return a, b, (a & b) ^ (yield from _mixed_bits(pair, a, b))
        case Kind.MASK:
            bits = randomness.uint64(shape)
            flat = bits.reshape(-1)
            deltas = (flat[:, None] & (np.uint64(1) << _SHIFTS))[..., None]
            both = (yield from pair.bits_times(flat, deltas)).sum(axis=(1, 2), dtype=np.uint64)
            return bits - (both.reshape(shape) << np.uint64(1)), bits
        case Kind.BIT:
            words = randomness.uint64(-(-shape[0] // 64))
            ours = spread(words, 64 * len(words))
            both = yield from pair.bits_times(words, ours.reshape(-1, 64, 1))
            return words, (ours - (both.reshape(-1) << np.uint64(1)))[: shape[0]]


def mixed(pair: Pair, a: Words, b: Words) -> Generator[Outbox, Inbox, Words]:
    """Shares of a1 * b2 + a2 * b1: the receiver chooses by a1 and b1, the sender transfers b2 and a2."""
    choices = np.concatenate([a.reshape(-1), b.reshape(-1)])
    rows = np.concatenate([b.reshape(-1), a.reshape(-1)])
    shares = (yield from pair.cross(choices, rows[:, None])).reshape(2, *a.shape)
    total: Words = shares[0] + shares[1]
    return total


def _mixed_bits(pair: Pair, a: Words, b: Words) -> Generator[Outbox, Inbox, Words]:
    """As `mixed`, bit by bit under exclusive or."""
    choices = np.concatenate([a.reshape(-1), b.reshape(-1)])
    theirs = np.concatenate([b.reshape(-1), a.reshape(-1)])
    halves = (yield from pair.cross_bits(choices, theirs)).reshape(2, *a.shape)
    shares: Words = halves[0] ^ halves[1]
    return shares


def _matrix(
    pair: Pair, shape: tuple[int, ...], randomness: Stream
) -> Generator[Outbox, Inbox, tuple[Words, ...]]:
    rows, inner, columns = shape
    a, b = randomness.uint64((rows, inner)), randomness.uint64((inner, columns))
    return a, b, a @ b + (yield from mixed_matrix(pair, a, b))


def mixed_matrix(pair: Pair, a: Words, b: Words) -> Generator[Outbox, Inbox, Words]:
    """Shares of a1 @ b2 + a2 @ b1.

    Entry (i, k) of the chooser's matrix times row k of the other's; then the same for the transposes.
    """
    (rows, inner), columns = a.shape, b.shape[1]
    left = yield from pair.cross(a.reshape(-1), np.tile(b, (rows, 1)))
    right = yield from pair.cross(
        np.ascontiguousarray(b.T).reshape(-1), np.tile(np.ascontiguousarray(a.T), (columns, 1))
    )
    first = left.reshape(rows, inner, columns).sum(axis=1, dtype=np.uint64)
    second = right.reshape(columns, inner, rows).sum(axis=1, dtype=np.uint64).T
    shares: Words = first + second
    return shares
