"""Experiments as cells: each gives rows of numbers, with the sizes that its suite has time for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from fl import data
from fl.plan import Partition
from fl.progress import Display
from fl.suite.cell import Cell, Conditions, Result, Row
from fl.suite.runs import audited_run, run_row
from mpc.json_text import read_json

__all__ = [
    "churn_cell",
    "client_privacy_cell",
    "incentives_cell",
    "leakage_cell",
    "record_run_cell",
    "robustness_cell",
    "scale_cell",
    "trust_cell",
]

_PARTITIONS = (Partition("dirichlet"), Partition("shards"))


@dataclass(frozen=True, slots=True)
class _Played:
    """`seeds` are for rules that judge clients; of the others only the model's accuracy is told, by the first seed."""

    rules: Sequence[str]
    attacks: Sequence[str]
    seeds: int


_ATTACKS = ("none", "sign-flip", "label-flip", "gaussian", "scaling", "alie", "min-max", "ipm", "adaptive")
_ALL_ATTACKS = (*_ATTACKS, "backdoor", "free-rider")
_OTHER_RULES = (
    "norm-bound",
    "clipping",
    "median",
    "trimmed-mean",
    "krum",
    "multi-krum",
    "fltrust",
    "cone-round",
)
_PLAYED = {
    "smoke": _Played(("mean", "cone"), ("none", "sign-flip", "label-flip"), 1),
    "cone": _Played(("mean", "cone"), _ALL_ATTACKS, 5),
    "others": _Played(_OTHER_RULES, _ALL_ATTACKS, 1),
    "deep": _Played(("mean", "cone"), _ATTACKS, 5),
}


def robustness_cell(key: str, dataset: str, size: str, seconds: float) -> Cell:
    """Rules against attacks; `size` is smoke, cone (five seeds), others (one) or deep (LeNet, five)."""

    def measure(conditions: Conditions, display: Display) -> Result:
        from fl.suite.robustness import CASES, DEEP, LINEAR, SMOKE, robustness

        played = _PLAYED[size]
        setting = {"smoke": SMOKE, "deep": DEEP}.get(size, LINEAR)
        settings = [replace(setting, partition=partition) for partition in _PARTITIONS]
        rows: list[Row] = []
        curves: dict[str, list[float]] = {}
        records = data.load(dataset, conditions.data)
        processes = 1 if size == "smoke" else conditions.processes
        for rule in played.rules:
            seeds = range(conditions.seed, conditions.seed + (played.seeds if CASES[rule].judges else 1))
            display.stage(f"{key}: {rule}")
            for row, curve in robustness(settings, [rule], played.attacks, seeds, records, processes):
                display.stage(f"{key}: {row['rule']} against {row['attack']}")
                rows.append(row)
                if (
                    row["rule"] == "cone"
                    and row["seed"] == conditions.seed
                    and row["partition"] == "dirichlet"
                ):
                    curves[f"cone against {row['attack']}, {row['model']}"] = curve
        return Result(rows, curves)

    return Cell(key, f"{dataset}: rules against attacks ({size})", "robustness", seconds, measure)


def leakage_cell(key: str, dataset: str, size: str, seconds: float) -> Cell:
    """Gradient inversion and membership inference; `size` is smoke or full."""

    def measure(conditions: Conditions, display: Display) -> Result:
        from fl.suite.leakage import FULL, SMOKE, leakage

        def say(text: str) -> None:
            display.stage(f"{key}: {text}")

        records = data.load(dataset, conditions.data)
        rows, picture = leakage(records, SMOKE if size == "smoke" else FULL, conditions.seed, say)
        return Result(rows, {}, {"Hidden and reconstructed": picture})

    return Cell(key, f"{dataset}: what is reconstructed, and who is recognised", "leakage", seconds, measure)


def incentives_cell(key: str, size: str, seconds: float) -> Cell:
    """Reward rules on digits, measured, and who takes part under them, simulated; `size` is smoke or full."""

    def measure(conditions: Conditions, display: Display) -> Result:
        from fl.suite.incentives import FULL, SMOKE, incentives

        display.stage(f"{key}: reward rules")
        records = data.load("digits")
        return Result(incentives(records, SMOKE if size == "smoke" else FULL, conditions.seed))

    return Cell(key, "digits: rewards, and a simulation of participation", "participation", seconds, measure)


def scale_cell(key: str, clients: int, dataset: str, seconds: float) -> Cell:
    """One round of many clients in a hierarchical secure aggregation."""

    def measure(conditions: Conditions, display: Display) -> Result:
        from fl.suite.scale import scale_rows

        rows = scale_rows(
            clients=clients,
            dataset=dataset,
            directory=conditions.data,
            processes=conditions.processes,
            seed=conditions.seed,
            note=lambda text: display.stage(f"{key}: {text}"),
        )
        return Result(rows)

    return Cell(key, f"{dataset}: {clients:,} clients in one round", "participation", seconds, measure)


def churn_cell(
    key: str,
    source: str,
    overrides: Mapping[str, Any],
    rates: Sequence[float],
    seconds: float,
) -> Cell:
    """Accuracy while members leave and come back: an audited run for each chance of leaving."""

    def measure(conditions: Conditions, display: Display) -> Result:
        rows: list[Row] = []
        curves: dict[str, list[float]] = {}
        for rate in rates:
            name = f"churn {rate:g}"
            asked = {**overrides, "participation.churn": rate}
            summary, passed = audited_run(f"{key}-{rate:g}", source, asked, conditions, display)
            records = [played["record"] for played in summary.rounds]
            curves[name] = [record["accuracy"] for record in records]
            present = [sum(c["status"] != "absent" for c in record["clients"]) for record in records]
            rows.append(
                {
                    "what": name,
                    "accuracy": curves[name][-1],
                    "members_on_average": round(sum(present) / len(present), 1),
                    "epochs": len({record["epoch"] for record in records}),
                    "rounds": len(records),
                    "audit": "passed" if passed else "FAILED",
                }
            )
        return Result(rows, curves)

    return Cell(key, f"{source}: members who leave and come back", "participation", seconds, measure)


def trust_cell(key: str) -> Cell:
    """Whom one must trust for what, by aggregation mode: not measured, but what the code assumes, in one place."""

    def measure(conditions: Conditions, display: Display) -> Result:
        from fl.shared.screening import TRUST

        return Result(
            [
                {
                    "for": "that nobody sees an update, secagg",
                    "trust": "nobody alone: coordinator and the plan's fraction of corrupt clients together see sums",
                },
                {
                    "for": "that nobody sees an update, paillier",
                    "trust": "fewer than the needed number of committee members collude",
                },
                {"for": "that nobody sees an update, shares of three", "trust": TRUST["cone", 3].lower()},
                {"for": "that the sum is of the committed updates", "trust": "nobody: anybody checks"},
                {
                    "for": "that proven updates are within their bounds",
                    "trust": "whoever ran the setup, or one contributor of a ceremony",
                },
                {"for": "that data is honest", "trust": "every client, up to what a robust rule finds"},
            ]
        )

    return Cell(key, "Whom one must trust", "participation", 0.1, measure)


def record_run_cell(key: str, dataset: str, epsilon: float, rounds: int, seconds: float) -> Cell:
    """An audited run with record-level privacy: noise shares under secure aggregation, budgets, the auditor's epsilon."""

    def measure(conditions: Conditions, display: Display) -> Result:
        from fl.suite.privacy import record_terms

        overrides = dict(_dotted(record_terms(dataset, epsilon, conditions.seed))) | {"rounds": rounds}
        summary, passed = audited_run(key, "mnist", overrides, conditions, display)
        receipt = read_json((summary.directory / "receipt.json").read_bytes(), max_bytes=1 << 24)
        promised = receipt["privacy"]
        row = run_row(f"{dataset}, records protected", summary, passed)
        row |= {name: promised[name] for name in ("epsilon", "delta", "unit", "neighbours", "trust")}
        return Result([row], {row["what"]: [r["record"]["accuracy"] for r in summary.rounds]})

    return Cell(key, f"{dataset}: record-level privacy, a whole run", "privacy", seconds, measure)


def _dotted(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A nested table as the dotted keys that lay it over a plan."""
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _dotted(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def client_privacy_cell(key: str, dataset: str, seconds: float) -> Cell:
    """Whole clients protected: accuracy against epsilon for 100 and for 1,000 clients, as it comes."""

    def measure(conditions: Conditions, display: Display) -> Result:
        from fl.suite.privacy import HUNDRED, ROUNDS, THOUSAND, client_curve

        rows: list[Row] = []
        curves: dict[str, list[float]] = {}
        # the longest first, so that no process is left alone with it
        settings = (*THOUSAND, *HUNDRED)
        display.stage(f"{key}: {len(settings)} trainings of {ROUNDS} rounds")
        for one in client_curve(dataset, settings, conditions.seed, conditions.data, conditions.processes):
            name = f"{one.row['clients']} clients, epsilon {one.row['epsilon']:.3g}"
            display.stage(f"{key}: {name}")
            rows.append(one.row)
            curves[name] = one.curve
        rows.sort(key=lambda row: (row["clients"], row["epsilon"]))
        return Result(rows, curves)

    return Cell(key, f"{dataset}: client-level privacy", "privacy", seconds, measure)
