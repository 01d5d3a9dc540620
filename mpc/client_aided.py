"""Client-aided squares: a client that shares its vector deals the square pairs for its own norm with it.

    client  -->  servers: shares of x, of random r and r^2, and of a second pair b and b^2 to be sacrificed
    servers:     toss t; open t r - b; check  t^2 r^2 - b^2 = (t r - b)(t r + b)  on one random combination
                 open x - r;  |x|^2 = sum r^2 + 2 (x - r) r + (x - r)^2

A client knows its own vector, so dealing for it costs no privacy; it is not trusted for correctness, which
is what the sacrifice is for. Everything is over 2^61 - 1, because a ring has zero divisors to cheat with.

Leakage: the squared norm, to the servers.
Assumes: at least one server is honest for privacy; all servers follow the protocol for correctness, and
    whether the client lies does not matter: a false pair passes with probability below 2^-58.
Source: Demmler, Schneider and Zohner, "ABY", NDSS 2015 (client-aided); Damgard et al., CRYPTO 2012
    (sacrifice of one pair for another).
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mpc import field61
from mpc.coin import toss
from mpc.errors import FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.runtime.meter import count_triples
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words, pack, unpack

__all__ = ["Contribution", "contribute", "verified_squared_norm"]

_PARTS = 5
_SEED = 32


@dataclass(frozen=True, slots=True)
class Contribution:
    """One server's shares of what a client sent: its vector, and two pairs of numbers and their squares."""

    client: int
    values: Words = field(repr=False)
    masks: Words = field(repr=False)
    squares: Words = field(repr=False)
    spare: Words = field(repr=False)
    spare_squares: Words = field(repr=False)

    @classmethod
    def decode(cls, client: int, data: bytes, length: int) -> "Contribution":
        """Read one server's message: a seed that expands to all five parts, or the parts themselves.

        Raises: FaultyParty naming the client for any other length, or words that are no field elements.
        """
        if len(data) == _SEED:
            return cls(client, *_expand(data, length))
        if len(data) != 8 * _PARTS * length:
            raise FaultyParty(client, f"sent {len(data)} bytes where {8 * _PARTS * length} are due")
        words = np.frombuffer(data, dtype="<u8").astype(np.uint64).reshape(_PARTS, length)
        if words.size and int(words.max()) >= field61.P61:
            raise FaultyParty(client, "sent a word that is no field element")
        return cls(client, *words)


def contribute(values: Words, servers: Sequence[int], randomness: Stream) -> dict[int, bytes]:
    """A client's messages: a 32-byte seed for every server but the last, five words a coordinate for that.

    Shapes: values [d], elements of the field (negative numbers as p - v).
    Raises: ParameterError for fewer than two servers, or values that are no field elements.
    """
    if len(set(servers)) != len(servers) or len(servers) < 2:
        raise ParameterError("sharing needs at least two different servers")
    if values.ndim != 1 or (values.size and int(values.max()) >= field61.P61):
        raise ParameterError("the values are a vector of field elements")
    masks, spare = randomness.field61(len(values)), randomness.field61(len(values))
    parts = [values, masks, field61.multiply(masks, masks), spare, field61.multiply(spare, spare)]
    messages: dict[int, bytes] = {}
    for server in servers[:-1]:
        messages[server] = randomness.bytes(_SEED)
        parts = [
            field61.subtract(part, share)
            for part, share in zip(parts, _expand(messages[server], len(values)), strict=True)
        ]
    messages[servers[-1]] = pack(*parts)
    return messages


def verified_squared_norm(
    me: int, servers: tuple[int, ...], contribution: Contribution, randomness: Stream
) -> Generator[Outbox, Inbox, int]:
    """The squared norm of a client's vector, revealed to the servers. Five rounds.

    Units: the integer below 2^61 - 1 when every value is below 2^30 / sqrt(d) in absolute value.
    Raises: FaultyParty naming the client when its squares are none, or a server that sends something else.
    """
    others = tuple(server for server in servers if server != me)
    count_triples(2 * len(contribution.values))
    # Only now: a client that knew the coin while it dealt could pass with any squares.
    coin = yield from toss(me, servers, randomness)
    t = 1 + coin.below(field61.P61 - 1)
    weights = coin.field61(len(contribution.values))
    scaled = field61.multiply(contribution.masks, t)
    differences = np.concatenate(
        [
            field61.subtract(scaled, contribution.spare),
            field61.subtract(contribution.values, contribution.masks),
        ]
    )
    opened = yield from _open(others, differences)
    e, delta = np.split(opened, 2)
    residues = field61.subtract(
        field61.subtract(field61.multiply(contribution.squares, t * t), contribution.spare_squares),
        field61.multiply(e, field61.add(scaled, contribution.spare)),
    )
    residue = yield from _open(others, _total(field61.multiply(weights, residues)))
    if int(residue[0]):
        raise FaultyParty(contribution.client, "its squares are not the squares of its masks")
    doubled = field61.multiply(field61.add(delta, delta), contribution.masks)
    share = _total(field61.add(contribution.squares, doubled))
    norm = yield from _open(others, share)
    public = _total(field61.multiply(delta, delta))
    return int(field61.add(norm, public)[0])


def _open(others: tuple[int, ...], share: Words) -> Generator[Outbox, Inbox, Words]:
    inbox = yield dict.fromkeys(others, pack(share))
    total = share
    for server in others:
        (theirs,) = unpack(inbox, server, share.shape)
        if theirs.size and int(theirs.max()) >= field61.P61:
            raise FaultyParty(server, "sent a word that is no field element")
        total = field61.add(total, theirs)
    return total


def _expand(seed: bytes, length: int) -> list[Words]:
    stream = Stream(seed, b"client-aided")
    return [stream.derive(part).field61(length) for part in range(_PARTS)]


def _total(values: Words) -> Words:
    return field61.weighted_sum([1] * len(values), values.reshape(-1, 1))
