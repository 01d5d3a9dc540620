"""How a client's update and its blindings are split among the servers.

    additive     every server one part; all of them are needed. Modulo 2^32 where servers only add, 2^64 where they compute
    aided        two servers, over 2^61 - 1, with the client's own pairs of squares (see `mpc.client_aided`)
    replicated   three servers, two parts each, modulo 2^64 (see `mpc.replicated`)

All parts but the last are seeds. Blindings go along, modulo the proof system's order.

Leakage: nothing to fewer than all servers; under `replicated`, to fewer than two.
Assumes: messages from a client to a server are read by that server alone.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mpc import field61
from mpc.client_aided import Contribution, contribute
from mpc.errors import DecodeError, FaultyParty
from mpc.prg import Stream
from zk.field import R

__all__ = ["Form", "Part", "Residues", "digest", "read_parts", "read_scalars", "split"]

Residues: TypeAlias = NDArray[Any]
"""Words of a sharing: uint32 modulo 2^32, uint64 otherwise."""

SCALAR = 32
_SEED = 32


class Form(Enum):
    """The kind of sharing; its value is the modulus of the words."""

    NARROW = 1 << 32
    WIDE = 1 << 64
    AIDED = field61.P61
    REPLICATED = -(1 << 64)

    @property
    def copies(self) -> int:
        """How many parts a server holds."""
        return 2 if self is Form.REPLICATED else 1

    @property
    def width(self) -> int:
        """Bytes of a word on the wire."""
        return 4 if self is Form.NARROW else 8

    @property
    def dtype(self) -> type[np.uint32] | type[np.uint64]:
        return np.uint32 if self is Form.NARROW else np.uint64

    def total(self, parts: Sequence[Residues]) -> Residues:
        """The sum of several vectors of words."""
        result = parts[0].copy()
        for part in parts[1:]:
            if self is Form.AIDED:
                result = field61.add(result, part)
            else:
                result += part
        return result

    def signed(self, words: Residues) -> NDArray[np.int64]:
        """Residues as the signed numbers nearest to zero."""
        if self is Form.NARROW:
            return words.view(np.int32).astype(np.int64)
        if self is Form.AIDED:
            plain = words.astype(np.int64)
            return np.where(plain > field61.P61 // 2, plain - field61.P61, plain)
        return words.view(np.int64).copy()

    def encode(self, words: Residues) -> bytes:
        return words.astype(f"<u{self.width}").tobytes()

    def decode(self, data: bytes) -> Residues:
        """Raises: DecodeError for words that are no residues."""
        words: Residues = np.frombuffer(data, dtype=f"<u{self.width}").astype(self.dtype)
        if self is Form.AIDED and words.size and int(words.max()) >= field61.P61:
            raise DecodeError("a word is no field element")
        return words


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a client's contribution; `aid` is what squares need, under `Form.AIDED`."""

    words: Residues = field(repr=False)
    scalars: list[int] = field(repr=False)
    aid: Contribution | None = field(default=None, repr=False)


def split(
    form: Form, values: NDArray[np.int64], blinding: list[int], servers: tuple[int, ...], randomness: Stream
) -> dict[int, bytes]:
    """A client's message to every server: seeds of 32 bytes, but for the last part.

    Shapes: values [d], signed, so small that no sum of them wraps (the plan's codec sees to that).
    """
    seeds = [randomness.bytes(_SEED) for _ in servers[:-1]]
    scalars = list(blinding)
    for seed in seeds:
        scalars = [(a - b) % R for a, b in zip(scalars, _scalars(seed, len(blinding)), strict=True)]
    last_scalars = b"".join(scalar.to_bytes(SCALAR, "big") for scalar in scalars)
    if form is Form.AIDED:
        residues = np.where(values < 0, values + field61.P61, values).astype(np.uint64)
        messages = contribute(residues, servers, randomness.derive("aid"))
        ends = [*seeds, last_scalars]
        return {server: messages[server] + end for server, end in zip(servers, ends, strict=True)}
    rest = values.astype(form.dtype)
    for seed in seeds:
        rest = rest - _words(form, seed, len(values))
    parts = [*seeds, form.encode(rest) + last_scalars]
    if form is Form.REPLICATED:
        return {server: parts[place] + parts[(place + 1) % 3] for place, server in enumerate(servers)}
    return dict(zip(servers, parts, strict=True))


def read_parts(
    form: Form, client: int, data: bytes, place: int, servers: int, dim: int, chunks: int
) -> tuple[Part, ...] | None:
    """The parts a client sent the server in this place (from 0); None when they are malformed."""
    sizes = [_SEED] * (servers - 1) + [form.width * dim + SCALAR * chunks]
    try:
        if form is Form.AIDED:
            return (_read_aided(client, data, place == servers - 1, dim, chunks),)
        places = [(place + copy) % servers for copy in range(form.copies)]
        if len(data) != sum(sizes[index] for index in places):
            return None
        parts, at = [], 0
        for index in places:
            piece = data[at : at + sizes[index]]
            at += sizes[index]
            if index < servers - 1:
                parts.append(Part(_words(form, piece, dim), _scalars(piece, chunks)))
            else:
                words = form.decode(piece[: form.width * dim])
                parts.append(Part(words, read_scalars(piece[form.width * dim :], chunks)))
    except (DecodeError, FaultyParty):
        return None
    return tuple(parts)


def digest(part: Part) -> bytes:
    """What two holders of one part compare."""
    body = part.words.astype("<u8").tobytes() + b"".join(s.to_bytes(SCALAR, "big") for s in part.scalars)
    return hashlib.sha256(b"eppml/part/1" + body).digest()


def read_scalars(data: bytes, count: int) -> list[int]:
    """Raises: DecodeError unless `data` is so many reduced scalars."""
    if len(data) != SCALAR * count:
        raise DecodeError(f"want {count} scalars of {SCALAR} bytes, got {len(data)} bytes")
    scalars = [int.from_bytes(data[at : at + SCALAR], "big") for at in range(0, len(data), SCALAR)]
    if any(scalar >= R for scalar in scalars):
        raise DecodeError("a blinding is not reduced")
    return scalars


def _read_aided(client: int, data: bytes, last: bool, dim: int, chunks: int) -> Part:
    """Raises: FaultyParty, DecodeError when the message is malformed."""
    size = SCALAR * chunks if last else _SEED
    body, end = data[:-size], data[-size:]
    aid = Contribution.decode(client, body, dim)
    if (len(body) == _SEED) is last:
        raise DecodeError("a seed where numbers are due, or the other way round")
    return Part(aid.values, read_scalars(end, chunks) if last else _scalars(end, chunks), aid)


def _words(form: Form, seed: bytes, count: int) -> Residues:
    stream = Stream(seed, b"eppml/share").derive("words")
    return stream.uint32(count) if form is Form.NARROW else stream.uint64(count)


def _scalars(seed: bytes, count: int) -> list[int]:
    return Stream(seed, b"eppml/share").derive("blinding").integers_below(R, count)
