"""SIGKILL at twenty random moments, `--resume` after each: the same final model, and nothing committed twice."""

import json
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter

import pytest

from chain_adapter import Chain
from chain_adapter.events import (
    AggregateRecorded,
    ClientRejected,
    PlanRegistered,
    RewardClaimed,
    RoundCommitted,
)
from fl.audit import audit_run

KILLS = 20
COMMAND = [sys.executable, "-m", "fl.cli", "run", "digits", "--json", "--clients", "10", "--rounds", "4"]
CONDITIONS = ["--cheat", "oversize=1,swap=1", "--drop", "0.05"]
LONGEST_S = 120.0


def run(path: Path, *options: str, kill_after_s: float | None = None) -> int:
    command = [*COMMAND, *options, "--out", str(path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            _, complaints = process.communicate(timeout=LONGEST_S if kill_after_s is None else kill_after_s)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            return -signal.SIGKILL
    assert process.returncode == 0, complaints.decode()
    return process.returncode


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    begin = perf_counter()
    run(undisturbed, *CONDITIONS)
    whole_run_s = perf_counter() - begin
    rng = random.Random(7)
    kills = finished_early = 0
    seen: set[int] = set()
    while kills < KILLS:
        # anywhere from the imports to the last writes
        delay = rng.uniform(0.1, 1.0) * whole_run_s
        if run(disturbed, *CONDITIONS, "--resume", kill_after_s=delay) == 0:
            # it finished before the moment came: start over, the kills so far count
            finished_early += 1
            assert (disturbed / "model.safetensors").read_bytes() == (
                undisturbed / "model.safetensors"
            ).read_bytes()
            disturbed = tmp_path / f"disturbed-{finished_early}"
            continue
        kills += 1
        seen.add(len(list((disturbed / "rounds").glob("*.json"))) if disturbed.exists() else 0)
    run(disturbed, *CONDITIONS, "--resume")
    assert len(seen) >= 2, "the kills all fell into the same round"
    assert (disturbed / "model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes()
    assert audit_run(disturbed).passed
    with Chain.embedded(disturbed / "chain.sqlite") as chain:
        events = list(chain.attach(json.loads((disturbed / "deployment.json").read_text())).events())
    acts = Counter(
        (type(e).__name__, getattr(e, "round", None), getattr(e, "client", None))
        for e in events
        if isinstance(e, PlanRegistered | RoundCommitted | AggregateRecorded | ClientRejected | RewardClaimed)
    )
    assert set(acts.values()) == {1}
    assert [name for name, _, _ in acts].count("RoundCommitted") == 4
