"""Programs from npm that tests run beside our code."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def _modules() -> Path:
    return Path(os.environ.get("EPPML_NODE_MODULES") or ROOT / "node_modules")


def _missing(what: str) -> None:
    """Skip on a developer's machine, fail in CI: a test that silently never runs guards nothing."""
    message = f"{what} is missing: npm install"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def _program(name: str) -> str:
    if found := shutil.which(name) or shutil.which(name, path=str(_modules() / ".bin")):
        return found
    _missing(name)
    raise AssertionError


@pytest.fixture(scope="session")
def snarkjs() -> Run:
    """Run snarkjs with these arguments."""
    program = _program("snarkjs")

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [program, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    return run


@pytest.fixture(scope="session")
def solc() -> Run:
    """Run the Solidity compiler with these arguments."""
    program = _program("solcjs")

    def run(*args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [program, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    return run


@pytest.fixture(scope="session")
def circom() -> Run:
    """Run the circom compiler in a folder; circomlib is found as `circomlib/...`."""
    program = _program("circom2")
    if not (_modules() / "circomlib").exists():
        _missing("circomlib")

    def run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
        # the compiler is a WebAssembly program that sees its working folder only
        link = folder / "circomlib"
        if not link.exists():
            shutil.copytree(_modules() / "circomlib" / "circuits", link)
        command = [program, *args]
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)

    return run


@pytest.fixture(scope="session")
def node_script() -> Run:
    """Run a script of this folder with node, which finds the installed modules."""
    node = _program("node")

    def run(script: str, *args: str | Path, module: str) -> subprocess.CompletedProcess[str]:
        if not (_modules() / module).exists():
            _missing(module)
        command = [node, str(Path(__file__).parent / script), str(_modules().resolve()), *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

    return run
