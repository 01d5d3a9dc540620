"""The public surface: what is exported, what is documented, what is not imported."""

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import he

ROOT = Path(he.__file__).parent
MODULES = sorted(m.name for m in pkgutil.walk_packages(he.__path__, "he."))


@pytest.mark.parametrize("name", ["he", *MODULES])
def test_all_is_sorted_and_true(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__ and list(module.__all__) == sorted(
        module.__all__, key=lambda n: (not n.isupper(), n)
    )
    for exported in module.__all__:
        value = getattr(module, exported)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__ and value.__module__.split(".")[0] in ("he", "builtins"), exported


def test_no_peer_is_imported_and_no_generator_but_stream_is_used() -> None:
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                assert name.split(".")[0] not in {
                    "phe",
                    "paillier",
                    "lightphe",
                    "random",
                    "secrets",
                    "zk",
                    "fl",
                }, path
            if isinstance(node, ast.Attribute) and node.attr in {"random", "urandom", "random_state"}:
                pytest.fail(f"{path}: randomness that is no Stream")


def test_importing_he_is_light() -> None:
    code = "import he, sys; print([m for m in ('torch', 'tenseal', 'py_ecc', 'phe', 'web3') if m in sys.modules])"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent
    )
    assert out.stdout.strip() == "[]"
