"""The suite as one self-contained HTML page: the papers' table, the figures, every cell's numbers."""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from fl.report.markup import Content, Html, join, tag
from fl.report.phrases import duration, number, percent
from fl.report.tables import clipped, section, table
from fl.suite.cell import GROUPS
from fl.suite.figures import bars, curves, heat_map
from fl.suite.papers import answers
from fl.suite.runs import STAGES
from fl.suite.table import columns_of, rules_table, run_table, shown, words

__all__ = ["page"]

Document = Mapping[str, Any]
_MANY = 15


def page(name: str, documents: Sequence[Document]) -> str:
    """The page as a string; it has no script and asks for nothing over the network."""
    style = "".join(
        resources.files(package).joinpath(file).read_text(encoding="utf-8")
        for package, file in (("fl.report", "report.css"), ("fl.suite", "suite.css"))
    )
    sections: list[Html | None] = [_papers(documents)]
    sections += [
        _group(key, title, [d for d in documents if d["group"] == key]) for key, title in GROUPS.items()
    ]
    body = tag("body", tag("main", tag("h1", f"eppml suite {name}"), _machine(documents), *sections))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", f"eppml suite {name}"),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(style)),
    )
    return "<!doctype html>\n" + join(tag("html", head, body, lang="en")).text + "\n"


def _machine(documents: Sequence[Document]) -> Html | None:
    if not documents:
        return None
    found = documents[0]["machine"]
    spent = sum(document["seconds"] for document in documents)
    text = (
        f"{found['processor']}, {found['cores']} cores, Python {found['python']}, torch {found['torch']}; "
        f"seed {documents[0]['asked']['seed']}; {duration(spent)} in all."
    )
    return tag("p", text, class_="lead")


def _papers(documents: Sequence[Document]) -> Html:
    rows: list[list[Content]] = [
        [
            a.what,
            a.theirs,
            a.ours or "not measured in this suite",
            tag("code", a.command) if a.command else None,
        ]
        for a in answers(documents)
    ]
    lead = "What the papers printed from simulated cryptography, and what came out here with the cryptography on."
    body = tag("div", table("The papers' table", ["", "Papers", "Here", "Command"], rows), class_="card")
    return section("papers", "The papers' table", lead, body)


def _group(key: str, title: str, documents: Sequence[Document]) -> Html | None:
    if not documents:
        return None
    headings, runs = run_table(documents)
    side_by_side = (
        tag("div", table(f"{title}: the runs", headings, runs, range(1, len(headings))), class_="card")
        if runs
        else None
    )
    return section(key, title, _LEADS[key], side_by_side, _figures(key, documents), *map(_cell, documents))


def _figures(key: str, documents: Sequence[Document]) -> Html | None:
    drawn: list[Html] = []
    lines = {name: values for d in documents for name, values in d["curves"].items()}
    if lines:
        drawn.append(curves("Accuracy by round", lines, percent))
    if key == "robustness":
        rows = [row for document in documents for row in document["rows"]]
        drawn += _heat(rows, "detected", "Detected, share of malicious updates")
        drawn += _heat(rows, "false_positive", "False positives, share of honest updates")
    if key == "cost":
        runs = [(row["what"], row) for d in documents for row in d["rows"] if "seconds_round" in row]
        if runs:
            parts = [
                (name, {stage: row[f"seconds_{stage}"] for stage in STAGES if row[f"seconds_{stage}"]})
                for name, row in runs
            ]
            drawn.append(bars("Seconds of a round, all clients together", parts, lambda v: f"{number(v)} s"))
    drawn += [
        tag("figure", tag("figcaption", tag("span", name, class_="name")), Html(picture), class_="card chart")
        for document in documents
        for name, picture in document["pictures"].items()
    ]
    return join(*drawn) if drawn else None


def _heat(rows: Sequence[Mapping[str, Any]], field: str, title: str) -> list[Html]:
    known = [
        row
        for row in rows
        if row.get(field) is not None and {"rule", "attack", "partition", "model"} <= set(row)
    ]
    if not known:
        return []
    attacks = list(dict.fromkeys(row["attack"] for row in known))
    names = list(dict.fromkeys(f"{row['rule']}, {row['model']}, {row['partition']}" for row in known))
    values: dict[tuple[str, str], list[float]] = {}
    for row in known:
        place = f"{row['rule']}, {row['model']}, {row['partition']}", row["attack"]
        values.setdefault(place, []).append(row[field])

    def value(name: str, attack: str) -> float | None:
        found = values.get((name, attack))
        return sum(found) / len(found) if found else None

    return [heat_map(title, names, attacks, value, lambda v: f"{100 * v:.1f}")]


def _cell(document: Document) -> Html:
    rows: list[list[Content]]
    body: Html
    if document["error"]:
        body = tag("p", f"Not measured: {document['error']}.", class_="note")
    elif not document["rows"]:
        body = tag("p", "Nothing to show.", class_="note")
    elif document["group"] == "robustness":
        headings, found = rules_table(document["rows"])
        body = table(document["title"], headings, found)
    else:
        columns = columns_of(document["rows"])
        if len(columns) > 12 and len(document["rows"]) <= 3:
            rows = [[words(c), *(clipped(shown(r.get(c))) for r in document["rows"])] for c in columns]
            body = table(document["title"], ["", *(str(i + 1) for i in range(len(document["rows"])))], rows)
        else:
            rows = [[clipped(shown(row.get(c))) for c in columns] for row in document["rows"]]
            body = table(document["title"], [words(c) for c in columns], rows)
    note = tag("p", tag("code", document["command"]), f", {duration(document['seconds'])}", class_="note")
    numbers = tag("div", body, class_="card")
    if len(document["rows"]) > _MANY or any("seconds_round" in row for row in document["rows"]):
        numbers = tag("details", tag("summary", "All numbers"), numbers, class_="numbers")
    return tag("div", tag("h3", document["title"]), note, numbers)


_LEADS = {
    "accuracy": "The shared model on data that no client trains on.",
    "privacy": "Accuracy at a stated epsilon; noise is added by the clients as integer shares before masking.",
    "robustness": "Which malicious updates each rule finds, and which honest ones it takes for malicious.",
    "leakage": "What an observer gets out of an update, of a sum, and of a sum with noise.",
    "cost": "What the cryptography costs in seconds, bytes and gas.",
    "participation": "Members who come and go, rewards, and scale.",
}
