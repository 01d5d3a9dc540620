"""Curve libraries behind one interface: mcl where there is a wheel, zksnake where that is installed, else Python.

    base      what a backend must do
    mcl       fast: Linux x86-64, macOS, Windows
    snake     arkworks through zksnake: portable
    gmp       Python over gmpy2, everywhere: twenty times slower than mcl for a verification
    pyecc     the reference, hundreds of times slower

The environment variable ZK_BACKEND, or a name passed to `get`, forces one.
"""

import os
from collections.abc import Callable
from threading import Lock

from mpc.errors import ParameterError
from zk.backends.base import Backend
from zk.backends.mcl_library import BackendUnavailable

__all__ = ["Backend", "BackendUnavailable", "available", "get"]


def _mcl() -> Backend:
    from zk.backends.mcl import MclBackend

    return MclBackend()


def _snake() -> Backend:
    from zk.backends.snake import SnakeBackend

    return SnakeBackend()


def _gmp() -> Backend:
    from zk.backends.gmp import GmpBackend

    return GmpBackend()


def _pyecc() -> Backend:
    from zk.backends.pyecc import PyEccBackend

    return PyEccBackend()


_MAKERS: dict[str, Callable[[], Backend]] = {"mcl": _mcl, "zksnake": _snake, "gmpy2": _gmp, "py_ecc": _pyecc}
_loaded: dict[str, Backend | BackendUnavailable] = {}
_lock = Lock()


def _load(name: str) -> Backend | BackendUnavailable:
    with _lock:
        if name not in _loaded:
            try:
                _loaded[name] = _MAKERS[name]()
            except BackendUnavailable as error:
                _loaded[name] = error
        return _loaded[name]


def get(name: str | None = None) -> Backend:
    """The backend of this name, or the one ZK_BACKEND names, or the fastest that works here.

    Raises: ParameterError for an unknown name; BackendUnavailable if the one asked for does not work here.
    """
    wanted = name or os.environ.get("ZK_BACKEND") or None
    if wanted is not None and wanted not in _MAKERS:
        raise ParameterError(f"no backend is called {wanted!r}; there are {', '.join(_MAKERS)}")
    for candidate in [wanted] if wanted else _MAKERS:
        found = _load(candidate)
        if isinstance(found, Backend):
            return found
        if wanted:
            raise found
    raise BackendUnavailable("no curve library works here; reinstall py_ecc")


def available() -> list[tuple[str, bool, str]]:
    """Name, whether it works here, and why not, of every backend, fastest first."""
    report = []
    for name in _MAKERS:
        found = _load(name)
        report.append((name, True, "") if isinstance(found, Backend) else (name, False, str(found)))
    return report
