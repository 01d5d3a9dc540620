"""Squares that clients deal for their own vectors: no dealer, and a client that lies about them is named.

    client   -->  servers: shares of r and r^2, and of b and b^2 to be sacrificed, mod 2^128
    servers:      toss an odd t below 2^64; open t r - b; check  t^2 r^2 - b^2 = (t r - b)(t r + b)
                  keep r and r^2 mod 2^64: CrypTen's square pairs

A client knows its own vector, so dealing masks for it costs no privacy; its masks must never hide anybody
else's, which is why they are drawn from only inside `with source.of(client)`.

A ring has zero divisors to cheat with, so the check is over 64 bits more than the shares have: an error d in r^2
that is not 0 mod 2^64 needs t^2 d = e mod 2^128 for an e chosen before t. Then t^2 is given mod 2^65 or more, and
at most four of the 2^63 odd t below 2^64 are its roots.

Leakage: the servers see t r - b, uniform as b is used once.
Assumes: a client that lies passes with probability at most 2^-61; servers follow the protocol, at least one of
    them keeps its shares to itself; everything that is not a square is left to the provider below.
Source: Damgard et al., CRYPTO 2012 (sacrifice of one pair for another); Cramer et al., "SPDZ2k", CRYPTO 2018,
    section 1 (the longer ring); Demmler, Schneider and Zohner, "ABY", NDSS 2015 (client-aided).
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np

from mpc.coin import toss
from mpc.crypten.items import Bilinear, Item, Kind
from mpc.crypten.providers.base import Shares, Source
from mpc.crypten.state import current
from mpc.crypten.word128 import add, lift, multiply, subtract
from mpc.errors import FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.runtime.compose import together
from mpc.runtime.types import Inbox, Outbox, Protocol
from mpc.wire import Words, pack, unpack

__all__ = [
    "ClientAided",
    "contribute_squares",
    "decode_squares",
    "squares_of",
    "verified_squares",
    "with_clients",
]

_PARTS = 4
_SEED = 32


class ClientAided(Source):
    """A provider that takes the squares of a client's vector from what that client dealt."""

    def __init__(self, below: Source) -> None:
        self.trust = f"{below.trust}; squares: the client whose vector it is, checked by sacrifice"
        self.spare = below.spare
        self._below = below
        self._pairs: dict[int, list[Words]] = {}
        self._client: int | None = None

    def store(self, client: int, pairs: tuple[Words, Words]) -> None:
        """Keep what `verified_squares` returned for a client; more can be added later."""
        stored = self._pairs.get(client)
        fresh = list(pairs)
        self._pairs[client] = (
            fresh if stored is None else [np.concatenate(p) for p in zip(stored, fresh, strict=True)]
        )

    @contextmanager
    def of(self, client: int) -> Iterator[None]:
        """Inside, squares are of this client's vector and take its pairs."""
        before, self._client = self._client, client
        try:
            yield
        finally:
            self._client = before

    def make(self, item: Item | Bilinear) -> Protocol[Shares]:
        """A square of the client at hand without a round; everything else from below.

        Raises: ParameterError when the client dealt too few squares.
        """
        if self._client is None or not isinstance(item, Item) or item.kind is not Kind.SQUARE:
            return self._below.make(item)
        pairs = self._pairs.get(self._client)
        have = 0 if pairs is None else len(pairs[0])
        if pairs is None or have < item.count:
            raise ParameterError(f"client {self._client} dealt {have} squares where {item.count} are needed")
        self._pairs[self._client] = [part[item.count :] for part in pairs]
        return _ready([part[: item.count] for part in pairs])

    def is_stocked(self, kind: Kind) -> bool:
        """Never across clients: one client's masks hide nobody else's vector."""
        return self._client is None or kind is not Kind.SQUARE

    def end(self) -> Protocol[None]:
        """Nothing more will be asked for."""
        return self._below.end()


def with_clients(
    me: int,
    servers: tuple[int, ...],
    below: Source,
    dealt: Mapping[int, tuple[bytes, int]],
    randomness: Stream,
) -> Generator[Outbox, Inbox, ClientAided]:
    """A provider that holds what each client sent this server, checked: `(message, count)` by client.

    Raises: FaultyParty naming the client that lied, or sent something else.
    """
    source = ClientAided(below)
    clients = sorted(dealt)
    pairs = yield from together(
        [
            verified_squares(
                me, servers, client, decode_squares(client, *dealt[client]), randomness.derive(client)
            )
            for client in clients
        ]
    )
    for client, pair in zip(clients, pairs, strict=True):
        source.store(client, pair)
    return source


@contextmanager
def squares_of(client: int) -> Iterator[None]:
    """Inside, what this party squares is the vector of this client, and hidden by masks it dealt itself.

    Raises: ParameterError when the run holds no client's squares.
    """
    party = current()
    source = None if party is None or party.provider is None else party.provider.source
    if not isinstance(source, ClientAided):
        raise ParameterError("this run was started without squares of clients")
    with source.of(client):
        yield


def contribute_squares(count: int, servers: Sequence[int], randomness: Stream) -> dict[int, bytes]:
    """A client's messages: a 32-byte seed for every server but the last, eight words a square for that.

    Raises: ParameterError for fewer than two servers.
    """
    if len(set(servers)) != len(servers) or len(servers) < 2 or count < 1:
        raise ParameterError("squares are dealt to at least two different servers, at least one")
    r, b = randomness.uint64((2, count)), randomness.uint64((2, count))
    parts = [r, multiply(r, r), b, multiply(b, b)]
    messages: dict[int, bytes] = {}
    for server in servers[:-1]:
        messages[server] = randomness.bytes(_SEED)
        parts = [subtract(p, s) for p, s in zip(parts, _expand(messages[server], count), strict=True)]
    messages[servers[-1]] = pack(*parts)
    return messages


def decode_squares(client: int, data: bytes, count: int) -> list[Words]:
    """One server's shares of r, r^2, b and b^2.

    Raises: FaultyParty naming the client for any other length.
    """
    if len(data) == _SEED:
        return _expand(data, count)
    if len(data) != 16 * _PARTS * count:
        raise FaultyParty(client, f"sent {len(data)} bytes where {16 * _PARTS * count} are due")
    return list(np.frombuffer(data, dtype="<u8").astype(np.uint64).reshape(_PARTS, 2, count))


def verified_squares(
    me: int, servers: tuple[int, ...], client: int, shares: list[Words], randomness: Stream
) -> Generator[Outbox, Inbox, tuple[Words, Words]]:
    """Shares of r and r^2 mod 2^64, once a client's pairs were found to be squares. Four rounds.

    Raises: FaultyParty naming the client when they are none, or a server that sends something else.
    """
    others = tuple(server for server in servers if server != me)
    r, squares, b, spare = shares
    # only now: a client that knew the coin while it dealt could pass with any squares
    coin = yield from toss(me, servers, randomness)
    odd = lift(np.array([coin.below(2**63) * 2 + 1], dtype=np.uint64))
    scaled = multiply(r, odd)
    e = yield from _open(others, subtract(scaled, b))
    residues = subtract(subtract(multiply(squares, multiply(odd, odd)), spare), multiply(e, add(scaled, b)))
    residue = yield from _open(others, residues)
    if residue.any():
        raise FaultyParty(client, "its squares are not the squares of its masks")
    return r[0].copy(), squares[0].copy()


def _open(others: tuple[int, ...], share: Words) -> Generator[Outbox, Inbox, Words]:
    inbox = yield dict.fromkeys(others, pack(share))
    total = share
    for server in others:
        (theirs,) = unpack(inbox, server, share.shape)
        total = add(total, theirs)
    return total


def _expand(seed: bytes, count: int) -> list[Words]:
    stream = Stream(seed, b"crypten client-aided")
    return [stream.derive(part).uint64((2, count)) for part in range(_PARTS)]


def _ready(shares: Shares) -> Generator[Outbox, Inbox, Shares]:
    yield from ()
    return shares
