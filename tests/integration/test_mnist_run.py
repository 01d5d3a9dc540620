"""The MNIST run of the README with everything on; the data is never part of the project."""

import json
import os
from pathlib import Path

import pytest

from fl.audit import audit_run
from fl.cli import main

DATA = os.environ.get("EPPML_MNIST", "")
LEAST_ACCURACY = 0.85


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not DATA, reason="EPPML_MNIST names no folder with the MNIST files")
def test_twenty_clients_and_five_rounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "mnist"
    options = ["--clients", "20", "--rounds", "5", "--cheat", "oversize=1,swap=1", "--drop", "0.02"]
    assert main(["run", "mnist", *options, "--data", DATA, "--out", str(out), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["rounds"][-1]["accuracy"] > LEAST_ACCURACY
    assert {r["reason"] for r in summary["rounds"][0]["rejected"]} == {"proof", "mismatch"}
    assert audit_run(out).passed
