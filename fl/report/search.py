"""The sums that were opened, as a picture: one line a sum, one column a client.

A client's column is clean as soon as it has one matching sum; a liar's has none.
"""

from fl.report.markup import Content, Html, join, tag
from fl.report.phrases import listing, plural
from fl.report.read import OpenedSum, Round, Run
from fl.report.tables import box, heading, nothing

__all__ = ["opened_sums"]

_STAGES = {0: "everybody", 1: "row", 2: "column", 3: "row, reshuffled", 4: "column, reshuffled"}


def opened_sums(run: Run) -> Html:
    searched = [r for r in run.rounds if len(r.opened) > 1]
    if not searched:
        return join(heading("Sums that were opened"), nothing(_at_once(run)))
    note = (
        "When a sum differs from what its clients committed to, sums over the rows and columns of a grid of the clients are "
        "taken, with fresh masks. Whoever is in a sum that matches is cleared."
    )
    return join(heading("Sums that were opened to find a liar", note), *(_search(run, r) for r in searched))


def _at_once(run: Run) -> str:
    matched = sum(bool(r.opened) and r.opened[0].matches for r in run.rounds)
    if matched == len(run.rounds):
        return "In every round the sum over everybody matched its commitments: no smaller one was opened."
    return f"{matched} of {plural(len(run.rounds), 'round')} opened a sum that matched; no smaller one was opened."


def _search(run: Run, r: Round) -> Html:
    clients = sorted({client for opened in r.opened for client in opened.group})
    accused = {
        p.client: p.certain for p in r.clients if p.status == "rejected" and p.reason.lower() == "mismatch"
    }
    head = tag(
        "tr",
        tag("th", "sum over", scope="col", class_="stick"),
        *(tag("th", str(c), scope="col", class_="accused" if c in accused else None) for c in clients),
        tag("th", "updates", scope="col", class_="num"),
        tag("th", "commitments", scope="col"),
    )
    rows = (
        tag(
            "tr",
            tag("th", _STAGES.get(opened.stage, f"stage {opened.stage}"), scope="row", class_="stick"),
            *(_member(opened, client, client in accused) for client in clients),
            tag("td", _size(len(opened.included), run.min_clients), class_="num"),
            tag("td", _verdict(opened.matches)),
        )
        for opened in r.opened
    )
    matrix = tag("table", tag("thead", head), tag("tbody", *rows), class_="grid sums")
    return tag(
        "figure",
        tag("figcaption", tag("span", f"Round {r.number}", class_="name")),
        box(f"Opened sums of round {r.number}", matrix),
        tag("div", *_conclusion(run, r, accused), class_="aside prose"),
        class_="card split",
    )


def _conclusion(run: Run, r: Round, accused: dict[int, bool]) -> list[Html]:
    certain = [str(client) for client, sure in accused.items() if sure]
    suspects = [str(client) for client, sure in accused.items() if not sure]
    smallest = min(len(opened.included) for opened in r.opened)
    sentences: list[Content] = []
    if certain:
        who = f"Client {certain[0]} is" if len(certain) == 1 else f"Clients {listing(certain)} are each"
        sentences.append(f"{who} the only one not cleared in a sum that differs: certain.")
    if suspects:
        who = f"client{'s' * (len(suspects) > 1)} {listing(suspects)}"
        sentences.append(f"No sum clears {who}, and none convicts: suspect.")
    if not accused:
        sentences.append("Nobody could be named.")
    rule = f"the plan asks for at least {run.min_clients}"
    sentences.append(f"The smallest of these sums holds {plural(smallest, 'update')}; {rule}.")
    return [tag("p", sentence) for sentence in sentences]


def _size(updates: int, needed: int) -> Content:
    """How many updates a sum holds; marked when it is fewer than the plan allows."""
    if updates >= needed:
        return str(updates)
    return tag("span", f"{updates}, too few", class_="badge bad")


def _member(opened: OpenedSum, client: int, accused: bool) -> Html:
    class_ = "accused" if accused else None
    if client not in opened.group:
        return tag("td", class_=class_)
    inside = client in opened.included
    words = f"client {client}: {'in this sum' if inside else 'asked, but dropped out of this sum'}"
    dot = tag("circle", cx=8, cy=8, r=5)
    kind = "out" if not inside else "match" if opened.matches else "differ"
    sign = tag("svg", dot, viewBox="0 0 16 16", class_=f"sign member {kind}", aria_hidden="true")
    return tag(
        "td", sign, tag("span", "in" if inside else "out", class_="unseen"), title=words, class_=class_
    )


def _verdict(matches: bool) -> Html:
    return tag("span", "match" if matches else "differ", class_=f"badge {'good' if matches else 'bad'}")
