"""A dealer on demand: a party of its own that makes every item the computing parties ask for.

    setup      a seed to every party, sealed
    an item    the first party says what is needed; everybody but the first draws its shares from its seed;
               the dealer, who knows all seeds, sends the first party the one correction that makes it true

Leakage: to the dealer the shapes of everything that is computed, and nothing else as no share is sent to it;
    but its seeds open every mask.
Assumes: the dealer is honest, colludes with no party, and cannot read the parties' messages. Its own streams
    are AES-256-CTR under 32-byte keys.
Source: Beaver, "Efficient multiparty protocols using circuit randomization", CRYPTO 1991; the same trust as
    CrypTen's trusted third party.
"""

from collections.abc import Generator

from mpc.crypten.agreement import Seeds, agree
from mpc.crypten.items import Bilinear, Item, item_from_bytes
from mpc.crypten.providers.base import Shares, Source
from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words, pack, unpack

__all__ = ["DealerSource", "deal_on_demand"]

_END = b"end"
_LABEL = "dealer"


class DealerSource(Source):
    """One party's end of a dealer's service; two rounds an item."""

    spare = 2**20

    def __init__(self, dealer: int, seeds: Seeds, leads: bool) -> None:
        self.trust = f"party {dealer}, the dealer, knows every mask and must collude with no other party"
        self._dealer = dealer
        self._stream = seeds.from_(dealer, _LABEL)
        self._leads = leads
        self._number = 0

    def make(self, item: Item | Bilinear) -> Generator[Outbox, Inbox, Shares]:
        """Two rounds: the request, and the answer. Only the first party says or hears anything in them."""
        free, bound = _draw(self._stream, self._number, item)
        self._number += 1
        yield {self._dealer: item.to_bytes()} if self._leads else {}
        inbox = yield {}
        if self._leads:
            (bound,) = unpack(inbox, self._dealer, item.bound)
        return [*free, bound]

    def end(self) -> Generator[Outbox, Inbox, None]:
        """Let the dealer go. One round, of the first party's alone."""
        if self._leads:
            yield {self._dealer: _END}


def deal_on_demand(me: int, parties: tuple[int, ...], randomness: Stream) -> Generator[Outbox, Inbox, int]:
    """The dealer's side; returns how many items it made.

    Raises: ParameterError for fewer than two parties; FaultyParty for a request that is none, or one from
        anybody but the first party.
    """
    if len(set(parties)) != len(parties) or len(parties) < 2 or me in parties:
        raise ParameterError("a dealer needs at least two different parties, and is none of them")
    seeds = yield from agree(me, (*parties, me), randomness)
    streams = [seeds.to(party, _LABEL) for party in parties]
    lead, number, outbox = parties[0], 0, dict[int, bytes]()
    while True:
        inbox = yield outbox
        outbox = {}
        for sender in inbox:
            if sender != lead:
                raise FaultyParty(sender, "asked the dealer, which is the first party's to do")
        if lead not in inbox:
            continue
        if inbox[lead] == _END:
            return number
        try:
            item = item_from_bytes(inbox[lead])
        except DecodeError as error:
            raise FaultyParty(lead, str(error)) from None
        outbox = {lead: pack(_correction(streams, number, item))}
        number += 1


def _correction(streams: list[Stream], number: int, item: Item | Bilinear) -> Words:
    """The first party's share of the determined part, given everybody else's."""
    drawn = [_draw(stream, number, item) for stream in streams]
    correction = item.determined([free for free, _ in drawn])
    for _, bound in drawn[1:]:
        correction = correction ^ bound if item.is_binary[1] else correction - bound
    return correction


def _draw(stream: Stream, number: int, item: Item | Bilinear) -> tuple[Shares, Words]:
    """One party's own shares of item `number`: the same on the dealer's side and the party's."""
    child = stream.derive(number, item.to_bytes())
    return item.trimmed([child.uint64(shape) for shape in item.free]), child.uint64(item.bound)
