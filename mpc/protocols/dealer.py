"""A dealer that takes part in the run, for one message: it sends every party its allotment and is gone.

Leakage: to the dealer nothing of the run, as nothing is sent to it; but its seeds open every mask.
Assumes: the dealer is honest, colludes with nobody, and cannot read the parties' messages.
"""

from collections.abc import Generator

from mpc.errors import DecodeError, FaultyParty
from mpc.prg import Stream
from mpc.runtime.types import Inbox, Outbox
from mpc.triples import Allotment, DealtSource, Recipe, deal
from mpc.wire import receive

__all__ = ["dealer", "receive_allotment"]


def dealer(recipe: Recipe, parties: tuple[int, ...], randomness: Stream) -> Generator[Outbox, Inbox, None]:
    """The dealer's side: one round.

    Raises: ParameterError for fewer than two parties.
    """
    allotments = deal(recipe, parties, randomness)
    yield {party: allotment.to_bytes() for party, allotment in allotments.items()}


def receive_allotment(
    me: int, parties: tuple[int, ...], recipe: Recipe, dealer: int
) -> Generator[Outbox, Inbox, DealtSource]:
    """A party's side: one round, then a source that serves `recipe`.

    Raises: FaultyParty naming the dealer when it sends nothing, or something else.
    """
    inbox = yield {}
    try:
        allotment = Allotment.from_bytes(receive(inbox, dealer), recipe, last=me == parties[-1])
    except DecodeError as error:
        raise FaultyParty(dealer, str(error)) from None
    return DealtSource(allotment)
