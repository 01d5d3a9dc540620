"""`eppml ceremony new | contribute | verify | export`, mounted by the command line of the project.

Exit codes: 0 done, 1 the ceremony does not hold, 2 malformed or unusable input.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from mpc.errors import EppmlError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import ceremony, commit_prove, keycache
from zk.backends.base import Backend
from zk.circuit import Program
from zk.commit_prove import Keys
from zk.contribution import Beacon
from zk.formats import snarkjs
from zk.formats.r1cs_file import decode_r1cs
from zk.formats.strict_json import hex_bytes
from zk.formats.zkey import encode_zkey
from zk.r1cs import R1CS
from zk.statements import NormBound

__all__ = ["CircuitFile", "app", "statement_from"]

app = typer.Typer(help="Make keys that no single party could have forged.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="The ceremony's folder.")]
Circuit = Annotated[Path | None, typer.Option(help="A circuit as circom compiles it (.r1cs).")]
Bound = Annotated[
    str | None, typer.Option("--norm-bound", help="The statement NormBound, as DIM:BITS or DIM:BITS:bits.")
]
PowersFile = Annotated[Path, typer.Option(help="Powers of tau of a public ceremony (.ptau).")]


@dataclass(frozen=True)
class CircuitFile:
    """A circuit read from a `.r1cs`, for the ceremony: its witnesses are made elsewhere."""

    path: Path

    @cached_property
    def _circuit(self) -> R1CS:
        return decode_r1cs(self.path)[0]

    def digest(self) -> bytes:
        """The circuit's digest."""
        return self._circuit.digest

    def circuit(self) -> tuple[R1CS, Program]:
        """The rows, and a program without a step."""
        n = self._circuit.n_wires
        return self._circuit, Program(n, np.arange(n), (), None)

    def setup(
        self,
        stream: Stream,
        *,
        unsafe_single_party: bool,
        backend: Backend | None = None,
        threads: int | None = None,
    ) -> Keys:
        """Keys from a single party, which a ceremony is there to avoid.

        Raises: InsecureError without `unsafe_single_party=True`.
        """
        return commit_prove.setup(
            self._circuit, stream, unsafe_single_party=unsafe_single_party, backend=backend, threads=threads
        )


def statement_from(circuit: Path | None, norm_bound: str | None) -> keycache.Provable:
    """The statement that one of the two options names.

    Raises: ParameterError when both or none are given, or the text is not DIM:BITS.
    """
    if (circuit is None) == (norm_bound is None):
        raise ParameterError("give either --circuit or --norm-bound")
    if circuit is not None:
        return CircuitFile(circuit)
    found = re.fullmatch(r"([1-9][0-9]{0,8}):([1-9][0-9]?)(:bits)?", norm_bound or "", re.ASCII)
    if found is None:
        raise ParameterError("--norm-bound wants DIM:BITS or DIM:BITS:bits, e.g. 650:16")
    return NormBound(int(found[1]), int(found[2]), lookup=found[3] is None)


def _fail(error: Exception) -> typer.Exit:
    """1 for a ceremony that does not hold, 2 for anything that kept us from finding out."""
    typer.echo(f"error: {error}", err=True)
    return typer.Exit(1 if isinstance(error, ProofRejected) else 2)


@app.command("new")
def new(folder: Folder, powers: PowersFile, circuit: Circuit = None, norm_bound: Bound = None) -> None:
    """Start a ceremony from the powers of a public one."""
    try:
        ceremony.new(folder, statement_from(circuit, norm_bound), powers)
    except (EppmlError, OSError) as error:
        raise _fail(error) from error
    typer.echo(f"started in {folder}; hand the folder to the first contributor")


@app.command("contribute")
def contribute(
    folder: Folder,
    name: Annotated[str, typer.Option(help="Who contributes.")],
    circuit: Circuit = None,
    norm_bound: Bound = None,
    beacon: Annotated[str | None, typer.Option(help="Close with this public value (hexadecimal).")] = None,
    rounds_log2: Annotated[int, typer.Option(help="Hash the beacon 2^N times.")] = 20,
) -> None:
    """Add fresh secrets and forget them, or close the ceremony with a beacon."""
    try:
        statement = statement_from(circuit, norm_bound)
        if beacon is None:
            digest = ceremony.contribute(folder, statement, name, Stream.from_os(b"zk ceremony"))
        else:
            value = Beacon(hex_bytes(beacon, "the beacon", len(beacon) // 2), rounds_log2)
            digest = ceremony.beacon(folder, statement, name, value)
    except (EppmlError, OSError) as error:
        raise _fail(error) from error
    typer.echo(f"announce this digest where others see it: {digest}")


@app.command("verify")
def verify(folder: Folder, powers: PowersFile, circuit: Circuit = None, norm_bound: Bound = None) -> None:
    """Check every step and the final keys; exit code 0 only if all of it holds."""
    try:
        report = ceremony.verify(folder, statement_from(circuit, norm_bound), powers)
    except (EppmlError, OSError) as error:
        raise _fail(error) from error
    for name, digest in report.contributors:
        typer.echo(f"{digest}  {name}")
    typer.echo(f"powers of tau: SHA-256 {report.powers}")
    typer.echo("closed by a beacon" if report.closed else "open: no beacon yet")
    typer.echo("the keys hold if one contributor forgot the secrets and the powers of tau are sound")


@app.command("export")
def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Where keys go: a folder.")],
    circuit: Circuit = None,
    norm_bound: Bound = None,
) -> None:
    """Write the keys reached: a .zkey and its verification key, or a file for the key cache."""
    try:
        statement = statement_from(circuit, norm_bound)
        keys = ceremony.keys_of(folder, statement)
        out.mkdir(parents=True, exist_ok=True)
        if circuit is not None:
            (out / "circuit.zkey").write_bytes(encode_zkey(keys.pk.base))
            (out / "verification_key.json").write_bytes(snarkjs.encode_verifying_key(keys.vk.base))
        else:
            keycache.save(keycache.path_for(statement, out), keys)
    except (EppmlError, OSError) as error:
        raise _fail(error) from error
    typer.echo(f"keys written to {out}; run `eppml ceremony verify` before using them")
