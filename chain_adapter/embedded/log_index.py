"""All logs of an embedded chain, found by a topic without looking at every block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chain_adapter.embedded.machine import Log

if TYPE_CHECKING:
    from chain_adapter.embedded.ledger import Executed

__all__ = ["LogIndex", "PlacedLog"]


@dataclass(frozen=True, slots=True)
class PlacedLog:
    """A log, the transaction that wrote it, the transaction's index and the log's position in the block."""

    log: Log
    executed: "Executed"
    index: int
    position: int


class LogIndex:
    """Logs in the order they were written, and for each (place, topic) the logs that have it there."""

    def __init__(self) -> None:
        self._all: list[PlacedLog] = []
        self._by_topic: dict[tuple[int, bytes], list[PlacedLog]] = {}

    def add(self, executed: Sequence["Executed"]) -> None:
        """Append the logs of one block."""
        position = 0
        for index, entry in enumerate(executed):
            for log in entry.outcome.logs:
                placed = PlacedLog(log, entry, index, position)
                self._all.append(placed)
                for place, topic in enumerate(log.topics):
                    self._by_topic.setdefault((place, topic), []).append(placed)
                position += 1

    def candidates(self, topics: Sequence[set[bytes] | None]) -> list[PlacedLog]:
        """The shortest list known to hold every log with these topics; the caller still compares."""
        lists = [self._all]
        for place, wanted in enumerate(topics):
            if wanted is not None and len(wanted) == 1:
                lists.append(self._by_topic.get((place, next(iter(wanted))), []))
        return min(lists, key=len)
