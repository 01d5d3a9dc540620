"""A common random stream that nobody could choose: commit, then open.

Source: Blum, "Coin flipping by telephone", 1981; the hash stands for the commitment (random oracle).
"""

import hashlib
import hmac
from collections.abc import Generator

from mpc.errors import FaultyParty
from mpc.prg import Stream
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import receive

__all__ = ["commit_and_open", "toss"]

_NONCE = 32


def commit_and_open(
    me: int, parties: tuple[int, ...], value: bytes, randomness: Stream
) -> Generator[Outbox, Inbox, dict[int, bytes]]:
    """Everybody's value, chosen before anybody saw another's. Two rounds.

    Raises: FaultyParty for a party that is silent, opens something else than it committed to, or whose value
        has another length than ours.
    Leakage: the values, to everybody.
    """
    others = [party for party in parties if party != me]
    opening = randomness.bytes(_NONCE) + value
    inbox = yield dict.fromkeys(others, _commitment(me, opening))
    commitments = {party: receive(inbox, party) for party in others}
    inbox = yield dict.fromkeys(others, opening)
    values = {me: value}
    for party in others:
        theirs = receive(inbox, party)
        if not hmac.compare_digest(_commitment(party, theirs), commitments[party]):
            raise FaultyParty(party, "opened something else than it had committed to")
        if len(theirs) != len(opening):
            raise FaultyParty(party, f"opened {len(theirs)} bytes where {len(opening)} are due")
        values[party] = theirs[_NONCE:]
    return values


def toss(me: int, parties: tuple[int, ...], randomness: Stream) -> Generator[Outbox, Inbox, Stream]:
    """A stream that all parties share and none could influence; public, so never a mask. Two rounds.

    Raises: FaultyParty as `commit_and_open`. A party that does not like the result can still stop the run.
    """
    values = yield from commit_and_open(me, parties, randomness.bytes(32), randomness)
    digest = hashlib.sha256(b"eppml/coin/1")
    for party in sorted(values):
        digest.update(party.to_bytes(4, "big") + values[party])
    return Stream(digest.digest(), b"coin")


def _commitment(party: int, opening: bytes) -> bytes:
    # The committing party's number is inside, so that nobody can repeat another's commitment as its own.
    return hashlib.sha256(b"eppml/commitment/1" + party.to_bytes(4, "big") + opening).digest()
