"""What the ledger holds about a run, in order and in words: ledger.json, for the report and for people.

An auditor does not rely on this file; it is the ledger's events told again.
"""

from dataclasses import fields
from typing import Any

from chain_adapter import Deployment
from chain_adapter.events import (
    AggregateRecorded,
    ClientRejected,
    Event,
    MembersPublished,
    PlanRegistered,
    RewardClaimed,
    RoundCommitted,
    RoundSkipped,
)
from fl.checks import Reason
from fl.plan import Plan
from fl.rundir import RunDirectory

__all__ = ["write_timeline"]


def write_timeline(directory: RunDirectory, deployment: Deployment, plan: Plan) -> None:
    """Write ledger.json: every event with its block, transaction, gas, and a sentence."""
    places = {member.address: index for index, member in enumerate(plan.members, start=1)}
    gas: dict[bytes, int] = {}
    times: dict[int, int] = {}
    events = []
    for event in deployment.events():
        if event.transaction not in gas:
            receipt = deployment.chain.receipt(event.transaction)
            gas[event.transaction] = receipt.gas_used if receipt else 0
        if event.block not in times:
            times[event.block] = deployment.chain.timestamp(event.block)
        client = getattr(event, "client", None)
        events.append(
            {
                "block": event.block,
                "time": times[event.block],
                "tx": "0x" + event.transaction.hex(),
                "event": type(event).__name__,
                "round": getattr(event, "round", None),
                "client": places.get(client) if client else None,
                "gas": gas[event.transaction],
                "summary": _summary(event, places),
            }
        )
    directory.write_json(
        "ledger.json",
        {
            "chain_id": deployment.chain.chain_id,
            "kind": "embedded" if deployment.chain.is_embedded else "remote",
            "contracts": dict(deployment.addresses),
            "events": events,
        },
    )


def _summary(event: Event, places: dict[str, int]) -> str:
    match event:
        case PlanRegistered():
            return f"plan {event.plan.hex()[:16]}… with {event.terms.rounds} rounds"
        case MembersPublished():
            return f"{event.count} members"
        case RoundCommitted():
            return f"root {event.root.hex()[:16]}… of {event.count} updates"
        case AggregateRecorded():
            return f"sum of {len(event.included)} updates, {event.total_samples} samples, model {event.model_cid[:16]}…"
        case RoundSkipped():
            return "no sum came of this round"
        case ClientRejected():
            return f"client {places.get(event.client, '?')} rejected: {Reason(event.reason).name.lower()}"
        case RewardClaimed():
            return f"client {places.get(event.client, '?')} paid {event.amount} wei"
        case _:
            return ", ".join(f"{f.name} {_short(getattr(event, f.name))}" for f in fields(event)[4:])


def _short(value: Any) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= 20 else text[:16] + "…"
