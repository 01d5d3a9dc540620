"""A whole run on one machine: every client, the coordinator and the ledger's transactions.

What each party computes and sends is exactly what it would between machines (`fl.client`, `fl.round`); this module
only plays all the parties, and makes every step repeatable, so that a run killed at any moment can go on.
"""

import dataclasses
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fl.cheats import assign
from fl.federation import Federation
from fl.ledger import EMBEDDED
from fl.plan import Terms, load_terms, terms_from_dict
from fl.poisoning import draw_attackers
from fl.progress import Display
from fl.receipt import write_receipt
from fl.report import write_report
from fl.resources import DEFAULT, Resources
from fl.rundir import RunDirectory, RunDirectoryError, free_directory
from fl.session import open_session
from fl.timeline import write_timeline
from mpc.errors import EppmlError, ParameterError

__all__ = ["Request", "Summary", "start_run"]

_FORMAT = "eppml-run-2"


@dataclass(frozen=True)
class Request:
    """What was asked for on the command line: the plan, and the conditions under which it is tried.

    `resources` change nothing about the plan.
    """

    source: str
    overrides: Mapping[str, Any] = field(default_factory=dict)
    cheats: Mapping[str, int] = field(default_factory=dict)
    attacks: Mapping[str, int] = field(default_factory=dict)
    drop: float | None = None
    chain: str | None = None
    data: Path | None = None
    resources: Resources = DEFAULT
    allow_unverified: bool = False


@dataclass(frozen=True)
class Conditions:
    """A run as written to run.json: terms of the plan, who cheats, how often clients vanish, which chain and data."""

    source: str
    overrides: dict[str, Any]
    terms: Terms
    cheats: dict[int, str]
    attackers: dict[int, str]
    drop: float
    chain: str
    data: Path | None
    allow_unverified: bool
    started: str

    @classmethod
    def of(cls, request: Request) -> "Conditions":
        """Raises: ParameterError when the request cannot work."""
        drop = request.drop or 0.0
        if not 0 <= drop < 1:
            raise ParameterError(f"--drop must be in [0, 1), got {drop}")
        terms = load_terms(request.source, request.overrides)
        cheats = assign(request.cheats, terms.clients, terms.seed)
        return cls(
            source=request.source,
            overrides=dict(request.overrides),
            terms=terms,
            cheats=cheats,
            attackers=draw_attackers(request.attacks, terms.clients, cheats, terms.seed),
            drop=drop,
            chain=request.chain or EMBEDDED,
            data=request.data,
            allow_unverified=request.allow_unverified,
            started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "source": self.source,
            "overrides": self.overrides,
            "name": self.terms.name,
            "terms": dataclasses.asdict(self.terms),
            "cheats": {str(client): kind for client, kind in self.cheats.items()},
            "attackers": {str(client): kind for client, kind in self.attackers.items()},
            "drop": self.drop,
            "chain": self.chain,
            "data": str(self.data.resolve()) if self.data else None,
            "allow_unverified": self.allow_unverified,
            "started": self.started,
        }

    @classmethod
    def from_dict(cls, values: Any) -> "Conditions":
        if not isinstance(values, dict) or values.get("format") != _FORMAT:
            raise RunDirectoryError("run.json does not describe a run")
        try:
            return cls(
                source=values["source"],
                overrides=dict(values["overrides"]),
                terms=terms_from_dict(values["terms"]),
                cheats={int(client): kind for client, kind in values["cheats"].items()},
                attackers={int(client): kind for client, kind in values["attackers"].items()},
                drop=float(values["drop"]),
                chain=values["chain"],
                data=Path(values["data"]) if values["data"] else None,
                allow_unverified=values["allow_unverified"] is True,
                started=values["started"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise RunDirectoryError(f"run.json is damaged: {error}") from error


@dataclass(frozen=True)
class Summary:
    """What a finished run came to. `caveats` are sentences that belong beside every figure of it."""

    directory: Path
    model_cid: str
    rounds: list[dict[str, Any]]
    terms: Terms
    parameters: int
    proofs: int
    caveats: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "directory": str(self.directory),
            "model": self.model_cid,
            "caveats": list(self.caveats),
            "rounds": [
                {
                    "round": r["record"]["round"],
                    "accuracy": r["record"]["accuracy"],
                    "loss": r["record"]["loss"],
                }
                | {
                    "included": sum(c["status"] == "included" for c in r["record"]["clients"]),
                    "rejected": [
                        {"client": c["client"], "reason": c["reason"]}
                        for c in r["record"]["clients"]
                        if c["status"] == "rejected"
                    ],
                    "seconds": r["seconds"],
                    "bytes": r["bytes"],
                    "gas": r["gas"],
                }
                for r in self.rounds
            ],
        }

    def print(self, console: Console) -> None:
        table = Table(title=f"{self.directory}", title_justify="left")
        for heading in (
            "round",
            "accuracy",
            "in the sum",
            "rejected",
            "bytes/client",
            "prove s",
            "verify s",
            "gas",
        ):
            table.add_column(heading, justify="left" if heading == "rejected" else "right")
        for r in self.rounds:
            clients = r["record"]["clients"]
            table.add_row(
                str(r["record"]["round"]),
                f"{100 * r['record']['accuracy']:.1f} %",
                f"{sum(c['status'] == 'included' for c in clients)} of {len(clients)}",
                ", ".join(
                    f"client {c['client']}: {c['reason']}" for c in clients if c["status"] == "rejected"
                )
                or "-",
                f"{r['bytes']['sent_per_client']:,}",
                f"{r['seconds']['prove']:.1f}",
                f"{r['seconds']['verify']:.2f}",
                f"{sum(r['gas'].values()):,}",
            )
        console.print(table)
        for caveat in self.caveats:
            console.print(f"note        {caveat}", highlight=False)
        console.print(f"final model {self.model_cid}", highlight=False)
        console.print(f"report      {self.directory / 'report.html'}", highlight=False)
        console.print(f"check it    eppml audit {self.directory}", highlight=False)


def start_run(
    request: Request, out: Path | None, *, resume: bool, replace: bool, display: Display
) -> Summary:
    """Run, or go on with, what `request` asks for; everything is checked before the directory is touched.

    Raises: ParameterError, RunDirectoryError or a ChainError, each one sentence for a person.
    """
    conditions = Conditions.of(request)
    directory = RunDirectory(out or _default_directory(conditions.terms.name, resume))
    if resume and directory.exists():
        conditions = _existing(directory, request)
    elif directory.path.exists() and any(directory.path.iterdir()) and not (resume or replace):
        raise RunDirectoryError(
            f"{directory.path} is not empty: go on with --resume, or choose another --out"
        )
    display.stage("loading data")
    federation = Federation.gather(
        conditions.terms,
        conditions.cheats,
        conditions.drop,
        conditions.data,
        attackers=conditions.attackers,
        allow_unverified=conditions.allow_unverified,
    )
    if replace and not resume:
        _delete(directory)
    directory.create()
    with directory.locked():
        if directory.exists():
            return _play(directory, conditions, federation, request, display)
        with _nothing_half_written(directory, conditions.chain):
            directory.write_json("run.json", conditions.as_dict())
            return _play(directory, conditions, federation, request, display)


def _delete(directory: RunDirectory) -> None:
    """Raises: RunDirectoryError for a directory that holds something, and no run."""
    path = directory.path
    if path.exists() and any(path.iterdir()):
        if not directory.exists():
            raise RunDirectoryError(f"{path} is not a run directory: --replace deletes nothing else")
        with directory.locked():
            shutil.rmtree(path)


@contextmanager
def _nothing_half_written(directory: RunDirectory, chain: str) -> Iterator[None]:
    """Take away a run that could not start: no plan was made, and nothing was sent to a ledger that outlives it."""
    try:
        yield
    except (EppmlError, OSError):
        sent = chain != EMBEDDED and (directory.path / "outbox.sqlite").exists()
        if not sent and not (directory.path / "plan.json").exists():
            shutil.rmtree(directory.path, ignore_errors=True)
        raise


def _default_directory(name: str, resume: bool) -> Path:
    return Path("runs") / name if resume else free_directory(Path("runs"), name)


def _existing(directory: RunDirectory, request: Request) -> Conditions:
    """The conditions of the run in `directory`. Raises: RunDirectoryError when `request` asks for something else."""
    found = Conditions.from_dict(directory.read_json("run.json"))
    asked = load_terms(request.source, {**found.overrides, **request.overrides})
    if asked != found.terms:
        raise RunDirectoryError(f"{directory.path} is the run of another plan; choose another --out")
    if request.cheats and assign(request.cheats, found.terms.clients, found.terms.seed) != found.cheats:
        raise RunDirectoryError(
            f"{directory.path} was started with other cheaters; leave --cheat away to resume"
        )
    drawn = draw_attackers(request.attacks, found.terms.clients, found.cheats, found.terms.seed)
    if request.attacks and drawn != found.attackers:
        raise RunDirectoryError(
            f"{directory.path} was started with other attackers; leave --attack away to resume"
        )
    for option, wanted, has in (
        ("--drop", request.drop, found.drop),
        ("--chain", request.chain, found.chain),
    ):
        if wanted is not None and wanted != has:
            raise RunDirectoryError(
                f"{directory.path} was started with {option} {has}; leave {option} away to resume"
            )
    return dataclasses.replace(
        found,
        data=request.data or found.data,
        allow_unverified=found.allow_unverified or request.allow_unverified,
    )


def _play(
    directory: RunDirectory,
    conditions: Conditions,
    federation: Federation,
    request: Request,
    display: Display,
) -> Summary:
    terms = conditions.terms
    with open_session(
        federation, directory, conditions.chain, display, resources=request.resources
    ) as session:
        done = directory.rounds_done()
        display.begin(terms.rounds * terms.clients, done * terms.clients)
        for number in range(done, terms.rounds):
            directory.write_json(directory.round_file(number), session.play_round(number, display))
        model_cid = session.finish()
        write_receipt(directory, session)
        write_timeline(directory, session.deployment, session.plan)
    write_report(directory.path)
    rounds = [directory.read_json(directory.round_file(number)) for number in range(terms.rounds)]
    return Summary(
        directory=directory.path,
        model_cid=model_cid,
        rounds=rounds,
        terms=terms,
        parameters=federation.model.size,
        proofs=sum(
            session.plan.proves(number, client["client"])
            for number, played in enumerate(rounds)
            for client in played["record"]["clients"]
            if client["update"]
        ),
        caveats=session.caveats,
    )
