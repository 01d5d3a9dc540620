"""Cells that are whole runs: the same rounds, ledger and audit as `eppml run`, and their figures."""

from collections.abc import Mapping
from dataclasses import asdict
from statistics import fmean
from typing import Any

from fl.audit import audit_run
from fl.progress import Display, StageDisplay
from fl.resources import Resources
from fl.run import Request, Summary, start_run
from fl.rundir import RunDirectory
from fl.suite.cell import Cell, Conditions, Result, Row

__all__ = ["audited_run", "run_cell", "run_row"]

STAGES = ("train", "prove", "verify", "mask", "aggregate", "decrypt", "chain")


def audited_run(
    key: str, source: str, overrides: Mapping[str, Any], conditions: Conditions, display: Display
) -> tuple[Summary, bool]:
    """Run (or go on with) the run `key` of the suite and audit it; returns its summary and whether the audit passed."""
    overrides = {
        "seed": conditions.seed,
        **{f"proofs.{name}": value for name, value in asdict(conditions.proofs).items()},
        **overrides,
    }
    request = Request(
        source=source,
        overrides=overrides,
        data=conditions.data,
        resources=Resources(processes=conditions.processes),
        allow_unverified=conditions.allow_unverified,
    )
    directory = conditions.work / key
    directory.parent.mkdir(parents=True, exist_ok=True)
    summary = start_run(request, directory, resume=True, replace=False, display=StageDisplay(display, key))
    return summary, audit_run(directory).passed


def run_row(title: str, summary: Summary, passed: bool) -> Row:
    """What a run came to and what it cost; seconds and bytes are means over rounds, of all simulated clients together.

    `label_distance` is the clients' mean earth mover's distance from everybody's labels (`fl.divergence`), 0 to 1; None
    where the receipt keeps it back because labels are protected.
    """
    last, terms = summary.rounds[-1]["record"], summary.terms
    seconds = {stage: fmean(r["seconds"][stage] for r in summary.rounds) for stage in STAGES}
    return {
        "what": title,
        "accuracy": last["accuracy"],
        "best": max(r["record"]["accuracy"] for r in summary.rounds),
        "clients": terms.clients,
        "rounds": len(summary.rounds),
        "parameters": summary.parameters,
        "partition": terms.partition.kind,
        "label_distance": _label_distance(summary),
        "algorithm": terms.training.algorithm,
        "aggregation": terms.aggregation.mode,
        "proofs": summary.proofs,
        "audit": "passed" if passed else "FAILED",
        **{f"seconds_{stage}": round(value, 4) for stage, value in seconds.items()},
        "seconds_round": round(sum(seconds.values()), 4),
        "bytes_per_client": round(fmean(r["bytes"]["sent_per_client"] for r in summary.rounds)),
        "bytes_float32": summary.rounds[0]["bytes"]["float32_update"],
        "gas_per_round": round(fmean(sum(r["gas"].values()) for r in summary.rounds)),
        "caveats": summary.caveats,
    }


def _label_distance(summary: Summary) -> float | None:
    """The mean of the distances in the run's receipt."""
    distances = RunDirectory(summary.directory).read_json("receipt.json")["data"]["distances"]
    return round(distances["mean"], 4) if isinstance(distances, dict) else None


def run_cell(
    key: str, title: str, source: str, overrides: Mapping[str, Any], seconds: float, group: str = "accuracy"
) -> Cell:
    """A cell that is one audited run of the preset or plan `source`."""

    def measure(conditions: Conditions, display: Display) -> Result:
        summary, passed = audited_run(key, source, overrides, conditions, display)
        row = run_row(title, summary, passed)
        curve = [r["record"]["accuracy"] for r in summary.rounds]
        return Result([row], {title: curve})

    return Cell(key, title, group, seconds, measure)
