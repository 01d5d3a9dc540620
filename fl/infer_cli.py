"""`eppml infer`: labels from the model of a run, in the clear or from servers that learn neither input nor label.

One machine plays client, owner and servers; between machines each runs its own side (`fl.shared.inference`).
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["infer"]

_HOUR = 3600


def infer(
    run_directory: Annotated[Path, typer.Argument(help="A finished run directory.")],
    sample: Annotated[list[int] | None, typer.Option(help="Number of a held-out sample, repeatable.")] = None,
    features: Annotated[Path | None, typer.Option("--input", help=".npy file of inputs, one a row.")] = None,
    secure: Annotated[
        bool, typer.Option("--secure", help="Share inputs; nobody but you learns labels.")
    ] = False,
    servers: Annotated[int, typer.Option(help="How many servers compute: 2 or 3.")] = 3,
    ledger: Annotated[bool, typer.Option("--ledger", help="Ask and answer on the run's ledger.")] = False,
    fee: Annotated[int, typer.Option(help="What the answer is paid, in wei.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Directory that holds the data set already.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Label inputs with the model of a run."""
    from fl.shared.serving import load_served

    served = load_served(run_directory, data)
    rows = served.samples(sample or [0]) if features is None else _read(features)
    if ledger and not secure:
        raise ParameterError("--ledger goes with --secure: a label in the clear needs no request")
    if not secure:
        result: dict[str, Any] = {"labels": served.plain(rows).tolist(), "secure": False}
    elif ledger:
        result = served.on_ledger(rows, servers, Stream.from_os(b"eppml/infer"), fee=fee, seconds=_HOUR)
    else:
        result = served.secure(rows, servers, Stream.from_os(b"eppml/infer"))
    if as_json:
        print(json.dumps(result, indent=1))
        return
    print("labels  " + " ".join(map(str, result["labels"])))
    if not secure:
        print("        computed in the clear; --secure has servers compute it on shares")
        return
    print(
        f"cost    {result['rounds']} rounds, {result['bytes']['client']} bytes from the client, "
        f"{result['bytes']['server']} from a server, {result['seconds']:.2f} s"
    )
    if ledger:
        print(f"ledger  request {result['request']}, answered and compared with what the servers sent")


def _read(path: Path) -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Raises: ParameterError for a file that is no array of numbers."""
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ParameterError(f"{path} is no .npy file of inputs: {error}") from error
    if not isinstance(rows, np.ndarray) or rows.dtype.kind not in "fiu":
        raise ParameterError(f"{path} holds no numbers")
    return np.atleast_2d(rows).astype(np.float64)
