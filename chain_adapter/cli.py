"""`eppml chain`: put the contracts on a chain, look at them, fund an account, make and list keys."""

import getpass
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from chain_adapter.addresses import checksum_address, read_address
from chain_adapter.keys import LocalSigner
from chain_adapter.ledger import Chain
from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream

__all__ = ["app"]

PASSWORD = "EPPML_KEYSTORE_PASSWORD"
PRIVATE_KEY = "EPPML_PRIVATE_KEY"

app = typer.Typer(
    name="chain",
    help="Contracts and accounts on an EVM chain.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Where = Annotated[str, typer.Option("--chain", help="URL of a node, or the file of an embedded ledger.")]
Keystore = Annotated[
    Path | None,
    typer.Option(help=f"Encrypted key file; its password is asked for or taken from {PASSWORD}."),
]
ChainId = Annotated[int | None, typer.Option(help="Refuse to work with a chain of another id.")]
Manifest = Annotated[Path, typer.Option(help="Manifest of the deployment.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]


@app.command()
def deploy(
    chain: Where,
    out: Manifest = Path("deployment.json"),
    keystore: Keystore = None,
    chain_id: ChainId = None,
    outbox: Annotated[Path | None, typer.Option(help="Where sent transactions are noted.")] = None,
    as_json: Json = False,
) -> None:
    """Put all contracts on a chain and write their manifest. Run again after a crash, it goes on where it stopped."""
    signer = _signer(keystore)
    if out.exists():
        raise ParameterError(f"{out} exists; name another file with --out, or delete it for a new deployment")
    with _open(chain, chain_id, outbox or out.with_suffix(".outbox.sqlite")) as ledger:
        manifest = ledger.deploy(signer).manifest()
    try:
        out.write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise ParameterError(f"cannot write {out} ({error.strerror})") from error
    _print(
        manifest,
        as_json,
        [f"deployed on chain {manifest['chain_id']} by {signer.address}", f"manifest: {out}"],
    )


@app.command()
def status(
    chain: Where,
    deployment: Manifest = Path("deployment.json"),
    chain_id: ChainId = None,
    as_json: Json = False,
) -> None:
    """Check a deployment against its chain, byte for byte, and tell what happened on it."""
    document = _read_json(deployment)
    with _open(chain, chain_id, None) as ledger:
        attached = ledger.attach(document)
        counts: dict[str, int] = {}
        for event in attached.events():
            counts[type(event).__name__] = counts.get(type(event).__name__, 0) + 1
        head, digest = ledger.head()
    facts = {
        "chain_id": ledger.chain_id, "head": head, "head_hash": "0x" + digest.hex(), "suite": attached.suite,
        "contracts": dict(attached.addresses), "events": counts,
    }  # fmt: skip
    lines = [
        f"chain {ledger.chain_id}, block {head}, 0x{digest.hex()}",
        "all contracts are this version's, byte for byte",
    ]
    lines += [f"  {name:16} {address}" for name, address in attached.addresses.items()]
    lines += [f"  {count:6} x {name}" for name, count in sorted(counts.items())] or [
        "  nothing has happened yet"
    ]
    _print(facts, as_json, lines)


@app.command()
def fund(
    address: Annotated[str, typer.Argument(help="Who gets the coins.")],
    wei: Annotated[int, typer.Argument(help="How much, in wei (10^18 are one coin).")],
    chain: Where,
    keystore: Keystore = None,
    chain_id: ChainId = None,
    as_json: Json = False,
) -> None:
    """Give an account coins: from your own with a key, by decree on a development chain without one."""
    target = _address(address)
    if wei <= 0:
        raise ParameterError("the amount is a positive number of wei")
    signer = _signer(keystore) if keystore or PRIVATE_KEY in os.environ else None
    with _open(chain, chain_id, None) as ledger:
        ledger.fund(target, wei, signer)
        balance = ledger.balance(target)
    _print({"address": target, "balance": balance}, as_json, [f"{target} has {balance} wei"])


@app.command()
def accounts(
    keystores: Annotated[list[Path] | None, typer.Argument(help="Key files to look at.")] = None,
    new: Annotated[
        Path | None, typer.Option(help="Make a key and write it, encrypted, to this file.")
    ] = None,
    chain: Annotated[str | None, typer.Option(help="Also show balances on this chain.")] = None,
    as_json: Json = False,
) -> None:
    """Make an encrypted key file, or list key files with their addresses and balances."""
    if new is not None:
        LocalSigner.generate(Stream.from_os(b"account")).save_keystore(new, _password(new, confirm=True))
    rows: list[dict[str, Any]] = [
        {"file": str(path), "address": _address_in(path)}
        for path in [*(keystores or []), *([new] if new else [])]
    ]
    if chain is not None:
        with _open(chain, None, None) as ledger:
            for row in rows:
                row["balance"] = ledger.balance(row["address"])
    lines = [
        f"{row['address']}  {row['file']}" + (f"  {row['balance']} wei" if chain is not None else "")
        for row in rows
    ]
    _print(rows, as_json, lines or ["no key files named; make one with --new FILE"])


@contextmanager
def _open(place: str, chain_id: int | None, outbox: Path | None) -> Iterator[Chain]:
    if "://" in place:
        ledger = Chain.connect(place, expect_chain_id=chain_id, outbox=outbox)
    else:
        if not Path(place).exists() and outbox is None:
            raise ParameterError(
                f"there is no ledger file {place}; a node's address begins with http:// or https://"
            )
        ledger = Chain.embedded(
            Path(place), **({} if chain_id is None else {"chain_id": chain_id}), outbox=outbox
        )
    with ledger:
        yield ledger


def _signer(keystore: Path | None) -> LocalSigner:
    if keystore is not None:
        return LocalSigner.from_keystore(keystore, _password(keystore))
    if PRIVATE_KEY not in os.environ:
        raise ParameterError(f"name a key: --keystore FILE, or the environment variable {PRIVATE_KEY}")
    return LocalSigner.from_environment(PRIVATE_KEY)


def _password(path: Path, confirm: bool = False) -> str:
    if PASSWORD in os.environ:
        return os.environ[PASSWORD]
    if not sys.stdin.isatty():
        raise ParameterError(f"the password of {path} cannot be asked for here; set {PASSWORD}")
    password = getpass.getpass(f"Password of {path}: ")
    if confirm and getpass.getpass("Again: ") != password:
        raise ParameterError("the two passwords differ")
    return password


def _address(text: str) -> str:
    try:
        return read_address(text)
    except DecodeError as error:
        raise ParameterError(str(error)) from error


def _address_in(keystore: Path) -> str:
    document = _read_json(keystore)
    address = document.get("address") if isinstance(document, dict) else None
    if not isinstance(address, str):
        raise DecodeError(f"{keystore} is not a keystore: it names no address")
    return checksum_address(read_address("0x" + address.removeprefix("0x").lower()))


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError(f"cannot read {path} ({error.strerror})") from error
    except ValueError as error:
        raise DecodeError(f"{path} is not JSON") from error


def _print(document: Any, as_json: bool, lines: list[str]) -> None:
    typer.echo(json.dumps(document, indent=2) if as_json else "\n".join(lines))
