"""What an audit looked at and what did not hold."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from chain_adapter import BlockCorrupt, BlockMissing
from fl.rundir import RunDirectoryError
from mpc.errors import DecodeError, ParameterError, ProtocolError

__all__ = ["Audit", "Failure"]

ASPECTS = ("updates", "proofs", "root", "sum", "model", "rewards", "files")


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that does not hold: in which round, about which client (None: not about one), and what."""

    aspect: str
    what: str
    round: int | None = None
    client: int | None = None

    def __str__(self) -> str:
        where = ["the plan" if self.round is None else f"round {self.round}"]
        if self.client is not None:
            where.append(f"client {self.client}")
        return f"{', '.join(where)}: {self.what}"


@dataclass
class Audit:
    """What was looked at and what did not hold; `counts[round][aspect]` says how many things were checked.

    `subjects` names what was audited: a person has to compare it with what they were told, because whoever made up a
    whole ledger made up one that holds.
    """

    rounds_planned: int = 0
    subjects: list[str] = field(default_factory=list)
    counts: dict[int, dict[str, int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    plans: set[str] = field(default_factory=set)
    """Hashes of the audited plans."""
    sizes: set[int] = field(default_factory=set)
    """How many parameters their models have."""
    recorded: list[tuple[int, str, str]] = field(default_factory=list)
    """Round, CID of its record and of its model, as the ledger has them."""

    @property
    def passed(self) -> bool:
        return not self.failures

    def count(self, number: int, aspect: str, amount: int = 1) -> None:
        row = self.counts.setdefault(number, {})
        row[aspect] = row.get(aspect, 0) + amount

    def fail(self, aspect: str, what: str, number: int | None = None, client: int | None = None) -> None:
        self.failures.append(Failure(aspect, what, number, client))

    def require(
        self, holds: bool, aspect: str, what: str, number: int | None = None, client: int | None = None
    ) -> None:
        if number is not None:
            self.count(number, aspect)
        if not holds:
            self.fail(aspect, what, number, client)

    @contextmanager
    def guarded(self, aspect: str, number: int | None, client: int | None, what: str) -> Iterator[None]:
        """Turn damage met inside into a failure, so that the audit goes on with the rest."""
        try:
            yield
        except (
            BlockCorrupt,
            BlockMissing,
            DecodeError,
            ParameterError,
            ProtocolError,
            RunDirectoryError,
        ) as error:
            self.fail(aspect, f"{what}: {error}", number, client)

    def as_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "subjects": self.subjects,
            "rounds": {str(number): row for number, row in sorted(self.counts.items())},
            "rounds_planned": self.rounds_planned,
            "failures": [asdict(failure) | {"text": str(failure)} for failure in self.failures],
        }

    def print(self, console: Console) -> None:
        table = Table(title="what was checked", title_justify="left")
        table.add_column("round", justify="right")
        for aspect in ASPECTS:
            table.add_column(aspect, justify="right")
        bad = {(failure.round, failure.aspect) for failure in self.failures}
        for number, row in sorted(self.counts.items()):
            cells = ["FAILED" if (number, a) in bad else f"{row[a]} ok" if a in row else "-" for a in ASPECTS]
            table.add_row(str(number), *cells)
        console.print(table)
        for subject in self.subjects:
            console.print(subject, highlight=False, markup=False, soft_wrap=True)
        for failure in self.failures:
            console.print(f"FAILED  {failure}", highlight=False, markup=False, soft_wrap=True)
        done = len(self.counts)
        if done < self.rounds_planned:
            console.print(f"{done} of {self.rounds_planned} planned rounds are on the ledger")
        console.print("everything holds" if self.passed else f"{len(self.failures)} checks failed")
