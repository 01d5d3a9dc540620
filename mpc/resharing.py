"""Sharings that move: between schemes, to other parties, and to fresh shares of the same secret.

    local        to_additive, to_shamir           each party converts its own share, nothing is sent
    one round    reshare                          the old holders deal their shares to the new ones
                 refresh                          the holders stay, all shares change

`reshare` covers parties joining and leaving, a new threshold, and every change of scheme that is not local:
whoever leaves is left with a share of a sharing that no longer exists. `refresh` makes what an intruder stole
last month worthless: old and new shares do not combine.

Source: Herzberg, Jarecki, Krawczyk, Yung, "Proactive secret sharing", CRYPTO 1995; Desmedt and Jajodia 1997;
for replicated to Shamir, Cramer, Damgard, Ishai, TCC 2005.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from mpc import additive, packed, replicated, shamir
from mpc.domain import Domain, Elements, Shape
from mpc.errors import DecodeError, FaultyParty, NotEnoughParties, ParameterError
from mpc.field import PrimeField
from mpc.prg import Stream
from mpc.shares import Scheme, Share
from mpc.threshold import Threshold

if TYPE_CHECKING:
    from mpc.runtime.types import Inbox, Outbox, Protocol

__all__ = ["Sharing", "refresh", "reshare", "to_additive", "to_shamir"]


@dataclass(frozen=True, slots=True)
class Sharing:
    """How something is shared: all that its shares have in common.

    Raises: ParameterError for a combination that no scheme has.
    """

    scheme: Scheme
    threshold: Threshold
    domain: Domain
    shape: Shape
    width: int = 1

    def __post_init__(self) -> None:
        if self.scheme is Scheme.ADDITIVE and self.threshold.needed != self.threshold.parties:
            raise ParameterError("additive sharing needs every party")
        if self.scheme is Scheme.REPLICATED and self.threshold != replicated.THRESHOLD:
            raise ParameterError("replicated sharing is 2 of 3")
        if self.scheme in (Scheme.SHAMIR, Scheme.PACKED) and not isinstance(self.domain, PrimeField):
            raise ParameterError("polynomial sharing needs a prime field")

    @classmethod
    def of(cls, share: Share) -> "Sharing":
        """How `share` is shared."""
        return cls(share.scheme, share.threshold, share.domain, share.shape, share.width)

    def deal(self, secret: Elements, randomness: Stream) -> list[Share]:
        """Share `secret` in this way."""
        if self.scheme is Scheme.ADDITIVE:
            return additive.share(secret, self.threshold.parties, randomness)
        if self.scheme is Scheme.REPLICATED:
            return replicated.share(secret, randomness)
        if self.scheme is Scheme.PACKED:
            return packed.share(secret, self.threshold, self.width, randomness)
        return shamir.share(secret, self.threshold, randomness)

    def matches(self, share: Share, index: int) -> bool:
        """Whether `share` is party `index`'s in such a sharing."""
        return Sharing.of(share) == self and share.index == index


def to_additive(share: Share, holders: Collection[int]) -> Elements:
    """A summand of the secret: the summands of all `holders`, each made from its own share, add up to it.

    Raises: NotEnoughParties when the holders cannot reconstruct; ParameterError when this is not one of
        theirs.
    Leakage: none; nothing is sent. What the summands reveal is the secret, only to whoever gets all of them.

    >>> from mpc.field import FIELD61
    >>> shares = shamir.share(FIELD61.elements([7]), Threshold(2, 3), Stream(bytes(32)))
    >>> (to_additive(shares[0], [1, 3]) + to_additive(shares[2], [1, 3])).lifted().tolist()
    [7]
    """
    chosen = _chosen(share, holders)
    if share.scheme is Scheme.ADDITIVE:
        return share.values
    if share.scheme is Scheme.REPLICATED:
        # the first of two holders that follow each other has two parts to give, else all three give their own
        first, second = share.values[0], share.values[1]
        if len(chosen) == replicated.PARTIES:
            return first
        follower = next(i for i in chosen if (i % 3) + 1 in chosen)
        return first + second if share.index == follower else second
    field, position = shamir.prime_field(share.values), chosen.index(share.index)
    if share.scheme is Scheme.SHAMIR:
        return share.values * shamir.weights_at(chosen, 0, field.modulus)[position]
    # one share of a packed polynomial is worth a summand in every slot
    slots = [
        field.multiply(share.values.values, shamir.weights_at(chosen, at, field.modulus)[position])
        for at in packed.secret_points(share.width)
    ]
    values = np.stack(slots, axis=1).reshape(-1)[: prod(share.shape)]
    return Elements(field, np.ascontiguousarray(values).reshape(share.shape))


def _chosen(share: Share, holders: Collection[int]) -> tuple[int, ...]:
    needed = share.threshold.needed
    chosen = tuple(sorted(set(holders)))
    if len(chosen) < needed:
        raise NotEnoughParties(f"{needed} holders are needed, {len(chosen)} are there")
    if share.scheme in (Scheme.SHAMIR, Scheme.PACKED):
        chosen = chosen[:needed]
    if share.index not in chosen:
        raise ParameterError(f"party {share.index} is not among the holders {list(chosen)}")
    return chosen


def to_shamir(share: Share) -> Share:
    """A replicated 2-of-3 share over a prime field as a Shamir 2-of-3 share of the same secret.

    Part j is missing at one party k only: it rides on the line that is 1 at zero and 0 at k.

    Raises: ParameterError for another scheme, or a ring.
    Leakage: none; nothing is sent.
    """
    if share.scheme is not Scheme.REPLICATED:
        raise ParameterError(f"want a replicated share, got {share.scheme.name.lower()}")
    field = shamir.prime_field(share.values)
    total = Elements(field, field.zeros(share.shape))
    for position, part in enumerate((share.index, share.index % 3 + 1)):
        # party i holds parts i and i + 1, so part j is missing at party j + 1
        missing = part % 3 + 1
        line = (1 - share.index * pow(missing, -1, field.modulus)) % field.modulus
        total = total + share.values[position] * line
    return Share(Scheme.SHAMIR, replicated.THRESHOLD, share.index, share.shape, total)


def reshare(
    me: int,
    share: Share | None,
    old: Sharing,
    holders: Collection[int],
    new: Sharing,
    members: Sequence[int],
    randomness: Stream,
) -> "Protocol[Share | None]":
    """Move a secret from `holders` of an old sharing to a new one among `members`; one round.

    `holders` are the parties of the old sharing that take part, by their index there, which is also their
    party number; `members` are the party numbers of the new sharing's parties 1, 2, ... A party may be in
    both, in one, or in none of the roles it is told about: it gets its new share, or None.

    Raises: NotEnoughParties when the holders cannot reconstruct, or one of them is silent; FaultyParty when
        one sends what is no share of the new sharing; ParameterError for shares or shapes that do not fit.
    Leakage: none to fewer than `needed` old holders together with fewer than `needed` new members.
    Assumes: holders deal what they hold. One that deals something else changes the secret: reconstruct
        robustly.
    """
    if old.domain != new.domain or old.shape != new.shape:
        raise ParameterError("the new sharing must be of the same shape and domain")
    if len(members) != new.threshold.parties or len(set(members)) != len(members):
        raise ParameterError(f"want {new.threshold.parties} different members, got {list(members)}")
    if share is not None and not old.matches(share, me):
        raise ParameterError(f"party {me} holds no such share of the old sharing")
    dealers = tuple(sorted(set(holders)))
    if old.scheme in (Scheme.SHAMIR, Scheme.PACKED):
        dealers = dealers[: old.threshold.needed]
    return _reshare(me, share, dealers, new, list(members), randomness)


def _reshare(
    me: int, share: Share | None, dealers: Sequence[int], new: Sharing, members: list[int], randomness: Stream
) -> Generator["Outbox", "Inbox", Share | None]:
    outbox: dict[int, bytes] = {}
    mine: list[Share] = []
    if me in dealers:
        if share is None:
            raise ParameterError(f"party {me} is to deal but holds no share")
        dealt = new.deal(to_additive(share, dealers), randomness)
        for member, piece in zip(members, dealt, strict=True):
            if member == me:
                mine.append(piece)
            else:
                outbox[member] = piece.to_bytes()
    inbox = yield outbox
    if me not in members:
        return None
    index = members.index(me) + 1
    for dealer in dealers:
        if dealer != me:
            mine.append(_received(inbox, dealer, new, index))
    total = mine[0]
    for piece in mine[1:]:
        total = total + piece
    return total


def _received(inbox: Mapping[int, bytes], dealer: int, sharing: Sharing, index: int) -> Share:
    if dealer not in inbox:
        raise NotEnoughParties(f"party {dealer} sent nothing")
    try:
        piece = Share.from_bytes(inbox[dealer])
    except DecodeError as error:
        raise FaultyParty(dealer, f"sent garbage: {error}") from None
    if not sharing.matches(piece, index):
        raise FaultyParty(dealer, "sent a share of something else")
    return piece


def refresh(me: int, share: Share, parties: Collection[int], randomness: Stream) -> "Protocol[Share]":
    """Replace every share by an independent one of the same secret; one round.

    Every party deals a sharing of zero, and adds up what it is dealt. All parties of the sharing must take
    part: whoever misses a refresh holds a worthless share, and is brought back by `reshare`.

    Raises: ParameterError unless all parties take part; NotEnoughParties when one is silent; FaultyParty when
        one sends what is no share of this sharing.
    Leakage: none; shares from before and after a refresh together tell no more than either.
    Assumes: at least one party deals uniformly; parties deal zero.
    """
    sharing = Sharing.of(share)
    if set(parties) != set(range(1, sharing.threshold.parties + 1)) or share.index != me:
        raise ParameterError("all parties of a sharing refresh it together, each its own share")
    return _refresh(me, share, sharing, randomness)


def _refresh(
    me: int, share: Share, sharing: Sharing, randomness: Stream
) -> Generator["Outbox", "Inbox", Share]:
    zero = Elements(sharing.domain, sharing.domain.zeros(sharing.shape))
    dealt = sharing.deal(zero, randomness)
    inbox = yield {piece.index: piece.to_bytes() for piece in dealt if piece.index != me}
    total = share + dealt[me - 1]
    for dealer in range(1, sharing.threshold.parties + 1):
        if dealer != me:
            total = total + _received(inbox, dealer, sharing, me)
    return total
