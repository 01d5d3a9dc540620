"""The command `eppml`.

Exit codes: 0 all well; 1 an audit or a proof does not hold; 2 the input or the surroundings cannot be used, said in
one sentence on standard error; 3 a defect of this program; 130 interrupted. `--debug` anywhere shows tracebacks.
"""

import errno
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from chain_adapter.cli import app as chain_commands
from fl.infer_cli import infer
from fl.plan import preset_names
from fl.suite.cli import proofs_asked, suite
from mpc.errors import EppmlError, ParameterError
from mpc.runtime.cli import app as party
from zk.ceremony_cli import app as ceremony
from zk.cli import verify

__all__ = ["app", "main"]

USAGE, DEFECT, INTERRUPTED = 2, 3, 130

app = typer.Typer(
    name="eppml",
    help="Verifiable, privacy-preserving federated learning with real cryptography.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.command()(verify)
app.command()(suite)
app.command()(infer)
app.add_typer(party, name="party")
app.add_typer(ceremony, name="ceremony")
app.add_typer(chain_commands, name="chain")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


@app.command()
def run(
    source: Annotated[
        str, typer.Argument(help=f"{', '.join(preset_names())}, or a plan file ending in .toml")
    ],
    clients: Annotated[int | None, typer.Option(help="How many clients train.")] = None,
    rounds: Annotated[int | None, typer.Option(help="How many rounds to train.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything that is not a secret.")] = None,
    out: Annotated[Path | None, typer.Option(help="Run directory; default: runs/NAME.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory that holds the data set already.")] = None,
    chain: Annotated[str | None, typer.Option(help="URL of an EVM node; default: the embedded one.")] = None,
    aggregation: Annotated[str | None, typer.Option(help="secagg, paillier, shares or plain.")] = None,
    cheat: Annotated[
        list[str] | None, typer.Option(help="KIND=N, repeatable: oversize, forged, swap, replay.")
    ] = None,
    attack: Annotated[
        list[str] | None,
        typer.Option(help="NAME=N, repeatable: sign-flip, label-flip, alie, ... (fl.attacks)."),
    ] = None,
    drop: Annotated[float | None, typer.Option(help="Chance that a client vanishes during a round.")] = None,
    prove: Annotated[
        str | None, typer.Option(help="all, none, rounds=N, clients=N: whose updates are proven.")
    ] = None,
    processes: Annotated[int, typer.Option(help="Training processes; the model does not depend on it.")] = 1,
    engine: Annotated[str, typer.Option(help="Who trains: local, or ray (needs the extra).")] = "local",
    cluster: Annotated[str, typer.Option(help="Address of a Ray cluster; default: this machine.")] = "",
    device: Annotated[
        str, typer.Option(help="Where to train: cpu, or cuda (not the same bits again).")
    ] = "cpu",
    allow_unverified: Annotated[
        bool, typer.Option("--allow-unverified", help="Accept a data file that is not the published one.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Delete a run that is in --out.")] = False,
    as_json: Json = False,
) -> None:
    """Train a model together: private updates, proofs, a ledger, and a report."""
    _needs_extra("fl", "torch", "web3", "pyrevm")
    from fl.progress import RunDisplay
    from fl.resources import Resources
    from fl.run import Request, start_run

    overrides: dict[str, Any] = {
        "clients": clients,
        "rounds": rounds,
        "seed": seed,
        "aggregation.mode": aggregation,
    }
    if prove is not None:
        overrides |= {f"proofs.{name}": value for name, value in asdict(proofs_asked(prove)).items()}
    request = Request(
        source=source,
        overrides={key: value for key, value in overrides.items() if value is not None},
        cheats=_counts("--cheat", "swap=1", cheat or []),
        attacks=_counts("--attack", "sign-flip=2", attack or []),
        drop=drop,
        chain=chain,
        data=data,
        resources=Resources(engine, processes, device, cluster),
        allow_unverified=allow_unverified,
    )
    with RunDisplay(Console(stderr=True), quiet=as_json) as display:
        summary = start_run(request, out, resume=resume, replace=replace, display=display)
    if as_json:
        print(json.dumps(summary.as_dict(), indent=1))
    else:
        summary.print(Console())


@app.command()
def audit(
    run_directory: Annotated[Path, typer.Argument(help="A run directory, or a folder with its block store.")],
    chain: Annotated[str | None, typer.Option(help="URL of the node that holds the ledger.")] = None,
    deployment: Annotated[Path | None, typer.Option(help="Manifest of the contracts on that chain.")] = None,
    plan: Annotated[str | None, typer.Option(help="Hash of the plan that was agreed on.")] = None,
    as_json: Json = False,
) -> None:
    """Re-check every round from ledger and block store alone; exit code 0 only when all of it holds."""
    _needs_extra("fl", "torch", "web3", "pyrevm")
    from fl.audit import audit_run

    findings = audit_run(run_directory, chain=chain, deployment=deployment, expected_plan=plan)
    if as_json:
        print(json.dumps(findings.as_dict(), indent=1))
    else:
        findings.print(Console())
    if not findings.passed:
        raise typer.Exit(1)


@app.command()
def report(run_directory: Annotated[Path, typer.Argument(help="A run directory.")]) -> None:
    """Write report.html: one self-contained page about a run."""
    from fl.report import write_report

    print(write_report(run_directory))


@app.command()
def doctor(as_json: Json = False) -> None:
    """What is installed, which backends work, and what to do about the rest."""
    from fl.doctor import examine, show

    findings = examine()
    if as_json:
        print(json.dumps([finding.as_dict() for finding in findings], indent=1))
    else:
        show(findings, Console())


def _counts(option: str, example: str, specifications: list[str]) -> dict[str, int]:
    wanted: dict[str, int] = {}
    for text in specifications:
        for part in text.split(","):
            kind, equals, count = part.partition("=")
            if not equals or not count.isdecimal():
                raise ParameterError(f"{option} wants KIND=N, for example {example}, got {part!r}")
            wanted[kind] = wanted.get(kind, 0) + int(count)
    return wanted


def _needs_extra(extra: str, *modules: str) -> None:
    """Raises: ParameterError when a module of an extra is not installed, naming the extra."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise ParameterError(
                f"{name} is not installed; this command needs the extra: pip install 'eppml[{extra}]'"
            ) from error


def main(arguments: list[str] | None = None) -> int:
    """Run the command; every foreseen error is one sentence on standard error. Returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"] or ["--help"]
    try:
        result: Any = app(args=given, prog_name="eppml", standalone_mode=False)
        code = result if isinstance(result, int) else 0
    except typer.Exit as ended:
        code = ended.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as error:
        if debug:
            raise
        message, code = _explain(error)
        print(f"eppml: {message}", file=sys.stderr)
    if code == INTERRUPTED:  # some versions of typer turn the keyboard's interrupt into this code, silently
        print("eppml: interrupted; nothing is lost, go on with --resume", file=sys.stderr)
    return code


# typer carries its own copy of click or uses the installed one, depending on its version
_CommandLineError: type[Exception] = typer.BadParameter.__mro__[2]


def _explain(error: Exception) -> tuple[str, int]:
    """One sentence about `error`, and the exit code it means."""
    if isinstance(error, _CommandLineError):
        message = getattr(error, "format_message", error.__str__)()
        if str(message).startswith("Usage:"):  # a group of commands without a command
            print(message)
            return "give one of these commands", USAGE
        return f"{str(message).rstrip('.')} (see eppml --help)", USAGE
    if isinstance(error, EppmlError):
        return str(error), USAGE
    if isinstance(error, OSError):
        place = f" ({error.filename})" if error.filename else ""
        reason = "no disk space left" if error.errno == errno.ENOSPC else error.strerror or str(error)
        return f"{reason}{place}", USAGE
    return f"this is a defect of eppml ({type(error).__name__}: {error}); --debug shows where", DEFECT


if __name__ == "__main__":
    sys.exit(main())
