"""What clients remember between rounds (control variates, residuals), kept so that a killed run goes on to the bit.

memory/0003.npz    what every client remembered when round 3 began; the file before it stays until the next is written

It is private to the clients: one machine plays them all, so the file is readable by its owner alone.
"""

import io
import zipfile
from collections.abc import Mapping

import numpy as np

from fl.models import Vector
from fl.rundir import RunDirectory, RunDirectoryError

__all__ = ["Memories"]


class Memories:
    """The clients' memories at the start of a round. `size` is the length of one; nothing is kept where it is 0."""

    def __init__(self, directory: RunDirectory, size: int) -> None:
        self._directory, self._size = directory, size

    def before(self, number: int) -> dict[int, Vector]:
        """By client; those who never trained are not in it. Raises: RunDirectoryError when the file is damaged."""
        if not self._size or number == 0:
            return {}
        name = _file(number)
        try:
            with np.load(io.BytesIO(self._directory.read(name)), allow_pickle=False) as stored:
                clients, values = stored["clients"], stored["values"]
                if values.shape != (len(clients), self._size) or values.dtype != np.float32:
                    raise ValueError("its arrays have other shapes than the plan's")
                return {int(client): row for client, row in zip(clients, values, strict=True)}
        except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
            raise RunDirectoryError(f"{self._directory.path / name} is damaged: {error}") from error

    def keep(self, number: int, memories: Mapping[int, Vector]) -> None:
        """Write what is remembered when round `number` begins, and drop what only older rounds needed."""
        if not self._size:
            return
        self._directory.path.joinpath("memory").mkdir(exist_ok=True)
        clients = sorted(memories)
        values = np.array([memories[client] for client in clients], dtype=np.float32)
        packed = io.BytesIO()
        np.savez(
            packed, clients=np.array(clients, dtype=np.int64), values=values.reshape(len(clients), self._size)
        )
        self._directory.write(_file(number), packed.getvalue(), private=True)
        if number >= 2:
            (self._directory.path / _file(number - 2)).unlink(missing_ok=True)


def _file(number: int) -> str:
    return f"memory/{number:04d}.npz"
