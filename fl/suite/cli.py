"""`eppml suite`: the papers' table from real cryptography, measured on this machine."""

import json
import shutil
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from fl.plan import Proofs
from fl.progress import RunDisplay
from fl.rundir import RunDirectory
from mpc.errors import ParameterError

__all__ = ["proofs_asked", "suite"]

NAMES = ("smoke", "mnist", "cifar10", "all")


def proofs_asked(text: str) -> Proofs:
    """`all`, `none`, `rounds=N`, `clients=N` or both joined by a comma. Raises: ParameterError."""
    if text in ("all", "none"):
        return Proofs(text)
    counts = {"rounds": 0, "clients": 0}
    for part in text.split(","):
        name, _, count = part.partition("=")
        if name not in counts or not count.isdecimal() or not int(count):
            raise ParameterError(f"--prove wants all, none, rounds=N or clients=N, got {part!r}")
        counts[name] = int(count)
    return Proofs("sample", counts["rounds"], counts["clients"])


def suite(
    name: Annotated[str, typer.Argument(help="smoke (offline, a minute), mnist, cifar10 or all")],
    out: Annotated[Path | None, typer.Option(help="Where results go; default: runs/suite-NAME.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory that holds the data sets already.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything that is not a secret.")] = 1,
    prove: Annotated[
        str, typer.Option(help="all, none, rounds=N, clients=N: whose updates are proven in each run.")
    ] = "rounds=1,clients=5",
    only: Annotated[str | None, typer.Option(help="Measure these cells, separated by commas.")] = None,
    processes: Annotated[int | None, typer.Option(help="Training processes; default: one a core.")] = None,
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Accept a data file that is not the published one.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Measure everything again.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Measure the papers' table with the cryptography on; goes on where it was left."""
    from fl.suite.cell import Conditions
    from fl.suite.page import page
    from fl.suite.runner import cores, measure_cells
    from fl.suite.sizes import cells_of
    from fl.suite.table import markdown

    cells = cells_of(name)
    if only:
        wanted = only.split(",")
        unknown = sorted(set(wanted) - {cell.key for cell in cells})
        if unknown:
            raise ParameterError(
                f"the suite {name} has no cell {unknown[0]!r}; it has {', '.join(cell.key for cell in cells)}"
            )
        cells = [cell for cell in cells if cell.key in wanted]
    directory = RunDirectory(out or Path("runs") / f"suite-{name}")
    if replace and (directory.path / "results").is_dir():
        shutil.rmtree(directory.path)
    directory.create()
    conditions = Conditions(
        seed=seed,
        work=directory.path / "runs",
        data=data,
        processes=processes or cores(),
        proofs=proofs_asked(prove),
        allow_unverified=allow_unverified,
    )
    with directory.locked(), RunDisplay(Console(stderr=True), quiet=as_json) as display:
        documents = measure_cells(name, cells, conditions, directory, display)
    directory.write_json("results.json", documents)
    directory.write("table.md", markdown(name, documents).encode())
    directory.write("index.html", page(name, documents).encode())
    if as_json:
        print(json.dumps(documents, indent=1))
    else:
        print(markdown(name, documents))
        print(f"The page is {directory.path / 'index.html'}")
    if any(document["error"] for document in documents):
        raise typer.Exit(1)
