"""Oblivious transfers by the million from 128 base ones.

    receiver: columns t_j = G(k0_j), sends u_j = t_j ^ G(k1_j) ^ choices
    sender:   columns q_j = G(k_{s_j}) ^ s_j u_j, so that row i is t_i ^ choice_i * s
    pads:     H(q_i), H(q_i ^ s) for the sender; H(t_i), the chosen one, for the receiver

Leakage: the choices stay with the receiver, the pads not chosen with the sender.
Assumes: the receiver follows the protocol (a cheating receiver can learn bits of s by sending inconsistent
    columns, and with all of s both pads); the sender may deviate at will.
Source: Ishai, Kilian, Nissim and Petrank, "Extending oblivious transfers efficiently", CRYPTO 2003.
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


class Sender:
    """The side that gets two pads a transfer and chooses nothing; `setup` makes it."""

    def __init__(self, peer: int, secret: Words, columns: list[Stream], salt: bytes) -> None:
        self.peer = peer
        self._secret = secret
        self._columns = columns
        self._hash = CorrelationRobustHash(_hash_key(salt))
        self._calls = 0
        self._tweak = 0

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
        return cls(peer, secret, [Stream(key, b"iknp") for key in keys], salt)

    def extend(self, count: int, width: int) -> Generator[Outbox, Inbox, tuple[Words, Words]]:
        """Both pads of `count` transfers (a multiple of 64). One round.

        Shapes: two times [count, width] words.
        """
        words = _blocks(count)
        inbox = yield {}
        (corrections,) = unpack(inbox, self.peer, (SECURITY, words))
        columns = _expand(self._columns, self._calls, words)
        chosen = np.unpackbits(self._secret.view(np.uint8), bitorder="little").astype(np.bool_)
        columns[chosen] ^= corrections[chosen]
        rows = rows_of(columns)
        first = self._tweak
        self._calls += 1
        self._tweak += count * self._hash.blocks(width)
        return (
            self._hash.pads(rows, first, width),
            self._hash.pads(rows ^ self._secret, first, width),
        )


class Receiver:
    """The side that chooses one pad of each transfer; `setup` makes it."""

    def __init__(self, peer: int, columns: list[tuple[Stream, Stream]], salt: bytes) -> None:
        self.peer = peer
        self._zero = [zero for zero, _ in columns]
        self._one = [one for _, one in columns]
        self._hash = CorrelationRobustHash(_hash_key(salt))
        self._calls = 0
        self._tweak = 0

    @classmethod
    def setup(cls, peer: int, randomness: Stream) -> Generator[Outbox, Inbox, "Receiver"]:
        """128 base transfers in which this side is the sender, then a salt for the hash. Three rounds."""
        pairs = yield from send_keys(peer, SECURITY, randomness)
        salt = randomness.bytes(32)
        yield {peer: salt}
        return cls(peer, [(Stream(a, b"iknp"), Stream(b, b"iknp")) for a, b in pairs], salt)

    def extend(self, choices: Words, width: int) -> Generator[Outbox, Inbox, Words]:
        """The chosen pads; transfer 64 w + i chooses by bit i of word w. One round.

        Shapes: choices [count / 64] -> [count, width] words.
        """
        columns = _expand(self._zero, self._calls, len(choices))
        corrections = columns ^ _expand(self._one, self._calls, len(choices))
        corrections ^= choices
        yield {self.peer: pack(corrections)}
        first = self._tweak
        self._calls += 1
        self._tweak += 64 * len(choices) * self._hash.blocks(width)
        return self._hash.pads(rows_of(columns), first, width)


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


def _expand(streams: list[Stream], call: int, words: int) -> Words:
    columns = np.empty((SECURITY, words), dtype=np.uint64)
    for stream, column in zip(streams, columns, strict=True):
        stream.derive(call).uint64_into(column)
    return columns


def _blocks(count: int) -> int:
    if count <= 0 or count % 64:
        raise ParameterError(f"transfers are made in blocks of 64, not {count}")
    return count // 64


def _hash_key(salt: bytes) -> bytes:
    return hashlib.sha256(b"eppml/ot/hash/1" + salt).digest()[:16]
