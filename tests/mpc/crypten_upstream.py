"""CrypTen's own tests, found in the installed wheel and run on our network: no copy of them is kept here."""

import ast
import importlib
import importlib.util
import sys
import types
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

import mpc.crypten  # noqa: F401
from tests.mpc.crypten_cases import run

__all__ = ["names", "package", "run_case", "run_in_process"]


def package() -> Path:
    """The wheel's top-level package `test`, which the standard library's own hides."""
    spec = importlib.util.find_spec("crypten")
    assert spec is not None and spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]).parent / "test"


def names(module: str, classes: set[str]) -> Iterator[str]:
    """The tests of a module, read from its text: importing it would load torch while collecting."""
    tree = ast.parse((package() / f"{module}.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in classes:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name.startswith("test"):
                    yield item.name


def _load(module: str) -> types.ModuleType:
    stand_in = types.ModuleType("test")
    stand_in.__path__ = [str(package())]
    sys.modules["test"] = stand_in
    return importlib.import_module(f"test.{module}")


def _as_party(module: str, class_name: str, test: str, rank: int) -> None:
    case: unittest.TestCase = getattr(_load(module), class_name)(test)
    case.rank = rank  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        case.setUp()
        getattr(case, test)()


def run_case(module: str, class_name: str, test: str) -> None:
    """One of CrypTen's tests as two parties and a dealer in this process.

    Raises: what the test raises, SkipTest included.
    """
    run(lambda rank: _as_party(module, class_name, test, rank))


def run_in_process(rank: int, module: str, class_name: str, test: str) -> None:
    """One party of a test that changes its whole process: for `run_parties`."""
    _as_party(module, class_name, test, rank)
