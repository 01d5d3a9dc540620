"""Measures the cells of a suite one after the other, keeps each result as it comes, and goes on where it was left.

OUT/results/KEY.json   one finished cell: rows, curves, pictures, seconds, machine, and the command that repeats it
OUT/runs/KEY           the run directory of a cell that is a whole run
OUT/table.md, OUT/index.html, OUT/results.json    written after every cell
"""

import json
import os
import platform
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from fl.progress import Display
from fl.rundir import RunDirectory
from fl.suite.cell import Cell, Conditions, Result
from mpc.errors import EppmlError, ParameterError

__all__ = ["cores", "machine", "measure_cells"]

_FORMAT = "eppml-suite-1"


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine() -> dict[str, Any]:
    """What the figures depend on besides the program."""
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": cores(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "eppml": version("eppml"),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def measure_cells(
    name: str, cells: Sequence[Cell], conditions: Conditions, directory: RunDirectory, display: Display
) -> list[dict[str, Any]]:
    """Every cell's document, measured now or found from an earlier start; a cell that fails is a document that says why.

    Raises: ParameterError when the directory holds a suite with another seed or other options.
    """
    (directory.path / "results").mkdir(parents=True, exist_ok=True)
    documents: list[dict[str, Any]] = []
    display.begin(round(sum(cell.seconds for cell in cells)), 0)
    for cell in cells:
        file = f"results/{cell.key}.json"
        asked = _asked(name, cell, conditions)
        display.stage(cell.key)
        if (directory.path / file).is_file():
            document = directory.read_json(file)
            if document.get("asked") != asked:
                raise ParameterError(
                    f"{directory.path} holds results of another seed, data or release; choose another --out or --replace"
                )
        else:
            document = _measured(name, cell, conditions, asked, display)
            if document["error"] is None:
                directory.write_json(file, document)
        documents.append(document)
        display.advance(round(cell.seconds))
    return documents


def _asked(name: str, cell: Cell, conditions: Conditions) -> dict[str, Any]:
    proofs = conditions.proofs
    return {
        "format": _FORMAT,
        "suite": name,
        "key": cell.key,
        "seed": conditions.seed,
        "proofs": [proofs.kind, proofs.rounds, proofs.clients],
        "allow_unverified": conditions.allow_unverified,
    }


def _command(name: str, cell: Cell, conditions: Conditions) -> str:
    """What prints this cell again; where somebody keeps the data is nobody's business."""
    proofs = conditions.proofs
    counts = (("rounds", proofs.rounds), ("clients", proofs.clients))
    proven = ",".join(f"{part}={count}" for part, count in counts if count) or proofs.kind
    words = [f"eppml suite {name} --only {cell.key} --seed {conditions.seed} --prove {proven}"]
    words += ["--data DIR"] * (conditions.data is not None)
    words += ["--allow-unverified"] * conditions.allow_unverified
    return " ".join(words)


def _measured(
    name: str, cell: Cell, conditions: Conditions, asked: dict[str, Any], display: Display
) -> dict[str, Any]:
    start, error, result = time.perf_counter(), None, Result([])
    try:
        result = cell.measure(conditions, display)
    except EppmlError as failed:  # the other cells are worth having; the table says what is missing and why
        error = str(failed)
        display.note(f"{cell.key}: {failed}")
    return {
        "asked": asked,
        "key": cell.key,
        "title": cell.title,
        "group": cell.group,
        "command": _command(name, cell, conditions),
        "seconds": round(time.perf_counter() - start, 2),
        "machine": machine(),
        "error": error,
        **json.loads(json.dumps(result.as_dict())),
    }
