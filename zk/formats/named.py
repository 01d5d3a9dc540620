"""Errors that say which field of a file was wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

from mpc.errors import DecodeError

__all__ = ["named"]


@contextmanager
def named(what: str) -> Iterator[None]:
    """Put `what` in front of the message of a DecodeError raised inside."""
    try:
        yield
    except DecodeError as error:
        raise DecodeError(f"{what}: {error}") from None
