"""What happened on a deployment, as typed records with the fields of the contracts' events."""

from dataclasses import dataclass
from typing import ClassVar

from chain_adapter.terms import Terms

__all__ = [
    "EVENTS",
    "AggregateRecorded",
    "Attested",
    "ChallengeFailed",
    "ClientRejected",
    "CoordinatorConvicted",
    "Event",
    "InferenceAnswered",
    "InferenceRefunded",
    "InferenceRequested",
    "KeyPublished",
    "LeafJustified",
    "LeafQuestioned",
    "LeavesPublished",
    "MemberConvicted",
    "MemberJoined",
    "MemberLeaving",
    "MembersPublished",
    "MessagePosted",
    "PlanAbandoned",
    "PlanRegistered",
    "RewardClaimed",
    "RewardRefunded",
    "RewardSwept",
    "Rollback",
    "RoundAttested",
    "RoundCancelled",
    "RoundCommitted",
    "RoundDoubted",
    "RoundSkipped",
    "SealReturned",
    "Sealed",
    "SelfCommitted",
    "StakeSlashed",
    "StakeWithdrawn",
    "ValidatorJoined",
    "ValidatorLeaving",
    "ValidatorLeft",
    "ValidatorSlashed",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavesPublished(Event):
    contract: ClassVar[str] = "Rounds"
    plan: bytes
    round: int
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed(Event):
    contract: ClassVar[str] = "Disputes"
    challenger: str
    seal: bytes
    bond: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealReturned(Event):
    contract: ClassVar[str] = "Disputes"
    challenger: str
    seal: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberConvicted(Event):
    contract: ClassVar[str] = "Disputes"
    plan: bytes
    round: int
    member: str
    challenger: str
    fault: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorConvicted(Event):
    contract: ClassVar[str] = "Disputes"
    plan: bytes
    round: int
    challenger: str
    fault: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChallengeFailed(Event):
    contract: ClassVar[str] = "Disputes"
    plan: bytes
    round: int
    member: str
    challenger: str
    bond: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafQuestioned(Event):
    contract: ClassVar[str] = "Disputes"
    plan: bytes
    round: int
    leaf_hash: bytes
    index: int
    challenger: str
    due: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafJustified(Event):
    contract: ClassVar[str] = "Disputes"
    plan: bytes
    round: int
    leaf_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorJoined(Event):
    contract: ClassVar[str] = "Validators"
    plan: bytes
    validator: str
    stake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorLeaving(Event):
    contract: ClassVar[str] = "Validators"
    plan: bytes
    validator: str
    withdrawable_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorLeft(Event):
    contract: ClassVar[str] = "Validators"
    plan: bytes
    validator: str
    stake: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidatorSlashed(Event):
    contract: ClassVar[str] = "Validators"
    plan: bytes
    round: int
    validator: str
    challenger: str
    amount: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested(Event):
    contract: ClassVar[str] = "Validators"
    plan: bytes
    round: int
    validator: str
    right: bool
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundAttested(Event):
    contract: ClassVar[str] = "Validators"
    plan: bytes
    round: int
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundDoubted(Event):
    contract: ClassVar[str] = "Validators"
    plan: bytes
    round: int
    record: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequested(Event):
    contract: ClassVar[str] = "Inference"
    plan: bytes
    id: int
    requester: str
    provider: str
    fee: int
    deadline: int
    model_digest: bytes
    input_digest: bytes
    key_hash: bytes
    input_cid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceAnswered(Event):
    contract: ClassVar[str] = "Inference"
    id: int
    provider: str
    output_digest: bytes
    output_cid: str
    proven: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRefunded(Event):
    contract: ClassVar[str] = "Inference"
    id: int
    requester: str
    fee: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPublished(Event):
    contract: ClassVar[str] = "Mailbox"
    account: str
    key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePosted(Event):
    contract: ClassVar[str] = "Mailbox"
    plan: bytes
    to: str
    sender: str
    number: int
    recipient_key: bytes
    cid: str


EVENTS: dict[tuple[str, str], type[Event]] = {
    (kind.contract, kind.__name__): kind for kind in Event.__subclasses__() if kind.contract
}
