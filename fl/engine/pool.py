"""The local engine: groups of clients trained here, in one process or several."""

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import torch

from fl.engine.work import Trained, Work
from fl.models.base import Vector

__all__ = ["LocalEngine"]


class LocalEngine:
    """Trains the clients of `work`; a context manager, because processes end with it.

    The result has the same bits for every number of `processes`.
    """

    def __init__(self, work: Work, processes: int = 1) -> None:
        self.work = work
        self.processes = processes

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
        """End the processes, if there are any."""

    def train(
        self, round: int, state: Vector, members: Sequence[int], memories: Mapping[int, Vector]
    ) -> dict[int, Trained]:
        """What each of `members` made of round `round`; by client, in ascending order."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            done: dict[int, Trained] = {}
            for group in self.work.groups(members):
                done |= self.work.train(group, state, memories, round)
        finally:
            torch.set_num_threads(threads)
        return {client: done[client] for client in sorted(done)}
