"""The suite's table in Markdown: the papers' figures and ours side by side, then every cell with command and seed."""

from collections.abc import Mapping, Sequence
from typing import Any

from fl.suite.cell import GROUPS
from fl.suite.papers import answers

__all__ = ["columns_of", "markdown", "rules_table", "run_table", "shown", "words"]

Document = Mapping[str, Any]
RUN_COLUMNS = (
    "what",
    "accuracy",
    "best",
    "clients",
    "rounds",
    "parameters",
    "algorithm",
    "partition",
    "label_distance",
    "proofs",
    "audit",
    "seconds_round",
    "bytes_per_client",
    "gas_per_round",
)
_FIRST = (
    "what",
    "for",
    "view",
    "kind",
    "rule",
    "attack",
    "model",
    "partition",
    "seed",
    "accuracy",
    "epsilon",
)
_RULES = (
    "Accuracy after the last round in per cent [malicious updates rejected / honest updates rejected, in per cent of all"
    " rounds], means over the seeds; no bracket: the rule rejects nobody. (s): stamped images that a backdoor turns.\n"
)
_LONG = 12  # a table wider than this is turned on its side


def markdown(name: str, documents: Sequence[Document]) -> str:
    """The whole report as Markdown."""
    parts = [f"# eppml suite {name}\n", _conditions(documents), "## The papers' table\n"]
    rows = [
        [a.what, a.theirs, a.ours or "not measured in this suite", f"`{a.command}`" if a.command else ""]
        for a in answers(documents)
    ]
    parts.append(_table(["", "papers (simulated cryptography)", "here", "command"], rows))
    for key, title in GROUPS.items():
        mine = [d for d in documents if d["group"] == key]
        headings, runs = run_table(mine)
        if runs:
            parts += [f"## {title}: the runs\n", _table(headings, runs)]
        for document in mine:
            parts.append(f"## {title}: {document['title']}\n")
            parts.append(f"`{document['command']}`, {document['seconds']:.1f} s\n")
            if document["error"]:
                parts.append(f"Not measured: {document['error']}.\n")
            elif key == "robustness":
                parts += [_RULES, _table(*rules_table(document["rows"]))]
            elif document["rows"]:
                parts.append(_rows(document["rows"]))
    return "\n".join(parts)


def _conditions(documents: Sequence[Document]) -> str:
    if not documents:
        return "Nothing was measured.\n"
    machine = documents[0]["machine"]
    seconds = sum(document["seconds"] for document in documents)
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}, torch "
        f"{machine['torch']}, eppml {machine['eppml']}; seed {documents[0]['asked']['seed']}; {seconds / 60:.1f} minutes "
        "in all.\n"
    )


def columns_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The union of the rows' fields: what a row is about comes first, the rest by name."""
    fields = {key for row in rows for key in row}
    return [key for key in _FIRST if key in fields] + sorted(fields - set(_FIRST))


def run_table(documents: Sequence[Document]) -> tuple[list[str], list[list[str]]]:
    """All audited runs side by side: headings and rows. Both are empty where there are none."""
    runs = [row for document in documents for row in document["rows"] if "seconds_round" in row]
    if not runs:
        return [], []
    return [words(key) for key in RUN_COLUMNS], [[shown(row.get(key)) for key in RUN_COLUMNS] for row in runs]


def rules_table(rows: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
    """Rules side by side: a row for every model, partition and attack. Headings and rows."""
    rules = list(dict.fromkeys(row["rule"] for row in rows))
    places = list(dict.fromkeys((row["model"], row["partition"], row["attack"]) for row in rows))
    found: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        found.setdefault((row["model"], row["partition"], row["attack"], row["rule"]), []).append(row)
    seeds = [max(len(found.get((*place, rule), ())) for place in places) for rule in rules]
    headings = [
        f"{rule} ({count} seeds)" if count > 1 else rule for rule, count in zip(rules, seeds, strict=True)
    ]
    body = [[*place, *(_judged(found.get((*place, rule), ())) for rule in rules)] for place in places]
    return ["model", "partition", "attack", *headings], body


def _judged(rows: Sequence[Mapping[str, Any]]) -> str:
    def mean(field: str) -> float | None:
        values = [row[field] for row in rows if row[field] is not None]
        return 100 * sum(values) / len(values) if values else None

    accuracy, caught = mean("accuracy"), mean("detected")
    false, success = mean("false_positive"), mean("success")
    if accuracy is None:
        return ""
    cell = f"{accuracy:.1f}"
    if false is not None:
        cell += f" [{'-' if caught is None else f'{caught:.1f}'} / {false:.2f}]"
    return cell if success is None else f"{cell} ({success:.0f})"


def _rows(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = columns_of(rows)
    if len(columns) > _LONG and len(rows) <= 3:
        body = [[words(column), *(shown(row.get(column)) for row in rows)] for column in columns]
        return _table(["", *(f"{i + 1}" for i in range(len(rows)))], body)
    return _table([words(c) for c in columns], [[shown(row.get(c)) for c in columns] for row in rows])


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"

    return "\n".join([line(headings), "|" + " --- |" * len(headings), *map(line, rows)]) + "\n"


def words(key: str) -> str:
    return key.replace("_", " ")


def shown(value: Any) -> str:
    """A JSON value as a person reads it in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(map(shown, value))
    return str(value)
