"""Clients share their updates among three servers, which screen and add them without seeing any.

    client --seed, seed--> server 1      x = G(seed1) + G(seed2) + x3
           --seed, x3----> server 2      16 bytes a coordinate in all
           --x3, seed----> server 3
    servers: compare copies, agree who is in, screen norms, then sum, median or trimmed mean

A client can lie in its shares only to its own harm: copies that differ, coordinates out of range and norms
that are too long are found out, and the row is left out.

Leakage: which rows passed, and the estimate over them; to the servers, nothing else.
Assumes: at most one server is curious and all follow the protocol; clients may do what they like.
Source: Mohassel and Rindal, "ABY3", CCS 2018 (the sharing); Yin et al., ICML 2018 (the estimators).
"""

import hashlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from mpc.engine import Replicated, as_words
from mpc.errors import FaultyParty, NotEnoughParties, ParameterError
from mpc.prg import Stream
from mpc.protocols.order import median, trimmed_mean
from mpc.protocols.screening import rows_within
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words, pack, receive

__all__ = ["Estimate", "Screened", "aggregate_shares", "share_update"]

_SEED = 32
_DIGEST = 32

Estimate: TypeAlias = Literal["sum", "median", "trimmed mean"]


@dataclass(frozen=True, slots=True)
class Screened:
    """What the servers found out: the estimate, over whom, and why the others were left out.

    Shapes: value [d]; int64 for a sum, float64 for a median or trimmed mean.
    """

    value: npt.NDArray[Any]
    included: tuple[int, ...]
    rejected: dict[int, str]


def share_update(
    servers: tuple[int, int, int], values: object, randomness: Stream
) -> Generator[Outbox, Inbox, None]:
    """A client's side: one message to each server.

    Shapes: values [d], integers.
    Raises: ParameterError unless the values are a vector of integers.
    """
    words = as_words(values)
    if words.ndim != 1 or not len(words):
        raise ParameterError("an update is a vector of integers")
    seeds = randomness.bytes(_SEED), randomness.bytes(_SEED)
    rest = pack(words - _expand(seeds[0], len(words)) - _expand(seeds[1], len(words)))
    parts = (*seeds, rest)
    yield {server: parts[place] + parts[(place + 1) % 3] for place, server in enumerate(servers)}


def aggregate_shares(
    me: int,
    servers: tuple[int, int, int],
    clients: Sequence[int],
    dim: int,
    *,
    limit: int,
    bound_squared: int,
    min_clients: int,
    randomness: Stream,
    estimate: Estimate = "sum",
    trim: int = 1,
) -> Generator[Outbox, Inbox, Screened]:
    """A server's side.

    Raises: NotEnoughParties when fewer than `min_clients` rows pass; FaultyParty naming a server that sends
        something malformed; ParameterError as `rows_within`.
    """
    if min_clients < 1 or estimate not in ("sum", "median", "trimmed mean"):
        raise ParameterError(f"no estimate {estimate!r} over at least {min_clients} clients")
    place = servers.index(me)
    inbox = yield {}
    held = {c: parts for c in clients if (parts := _decode(place, inbox.get(c), dim)) is not None}
    engine = yield from Replicated.setup(me, servers, randomness)
    present = yield from _agree(engine, clients, held)
    candidates = [client for client in clients if client in present]
    rejected = dict.fromkeys(set(clients) - present, "its shares are missing, malformed or not the same")
    _enough(candidates, min_clients)
    both = [[_words((place + k) % 3, held[client][k], dim) for client in candidates] for k in range(2)]
    rows = np.array(both, dtype=np.uint64)
    passed = yield from rows_within(engine, rows, limit, bound_squared)
    for client, fine in zip(candidates, passed, strict=True):
        if not fine:
            rejected[client] = "a coordinate or the norm of its update is out of bounds"
    included = tuple(client for client in candidates if client not in rejected)
    _enough(included, min_clients)
    value = yield from _estimate(engine, rows[:, passed], limit, estimate, trim)
    return Screened(value, included, rejected)


def _estimate(
    engine: Replicated, rows: Words, limit: int, estimate: Estimate, trim: int
) -> Generator[Outbox, Inbox, npt.NDArray[Any]]:
    if estimate == "sum":
        total = yield from engine.reveal(rows.sum(axis=1, dtype=np.uint64))
        return total.astype(np.int64)
    split = [rows[:, row] for row in range(rows.shape[1])]
    # Differences of values that passed are at most 2 limit.
    bits = max(2, (2 * limit).bit_length() + 1)
    if estimate == "median":
        return (yield from median(engine, split, bits))
    return (yield from trimmed_mean(engine, split, trim, bits))


def _agree(
    engine: Replicated, clients: Sequence[int], held: Mapping[int, tuple[bytes, bytes]]
) -> Generator[Outbox, Inbox, set[int]]:
    """The clients of whom all servers have well-formed shares and equal copies. Two rounds."""
    nothing = bytes(_DIGEST)
    ours = {client: [hashlib.sha256(part).digest() for part in parts] for client, parts in held.items()}
    inbox = yield {engine.next: b"".join(ours[c][1] if c in ours else nothing for c in clients)}
    theirs = receive(inbox, engine.previous)
    if len(theirs) != _DIGEST * len(clients):
        raise FaultyParty(engine.previous, f"sent {len(theirs)} bytes of digests")
    fine = bytes(
        client in ours and ours[client][0] == theirs[_DIGEST * i : _DIGEST * i + _DIGEST]
        for i, client in enumerate(clients)
    )
    inbox = yield dict.fromkeys(engine.others, fine)
    verdicts = [fine]
    for server in engine.others:
        verdict = receive(inbox, server)
        if len(verdict) != len(clients) or verdict.strip(b"\0\1"):
            raise FaultyParty(server, "its verdicts about the clients are none")
        verdicts.append(verdict)
    return {client for client, *votes in zip(clients, *verdicts, strict=True) if all(votes)}


def _decode(place: int, data: bytes | None, dim: int) -> tuple[bytes, bytes] | None:
    """The two parts a client sent the server in this place, as they came; None for wrong sizes."""
    sizes = (_SEED, _SEED, 8 * dim)
    first, second = sizes[place], sizes[(place + 1) % 3]
    if data is None or len(data) != first + second:
        return None
    return data[:first], data[first:]


def _words(index: int, part: bytes, dim: int) -> Words:
    """Part `index` of three as words: the first two are seeds."""
    return _expand(part, dim) if index < 2 else np.frombuffer(part, dtype="<u8").astype(np.uint64)


def _expand(seed: bytes, dim: int) -> Words:
    return Stream(seed, b"three servers").uint64(dim)


def _enough(clients: Sequence[int], min_clients: int) -> None:
    if len(clients) < min_clients:
        raise NotEnoughParties(f"{len(clients)} clients' updates are left, {min_clients} are needed")
