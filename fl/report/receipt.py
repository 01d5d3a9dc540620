"""The privacy receipt, the plan's terms, and how anybody can check the run."""

from collections.abc import Iterable, Mapping
from typing import Any

from fl.report.markup import Content, Html, join, tag
from fl.report.phrases import number, percent, plural, short
from fl.report.read import Receipt, Run
from fl.report.tables import any_value, clipped, definitions, heading, nothing, section, table

__all__ = ["audit", "plan", "receipt"]

_ORDER = ("name", "dataset", "model", "clients", "rounds", "seed", "weights")
_GROUPS = (
    "training",
    "server",
    "participation",
    "compression",
    "partition",
    "update",
    "privacy",
    "robustness",
    "proofs",
    "aggregation",
    "rewards",
)
_TERMS = {term: place for place, term in enumerate((*_ORDER, *_GROUPS))}
_CHECKS = (
    ("the plan", "its bytes have the hash that is registered, its members are the registered ones"),
    ("every message", "signed by its member, with a proof that holds for this plan, round, client and bound"),
    ("every sum", "opens the sum of the included commitments"),
    ("every model", "follows from the model before it and the sum, under the CID on the ledger"),
    ("every root", "is the Merkle root of exactly the recorded messages"),
    ("every reward", "is the client's share of the round's, claimed once"),
)


def receipt(run: Run) -> Html:
    lead = "What really ran, with which keys and parameters, and who saw what."
    title = "Privacy receipt"
    found = run.receipt
    if found is None:
        return section(
            "receipt", title, lead, nothing("The receipt is written when the last round is finished.")
        )
    return section(
        "receipt",
        title,
        lead,
        _security(found),
        _aggregation(run, found),
        _sight(found),
        _keys(found),
        _ran(found),
    )


def _security(found: Receipt) -> Html:
    if found.insecure:
        items = tag("ul", *(tag("li", clipped(sentence)) for sentence in found.insecure))
        state = tag(
            "div", tag("strong", "Not secure as it ran"), items, class_="callout insecure", role="note"
        )
    else:
        state = tag(
            "p", tag("strong", "Nothing insecure was switched on in this run."), class_="callout fine"
        )
    warning = None
    if found.setup_warning and found.setup_warning not in found.insecure:
        warning = tag(
            "p",
            tag("strong", f"Setup: {found.setup_kind}. "),
            clipped(found.setup_warning),
            class_="callout caution",
        )
    return join(state, warning)


def _aggregation(run: Run, found: Receipt) -> Html:
    smallest = run.smallest_sum
    opened = sum(len(r.opened) for r in run.rounds)
    sums = f"{plural(opened, 'sum')} opened" + (
        "" if smallest is None else f", the smallest over {plural(smallest, 'update')}"
    )
    spent = "none" if found.epsilon is None else f"\u03b5 = {number(found.epsilon)}"
    pairs: list[tuple[str, Content]] = [
        ("mode", found.mode),
        ("sums", f"{sums} (the plan asks for at least {run.min_clients})"),
        ("setup", found.setup_kind),
        ("proven", clipped(found.proven) or "nothing was written down"),
        ("differential privacy", join(tag("b", spent), clipped(found.privacy), by=" \u00b7 ")),
    ]
    cards = [tag("div", tag("h3", "Aggregation"), definitions(pairs), class_="card")]
    if found.parameters or found.justification:
        why = tag("p", clipped(found.justification), class_="prose") if found.justification else None
        cards.append(
            tag(
                "div",
                tag("h3", "Parameters"),
                any_value(found.parameters) if found.parameters else None,
                why,
                class_="card",
            )
        )
    return tag("div", *cards, class_="pair")


def _sight(found: Receipt) -> Html:
    rows: Iterable[list[Content]] = ([tag("b", who), clipped(what)] for who, what in found.who_saw_what)
    return join(
        heading("Who saw what"), tag("div", table("Who saw what", ["Who", "Saw"], rows), class_="card")
    )


def _keys(found: Receipt) -> Html | None:
    if not found.keys:
        return None
    return join(heading("Keys"), tag("div", any_value(found.keys), class_="card"))


def _ran(found: Receipt) -> Html:
    blocks = {
        "Data": found.data,
        "Backends": found.backends,
        "Randomness": found.randomness,
        "Versions": found.versions,
    }
    cards = (
        tag("div", tag("h3", name), any_value(value), class_="card")
        for name, value in blocks.items()
        if value
    )
    return tag("div", *cards, class_="pair three")


def _block(value: Any) -> Content:
    return tag("p", clipped(value), class_="prose") if isinstance(value, str) else any_value(value)


def plan(run: Run) -> Html:
    lead = "What everybody agreed on before the first round; its hash is on the ledger."
    ordered = dict(sorted(run.terms.items(), key=lambda term: (_TERMS.get(term[0], len(_TERMS)), term[0])))
    terms = {key: value for key, value in ordered.items() if not isinstance(value, Mapping)}
    groups = {"run": terms, **{key: value for key, value in ordered.items() if isinstance(value, Mapping)}}
    cards = [
        tag("div", tag("h3", name.replace("_", " ").capitalize()), any_value(group), class_="card")
        for name, group in groups.items()
    ]
    return section("plan", "Plan", lead, tag("div", *cards, class_="pair three"), _identity(run))


def _identity(run: Run) -> Html:
    pairs: list[tuple[str, Content]] = [("started", run.started), ("chain", clipped(run.chain))]
    if run.plan_hash:
        pairs.append(("plan's hash", short(run.plan_hash)))
    if run.plan:
        pairs += [
            ("data set, SHA-256", short(run.plan.dataset_sha256)),
            ("verifying key", short(run.plan.verifying_key)),
            ("first model", short(run.plan.initial_model)),
        ]
    if run.rounds:
        pairs += [
            ("last model", short(run.rounds[-1].model)),
            ("last round's record", short(run.rounds[-1].record_cid)),
        ]
    if run.drop:
        pairs.append(("clients made to vanish", f"{percent(run.drop)} a round"))
    return tag(
        "div", tag("h3", "Where it is written"), definitions((k, v) for k, v in pairs if v), class_="card"
    )


def audit() -> Html:
    lead = (
        "You need not believe this page: it is drawn from files that anybody could have written. "
        "What counts is on the ledger and in the block store."
    )
    command = tag("pre", tag("code", "eppml audit RUN_DIR"), tabindex=0)
    text = tag(
        "p",
        tag("code", "RUN_DIR"),
        " is the directory this page was written to. The audit reads the ledger and the block store alone, "
        "and exits with 0 only when all of this holds:",
        class_="prose",
    )
    return section(
        "audit", "Check it yourself", lead, tag("div", command, text, definitions(_CHECKS), class_="card")
    )
