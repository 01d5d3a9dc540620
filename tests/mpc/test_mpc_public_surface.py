"""`__all__` is what there is: sorted, importable, and complete."""

import importlib
import pkgutil
import types

import pytest

import mpc

INTERNAL = {"bits", "errors", "threshold", "_numba61"}


def by_kind(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: ruff's order for `__all__`."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2), name


def test_the_package_exports_every_public_module() -> None:
    modules = {m.name for m in pkgutil.iter_modules(mpc.__path__)} - INTERNAL
    assert modules == {name for name in mpc.__all__ if isinstance(getattr(mpc, name), types.ModuleType)}
    assert mpc.__all__ == sorted(mpc.__all__, key=by_kind) and set(mpc.__all__) <= set(dir(mpc))
    for name in modules:
        assert name in (mpc.__doc__ or ""), f"{name} is missing from the package map"


@pytest.mark.parametrize("info", list(pkgutil.walk_packages(mpc.__path__, "mpc.")), ids=lambda i: i.name)
def test_every_module_says_what_it_is_and_exports_what_it_names(info: pkgutil.ModuleInfo) -> None:
    if info.name == "mpc._numba61":
        pytest.importorskip("numba")
    module = importlib.import_module(info.name)
    assert module.__doc__
    exported = getattr(module, "__all__", None)
    if info.name != "mpc._numba61":
        assert exported is not None and list(exported) == sorted(exported, key=by_kind)
        for name in exported:
            assert hasattr(module, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        mpc.nothing  # noqa: B018
