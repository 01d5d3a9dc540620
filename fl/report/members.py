"""Who took part in which round, and who was rejected and why."""

from collections import Counter
from collections.abc import Collection

from fl.report.markup import Content, Html, join, tag
from fl.report.phrases import count, listing, plural
from fl.report.read import ClientPart, Run
from fl.report.search import opened_sums
from fl.report.tables import box, clipped, heading, nothing, section, table

__all__ = ["members"]

_MOST_CELLS = 20_000
_MEANINGS = {
    "included": "in the sum",
    "unsummed": "accepted, but dropped out of the sum",
    "rejected": "named for certain and left out",
    "suspect": "left out of this round, not convicted",
    "missing": "sent nothing",
    "absent": "not asked in this round",
    "excluded": "rejected in an earlier round",
}
# one sign a status, so that nothing hangs on colour alone
_SIGNS = {
    "included": "M4 8.5 7 11.5 12 5",
    "unsummed": "M4 9.5C5.5 6 7 6 8 8S10.5 10 12 6.5",
    "rejected": "M4.5 4.5 11.5 11.5M11.5 4.5 4.5 11.5",
    "suspect": "M6 6.2C6 3.6 10 3.6 10 6.2 10 7.8 8 7.8 8 9.8M8 12V12.1",
    "missing": "M5 8H11",
    "absent": "M8 7.9V8.1",
    "excluded": "M4.5 11.5 11.5 4.5",
}
_REASONS = {
    "malformed": "Malformed message",
    "signature": "Bad signature",
    "proof": "Proof does not hold",
    "mismatch": "Sum differs from its commitment",
    "outlier": "Left out by the robust rule",
}


def members(run: Run) -> Html:
    lead = "What became of every client's update in every round."
    if not run.rounds:
        return section("clients", "Clients", lead, nothing("No round is finished yet."))
    return section("clients", "Clients", lead, _grid(run), _rejections(run), opened_sums(run))


def _grid(run: Run) -> Html:
    everybody = sorted({part.client for r in run.rounds for part in r.clients})
    shown, note = everybody, None
    if len(everybody) * len(run.rounds) > _MOST_CELLS:
        shown = [
            c
            for c in everybody
            if any(p.status != "included" for r in run.rounds for p in r.clients if p.client == c)
        ]
        shown = shown[: _MOST_CELLS // len(run.rounds)]
        note = f"{plural(len(everybody) - len(shown), 'client')} more are left out here."
    parts = {(r.number, part.client): part for r in run.rounds for part in r.clients}
    samples = run.plan.samples if run.plan else {}
    rewards: dict[int, int] = {}
    for part in parts.values():
        rewards[part.client] = rewards.get(part.client, 0) + part.reward
    head = tag(
        "tr",
        tag("th", "client", scope="col", class_="stick"),
        *(tag("th", str(r.number), scope="col", title=f"round {r.number}") for r in run.rounds),
        tag("th", "samples", scope="colgroup", colspan=2, class_="num") if samples else None,
        tag("th", "rewards, wei", scope="col", class_="num") if any(rewards.values()) else None,
    )
    rows = (
        tag(
            "tr",
            tag("th", str(client), scope="row", class_="stick", title=_address(run, client)),
            *(_cell(parts.get((r.number, client)), r.number) for r in run.rounds),
            _share(samples.get(client, 0), max(samples.values())) if samples else None,
            tag("td", count(rewards[client]), class_="num") if any(rewards.values()) else None,
        )
        for client in shown
    )
    table_ = tag("table", tag("thead", head), tag("tbody", *rows), class_="grid")
    return tag(
        "figure",
        tag("figcaption", tag("span", "Client by round", class_="name")),
        box("Status of every client in every round", table_),
        tag("div", _legend(parts.values()), tag("p", note, class_="note") if note else None, class_="aside"),
        class_="card split",
    )


def _legend(parts: Collection[ClientPart]) -> Html:
    often = Counter(part.standing for part in parts)
    entries = (
        tag(
            "li",
            _sign(status),
            tag("span", tag("b", status), f" {_MEANINGS[status]}"),
            tag("em", count(often[status])),
        )
        for status in _MEANINGS
        if often[status]
    )
    return tag("ul", *entries, class_="legend tall")


def _share(samples: int, most: int) -> Html:
    """A client's samples, which are its weight in the sum, with a bar against the largest client's."""
    bar = tag("rect", width=60 * samples / max(most, 1), height=8, rx=2)
    drawn = tag("svg", bar, viewBox="0 0 60 8", class_="mini", aria_hidden="true")
    return join(tag("td", drawn, class_="gap"), tag("td", count(samples), class_="num"))


def _address(run: Run, client: int) -> str | None:
    return next(
        (part.address for part in run.rounds[0].clients if part.client == client and part.address), None
    )


def _cell(part: ClientPart | None, number: int) -> Html:
    if part is None:
        return tag("td")
    words = f"client {part.client}, round {number}: {part.standing}"
    if part.reason:
        words += f" ({_reason(part.reason).lower()})"
    return tag("td", _sign(part.standing), tag("span", part.standing, class_="unseen"), title=words)


def _sign(status: str) -> Html:
    square = tag("rect", width=16, height=16, rx=4)
    return tag(
        "svg",
        square,
        tag("path", d=_SIGNS[status]),
        viewBox="0 0 16 16",
        class_=f"sign {status}",
        aria_hidden="true",
    )


def _reason(reason: str) -> str:
    return _REASONS.get(reason.lower(), reason or "not given")


def _rejections(run: Run) -> Html:
    title = heading("Who was rejected, and why")
    unnoticed = sorted(set(run.cheats) - {part.client for _, part in run.rejections})
    missed = None
    if unnoticed:
        who = listing([f"client {client} ({run.cheats[client]})" for client in unnoticed])
        missed = tag("p", f"Planted, but rejected in no round so far: {who}.", class_="note")
    if not run.rejections:
        return join(title, nothing("Nobody was rejected."), missed)
    headings = ["Client", "Round", "Verdict", "Why"] + ["Planted as"] * bool(run.cheats)
    rows: list[list[Content]] = []
    for r, part in run.rejections:
        kind = "bad" if part.certain else "warn"
        verdict = tag("span", "certain" if part.certain else "suspect", class_=f"badge {kind}")
        why = tag("div", tag("b", _reason(part.reason)), tag("small", clipped(part.detail)), class_="why")
        planted = [run.cheats.get(part.client, "honest")] if run.cheats else []
        rows.append([str(part.client), str(r.number), verdict, why, *planted])
    return join(title, tag("div", table("Rejected clients", headings, rows), class_="card"), missed)
