"""The document around the sections, and writing it."""

import base64
import hashlib
from importlib import resources
from pathlib import Path

from fl.report.cost import cost
from fl.report.learning import learning
from fl.report.ledger import ledger
from fl.report.markup import Html, join, tag
from fl.report.members import members
from fl.report.outcome import headline, outcome
from fl.report.read import ReportError, Run, read_run
from fl.report.receipt import audit, plan, receipt

__all__ = ["render_report", "write_report"]

_SECTIONS = {
    "learning": ("Learning", learning),
    "clients": ("Clients", members),
    "cost": ("Cost", cost),
    "receipt": ("Privacy receipt", receipt),
    "ledger": ("Ledger", ledger),
    "plan": ("Plan", plan),
    "audit": ("Check it yourself", lambda run: audit()),
}


def write_report(run_directory: Path) -> Path:
    """Write `report.html` into the run's directory, whole or not at all, and give its path.

    Raises: ReportError when the directory is not a run's or cannot be written.
    """
    page = render_report(run_directory)
    target = run_directory / "report.html"
    partial = target.with_name(".report.html.partial")
    try:
        partial.write_text(page, encoding="utf-8", newline="\n")
        partial.replace(target)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise ReportError(f"cannot write {target}: {error.strerror}") from error
    return target


def render_report(run_directory: Path) -> str:
    """The page as a string. Raises: ReportError when the directory is not a run's."""
    return _document(read_run(run_directory))


def _document(run: Run) -> str:
    style = resources.files("fl.report").joinpath("report.css").read_text(encoding="utf-8")
    links = (tag("a", title, href=f"#{key}") for key, (title, _) in _SECTIONS.items())
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#outcome", class_="skip"),
        tag("nav", tag("div", *links), aria_label="Sections"),
        tag("main", outcome(run), *(draw(run) for _, draw in _SECTIONS.values())),
        tag(
            "footer",
            tag("p", f"EPPML \u00b7 run \u201c{run.name}\u201d \u00b7 rounds count from 0, clients from 1"),
        ),
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_policy(style)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("meta", name="description", content=headline(run)),
        tag("title", f"{run.name}: training report"),
        tag("link", rel="icon", href="data:,"),
        tag("style", Html(style)),
    )
    return "<!doctype html>\n" + join(tag("html", head, body, lang="en")).text + "\n"


def _policy(style: str) -> str:
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
