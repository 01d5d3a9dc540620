"""`--engine local|ray`: what the name stands for."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from secrets import token_hex
from typing import TYPE_CHECKING

from fl.scale.executor import Executor, LocalExecutor
from mpc.errors import ParameterError

if TYPE_CHECKING:  # both are heavy, and Ray is an extra
    from fl.engine import LocalEngine, Work
    from fl.scale.ray_engine import RayEngine

__all__ = ["ENGINES", "open_engine", "open_executor"]

ENGINES = ("local", "ray")


def _check(name: str) -> None:
    if name not in ENGINES:
        raise ParameterError(f"engine must be one of {', '.join(ENGINES)}, not {name!r}")
    if name == "ray" and find_spec("ray") is None:
        raise ParameterError("--engine ray needs Ray, which is not installed: pip install 'eppml[ray]'")


@contextmanager
def open_engine(
    name: str, work: "Work", *, processes: int = 1, address: str = ""
) -> "Iterator[LocalEngine | RayEngine]":
    """Whoever trains clients: `processes` of this machine, or tasks of Ray, here or on the cluster at `address`.

    Raises: ParameterError for an unknown name, or without the extra `ray`.
    """
    _check(name)
    if name == "local":
        from fl.engine import LocalEngine

        with LocalEngine(work, processes) as engine:
            yield engine
        return
    from fl.scale.ray_engine import RayEngine, connected

    with connected(address, cpus=processes), RayEngine(work) as engine:
        yield engine


@contextmanager
def open_executor(name: str, *, processes: int = 0, address: str = "") -> Iterator[Executor]:
    """Where actors run: threads and `processes` processes of this machine, or Ray, here or at `address`.

    Raises: ParameterError for an unknown name, or without the extra `ray`.
    """
    _check(name)
    if name == "local":
        with LocalExecutor(processes) as local:
            yield local
        return
    from fl.scale.ray_engine import RayExecutor, connected

    with connected(address, cpus=processes or None), RayExecutor(token_hex(8)) as remote:
        yield remote
