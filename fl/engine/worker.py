"""A process that trains groups of clients for its parent, which speaks to it over pipes.

It is a program of its own, not a fork: the parent has threads and native libraries that do not survive one, and a
script that starts training needs no guard around its main part. Both ends are this program, so what crosses the pipes
is pickled.
"""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from fl.engine.store import StoredWork
from fl.engine.work import Trained
from fl.models.base import Vector
from mpc.errors import EppmlError

__all__ = ["Task", "Worker", "WorkerLost"]

Task = tuple[Sequence[int], Vector, Mapping[int, Vector], int]
"""The arguments of `Work.train`."""

_TRIES = 3


class WorkerLost(EppmlError, RuntimeError):
    """A worker process died on the same clients again and again, as it does when memory is short."""


class Worker:
    """The parent's end: starts the process when there is work, and again when it has died."""

    def __init__(self, work: StoredWork) -> None:
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def train(self, task: Task) -> dict[int, Trained]:
        """`Work.train` in the process; what was lost with a process is computed again, to the same bits.

        Raises: WorkerLost; whatever training raised.
        """
        for _ in range(_TRIES):
            try:
                answer = self._exchange(task)
            except (EOFError, OSError, pickle.UnpicklingError):
                self.kill()
                if self._closed:
                    break
                continue
            if isinstance(answer, BaseException):
                raise answer
            trained: dict[int, Trained] = answer
            return trained
        raise WorkerLost(f"a worker process died {_TRIES} times while training clients {list(task[0])}")

    def _exchange(self, task: Task) -> Any:
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        pickle.dump(task, process.stdin, protocol=pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
        return pickle.load(process.stdout)

    def _start(self) -> "subprocess.Popen[bytes]":
        threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from fl.engine.worker import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **threads, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        if self._closed:
            raise OSError("closed while starting")
        assert self._process.stdin is not None
        pickle.dump(self._work, self._process.stdin)
        return self._process

    @property
    def pid(self) -> int | None:
        """The running process, for whoever watches it."""
        return self._process.pid if self._process else None

    def kill(self) -> None:
        """End the process; `train` starts another."""
        process, self._process = self._process, None
        if process:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                try:
                    pipe.close()  # type: ignore[union-attr]
                except OSError:  # what was not flushed has nobody to read it
                    pass

    def close(self) -> None:
        """End the process for good; a `train` that is under way raises."""
        self._closed = True
        self.kill()


def main() -> None:
    """Answer tasks until the parent closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act on
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not write into the answers
    import torch

    torch.set_num_threads(1)
    stored: StoredWork = pickle.load(sys.stdin.buffer)
    work = stored.open()
    while True:
        try:
            task: Task = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer: dict[int, Trained] | Exception = work.train(*task)
        except Exception as error:
            answer = error
        pickle.dump(answer, replies, protocol=pickle.HIGHEST_PROTOCOL)
        replies.flush()
