"""The coordinator's side: collect, check, add, ask the committee, and keep the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from he.aggregate.messages import Upload, checked_upload, is_confirmed, list_digest, summed, write_proposal
from he.aggregate.parameters import Parameters
from he.aggregate.record import Record, combined, opened
from he.errors import TooFewContributions
from he.partial import PartialDecryption
from mpc.errors import DecodeError, FaultyParty, NotEnoughParties, ParameterError
from mpc.runtime import Inbox, Protocol
from mpc.secagg import Aggregate, PublicIdentity

__all__ = ["Outcome", "coordinator"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The sum, in the form that secure aggregation returns it, and the record an auditor re-checks."""

    aggregate: Aggregate
    record: Record = field(repr=False)


def coordinator(params: Parameters, identities: Mapping[int, PublicIdentity]) -> Protocol[Outcome]:
    """Run one aggregation as party 0.

    Clients and members that misbehave are left out and named in `aggregate.faulty`; those that say nothing
    are in `aggregate.dropped`.

    Raises: TooFewContributions when too few clients are left; NotEnoughParties or FaultyParty when too few
        members are; ProtocolError when a client in the sum broke its bound so badly that nothing can be read.
    Leakage: the coordinator learns the sum, and who is in it.
    Assumes: nothing of the clients but that their values keep the bound, which is theirs to prove.
    """
    if (set(params.clients) | set(params.committee)) - set(identities):
        raise ParameterError("some party has no identity")
    return _run(params, identities)


def _run(params: Parameters, identities: Mapping[int, PublicIdentity]) -> Protocol[Outcome]:
    dropped: dict[int, str] = {}
    faulty: dict[int, str] = {}
    inbox = yield {}
    messages, uploads = _accepted(params, identities, inbox, dropped, faulty)
    if len(uploads) < params.min_clients:
        raise TooFewContributions(
            f"{len(uploads)} good uploads, {params.min_clients} are needed; faulty so far: {faulty or 'none'}"
        )
    yield dict.fromkeys(params.committee, write_proposal(messages))
    inbox = yield {}
    digest = list_digest(params, messages)
    confirmations = {
        party: inbox[party]
        for party in params.committee
        if party in inbox and is_confirmed(params, identities, party, digest, inbox[party])
    }
    inbox = yield {}
    raw, parts = _parts(params, inbox, dropped, faulty)
    if len(confirmations) < params.quorum:
        raise NotEnoughParties(f"{len(confirmations)} members confirmed, {params.quorum} are needed")
    result = combined(params, messages, summed(params, list(uploads.values())), parts)
    for index, reason in result.faulty.items():
        faulty[params.committee[index - 1]] = reason
    good = {party: raw[party] for party in raw if party not in faulty}
    total, field_total = opened(params, result.plaintexts)
    record = Record(
        params.to_bytes(), messages, confirmations, good, tuple(total.tolist()), tuple(field_total)
    )
    return Outcome(Aggregate(total, field_total, tuple(sorted(messages)), dropped, faulty), record)


def _accepted(
    params: Parameters,
    identities: Mapping[int, PublicIdentity],
    inbox: Inbox,
    dropped: dict[int, str],
    faulty: dict[int, str],
) -> tuple[dict[int, bytes], dict[int, Upload]]:
    messages: dict[int, bytes] = {}
    uploads: dict[int, Upload] = {}
    for i in params.clients:
        if i not in inbox:
            dropped[i] = "upload"
            continue
        try:
            uploads[i] = checked_upload(params, identities, i, inbox[i])
            messages[i] = inbox[i]
        except FaultyParty as error:
            dropped[i], faulty[i] = "upload", error.reason
    return messages, uploads


def _parts(
    params: Parameters, inbox: Inbox, dropped: dict[int, str], faulty: dict[int, str]
) -> tuple[dict[int, bytes], list[PartialDecryption]]:
    raw: dict[int, bytes] = {}
    parts = []
    for index, party in enumerate(params.committee, 1):
        if party not in inbox:
            dropped[party] = "partial decryption"
            continue
        try:
            part = PartialDecryption.from_bytes(inbox[party], params.key.public)
        except DecodeError as error:
            faulty[party] = f"bad partial decryption: {error}"
            continue
        if part.party != index:
            faulty[party] = "sent another member's partial decryption"
            continue
        raw[party] = inbox[party]
        parts.append(part)
    return raw, parts
