"""Oblivious transfers by the million from 128 base ones, and a check that the receiver played by the rules.

    receiver: columns t_j = G(k0_j), sends u_j = t_j ^ G(k1_j) ^ choices
    sender:   columns q_j = G(k_{s_j}) ^ s_j u_j, so that row i is t_i ^ choice_i * s
    check:    the sender draws a linear hash h, the receiver answers h(choices) and all h(t_j),
              and h(q_j) must be h(t_j) ^ s_j h(choices) for every column
    pads:     H(q_i), H(q_i ^ s) for the sender; H(t_i), the chosen one, for the receiver

A receiver that puts other choices into one column than into the next could compare pads and learn that bit of
s, and with all of s read both pads. With the check every bit it tries costs it a coin toss of being named.

Leakage: the choices stay with the receiver, the pads not chosen with the sender.
Assumes: the hash of `mpc.ot.hash`. Either side may deviate; 64 transfers more than asked for are made in
    every extension, to mask what the check reveals.
Source: Ishai, Kilian, Nissim and Petrank, CRYPTO 2003; Keller, Orsini and Scholl, CRYPTO 2015 (checking);
    Roy, "SoftSpokenOT", CRYPTO 2022, section 4 (the check by a universal hash of the columns).
"""

import hashlib
from collections.abc import Generator

import numpy as np

from mpc.bits import transpose64
from mpc.errors import FaultyParty, ParameterError
from mpc.ot.base import receive_keys, send_keys
from mpc.ot.hash import CorrelationRobustHash
from mpc.prg import Stream
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words, pack, receive, unpack

__all__ = ["SECURITY", "Receiver", "Sender", "rows_of"]

SECURITY = 128
_BLOCKS_AT_ONCE = 2**9
"""Blocks of 64 transfers transposed together: 128 columns of them fit a core's cache."""


class _End:
    """What both ends count alike, so that no column bit and no tweak is used twice."""

    def __init__(self, peer: int, salt: bytes, randomness: Stream) -> None:
        self.peer = peer
        self._randomness = randomness
        self._hash = CorrelationRobustHash(hashlib.sha256(b"eppml/ot/hash/1" + salt).digest()[:16])
        self._calls = 0
        self._tweak = 0

    def _reserve(self, count: int, width: int) -> tuple[int, int]:
        """The number of this extension and its first tweak.

        Taken before the first message, so that extensions side by side get the same on both ends.
        """
        reserved = self._calls, self._tweak
        self._calls += 1
        self._tweak += count * self._hash.blocks(width)
        return reserved


class Sender(_End):
    """The side that gets two pads a transfer and chooses nothing; `setup` makes it."""

    def __init__(
        self, peer: int, secret: Words, columns: list[Stream], salt: bytes, randomness: Stream
    ) -> None:
        super().__init__(peer, salt, randomness)
        self._secret = secret
        self._columns = columns

    @classmethod
    def setup(cls, peer: int, randomness: Stream) -> Generator[Outbox, Inbox, "Sender"]:
        """128 base transfers in which this side chooses, by the bits of its secret s. Three rounds."""
        secret = randomness.uint64(2)
        choices = [int(bit) for bit in np.unpackbits(secret.view(np.uint8), bitorder="little")]
        keys = yield from receive_keys(peer, choices, randomness)
        inbox = yield {}
        salt = receive(inbox, peer)
        if len(salt) != 32:
            raise FaultyParty(peer, f"sent a salt of {len(salt)} bytes")
        return cls(peer, secret, [Stream(key, b"iknp") for key in keys], salt, randomness)

    def extend(self, count: int, width: int) -> Generator[Outbox, Inbox, tuple[Words, Words]]:
        """Both pads of `count` transfers (a multiple of 64). Three rounds.

        Shapes: two times [count, width] words.
        Raises: FaultyParty for malformed columns, or columns that do not agree about the choices.
        """
        words = _blocks(count)
        call, first = self._reserve(count, width)
        inbox = yield {}
        (corrections,) = unpack(inbox, self.peer, (SECURITY, words + 1))
        columns = _expand(self._columns, call, words + 1)
        chosen = np.unpackbits(self._secret.view(np.uint8), bitorder="little").astype(np.bool_)
        columns[chosen] ^= corrections[chosen]
        # Drawn only now, when the columns are fixed.
        challenge = self._randomness.bytes(32)
        yield {self.peer: challenge}
        inbox = yield {}
        ours, (of_choices, of_columns) = (
            _digests(columns, challenge),
            unpack(inbox, self.peer, (1,), (SECURITY,)),
        )
        if np.any(ours != of_columns ^ np.where(chosen, of_choices, np.uint64(0))):
            raise FaultyParty(self.peer, "its columns do not agree about its choices")
        rows = rows_of(columns[:, :words])
        return (
            self._hash.pads(rows, first, width),
            self._hash.pads(rows ^ self._secret, first, width),
        )


class Receiver(_End):
    """The side that chooses one pad of each transfer; `setup` makes it."""

    def __init__(
        self, peer: int, columns: list[tuple[Stream, Stream]], salt: bytes, randomness: Stream
    ) -> None:
        super().__init__(peer, salt, randomness)
        self._zero = [zero for zero, _ in columns]
        self._one = [one for _, one in columns]

    @classmethod
    def setup(cls, peer: int, randomness: Stream) -> Generator[Outbox, Inbox, "Receiver"]:
        """128 base transfers in which this side is the sender, then a salt for the hash. Three rounds."""
        pairs = yield from send_keys(peer, SECURITY, randomness)
        salt = randomness.bytes(32)
        yield {peer: salt}
        return cls(peer, [(Stream(a, b"iknp"), Stream(b, b"iknp")) for a, b in pairs], salt, randomness)

    def extend(self, choices: Words, width: int) -> Generator[Outbox, Inbox, Words]:
        """The chosen pads; transfer 64 w + i chooses by bit i of word w. Three rounds.

        Shapes: choices [count / 64] -> [count, width] words.
        """
        words = len(choices)
        call, first = self._reserve(64 * words, width)
        # The last word masks the digests, and is never used.
        extended = np.append(choices, self._randomness.uint64(1))
        columns = _expand(self._zero, call, words + 1)
        corrections = columns ^ _expand(self._one, call, words + 1)
        corrections ^= extended
        yield {self.peer: pack(corrections)}
        inbox = yield {}
        challenge = receive(inbox, self.peer)
        if len(challenge) != 32:
            raise FaultyParty(self.peer, f"sent a challenge of {len(challenge)} bytes")
        yield {self.peer: pack(_digests(extended[None], challenge), _digests(columns, challenge))}
        return self._hash.pads(rows_of(columns[:, :words]), first, width)


def rows_of(columns: Words) -> Words:
    """Transpose columns of bits into rows of 128.

    Shapes: [128, words] -> [64 * words, 2].
    """
    words = columns.shape[1]
    rows = np.empty((words, 64, 2), dtype=np.uint64)
    for begin in range(0, words, _BLOCKS_AT_ONCE):
        part = slice(begin, begin + _BLOCKS_AT_ONCE)
        for half in range(2):
            block = columns[64 * half : 64 * half + 64, part].copy()
            transpose64(block)
            rows[part, :, half] = block.T
    return rows.reshape(64 * words, 2)


def _digests(columns: Words, challenge: bytes) -> Words:
    """64 parities of selections of every column's bits, drawn from `challenge`, masked by its last word.

    Shapes: columns [n, words + 1] -> [n].
    """
    count, words = len(columns), columns.shape[1] - 1
    selections = Stream(challenge, b"ot check").uint64((64, words))
    parities = np.zeros((64, count), dtype=np.uint64)
    for begin in range(0, words, _BLOCKS_AT_ONCE):
        part = columns[:, begin : min(begin + _BLOCKS_AT_ONCE, words)]
        selected = np.empty_like(part)
        for parity, selection in zip(parities, selections[:, begin : begin + _BLOCKS_AT_ONCE], strict=True):
            np.bitwise_and(part, selection, out=selected)
            parity ^= np.bitwise_xor.reduce(selected, axis=1)
    for step in (32, 16, 8, 4, 2, 1):
        parities ^= parities >> np.uint64(step)
    bits = (parities & np.uint64(1)) << np.arange(64, dtype=np.uint64)[:, None]
    digests: Words = np.bitwise_or.reduce(bits, axis=0) ^ columns[:, -1]
    return digests


def _expand(streams: list[Stream], call: int, words: int) -> Words:
    columns = np.empty((SECURITY, words), dtype=np.uint64)
    for stream, column in zip(streams, columns, strict=True):
        stream.derive(call).uint64_into(column)
    return columns


def _blocks(count: int) -> int:
    if count <= 0 or count % 64:
        raise ParameterError(f"transfers are made in blocks of 64, not {count}")
    return count // 64
