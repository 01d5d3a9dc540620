"""The Solidity tests: attacks, and at least 10,000 runs of each fuzz and invariant test."""

import subprocess
import sys
from pathlib import Path

import pytest
import trapdoor

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.solc
@pytest.mark.timeout(3600)
def test_ten_thousand_runs_of_every_promise(programs: None) -> None:
    command = [sys.executable, ROOT / "scripts" / "forge_tests.py", "--runs", "10000"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-8000:] + run.stderr[-2000:]
    ran = [line for line in run.stdout.splitlines() if "(runs: 1" in line]
    assert len(ran) == 9 and all("(runs: 10000" in line for line in ran), run.stdout[-8000:]


def test_the_points_of_the_test_key_are_those_of_its_secrets() -> None:
    assert trapdoor.TARGET.read_text() == trapdoor.source()
