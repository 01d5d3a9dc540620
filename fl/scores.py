"""What those who judge updates write down about a round, so that a client's score can be averaged over its rounds.

scores/0003.npz    round 3: each judge's numbers; one file a round, kept for as long as the run

    in the clear    the coordinator's: scores as smoothed up to that round
    under shares    each server's own shares of that round's scores (`fl.shared.screening` says how they are smoothed)

A round reads what is of earlier rounds only, and one that is repeated after a crash writes its file again: a killed run
goes on to the bit.

Leakage: the numbers are about single clients: one machine plays all servers and so holds all shares of a score, and the
    file is readable by its owner alone. Between machines each server keeps its own.
"""

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl.rundir import RunDirectory, RunDirectoryError

__all__ = ["Scored", "Scores"]


@dataclass(frozen=True, slots=True)
class Scored:
    """What one judge keeps of a round: whom it judged (clients count from 1) and its number for each.

    Shapes: values [.., clients], behind as many axes as a share has; float64 in the clear, uint64 on shares.
    """

    clients: tuple[int, ...]
    values: NDArray[Any] = field(repr=False)


class Scores:
    """All judges' notes of a run, by party. Nothing is kept unless `wanted`."""

    def __init__(self, directory: RunDirectory, wanted: bool) -> None:
        """Raises: RunDirectoryError when a finished round's file is missing or damaged."""
        self._directory, self._wanted = directory, wanted
        rounds = range(directory.rounds_done()) if wanted else ()
        self._rounds = {number: _read(directory, number) for number in rounds}

    def before(self, number: int, judge: int) -> dict[int, Scored]:
        """What `judge` wrote down about the rounds before `number`, by round; a round without a sum is not in it."""
        return {
            earlier: notes[judge]
            for earlier, notes in self._rounds.items()
            if earlier < number and judge in notes
        }

    def keep(self, number: int, notes: Mapping[int, Scored]) -> None:
        """Write what the judges have of round `number`."""
        if not self._wanted:
            return
        self._rounds[number] = dict(notes)
        arrays: dict[str, Any] = {}
        for judge, scored in notes.items():
            arrays[f"clients.{judge}"] = np.array(scored.clients, dtype=np.int64)
            arrays[f"values.{judge}"] = scored.values
        packed = io.BytesIO()
        np.savez(packed, **arrays)
        self._directory.path.joinpath("scores").mkdir(exist_ok=True)
        self._directory.write(_file(number), packed.getvalue(), private=True)


def _read(directory: RunDirectory, number: int) -> dict[int, Scored]:
    name = _file(number)
    notes: dict[int, Scored] = {}
    try:
        with np.load(io.BytesIO(directory.read(name)), allow_pickle=False) as stored:
            for key in stored.files:
                kind, _, judge = key.partition(".")
                if kind != "clients":
                    continue
                clients, values = stored[key], stored[f"values.{judge}"]
                if clients.ndim != 1 or clients.dtype != np.int64 or values.shape[-1:] != clients.shape:
                    raise ValueError("its arrays do not belong together")
                if values.dtype not in (np.float64, np.uint64):
                    raise ValueError(f"scores are not of the type {values.dtype}")
                notes[int(judge)] = Scored(tuple(clients.tolist()), values)
    except (ValueError, KeyError, OSError, zipfile.BadZipFile) as error:
        raise RunDirectoryError(f"{directory.path / name} is damaged: {error}") from error
    return notes


def _file(number: int) -> str:
    return f"scores/{number:04d}.npz"
