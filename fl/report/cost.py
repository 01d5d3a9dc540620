"""What the run cost: seconds by stage, bytes of a client, gas by entry point."""

from collections.abc import Callable, Mapping, Sequence

from fl.report.charts import Series, bar_chart
from fl.report.markup import Content, Html, join, tag
from fl.report.phrases import count, data_size, duration, number, times
from fl.report.read import Round, Run, gas_of
from fl.report.tables import heading, nothing, section, table

__all__ = ["cost"]

_STAGES = ("train", "prove", "mask", "verify", "aggregate", "decrypt", "chain")
_ENTRY_POINTS = ("commit_round", "record_aggregate", "claim", "reject", "skip_round")
_PALETTE = 6  # colours in the style sheet


def cost(run: Run) -> Html:
    lead = "Seconds by stage, bytes of a client against the plain update, and gas by entry point."
    if not run.rounds:
        return section("cost", "Cost", lead, nothing("No round is finished yet."))
    charts = tag("div", _seconds(run), _bytes(run), class_="pair")
    return section("cost", "Cost", lead, charts, _traffic(run), _gas(run))


def _series(
    rounds: Sequence[Round], pick: Callable[[Round], Mapping[str, float]], first: Sequence[str]
) -> list[Series]:
    """A series for every key that is not zero throughout, known ones in their order, then the rest."""
    keys = dict.fromkeys([*first, *sorted({key for r in rounds for key in pick(r)})])
    values = {key: tuple(pick(r).get(key, 0.0) for r in rounds) for key in keys}
    series = [
        Series(key.replace("_", " "), f"c{place % _PALETTE}", values[key]) for place, key in enumerate(keys)
    ]
    return [s for s in series if any(s.values)]


def _seconds(run: Run) -> Html:
    series = _series(run.rounds, lambda r: r.seconds, _STAGES)
    if not series:
        return nothing("No times were recorded.")
    note = "Whole rounds on one machine, all simulated clients together."
    return bar_chart("Time by stage", note, series, duration)


def _bytes(run: Run) -> Html:
    traffic = [r.traffic for r in run.rounds]
    message = tuple(t.get("update_message", 0.0) for t in traffic)
    sent = tuple(t.get("sent_per_client", 0.0) for t in traffic)
    series = [
        Series("signed update with its proof", "c1", message),
        Series(
            "the rest of what it sends",
            "c0",
            tuple(max(a - b, 0.0) for a, b in zip(sent, message, strict=True)),
        ),
        Series("what it receives", "c5", tuple(t.get("received_per_client", 0.0) for t in traffic)),
    ]
    plain = max((t.get("float32_update", 0.0) for t in traffic), default=0.0)
    reference = (f"the plain float32 update, {data_size(plain)}", plain) if plain else None
    if not any(any(s.values) for s in series):
        return nothing("No bytes were recorded.")
    return bar_chart(
        "Bytes of one client",
        "The most that any client sent, and received.",
        series,
        data_size,
        reference=reference,
    )


def _traffic(run: Run) -> Html | None:
    keys = {
        "update_message": "signed update with its proof",
        "sent_per_client": "sent by a client",
        "received_per_client": "received by a client",
        "coordinator_sent": "sent by the coordinator",
        "coordinator_received": "received by the coordinator",
        "float32_update": "the plain float32 update",
    }
    rounds = run.rounds
    means = {key: sum(r.traffic.get(key, 0.0) for r in rounds) / len(rounds) for key in keys}
    plain = means["float32_update"]
    rows: list[list[Content]] = [
        [name, data_size(means[key]), times(means[key] / plain) if plain else None]
        for key, name in keys.items()
        if means[key]
    ]
    messages = sum(r.message_rounds for r in rounds) / len(rounds)
    saturated = sum(r.saturated for r in rounds)
    note = (
        "Mean of a round; of the clients, the one that sent or received most. A round takes "
        f"{number(messages)} exchanges of messages; {count(saturated)} coordinates were clipped."
    )
    if not rows:
        return None
    body = table("Bytes a round", ["What", "Bytes a round", "Against float32"], rows, numeric=(1, 2))
    return join(heading("Messages", note), tag("div", body, class_="card"))


def _gas(run: Run) -> Html:
    series = _series(run.rounds, lambda r: r.gas, _ENTRY_POINTS)
    if not series:
        return join(heading("Gas"), nothing("No gas was recorded."))
    total = sum(sum(s.values) for s in series)
    rounds = len(run.rounds)
    rows: list[list[Content]] = []
    for s in series:
        spent = sum(s.values)
        rows.append([s.name, count(spent), count(spent / rounds), count(spent / rounds / run.clients)])
    together = tag("b", "together")
    rows.append([together, count(total), count(total / rounds), count(total / rounds / run.clients)])
    headings = ["Entry point", "Gas", "A round", "A client a round"]
    body = table("Gas by entry point", headings, rows, numeric=(1, 2, 3))
    chart = bar_chart("Gas by entry point", None, series, count)
    return join(heading("Gas", _once(run)), tag("div", chart, tag("div", body, class_="card"), class_="pair"))


def _once(run: Run) -> str | None:
    """What the ledger took outside the rounds, such as registering the plan."""
    spent = gas_of(event for event in run.ledger.events if not event.round) if run.ledger else 0.0
    return (
        f"Beside the rounds, registering the plan and the like took {count(spent)} gas, once."
        if spent
        else None
    )
