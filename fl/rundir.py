"""The directory of a run: who may use it, and files that are whole or absent.

run.json          what was asked for: terms, cheaters, dropouts, chain, data
secrets.json      the root secrets of the simulated members and of the coordinator (mode 600)
plan.json         the plan as registered, deployment.json the contracts' manifest
chain.sqlite      the embedded ledger's log         blocks/      the block store
rounds/0000.json  one record a round, with times and costs
scores/0000.npz   what those who judge updates remember of a round (`fl.scores`; mode 600)
receipt.json      what really ran     model.safetensors, report.html
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mpc.errors import DecodeError, EppmlError, ParameterError
from mpc.json_text import read_json

__all__ = ["RunDirectory", "RunDirectoryError"]


_MAX_JSON = 256 << 20


class RunDirectoryError(EppmlError):
    """The directory cannot be used: it is another run's, in use, damaged or full."""


class RunDirectory:
    """A run's files. Writing is atomic: to a temporary name, flushed to disk, then renamed."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def blocks(self) -> Path:
        return self.path / "blocks"

    @property
    def chain_log(self) -> Path:
        return self.path / "chain.sqlite"

    def create(self) -> None:
        """Make the directories. Raises: RunDirectoryError when that is impossible."""
        try:
            (self.path / "rounds").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunDirectoryError(f"cannot create {self.path}: {error.strerror}") from error

    def exists(self) -> bool:
        return (self.path / "run.json").is_file()

    def write(self, name: str, data: bytes, *, private: bool = False) -> None:
        """Replace the file `name` as one step, or leave it as it was."""
        target = self.path / name
        partial = target.with_name(f".{target.name}.partial")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o644)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise RunDirectoryError(f"cannot write {target}: {error.strerror}") from error

    def write_json(self, name: str, value: Any, *, private: bool = False) -> None:
        self.write(name, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n", private=private)

    def read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise RunDirectoryError(f"{self.path} is not a complete run: {name} cannot be read") from error

    def read_json(self, name: str) -> Any:
        try:
            return read_json(self.read(name), max_bytes=_MAX_JSON)
        except DecodeError as error:
            raise RunDirectoryError(f"{self.path / name} is damaged: {error}") from error

    def round_file(self, number: int) -> str:
        return f"rounds/{number:04d}.json"

    def rounds_done(self) -> int:
        """How many rounds are complete: their files are consecutive from 0."""
        number = 0
        while (self.path / self.round_file(number)).is_file():
            number += 1
        return number

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory for this process; a killed process lets go by itself."""
        if sys.platform == "win32":  # no advisory locks there; the ledger's own database lock still holds
            yield
            return
        import fcntl

        with (self.path / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise RunDirectoryError(f"{self.path} is in use by another process") from error
            yield


def free_directory(parent: Path, name: str) -> Path:
    """`parent/name`, or with the first number behind it that is not taken."""
    for number in range(1, 10_000):
        candidate = parent / (name if number == 1 else f"{name}-{number}")
        if not candidate.exists():
            return candidate
    raise ParameterError(f"{parent} already holds ten thousand runs called {name}")
