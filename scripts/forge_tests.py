"""Run the Solidity tests (tests/contracts/*.t.sol) with npm's forge and npm's solc, offline.

    python scripts/forge_tests.py                    # everything: 10,000 runs of each fuzz and invariant test
    python scripts/forge_tests.py --runs 50          # a quick look
    python scripts/forge_tests.py --match Attacks    # only contracts whose name matches

forge wants a project of its own: build/forge gets copies of the sources and a small `solc` that hands forge's
requests to the npm package. Contracts are compiled with the settings of scripts/build_contracts.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from build_contracts import COMPILER, IMPORT, PREFIX, ROOT, SETTINGS, node_modules, sources

PROJECT = ROOT / "build" / "forge"
TESTS = ROOT / "tests" / "contracts"
SOLC = """#!/usr/bin/env node
const solc = require({package!r});
if (process.argv.includes('--version')) {{
  console.log('solc, the solidity compiler commandline interface\\nVersion: ' + solc.version());
}} else {{
  let text = '';
  process.stdin.on('data', (d) => {{ text += d; }});
  process.stdin.on('end', () => process.stdout.write(solc.compile(text)));
}}
"""
CONFIG = """[profile.default]
src = "contracts"
test = "test"
out = "out"
libs = ["node_modules"]
remappings = ["@openzeppelin/=node_modules/@openzeppelin/", "contracts/=contracts/"]
solc = "./solc"
offline = true
via_ir = {via_ir}
optimizer = true
optimizer_runs = {optimizer_runs}
evm_version = "{evm}"
# messages about test code, unused returns of cheats among them; warnings about the contracts stop build_contracts.py
deny = "never"
fs_permissions = []

[fuzz]
runs = {runs}
seed = "0x{seed}"
max_test_rejects = 1000000

[invariant]
runs = {runs}
depth = {depth}
fail_on_revert = false
"""


def forge() -> Path:
    """The program of the platform's package, or the one on PATH."""
    found = shutil.which(
        "forge", path=os.pathsep.join([str(node_modules() / ".bin"), os.environ.get("PATH", "")])
    )
    native = sorted((node_modules() / "@foundry-rs").glob("forge-*/bin/forge*"))
    if native:
        return native[0].resolve()
    if found is None:
        raise SystemExit("forge is missing: run `npm install` in the repository root")
    return Path(found)


def copy(text: str, place: Path) -> None:
    """Write a source unless it is there already, so that forge's cache holds."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.is_file() or place.read_text(encoding="utf-8") != text:
        place.write_text(text, encoding="utf-8")


def place_of(name: str) -> str:
    """Where in the project a source goes that the compiler knows under this name."""
    return name if name.startswith(PREFIX) else f"node_modules/{name}"


def prepare(runs: int, depth: int, seed: str) -> None:
    """Write the project."""
    PROJECT.mkdir(parents=True, exist_ok=True)
    tests = {f"test/{path.name}": path.read_text(encoding="utf-8") for path in TESTS.glob("*.sol")}
    imported = {name for text in tests.values() for name in IMPORT.findall(text) if name.startswith("@")}
    needed = sources() | (sources(*imported) if imported else {})
    wanted = {place_of(name): text for name, text in needed.items()} | tests
    for stale in {*PROJECT.glob("contracts/*.sol"), *PROJECT.glob("test/*.sol")}:
        if str(stale.relative_to(PROJECT)) not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        copy(text, PROJECT / name)
    shim = PROJECT / "solc"
    shim.write_text(SOLC.format(package=str((node_modules() / "solc").resolve())), encoding="utf-8")
    shim.chmod(0o755)
    config = CONFIG.format(
        via_ir=str(SETTINGS["viaIR"]).lower(),
        optimizer_runs=SETTINGS["optimizer"]["runs"],
        evm=SETTINGS["evmVersion"],
        runs=runs,
        depth=depth,
        seed=seed,
    )
    (PROJECT / "foundry.toml").write_text(config, encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=10_000, help="runs of each fuzz and invariant test")
    parser.add_argument("--depth", type=int, default=12, help="calls in each invariant run")
    parser.add_argument("--seed", default="e991", help="hexadecimal seed of the fuzzer")
    parser.add_argument("--match", default="", help="only test contracts whose name matches this pattern")
    options = parser.parse_args(arguments)
    prepare(options.runs, options.depth, options.seed)
    command = [str(forge()), "test", "--root", str(PROJECT), "--use", str(PROJECT / "solc"), "-vv"]
    if options.match:
        command += ["--match-contract", options.match]
    environment = {**os.environ, "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1", "NO_COLOR": "1"}
    print(f"solc {COMPILER}, {options.runs} runs", flush=True)
    return subprocess.run(command, cwd=PROJECT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
