"""Progress of long work on standard error, with the time left."""

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

__all__ = ["Display", "RunDisplay", "StageDisplay"]


class Display(Protocol):
    """What long work tells a watching person."""

    def note(self, text: str) -> None: ...
    def begin(self, total: int, done: int) -> None: ...
    def stage(self, text: str) -> None: ...
    def advance(self, steps: int = 1) -> None: ...


class RunDisplay:
    """What a run tells a watching person: notes, and one bar over all clients of all rounds."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            disable=quiet,
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def note(self, text: str) -> None:
        """A line that stays."""
        if not self._quiet:
            self._console.print(text, highlight=False, markup=False)

    def begin(self, total: int, done: int) -> None:
        """The work is `total` client updates, `done` of which exist already."""
        self._progress.reset(self._task, total=total, completed=done, description="training")

    def stage(self, text: str) -> None:
        """What is being done right now."""
        self._progress.update(self._task, description=text)

    def advance(self, steps: int = 1) -> None:
        self._progress.advance(self._task, steps)


class StageDisplay:
    """A run inside longer work: its stages and its share done become the stage of the work around it."""

    def __init__(self, outer: Display, name: str) -> None:
        self._outer, self._name = outer, name
        self._total, self._done = 0, 0

    def note(self, text: str) -> None:
        self._outer.note(f"{self._name}: {text}")

    def begin(self, total: int, done: int) -> None:
        self._total, self._done = total, done

    def stage(self, text: str) -> None:
        share = f" {100 * self._done // self._total} %" if self._total else ""
        self._outer.stage(f"{self._name}{share}: {text}")

    def advance(self, steps: int = 1) -> None:
        self._done += steps
