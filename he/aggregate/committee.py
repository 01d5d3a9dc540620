"""A committee member's side: check every upload, agree with the others on the list, decrypt the sum, once."""

from collections.abc import Mapping, MutableSet

from he.aggregate.messages import checked_upload, confirm, is_confirmed, list_digest, read_proposal, summed
from he.aggregate.parameters import COORDINATOR, Parameters
from he.errors import TooFewContributions
from he.partial import partial_decrypt
from he.threshold import KeyShare
from mpc.errors import FaultyParty, NotEnoughParties, ParameterError, PartyTimeout, ProtocolError
from mpc.prg import Stream
from mpc.runtime import Protocol
from mpc.secagg import IdentityKey, PublicIdentity

__all__ = ["member"]


def member(
    me: int,
    params: Parameters,
    share: KeyShare,
    identity: IdentityKey,
    identities: Mapping[int, PublicIdentity],
    *,
    answered: MutableSet[bytes],
    randomness: Stream | None = None,
    threads: int | None = None,
) -> Protocol[tuple[int, ...]]:
    """Serve as party `me` of the committee; returns the clients whose sum it helped to decrypt.

    `answered` holds the contexts of the sessions this member has confirmed a list in; keep it across runs,
    so that no coordinator gets a second list decrypted by asking again.

    Raises: ParameterError for a share or identity of someone else; ProtocolError for a session that was
        answered before; FaultyParty naming the coordinator or a client; TooFewContributions;
        NotEnoughParties when too few members confirmed the list.
    Leakage: to the coordinator, this member's part in decrypting the sum.
    Assumes: at most `params.tolerated` members are corrupt together with the coordinator.
    """
    if me not in params.committee or params.committee.index(me) + 1 != share.party or share.key != params.key:
        raise ParameterError(f"party {me} does not hold this share of the committee's key")
    if (set(params.clients) | set(params.committee)) - set(identities) or identities[me] != identity.public():
        raise ParameterError("some party has no identity, or the identity key is another's")
    return _run(me, params, share, identity, identities, answered, randomness, threads)


def _run(
    me: int,
    params: Parameters,
    share: KeyShare,
    identity: IdentityKey,
    identities: Mapping[int, PublicIdentity],
    answered: MutableSet[bytes],
    randomness: Stream | None,
    threads: int | None,
) -> Protocol[tuple[int, ...]]:
    yield {}  # the clients upload
    inbox = yield {}
    if COORDINATOR not in inbox:
        raise PartyTimeout(COORDINATOR, "proposed no list to decrypt")
    proposed = read_proposal(inbox[COORDINATOR], params)
    if len(proposed) < params.min_clients:
        raise TooFewContributions(
            f"a sum of {len(proposed)} clients is not decrypted: {params.min_clients} are needed"
        )
    try:
        uploads = [checked_upload(params, identities, i, data) for i, data in proposed.items()]
    except FaultyParty as error:
        # an honest coordinator drops a bad upload instead of proposing it
        raise FaultyParty(COORDINATOR, f"proposed an upload that fails its checks ({error})") from None
    digest = list_digest(params, proposed)
    if params.context in answered:
        raise ProtocolError("this session was answered before: a second list could be told from the first")
    answered.add(params.context)
    mine = confirm(params, identity, digest)
    others = [party for party in params.committee if party != me]
    inbox = yield dict.fromkeys([*others, COORDINATOR], mine)
    agreed = 1 + sum(
        is_confirmed(params, identities, party, digest, inbox[party]) for party in others if party in inbox
    )
    if agreed < params.quorum:
        raise NotEnoughParties(f"{agreed} members confirmed the list of clients, {params.quorum} are needed")
    part = partial_decrypt(
        share,
        summed(params, uploads),
        contributions=len(uploads),
        context=digest,
        stream=randomness,
        threads=threads,
    )
    yield {COORDINATOR: part.to_bytes(params.key.public)}
    return tuple(proposed)
