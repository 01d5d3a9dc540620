"""`eppml party`: one party of a named protocol, from a file, so that three terminals can run it.

    eppml party init alice                  a key and a certificate; give the certificate to the others
    eppml party run alice.toml              take part, print the result and what it cost
    eppml party protocols                   what can be run

The file:

    protocol = "sum"                        # or module:function, with the module beside this file
    me = 1
    session = "Monday's sum"                # the same for all, and never the same twice
    identity = "alice"                      # what init made; paths are relative to this file
    listen = "127.0.0.1:9001"
    deadline = 30                           # seconds a peer may take for its part of a round

    [input]
    value = 42

    [[peers]]
    index = 2
    address = "127.0.0.1:9002"
    certificate = "bob.pem"
"""

import dataclasses
import json
import tomllib
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.protocols.named import NAMED, find
from mpc.runtime.certificates import CERTIFICATE_FILE, Identity, fingerprint, load_certificate
from mpc.runtime.rounds import TlsResult
from mpc.runtime.tls import Peer, run_tls

__all__ = ["app", "run_file"]

app = typer.Typer(
    name="party",
    help="Run one party of a protocol over mutually authenticated TLS.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_KEYS: dict[str, type | tuple[type, ...]] = {
    "protocol": str,
    "me": int,
    "session": str,
    "identity": str,
    "listen": str,
    "deadline": (int, float),
    "join_deadline": (int, float),
    "input": dict,
    "peers": list,
}
_OPTIONAL = {"deadline", "join_deadline", "input"}
_PEER_KEYS = {"index": int, "address": str, "certificate": str}


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
    result = run_file(file)
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


def run_file(file: Path) -> TlsResult[Any]:
    """Run the party a file describes.

    Raises: ParameterError, in one sentence, for a file that cannot work; what the run raises.
    """
    settings = _load(file)
    here = file.parent
    me = settings["me"]
    peers = {peer["index"]: _peer(peer, here) for peer in settings["peers"]}
    if len(peers) != len(settings["peers"]):
        raise ParameterError(f"{file}: two peers have the same index")
    start = find(settings["protocol"], here.resolve())
    host, port = _address(settings["listen"])
    parties = tuple(sorted([me, *peers]))
    return run_tls(
        start(me, parties, settings.get("input", {}), Stream.from_os(b"eppml party")),
        me=me,
        identity=Identity.load(here / settings["identity"]),
        peers=peers,
        # Two parties told different protocols or groups never meet, instead of misunderstanding each other.
        session=repr((settings["session"], settings["protocol"], parties)).encode(),
        host=host,
        port=port,
        deadline=float(settings.get("deadline", 30)),
        join_deadline=float(settings.get("join_deadline", 60)),
    )


def _load(file: Path) -> dict[str, Any]:
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"{file} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError(f"{file} is no TOML file: {error}") from None
    if unknown := set(settings) - set(_KEYS):
        raise ParameterError(f"{file}: nothing here is called {', '.join(sorted(unknown))}")
    for key, kind in _KEYS.items():
        if key not in settings and key not in _OPTIONAL:
            raise ParameterError(f"{file}: {key!r} is missing")
        if key in settings and (not isinstance(settings[key], kind) or isinstance(settings[key], bool)):
            raise ParameterError(f"{file}: {key!r} cannot be {settings[key]!r}")
    for peer in settings["peers"]:
        if not isinstance(peer, dict) or {k: type(v) for k, v in peer.items()} != _PEER_KEYS:
            raise ParameterError(f"{file}: a peer has an index, an address and a certificate")
    return settings


def _peer(peer: dict[str, Any], here: Path) -> Peer:
    host, port = _address(peer["address"])
    return Peer(load_certificate(here / peer["certificate"]), host, port)


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ParameterError(f"{text!r} is no address: want host:port")
    return host.strip("[]"), int(port)


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray) else value


if __name__ == "__main__":
    app()
