"""Import what the extra `eppml[chain]` brings, at first use, with one sentence when it is not there."""

from importlib import import_module
from typing import Any

from mpc.errors import ParameterError

__all__ = ["require"]


def require(module: str) -> Any:
    """The module named, or a ParameterError that says which extra installs it.

    Raises: ParameterError when the module is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ParameterError(
            f"this needs the Python module {module!r}, which `pip install 'eppml[chain]'` brings ({error})"
        ) from error
