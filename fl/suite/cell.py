"""One cell of the suite: what is measured, how long it should take, and what came out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fl.plan import Proofs
from fl.progress import Display

__all__ = ["GROUPS", "Cell", "Conditions", "Result", "Row"]

Row = dict[str, Any]

GROUPS = {
    "accuracy": "Accuracy",
    "privacy": "Differential privacy",
    "robustness": "Robustness",
    "leakage": "What an observer reconstructs",
    "cost": "Cost",
    "participation": "Who takes part",
}


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all cells of one suite share.

    `data` holds the data sets or is None for the cache; `work` is where a cell may keep runs; `processes` train.
    """

    seed: int
    work: Path
    data: Path | None = None
    processes: int = 1
    proofs: Proofs = field(default_factory=lambda: Proofs("none"))
    allow_unverified: bool = False


@dataclass(frozen=True, slots=True)
class Result:
    """What a cell measured: `rows` for tables, `curves` (a value a round) and `pictures` (SVG) for figures."""

    rows: Sequence[Row]
    curves: Mapping[str, Sequence[float]] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"rows": list(self.rows), "curves": dict(self.curves), "pictures": dict(self.pictures)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Result":
        return cls(values["rows"], values["curves"], values["pictures"])


@dataclass(frozen=True, slots=True)
class Cell:
    """`measure` does the work; `seconds` is what it took on two cores, for the time left and nothing else."""

    key: str
    title: str
    group: str
    seconds: float
    measure: Callable[[Conditions, Display], Result] = field(repr=False)
