"""Gas from receipts of a real node stays within 2 % of the snapshot and below its goals."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def gas_table(monkeypatch: pytest.MonkeyPatch) -> object:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import gas_table

    return gas_table


@pytest.mark.anvil
def test_nothing_costs_more_than_the_snapshot_says(programs: None) -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "gas_table.py", "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


def test_a_rise_of_more_than_two_percent_is_a_complaint(gas_table: object) -> None:
    compare, goals = gas_table.compare, gas_table.GOALS  # type: ignore[attr-defined]
    snapshot = json.loads(gas_table.SNAPSHOT.read_text())  # type: ignore[attr-defined]
    assert compare(snapshot, snapshot) == []
    name = "Rounds.reject"
    assert compare(snapshot | {name: snapshot[name] * 102 // 100}, snapshot) == []
    (complaint,) = compare(snapshot | {name: snapshot[name] * 103 // 100}, snapshot)
    assert complaint.startswith(name)
    assert any("not in the snapshot" in c for c in compare(snapshot | {"new": 1}, snapshot))
    assert any("not measured" in c for c in compare({}, {name: 1}))
    for goal, most in goals.items():
        raised = snapshot | {goal: most + 1}
        assert any("the goal is" in c for c in compare(raised, raised)), goal


def test_the_documentation_shows_the_snapshot(gas_table: object) -> None:
    stale, page = gas_table.page_is_stale, gas_table.PAGE.read_text()  # type: ignore[attr-defined]
    snapshot = json.loads(gas_table.SNAPSHOT.read_text())  # type: ignore[attr-defined]
    assert not stale(page, snapshot)
    assert stale(page, snapshot | {"Rounds.reject": 1})
