"""The ledger's events in their order; a run of claimed rewards is folded into one entry."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from fl.report.markup import Content, Html, join, tag
from fl.report.phrases import count, plural, short, when
from fl.report.read import Event, Ledger, Run, gas_of
from fl.report.tables import clipped, definitions, nothing, section, table

__all__ = ["ledger"]

_CLAIMED = "RewardClaimed"
_KINDS = {
    "PlanRegistered": "begin",
    "MembersPublished": "begin",
    "RoundCommitted": "commit",
    "AggregateRecorded": "commit",
    "ClientRejected": "reject",
    _CLAIMED: "claim",
}


def ledger(run: Run) -> Html:
    lead = "What the contracts recorded, in order."
    found = run.ledger
    if found is None:
        return section(
            "ledger",
            "Ledger",
            lead,
            nothing("The ledger's events are written when the last round is finished."),
        )
    if not found.events:
        return section("ledger", "Ledger", lead, nothing("Nothing has been recorded yet."), _where(found))
    timeline = tag("ol", *(_entry(list(events)) for events in _folded(found.events)), class_="timeline")
    return section("ledger", "Ledger", lead, _where(found), timeline)


def _where(found: Ledger) -> Html:
    contracts = ((name, short(str(address))) for name, address in found.contracts.items())
    about: list[tuple[str, Content]] = [("chain", found.kind), ("chain id", str(found.chain_id)), *contracts]
    gas = gas_of(found.events)
    about.append(("events", f"{count(len(found.events))}, {count(gas)} gas"))
    return tag("div", definitions(about), class_="card wide")


def _folded(events: Iterable[Event]) -> Iterator[Iterator[Event]]:
    """Neighbouring claims of one round together, every other event by itself."""
    keyed = enumerate(events)
    for _, group in groupby(
        keyed, key=lambda item: (_CLAIMED, item[1].round) if item[1].name == _CLAIMED else item[0]
    ):
        yield (event for _, event in group)


def _entry(events: list[Event]) -> Html:
    kind = _KINDS.get(events[0].name, "other")
    if len(events) == 1:
        return tag("li", _facts(events[0]), class_=kind)
    gas = gas_of(events)
    first, last = events[0], events[-1]
    where = f"round {first.round}" if first.round else None
    blocks = f"block {first.block}" if first.block == last.block else f"blocks {first.block} to {last.block}"
    summary = tag(
        "summary",
        tag("span", plural(len(events), "reward claimed", "rewards claimed"), class_="event"),
        _meta(where, blocks, f"{count(gas)} gas"),
    )
    rows: Iterable[list[Content]] = (
        [event.client, str(event.block), short(event.transaction), count(event.gas), clipped(event.summary)]
        for event in events
    )
    inside = table(
        "Claimed rewards", ["Client", "Block", "Transaction", "Gas", "Summary"], rows, numeric=(3,)
    )
    return tag("li", tag("details", summary, inside), class_=kind)


def _facts(event: Event) -> Html:
    meta = _meta(
        f"round {event.round}" if event.round else None,
        f"client {event.client}" if event.client else None,
        f"block {event.block}",
        f"{count(event.gas)} gas",
        join("tx ", short(event.transaction)) if event.transaction else None,
        when(event.time) if event.time else None,
    )
    text = tag("p", clipped(event.summary)) if event.summary else None
    return join(tag("span", event.name, class_="event"), meta, text)


def _meta(*facts: Content) -> Html:
    return tag("span", *(tag("span", fact) for fact in facts if fact), class_="meta")
