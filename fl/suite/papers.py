"""The papers' table, as they print it, and which of our figures answers which of theirs.

Their experiment: MNIST and CIFAR-10, 100 participants, non-IID, 50 rounds, 20 % malicious, cryptography simulated.
A figure of ours stands beside theirs with the cell it comes from; words of theirs stand beside numbers of ours.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CLAIMS", "Answer", "Claim", "answers"]

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Claim:
    """One entry of the papers' table: `cells` are the keys that may answer it, `show` turns their rows into words."""

    what: str
    theirs: str
    cells: tuple[str, ...]
    show: Callable[[Rows], str]


@dataclass(frozen=True, slots=True)
class Answer:
    """A claim with what was measured here; `ours` is empty while nothing was."""

    what: str
    theirs: str
    ours: str
    cell: str
    command: str


def _accuracy(rows: Rows) -> str:
    return ", ".join(f"{100 * row['accuracy']:.2f} % ({row['what']})" for row in rows)


def _private(rows: Rows) -> str:
    return ", ".join(
        f"{100 * row['accuracy']:.2f} % at epsilon {row['epsilon']:.2f}, delta {row['delta']:g}, {row['unit']}-level"
        for row in rows
    )


def _detected(rows: Rows) -> str:
    cone = [row for row in rows if row["rule"] == "cone" and row["attack"] not in ("none", "adaptive")]
    if not cone:
        return ""
    caught = sorted(row["detected"] for row in cone)
    false = max(row["false_positive"] for row in cone)
    reached = sum(row["detected"] >= 0.94 and row["false_positive"] <= 0.01 for row in cone)
    return (
        f"{100 * caught[len(caught) // 2]:.1f} % (median over attacks, partitions and models), false positives at most "
        f"{100 * false:.2f} %; 94 % at 1 % reached in {reached} of {len(cone)} cases"
    )


def _undefended(rows: Rows) -> str:
    clean = {
        (row["partition"], row["model"]): row["accuracy"]
        for row in rows
        if row["rule"] == "mean" and row["attack"] == "none"
    }
    lost = [
        (100 * (clean[row["partition"], row["model"]] - row["accuracy"]), row["attack"])
        for row in rows
        if row["rule"] == "mean" and row["attack"] != "none" and (row["partition"], row["model"]) in clean
    ]
    if not lost:
        return ""
    most, least = max(lost), min(lost)
    return f"between {least[0]:.1f} ({least[1]}) and {most[0]:.1f} points ({most[1]}), by attack"


def _overhead(rows: Rows) -> str:
    return ", ".join(f"{row['what']}: {row['factor']:.2f} x" for row in rows if "factor" in row)


def _leaks(rows: Rows) -> str:
    return "; ".join(f"{row['view']}: {row['verdict']}" for row in rows if "verdict" in row)


CLAIMS = (
    Claim(
        "accuracy, MNIST", "92.1 % (centralised FL), 90.8 % (their framework)", ("mnist-lenet",), _accuracy
    ),
    Claim("accuracy, MNIST, softmax regression", "92.1 % / 90.8 %", ("mnist-softmax",), _accuracy),
    Claim("accuracy, MNIST, two classes a client", "not given", ("mnist-shards",), _accuracy),
    Claim("accuracy, CIFAR-10", "79.5 % / 78.3 %", ("cifar10-patches", "cifar10-cnn"), _accuracy),
    Claim("accuracy with differential privacy, MNIST", "91.5 %", ("mnist-record-dp",), _private),
    Claim("lost to poisoning without a defence", "about 15 points", ("mnist-robustness",), _undefended),
    Claim("poisoned updates rejected", "94 %", ("mnist-robustness", "digits-robustness"), _detected),
    Claim("cost of a round", "latency +20-30 %, encryption +15 %", ("mnist-cost", "digits-cost"), _overhead),
    Claim("privacy risk", "high / medium / low", ("mnist-leakage", "digits-leakage"), _leaks),
    Claim(
        "who must be trusted",
        "decentralisation: no / partial / full",
        ("trust", "digits-trust"),
        lambda rows: "; ".join(f"{row['for']}: {row['trust']}" for row in rows),
    ),
)


def answers(documents: Sequence[Mapping[str, Any]]) -> list[Answer]:
    """The papers' table with our figures; claims that no cell of this suite answers have none."""
    found = {document["key"]: document for document in documents if document["rows"]}
    out = []
    for claim in CLAIMS:
        keys = [key for key in claim.cells if key in found] or [""]
        for key in keys:
            document = found.get(key)
            ours = claim.show(document["rows"]) if document else ""
            out.append(Answer(claim.what, claim.theirs, ours, key, document["command"] if document else ""))
    return out
