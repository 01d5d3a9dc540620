"""SIGKILL at random moments: nothing is lost, nothing is doubled, nothing is half-written."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from chain_kill_worker import PAYER, TARGET

from chain_adapter import Chain
from chain_adapter.errors import LedgerInUse

WORKER = Path(__file__).with_name("chain_kill_worker.py")
ROOT = Path(__file__).parents[2]
KEYS = 60


def start(place: Path | str, outbox: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, str(WORKER), str(place), str(outbox), str(KEYS)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )


def run_and_kill(place: Path | str, outbox: Path, after: int) -> list[str]:
    """Start the worker, kill it once it has answered `after` times more, return its answers."""
    worker = start(place, outbox)
    assert worker.stdout is not None
    lines = []
    for line in worker.stdout:
        lines.append(line.strip())
        if len(lines) > after:
            worker.send_signal(signal.SIGKILL)
            break
    lines += [line.strip() for line in worker.stdout]
    worker.wait(timeout=60)
    worker.stdout.close()
    return lines


def test_a_killed_sender_on_the_embedded_ledger_neither_loses_nor_doubles(tmp_path: Path) -> None:
    ledger, outbox = tmp_path / "ledger.sqlite", tmp_path / "outbox.sqlite"
    with Chain.embedded(ledger) as chain:
        chain.fund(PAYER.address, 10**18)
    moments = random.Random(6)
    answered: set[int] = set()
    for _kill in range(5):
        lines = run_and_kill(ledger, outbox, moments.randrange(KEYS // 2))
        answered |= {int(line) for line in lines if line.isdigit()}
        with Chain.embedded(ledger) as chain:
            assert chain.balance(TARGET) >= len(answered)
    assert run_and_kill(ledger, outbox, 10 * KEYS)[-1] == "done"
    with Chain.embedded(ledger) as chain:
        assert chain.balance(TARGET) == KEYS
        assert chain.head()[0] == KEYS + 1


def test_a_ledger_file_has_one_user_at_a_time(tmp_path: Path) -> None:
    with Chain.embedded(tmp_path / "ledger.sqlite"):
        with pytest.raises(LedgerInUse, match="open in another process"):
            Chain.embedded(tmp_path / "ledger.sqlite")
    Chain.embedded(tmp_path / "ledger.sqlite").close()
