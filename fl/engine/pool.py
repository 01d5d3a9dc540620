"""The local engine: groups of clients trained here, in one process or several."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import torch

from fl.engine.store import store
from fl.engine.work import Trained, Work
from fl.engine.worker import Task, Worker
from fl.models.base import Vector
from mpc.errors import ParameterError

__all__ = ["LocalEngine"]


class LocalEngine:
    """Trains the clients of `work`; a context manager, because processes and temporary files end with it.

    The result has the same bits for every number of `processes`, each of one thread: two threads on small matrices wait
    for each other longer than they work. A process that dies is replaced and its clients are trained again.
    Raises: ParameterError for no process, several with a GPU, or a GPU that is not there.
    """

    def __init__(self, work: Work, processes: int = 1) -> None:
        if not 1 <= processes <= 1024:
            raise ParameterError(f"processes must be 1 to 1024, got {processes}")
        if processes > 1 and work.device != "cpu":
            raise ParameterError(f"{work.device} is driven by one process, not {processes}")
        if work.device != "cpu" and not torch.cuda.is_available():
            raise ParameterError(f"there is no {work.device} here: torch sees no GPU")
        self.work = work
        self.processes = processes
        self.workers: list[Worker] = []
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the processes and remove the files they share."""
        for worker in self.workers:
            worker.close()
        self._resources.close()
        self.workers = []

    def train(
        self, round: int, state: Vector, members: Sequence[int], memories: Mapping[int, Vector]
    ) -> dict[int, Trained]:
        """What each of `members` made of round `round`; by client, in ascending order.

        `memories` holds what clients remember; without an entry a client starts from zeros.
        Raises: WorkerLost when a process dies on the same clients again and again.
        """
        tasks: list[Task] = [
            (group, state, {client: memories[client] for client in group if client in memories}, round)
            for group in self.work.groups(members)
        ]
        done: dict[int, Trained] = {}
        # one group is not worth starting processes for
        alone = self.processes == 1 or len(tasks) == 1
        for trained in self._here(tasks) if alone else self._spread(tasks):
            done |= trained
        return {client: done[client] for client in sorted(done)}

    def _here(self, tasks: Sequence[Task]) -> Iterable[dict[int, Trained]]:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return [self.work.train(*task) for task in tasks]
        finally:
            torch.set_num_threads(threads)

    def _spread(self, tasks: Sequence[Task]) -> Iterable[dict[int, Trained]]:
        if not self.workers:
            directory = self._resources.enter_context(TemporaryDirectory(prefix="eppml-training-"))
            stored = store(self.work, Path(directory))
            self.workers = [Worker(stored) for _ in range(self.processes)]
        idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in self.workers:
            idle.put(worker)

        def train(task: Task) -> dict[int, Trained]:
            worker = idle.get()
            try:
                return worker.train(task)
            finally:
                idle.put(worker)

        with ThreadPoolExecutor(self.processes) as threads:
            futures = [threads.submit(train, task) for task in tasks]
            try:
                return [future.result() for future in futures]
            except BaseException:  # an error or Ctrl-C: nobody waits for the rest
                for future in futures:
                    future.cancel()
                self.close()
                raise
