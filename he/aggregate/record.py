"""What a stranger needs to re-check an aggregation: uploads, confirmations, partial decryptions, totals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from he.aggregate.messages import checked_upload, is_confirmed, list_digest, summed
from he.aggregate.parameters import MAX_CLIENTS, Parameters
from he.errors import NotPacked, TooFewContributions
from he.partial import Combined, PartialDecryption, combine
from he.threshold import MAX_PARTIES
from he.wire import Reader, Writer
from mpc.errors import DecodeError, FaultyParty, NotEnoughParties, ProofRejected, ProtocolError
from mpc.secagg import PublicIdentity

__all__ = ["Record", "audit", "opened"]

MAGIC = b"EPPML paillier aggregation record 1\n"


@dataclass(frozen=True, slots=True)
class Record:
    """The whole public side of one aggregation; `uploads` and `parts` are messages as they were sent."""

    params: bytes = field(repr=False)
    uploads: Mapping[int, bytes] = field(repr=False)
    confirmations: Mapping[int, bytes] = field(repr=False)
    parts: Mapping[int, bytes] = field(repr=False)
    total: tuple[int, ...] = field(repr=False)
    field_total: tuple[int, ...] = field(repr=False)

    def to_bytes(self) -> bytes:
        writer = Writer(MAGIC).blob(self.params)
        for messages in (self.uploads, self.confirmations, self.parts):
            writer.number(len(messages))
            for party in sorted(messages):
                writer.number(party).blob(messages[party])
        writer.number(len(self.total), 8).raw(np.array(self.total, dtype=">i8").tobytes())
        return writer.integers(self.field_total).done()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Record":
        """Raises: DecodeError for anything but the one encoding."""
        reader = Reader(data, MAGIC)
        params = reader.blob()
        uploads = _messages(reader, MAX_CLIENTS)
        confirmations, parts = _messages(reader, MAX_PARTIES), _messages(reader, MAX_PARTIES)
        total = np.frombuffer(reader.raw(8 * reader.number(8)), dtype=">i8").tolist()
        field_total = tuple(int(v) for v in reader.integers())
        reader.end()
        return cls(params, uploads, confirmations, parts, tuple(total), field_total)


def _messages(reader: Reader, limit: int) -> dict[int, bytes]:
    messages: dict[int, bytes] = {}
    for _ in range(reader.number(below=limit + 1)):
        party = reader.number()
        if messages and party <= max(messages):
            raise DecodeError(f"party {party} is out of order or listed twice")
        messages[party] = reader.blob()
    return messages


def opened(params: Parameters, plaintexts: Sequence[mpz]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """The totals that decrypted sums stand for.

    Raises: ProtocolError when a client broke its bound so badly that slots ran over.
    """
    split = params.packing.ciphertexts(params.dim)
    try:
        total: npt.NDArray[Any] = params.packing.unpack(plaintexts[:split], params.dim)
        residues = params.field_packing.unpack(plaintexts[split:], params.field_dim)
    except NotPacked as error:
        raise ProtocolError(
            f"the sum is not a sum of packed vectors, so some client broke its bound: {error}"
        ) from None
    return total.astype(np.int64), [int(v) % params.field for v in residues]


def combined(
    params: Parameters, uploads: Mapping[int, bytes], sums: Sequence[mpz], parts: Sequence[PartialDecryption]
) -> Combined:
    """The plaintexts of the sums, from the members' parts.

    Raises: FaultyParty naming a party, NotEnoughParties.
    """
    try:
        return combine(params.key, sums, parts, context=list_digest(params, uploads))
    except FaultyParty as error:
        # the key counts its members from 1, the aggregation counts parties
        raise FaultyParty(params.committee[error.party - 1], error.reason) from None


def audit(record: Record, params: Parameters, identities: Mapping[int, PublicIdentity]) -> tuple[int, ...]:
    """Re-check everything: uploads, signatures, proofs, sums, confirmations, partial decryptions and totals.

    `params` and `identities` come from the plan, not from the record. Returns the clients in the sum.

    Raises: ProofRejected when the record is not of these parameters or its totals are wrong; FaultyParty
        naming a client or member; TooFewContributions; NotEnoughParties.
    """
    if record.params != params.to_bytes():
        raise ProofRejected("the record belongs to other parameters")
    if not set(record.uploads) <= set(params.clients):
        raise ProofRejected("the record holds an upload of a stranger")
    if len(record.uploads) < params.min_clients:
        raise TooFewContributions(
            f"{len(record.uploads)} clients were summed, {params.min_clients} are needed"
        )
    uploads = [checked_upload(params, identities, i, data) for i, data in sorted(record.uploads.items())]
    digest = list_digest(params, record.uploads)
    for party, signature in record.confirmations.items():
        if party not in params.committee or not is_confirmed(params, identities, party, digest, signature):
            raise FaultyParty(party, "did not confirm this list of clients")
    if len(record.confirmations) < params.quorum:
        raise NotEnoughParties(f"{len(record.confirmations)} members confirmed, {params.quorum} are needed")
    parts = []
    for party, data in record.parts.items():
        try:
            part = PartialDecryption.from_bytes(data, params.key.public)
        except DecodeError as error:
            raise FaultyParty(party, f"bad partial decryption: {error}") from None
        if party not in params.committee or part.party != params.committee.index(party) + 1:
            raise FaultyParty(party, "sent another member's partial decryption")
        parts.append(part)
    result = combined(params, record.uploads, summed(params, uploads), parts)
    if result.faulty:
        index, reason = next(iter(result.faulty.items()))
        raise FaultyParty(params.committee[index - 1], reason)
    total, field_total = opened(params, result.plaintexts)
    if tuple(total.tolist()) != record.total or tuple(field_total) != record.field_total:
        raise ProofRejected("the recorded totals are not what the committee decrypted")
    return tuple(sorted(record.uploads))
