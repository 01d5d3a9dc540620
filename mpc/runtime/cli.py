"""`eppml party`: one party of a named protocol, from a file, so that three terminals can run it.

    eppml party init alice                  a key and a certificate; give the certificate to the others
    eppml party run alice.toml              take part, print the result and what it cost
    eppml party --protocol sum --config alice.toml              the same, for a file that names no protocol
    eppml party protocols                   what can be run

The file is described in `mpc.runtime.party_file`.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mpc.errors import ParameterError
from mpc.protocols.named import NAMED
from mpc.runtime.certificates import CERTIFICATE_FILE, Identity, fingerprint
from mpc.runtime.party_file import run_file

__all__ = ["app"]

app = typer.Typer(
    name="party",
    help="Run one party of a protocol over mutually authenticated TLS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="Where to put the key and the certificate.")],
    name: Annotated[str, typer.Option(help="What the certificate says; the directory's name if empty.")] = "",
    days: Annotated[int, typer.Option(help="How long it is valid.")] = 825,
) -> None:
    """Make a party's key and certificate."""
    identity = Identity.generate(name or directory.resolve().name, days)
    identity.save(directory)
    typer.echo(f"certificate  {directory / CERTIFICATE_FILE}   give this to the other parties")
    typer.echo(f"fingerprint  {fingerprint(identity.certificate).hex()}   and let them compare this")


@app.command("run")
def run_command(
    file: Annotated[Path, typer.Argument(help="This party's file.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Take part in a run, and print its result."""
    _run(file, None, as_json)


@app.callback(invoke_without_command=True)
def by_options(
    context: typer.Context,
    protocol: Annotated[str, typer.Option(help="The protocol, if the file does not name it.")] = "",
    config: Annotated[Path | None, typer.Option(help="This party's file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """With --config, take part in a run without a command."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise ParameterError("a party is started from a file: --config FILE")
    _run(config, protocol or None, as_json)


def _run(file: Path, protocol: str | None, as_json: bool) -> None:
    result = run_file(file, protocol)
    value = _plain(result.value)
    if as_json:
        typer.echo(json.dumps({"result": value, "cost": dataclasses.asdict(result.cost)}))
        return
    cost = result.cost
    typer.echo(f"result  {value}")
    typer.echo(
        f"cost    {cost.rounds} rounds, {cost.bytes_sent} bytes sent, {cost.bytes_received} received, "
        f"{cost.triples} triples, {cost.seconds:.3f} s"
    )


@app.command()
def protocols() -> None:
    """List the protocols that have a name."""
    for name, named in NAMED.items():
        typer.echo(f"{name:15}{named.summary}; input: {named.inputs}")


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


if __name__ == "__main__":
    app()
