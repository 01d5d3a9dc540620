"""Compile the contracts with npm's solc and write, or compare, their artifacts.

    python scripts/build_contracts.py                     # rebuild chain_adapter/contracts/artifacts
    python scripts/build_contracts.py --check             # rebuild, compare, exit 1 when one is stale
    python scripts/build_contracts.py --standard-json D   # write the compiler's inputs for block explorers

The compiler and OpenZeppelin come from `node_modules` at the repository root (or EPPML_NODE_MODULES). Each
contract is compiled by itself, from standard JSON with every source it needs inline and no other: the bytes
do not depend on the machine, nor on contracts that have nothing to do with it (the compiler numbers
everything it sees, and the numbers reach the code), and whoever wants to verify a deployment needs one file.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONTRACTS = ROOT / "chain_adapter" / "contracts"
ARTIFACTS = CONTRACTS / "artifacts"
COMPILER = "0.8.37"
PREFIX = "contracts/"
SETTINGS: dict[str, Any] = {
    "optimizer": {"enabled": True, "runs": 10_000},
    "viaIR": True,
    "evmVersion": "cancun",
}
OUTPUTS = [
    "abi",
    "metadata",
    "evm.bytecode.object",
    "evm.deployedBytecode.object",
    "evm.deployedBytecode.immutableReferences",
]
# One process for all: loading the compiler takes longer than compiling a small contract.
RUNNER = (
    "const solc = require(process.argv[1]);"
    "let text = ''; process.stdin.on('data', (d) => { text += d; });"
    "process.stdin.on('end', () => process.stdout.write(JSON.stringify({version: solc.version(),"
    "outputs: JSON.parse(text).map((input) => JSON.parse(solc.compile(JSON.stringify(input))))})));"
)
IMPORT = re.compile(r'^import\s+(?:\{[^}]*\}\s+from\s+)?"([^"]+)";', re.MULTILINE)
CODE_LIMIT = 24_576


class BuildError(Exception):
    """The contracts could not be compiled."""


def node_modules() -> Path:
    """The folder that holds solc and OpenZeppelin."""
    return Path(os.environ.get("EPPML_NODE_MODULES") or ROOT / "node_modules")


def sources(*roots: str) -> dict[str, str]:
    """Contracts (all of ours, unless named) and every file they import, by the name the compiler knows it under."""
    found: dict[str, str] = {}
    waiting = list(roots) or [PREFIX + path.name for path in sorted(CONTRACTS.glob("*.sol"))]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = CONTRACTS / name.removeprefix(PREFIX) if name.startswith(PREFIX) else node_modules() / name
        if not path.is_file():
            raise BuildError(f"{name} is missing: run `npm install` in the repository root")
        found[name] = path.read_text(encoding="utf-8")
        for target in IMPORT.findall(found[name]):
            waiting.append(os.path.normpath(f"{name}/../{target}") if target.startswith(".") else target)
    return dict(sorted(found.items()))


def standard_json(name: str) -> dict[str, Any]:
    """The compiler's input for the contract in the file of its name."""
    source = f"{PREFIX}{name}.sol"
    return {
        "language": "Solidity",
        "sources": {path: {"content": text} for path, text in sources(source).items()},
        "settings": {**SETTINGS, "outputSelection": {source: {name: OUTPUTS}}},
    }


def contract_names() -> list[str]:
    """Files that define a contract of their name; the others hold libraries, whose code is inside their callers."""
    named = ((path.stem, path.read_text(encoding="utf-8")) for path in sorted(CONTRACTS.glob("*.sol")))
    return [name for name, text in named if re.search(rf"^contract {name}\b", text, re.MULTILINE)]


def compile_contracts(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """An artifact for each contract, by name.

    Raises: BuildError for a missing program, another compiler version, an error, a warning about our
        sources, or a contract too large for a chain.
    """
    solc = node_modules() / "solc"
    if not solc.is_dir():
        raise BuildError("solc is missing: run `npm install` in the repository root")
    try:
        run = subprocess.run(
            ["node", "-e", RUNNER, str(solc.resolve())],
            input=json.dumps([standard_json(name) for name in names]),
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
    except FileNotFoundError as error:
        raise BuildError("node is not on PATH") from error
    except subprocess.CalledProcessError as error:
        raise BuildError(error.stderr) from error
    answer = json.loads(run.stdout)
    version: str = answer["version"]
    if not version.startswith(COMPILER + "+"):
        raise BuildError(f"want solc {COMPILER}, found {version}")
    artifacts = {}
    for name, output in zip(names, answer["outputs"], strict=True):
        if complaints := [e["formattedMessage"] for e in output.get("errors", []) if is_ours(e)]:
            raise BuildError("\n".join(complaints))
        source = f"{PREFIX}{name}.sol"
        contract = output["contracts"][source][name]
        size = len(contract["evm"]["deployedBytecode"]["object"]) // 2
        if size > CODE_LIMIT:
            raise BuildError(f"{name}: {size} bytes, more than a chain accepts")
        artifacts[name] = artifact(name, source, contract, version)
    return artifacts


def is_ours(complaint: dict[str, Any]) -> bool:
    """Whether a message must stop the build: any error, and warnings about our own sources."""
    file = (complaint.get("sourceLocation") or {}).get("file", PREFIX)
    return complaint["severity"] == "error" or (
        complaint["severity"] == "warning" and file.startswith(PREFIX)
    )


def artifact(name: str, source: str, contract: dict[str, Any], version: str) -> dict[str, Any]:
    """What ships in the wheel about one contract."""
    used = json.loads(contract["metadata"])["sources"]
    listing = "".join(f"{path} {used[path]['keccak256']}\n" for path in sorted(used))
    return {
        "contractName": name,
        "sourceName": source,
        "compiler": version,
        "sourceHash": hashlib.sha256(listing.encode()).hexdigest(),
        "abi": contract["abi"],
        "bytecode": "0x" + contract["evm"]["bytecode"]["object"],
        "deployedBytecode": "0x" + contract["evm"]["deployedBytecode"]["object"],
        "immutableReferences": contract["evm"]["deployedBytecode"].get("immutableReferences", {}),
        "metadata": contract["metadata"],
    }


def encode(value: dict[str, Any]) -> str:
    """Stable text of an artifact."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def check(built: dict[str, dict[str, Any]]) -> list[str]:
    """Names of artifacts that differ from what is committed, are missing, or have no source any more."""
    stale = []
    for name, value in built.items():
        path = ARTIFACTS / f"{name}.json"
        if not path.is_file() or path.read_text(encoding="utf-8") != encode(value):
            stale.append(name)
    stale += [path.stem for path in ARTIFACTS.glob("*.json") if path.stem not in built]
    return sorted(stale)


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the committed artifacts")
    parser.add_argument("--standard-json", metavar="FOLDER", help="write the compiler's inputs and stop")
    options = parser.parse_args(arguments)
    try:
        if options.standard_json:
            for name in contract_names():
                place = Path(options.standard_json) / f"{name}.json"
                place.write_text(json.dumps(standard_json(name), indent=1), encoding="utf-8")
            return 0
        built = compile_contracts(contract_names())
    except BuildError as error:
        print(error, file=sys.stderr)
        return 1
    if options.check:
        stale = check(built)
        for name in stale:
            print(f"{name}: the artifact is not what the source compiles to", file=sys.stderr)
        return 1 if stale else 0
    ARTIFACTS.mkdir(exist_ok=True)
    for name in check(built):
        if name not in built:
            (ARTIFACTS / f"{name}.json").unlink()
    for name, value in built.items():
        (ARTIFACTS / f"{name}.json").write_text(encode(value), encoding="utf-8")
        print(f"{name}: {len(value['deployedBytecode']) // 2 - 1} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
