"""What happened on a deployment, as typed records in the order of the chain."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from chain_adapter.addresses import checksum_address
from chain_adapter.interface import artifact
from chain_adapter.receipts import LogEntry
from chain_adapter.storage.cid import DAG_PB, RAW, Cid
from chain_adapter.terms import Terms
from mpc.errors import DecodeError

__all__ = [
    "EVENTS",
    "AggregateRecorded",
    "ClientRejected",
    "Event",
    "MemberJoined",
    "MemberLeaving",
    "MembersPublished",
    "PlanAbandoned",
    "PlanRegistered",
    "RewardClaimed",
    "RewardRefunded",
    "RewardSwept",
    "Rollback",
    "RoundCancelled",
    "RoundCommitted",
    "RoundSkipped",
    "SelfCommitted",
    "StakeSlashed",
    "StakeWithdrawn",
    "read_event",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Where an event stands: its block, transaction and position in the block."""

    contract: ClassVar[str] = ""
    block: int
    block_hash: bytes
    transaction: bytes
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback(Event):
    """Not from a contract: the chain was reorganised, and every event after `block` no longer happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRegistered(Event):
    contract: ClassVar[str] = "PlanRegistry"
    plan: bytes
    coordinator: str
    key_hash: bytes
    members_root: bytes
    terms: Terms
    plan_cid: str
    members_cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MembersPublished(Event):
    contract: ClassVar[str] = "Membership"
    plan: bytes
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberJoined(Event):
    contract: ClassVar[str] = "Membership"
    plan: bytes
    member: str
    identity: bytes
    stake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberLeaving(Event):
    contract: ClassVar[str] = "Membership"
    plan: bytes
    member: str
    withdrawable_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeWithdrawn(Event):
    contract: ClassVar[str] = "Membership"
    plan: bytes
    member: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StakeSlashed(Event):
    contract: ClassVar[str] = "Membership"
    plan: bytes
    member: str
    challenger: str
    to_challenger: int
    burnt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCommitted(Event):
    contract: ClassVar[str] = "Rounds"
    plan: bytes
    round: int
    root: bytes
    count: int
    leaves_cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundSkipped(Event):
    """No sum came of this round; the record says why."""

    contract: ClassVar[str] = "Rounds"
    plan: bytes
    round: int
    record_cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfCommitted(Event):
    contract: ClassVar[str] = "Rounds"
    plan: bytes
    round: int
    client: str
    samples: int
    digest: bytes
    update_cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateRecorded(Event):
    """`included` are the positions of the leaves in the sum."""

    contract: ClassVar[str] = "Rounds"
    plan: bytes
    round: int
    model_digest: bytes
    total_samples: int
    included: tuple[int, ...]
    commitment_sum: bytes
    model_cid: str
    record_cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientRejected(Event):
    contract: ClassVar[str] = "Rounds"
    plan: bytes
    round: int
    client: str
    reason: int
    evidence_cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAbandoned(Event):
    contract: ClassVar[str] = "Rounds"
    plan: bytes
    round: int
    reporter: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundCancelled(Event):
    contract: ClassVar[str] = "Rounds"
    plan: bytes
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardClaimed(Event):
    contract: ClassVar[str] = "Rewards"
    plan: bytes
    round: int
    client: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardSwept(Event):
    contract: ClassVar[str] = "Rewards"
    plan: bytes
    round: int
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardRefunded(Event):
    contract: ClassVar[str] = "Rewards"
    plan: bytes
    amount: int


EVENTS: dict[tuple[str, str], type[Event]] = {
    (kind.contract, kind.__name__): kind for kind in Event.__subclasses__() if kind.contract
}


def read_event(contract: str, log: LogEntry) -> Event | None:
    """The typed event in a log of `contract`, or None when it is one that this module has no type for.

    Raises: DecodeError when the log is malformed.
    """
    name, found = artifact(contract).interface.decode_event(log.topics, log.data)
    kind = EVENTS.get((contract, name))
    if kind is None:
        return None
    values = {_snake(key): value for key, value in found.items()}
    wanted = {f.name for f in fields(kind)}
    where = {
        "block": log.block, "block_hash": log.block_hash, "transaction": log.transaction, "position": log.position,
    }  # fmt: skip
    return kind(**{k: v for k, v in {**_converted(values), **where}.items() if k in wanted})


def _converted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Solidity's shapes turned into ours: checksummed addresses, a CID as text, a bitmap as positions."""
    result: dict[str, Any] = {k: checksum_address(v) if _is_address(v) else v for k, v in values.items()}
    if "terms" in result:
        result["terms"] = Terms.from_tuple(result["terms"])
    if "leaves_digest" in result:
        result["leaves_cid"] = cid_text(result["leaves_codec"], result["leaves_digest"])
    if "included" in result:
        result["included"] = positions(result["included"])
    return result


def positions(words: tuple[int, ...]) -> tuple[int, ...]:
    """The positions of the set bits: bit i of word j stands for position 256 j + i."""
    return tuple(256 * j + i for j, word in enumerate(words) for i in range(256) if word >> i & 1)


def cid_text(codec: int, digest: bytes) -> str:
    """The CID a contract keeps as codec and digest. Raises: DecodeError when it keeps none."""
    if codec not in (RAW, DAG_PB):
        raise DecodeError(f"codec {codec} in a round's record is neither raw nor dag-pb")
    return str(Cid(codec, digest))


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 42 and value.startswith("0x")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
