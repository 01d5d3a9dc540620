"""Rebuild what the ledger says about a plan from its events alone, and check it against the contracts' own storage.

Events are what a node tells; storage is what the contracts decided. A node that leaves out, invents or changes a log
is caught where the two differ, and each event is looked for in the receipt of its transaction. Whether the updates and
the models behind the digests are right is checked by whoever can read them (`eppml audit`), with this as its ground.

Assumes: the node does not lie in all of its answers consistently; ask a second one, or run one, to be sure of that.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from chain_adapter._extras import require
from chain_adapter.deployment import NOTHING, Deployment, bitmap
from chain_adapter.errors import TransactionReverted
from chain_adapter.events import (
    AggregateRecorded,
    ClientRejected,
    Event,
    PlanAbandoned,
    PlanRegistered,
    RewardClaimed,
    RewardRefunded,
    RewardSwept,
    RoundCancelled,
    RoundCommitted,
    RoundSkipped,
    SelfCommitted,
)
from chain_adapter.hashing import keccak256
from chain_adapter.receipts import Receipt
from chain_adapter.terms import Terms
from mpc.errors import ParameterError, ProofRejected

__all__ = ["LedgerState", "RoundState", "audit_plan"]

SKIPPED = 8  # Phase.Skipped of the contract
AGGREGATE = ("bytes32", "uint48", "uint256[]", "bytes", "string", "string")
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class RoundState:
    """One round as the ledger has it; `status` is open, committed, recorded, skipped or cancelled."""

    number: int
    status: str
    committed: RoundCommitted | None = None
    aggregate: AggregateRecorded | None = None
    skipped: RoundSkipped | None = None
    rejected: tuple[ClientRejected, ...] = ()
    self_committed: tuple[SelfCommitted, ...] = ()
    paid: tuple[RewardClaimed, ...] = ()
    swept: tuple[RewardSwept, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerState:
    """A plan as the ledger has it, and every sentence about what does not fit; no findings: all of it fits."""

    plan: bytes
    terms: Terms
    registered: PlanRegistered | None
    rounds: tuple[RoundState, ...]
    abandoned: bool
    refunded: int
    findings: tuple[str, ...] = field(default=())

    def verify(self) -> None:
        """Raises: ProofRejected with the first finding."""
        if self.findings:
            raise ProofRejected(self.findings[0])


def audit_plan(deployment: Deployment, plan: bytes) -> LedgerState:
    """Rebuild and check one plan.

    Raises: ParameterError when the deployment knows no such plan; ChainUnreachable.
    """
    try:
        terms = deployment.terms(plan)
    except TransactionReverted as error:
        raise ParameterError(f"the plan {plan.hex()} is not registered in this deployment") from error
    events = [e for e in deployment.events() if getattr(e, "plan", None) == plan]
    findings = list(_unproven(deployment, events))
    registered = _only(events, PlanRegistered)
    if registered is None:
        findings.append("the node's logs leave out the registration of the plan")
    elif registered.terms != terms:
        findings.append("the plan was registered with other terms than the registry holds")
    rounds = tuple(_round(events, number) for number in range(terms.rounds))
    for state in rounds:
        findings += _check_round(deployment, plan, terms, state)
    abandoned = _only(events, PlanAbandoned) is not None
    if abandoned != bool(deployment.ask("Rounds", "progressOf", plan)[0]):
        findings.append("the node's logs and the contract differ on whether the plan was abandoned")
    refunded = sum(e.amount for e in events if isinstance(e, RewardRefunded))
    paid = sum(e.amount for e in events if isinstance(e, RewardClaimed | RewardSwept)) + refunded
    if paid > terms.rounds * terms.reward_per_round:
        findings.append(f"{paid} was paid out of a deposit of {terms.rounds * terms.reward_per_round}")
    return LedgerState(plan, terms, registered, rounds, abandoned, refunded, tuple(findings))


def _unproven(deployment: Deployment, events: Sequence[Event]) -> Iterator[str]:
    """Events that the receipt of their transaction does not contain."""
    receipts: dict[bytes, Receipt | None] = {}
    addresses = {name: address.lower() for name, address in deployment.addresses.items()}
    for event in events:
        if event.transaction not in receipts:
            receipts[event.transaction] = deployment.chain.receipt(event.transaction)
        receipt = receipts[event.transaction]
        where = f"the {type(event).__name__} in block {event.block}"
        if receipt is None or not receipt.success or receipt.block_hash != event.block_hash:
            yield f"{where} belongs to no successful transaction of that block"
            continue
        logs = [log for log in receipt.logs if log.position == event.position]
        told = [deployment.read(log) for log in logs if log.address.lower() == addresses[event.contract]]
        if event not in told:
            yield f"{where} is not in the logs of its transaction's receipt"


def _round(events: Sequence[Event], number: int) -> RoundState:
    mine = [e for e in events if getattr(e, "round", None) == number]
    committed, aggregate = _only(mine, RoundCommitted), _only(mine, AggregateRecorded)
    skipped, cancelled = _only(mine, RoundSkipped), _only(mine, RoundCancelled)
    status = "open"
    for name, event in (
        ("committed", committed), ("recorded", aggregate), ("skipped", skipped), ("cancelled", cancelled),
    ):  # fmt: skip
        status = name if event is not None else status
    return RoundState(
        number, status, committed, aggregate, skipped, _all(mine, ClientRejected), _all(mine, SelfCommitted),
        _all(mine, RewardClaimed), _all(mine, RewardSwept),
    )  # fmt: skip


def _check_round(deployment: Deployment, plan: bytes, terms: Terms, state: RoundState) -> Iterator[str]:
    which = f"round {state.number}"
    root = deployment.root(plan, state.number)
    told = state.committed.root if state.committed else NOTHING
    if told != root:
        yield f"{which}: the node's logs and the contract differ on its root"
    if (state.skipped is not None) != (deployment.ask("Rounds", "phaseOf", plan, state.number)[0] == SKIPPED):
        yield f"{which}: the node's logs and the contract differ on whether it was skipped"
    total, claimed, _claimable_at, _open = deployment.ask("Rounds", "stateOf", plan, state.number)
    recorded = deployment.aggregate_hash(plan, state.number)
    if state.aggregate is None:
        if recorded != NOTHING:
            yield f"{which}: the node's logs leave out the record of its aggregate"
        if state.paid:
            yield f"{which}: rewards were paid before its aggregate was recorded"
        return
    if _aggregate_hash(state.aggregate) != recorded:
        yield f"{which}: the aggregate in the logs is not the one the contract holds"
    if state.committed is None or _place(state.committed) > _place(state.aggregate):
        yield f"{which}: its aggregate comes before its root"
    elif len(state.aggregate.included) > state.committed.count:
        yield f"{which}: more updates are in the sum than in the tree"
    if any(_place(e) < _place(state.aggregate) for e in state.paid):
        yield f"{which}: rewards were paid before its aggregate was recorded"
    if state.status == "recorded":
        yield from _check_payments(which, terms, state, total, claimed)


def _check_payments(which: str, terms: Terms, state: RoundState, total: int, claimed: int) -> Iterator[str]:
    clients = [e.client for e in state.paid]
    if len(set(clients)) != len(clients):
        yield f"{which}: a client was paid twice"
    paid = sum(e.amount for e in state.paid)
    if state.swept:
        if paid + state.swept[0].amount > terms.reward_per_round:
            yield f"{which}: more was paid and swept than its reward"
        return
    # each share is rounded down, so the sum is below the whole part of all claimed samples by less than one a claim
    due = terms.reward_per_round * claimed
    if not due - len(state.paid) * total < paid * total <= due or bool(claimed) != bool(state.paid):
        yield f"{which}: the payments in the node's logs are not those the contract counted"


def _aggregate_hash(event: AggregateRecorded) -> bytes:
    fields = (
        event.model_digest, event.total_samples, bitmap(event.included), event.commitment_sum, event.model_cid,
        event.record_cid,
    )  # fmt: skip
    return keccak256(require("eth_abi.abi").encode([f"({','.join(AGGREGATE)})"], [fields]))


def _place(event: Event) -> tuple[int, int]:
    return event.block, event.position


def _all(events: Sequence[Event], kind: type[E]) -> tuple[E, ...]:
    return tuple(e for e in events if isinstance(e, kind))


def _only(events: Sequence[Event], kind: type[E]) -> E | None:
    return next(iter(_all(events, kind)), None)
