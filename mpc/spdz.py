"""Shares with a MAC: a wrong opening, in a linear or a multiplication step, aborts the run.

    [x] = shares of x and of alpha * x, where alpha = alpha_1 + ... + alpha_n is known to nobody

Everything is over 2^61 - 1, so a lie passes with probability about 2^-60. Openings are checked in a batch:
until `check` has passed they may be wrong, and `reveal` checks before and after.

Leakage: what is opened; an abort tells a cheater that it was noticed, nothing else.
Assumes: one honest party is enough to notice a lie; the dealer of the preprocessing is honest and colludes
    with nobody. Any party can stop the run, and who lied is not found out.
Source: Damgard, Pastro, Smart and Zakarias, CRYPTO 2012; Damgard et al., ESORICS 2013 (the batched check).
"""

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from mpc import field61
from mpc.coin import commit_and_open, toss
from mpc.errors import DecodeError, FaultyParty, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.runtime.meter import count_triples
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words, pack, unpack

__all__ = ["Authenticated", "MacCheckFailed", "Preprocessing", "Spdz", "deal_authenticated"]

P61 = field61.P61


class MacCheckFailed(ProtocolError):
    """An opened value was not what the shares hold: somebody lied, and no result of this run counts."""


@dataclass(frozen=True, slots=True)
class Authenticated:
    """One party's share of a vector and of its MAC."""

    value: Words = field(repr=False)
    mac: Words = field(repr=False)

    def __add__(self, other: "Authenticated") -> "Authenticated":
        return Authenticated(field61.add(self.value, other.value), field61.add(self.mac, other.mac))

    def __sub__(self, other: "Authenticated") -> "Authenticated":
        return Authenticated(field61.subtract(self.value, other.value), field61.subtract(self.mac, other.mac))

    def scale(self, factor: Words | int) -> "Authenticated":
        """Times a public number, or element by element times public numbers."""
        return Authenticated(field61.multiply(self.value, factor), field61.multiply(self.mac, factor))

    def total(self) -> "Authenticated":
        """The shared sum of the vector's elements."""
        return Authenticated(_sum(self.value), _sum(self.mac))

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What one party got from the dealer: its key share, masks for inputs, and authenticated triples.

    `own` are the masks of this party's own inputs in the clear.
    """

    key: Words = field(repr=False)
    own: Words = field(repr=False)
    masks: dict[int, Authenticated] = field(repr=False)
    triples: tuple[Authenticated, Authenticated, Authenticated] = field(repr=False)

    def to_bytes(self) -> bytes:
        """Words only: the counts are known to both sides."""
        shares = [self.masks[owner] for owner in sorted(self.masks)] + list(self.triples)
        return pack(self.key, self.own, *(part for share in shares for part in (share.value, share.mac)))

    @classmethod
    def from_bytes(cls, data: bytes, me: int, inputs: Mapping[int, int], triples: int) -> "Preprocessing":
        """Read what `to_bytes` wrote for party `me`.

        Raises: DecodeError for another length, or words that are no field elements.
        """
        owners = sorted(inputs)
        sizes = [1, inputs.get(me, 0)] + [inputs[owner] for owner in owners for _ in range(2)] + [triples] * 6
        if len(data) != 8 * sum(sizes):
            raise DecodeError(f"want {8 * sum(sizes)} bytes of preprocessing, got {len(data)}")
        words = np.frombuffer(data, dtype="<u8").astype(np.uint64)
        if words.size and int(words.max()) >= P61:
            raise DecodeError("preprocessing with a word that is no field element")
        key, own, *parts = np.split(words, np.cumsum(sizes)[:-1])
        shares = [Authenticated(value, mac) for value, mac in zip(parts[::2], parts[1::2], strict=True)]
        a, b, c = shares[len(owners) :]
        return cls(key, own, dict(zip(owners, shares, strict=False)), (a, b, c))


def deal_authenticated(
    parties: Sequence[int], inputs: Mapping[int, int], triples: int, randomness: Stream
) -> dict[int, Preprocessing]:
    """Preprocessing for `parties`: masks for `inputs[owner]` numbers of each owner, and triples.

    Leakage: the dealer knows the MAC key and every mask.
    Raises: ParameterError for fewer than two parties, or inputs of a stranger.
    """
    if len(set(parties)) != len(parties) or len(parties) < 2 or set(inputs) - set(parties):
        raise ParameterError("preprocessing needs two or more different parties, which own all inputs")
    key_shares = [randomness.field61(1) for _ in parties]
    key = int(_accumulate(key_shares)[0])

    def authenticate(values: Words) -> list[Authenticated]:
        shares = _split(values, len(parties), randomness)
        macs = _split(field61.multiply(values, key), len(parties), randomness)
        return [Authenticated(value, mac) for value, mac in zip(shares, macs, strict=True)]

    clear = {owner: randomness.field61(count) for owner, count in sorted(inputs.items())}
    masks = {owner: authenticate(values) for owner, values in clear.items()}
    a, b = randomness.field61(triples), randomness.field61(triples)
    shared = [authenticate(values) for values in (a, b, field61.multiply(a, b))]
    nothing = np.zeros(0, dtype=np.uint64)
    return {
        party: Preprocessing(
            key_shares[place],
            clear.get(party, nothing),
            {owner: shares[place] for owner, shares in masks.items()},
            (shared[0][place], shared[1][place], shared[2][place]),
        )
        for place, party in enumerate(parties)
    }


class Spdz:
    """One party of a computation whose openings are authenticated."""

    def __init__(
        self, me: int, parties: tuple[int, ...], preprocessing: Preprocessing, randomness: Stream
    ) -> None:
        if me not in parties or len(set(parties)) != len(parties):
            raise ParameterError(f"party {me} is not one of the different parties {parties}")
        self.me = me
        self.parties = parties
        self.others = tuple(party for party in parties if party != me)
        self._offline = preprocessing
        self._key = int(preprocessing.key[0])
        self._randomness = randomness
        self._masks_used = dict.fromkeys(preprocessing.masks, 0)
        self._triples_used = 0
        self._unchecked: list[tuple[Words, Words]] = []

    def public(self, values: Words) -> Authenticated:
        """Shares of numbers everybody knows."""
        value = values.copy() if self.me == self.parties[0] else np.zeros_like(values)
        return Authenticated(value, field61.multiply(values, self._key))

    def inputs(
        self, mine: Words | None, lengths: Mapping[int, int]
    ) -> Generator[Outbox, Inbox, dict[int, Authenticated]]:
        """Share everybody's vector, one round: each owner says how it differs from its mask.

        Raises: ProtocolError when masks run out; FaultyParty for words that are no field elements.
        """
        begin = {owner: self._masks_used[owner] for owner in lengths}
        for owner, length in lengths.items():
            self._masks_used[owner] += length
            if self._masks_used[owner] > len(self._offline.masks[owner]):
                raise ProtocolError(f"the preprocessing has no masks left for inputs of party {owner}")
        differences: dict[int, Words] = {}
        outbox: Outbox = {}
        if mine is not None:
            first = begin[self.me]
            differences[self.me] = field61.subtract(mine, self._offline.own[first : first + len(mine)])
            outbox = dict.fromkeys(self.others, pack(differences[self.me]))
        inbox = yield outbox
        shares = {}
        for owner, length in lengths.items():
            if owner != self.me:
                differences[owner] = _elements(inbox, owner, length)
            mask = self._offline.masks[owner]
            part = slice(begin[owner], begin[owner] + length)
            shares[owner] = Authenticated(mask.value[part], mask.mac[part]) + self.public(differences[owner])
        return shares

    def multiply(self, x: Authenticated, y: Authenticated) -> Generator[Outbox, Inbox, Authenticated]:
        """The products element by element: one round, one triple an element, checked later.

        Raises: ProtocolError when triples run out.
        """
        part = slice(self._triples_used, self._triples_used + len(x))
        self._triples_used += len(x)
        if len(x) != len(y) or self._triples_used > len(self._offline.triples[0]):
            raise ProtocolError("factors of different lengths, or no triples left")
        count_triples(len(x))
        a, b, c = (Authenticated(t.value[part], t.mac[part]) for t in self._offline.triples)
        both = Authenticated(
            np.concatenate([(x - a).value, (y - b).value]), np.concatenate([(x - a).mac, (y - b).mac])
        )
        opened = yield from self.open(both)
        d, e = opened[: len(x)], opened[len(x) :]
        return c + b.scale(d) + a.scale(e) + self.public(field61.multiply(d, e))

    def open(self, x: Authenticated) -> Generator[Outbox, Inbox, Words]:
        """The values, one round; not to be acted upon before `check`."""
        inbox = yield dict.fromkeys(self.others, pack(x.value))
        opened = _accumulate([x.value, *(_elements(inbox, party, len(x)) for party in self.others)])
        self._unchecked.append((opened, x.mac))
        return opened

    def check(self) -> Generator[Outbox, Inbox, None]:
        """Check the MACs of everything opened so far: four rounds, whatever the amount.

        Raises: MacCheckFailed when an opening was wrong; FaultyParty for a bad commitment.
        """
        opened = np.concatenate([values for values, _ in self._unchecked] or [np.zeros(0, dtype=np.uint64)])
        macs = np.concatenate([macs for _, macs in self._unchecked] or [np.zeros(0, dtype=np.uint64)])
        self._unchecked = []
        coin = yield from toss(self.me, self.parties, self._randomness)
        weights = coin.field61(len(opened))
        claimed = _sum(field61.multiply(weights, opened))
        residue = field61.subtract(
            _sum(field61.multiply(weights, macs)), field61.multiply(claimed, self._key)
        )
        residues = yield from commit_and_open(self.me, self.parties, pack(residue), self._randomness)
        total = _accumulate([_elements(residues, party, 1) for party in self.parties])
        if int(total[0]):
            raise MacCheckFailed("an opened value does not fit its MAC: a party lied, the run is void")

    def reveal(self, x: Authenticated) -> Generator[Outbox, Inbox, Words]:
        """The values, for everybody, after every opening so far and this one have been checked.

        Raises: MacCheckFailed when any of them was wrong.
        """
        if self._unchecked:
            yield from self.check()
        opened = yield from self.open(x)
        yield from self.check()
        return opened


def _elements(inbox: Inbox, sender: int, length: int) -> Words:
    (words,) = unpack(inbox, sender, (length,))
    if words.size and int(words.max()) >= P61:
        raise FaultyParty(sender, "sent a word that is no field element")
    return words


def _split(values: Words, parties: int, randomness: Stream) -> list[Words]:
    shares = [randomness.field61(values.shape) for _ in range(parties - 1)]
    return [*shares, field61.subtract(values, _accumulate(shares))]


def _accumulate(shares: list[Words]) -> Words:
    total = shares[0]
    for share in shares[1:]:
        total = field61.add(total, share)
    return total


def _sum(values: Words) -> Words:
    """The sum of field elements, as a vector of one, by its high and low halves, which cannot overflow."""
    low = int((values & np.uint64(2**31 - 1)).sum(dtype=np.uint64))
    high = int((values >> np.uint64(31)).sum(dtype=np.uint64))
    return np.array([(low + (high << 31)) % P61], dtype=np.uint64)
