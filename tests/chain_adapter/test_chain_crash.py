"""SIGKILL at random moments: nothing is lost, nothing is doubled, nothing is half-written."""

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from chain_kill_worker import PAYER, TARGET
from chain_support import acts

from chain_adapter import Chain
from chain_adapter.errors import LedgerCorrupt, LedgerInUse
from chain_adapter.interface import installed

WORKER = Path(__file__).with_name("chain_kill_worker.py")
ROOT = Path(__file__).parents[2]
KEYS = 60


def start(place: Path | str, outbox: Path, task: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(WORKER), str(place), str(outbox), task]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
    )


def run_and_kill(place: Path | str, outbox: Path, after: int, task: str = str(KEYS)) -> list[str]:
    """Start the worker, kill it once it has answered `after` times more, return its answers."""
    worker = start(place, outbox, task)
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


def test_a_plan_whose_process_is_killed_at_random_moments_is_written_once(tmp_path: Path) -> None:
    """Killed by the clock and not after an answer: between signing, noting, sending, mining and noting again."""
    ledger, outbox = tmp_path / "ledger.sqlite", tmp_path / "outbox.sqlite"
    with Chain.embedded(ledger) as chain:
        chain.fund(PAYER.address, 10**18)
    moments = random.Random(7)
    for _kill in range(6):
        worker = start(ledger, outbox, "plan")
        assert worker.stdout is not None and worker.stdout.readline() == "ready\n"
        timer = threading.Timer(moments.uniform(0, 0.25), worker.kill)
        timer.start()
        worker.wait(timeout=60)
        timer.cancel()
        worker.stdout.close()
    lines = run_and_kill(ledger, outbox, 1000, "plan")
    assert lines[-1] == "done"
    with Chain.embedded(ledger, outbox=outbox) as chain:
        deployment = chain.deploy(PAYER)
        counts = Counter(type(event).__name__ for event in deployment.events())
        assert counts == {
            "PlanRegistered": 1, "MembersPublished": 1, "RoundCommitted": 1, "ClientRejected": 1,
            "AggregateRecorded": 1, "RewardClaimed": 4,
        }  # fmt: skip
        assert chain.rpc.request("eth_getTransactionCount", PAYER.address) == hex(len(installed()) + 1 + 9)
        assert [act().transaction.hex() for act in acts(deployment)] == lines[1:-1]


def test_a_byte_changed_in_the_journal_a_killed_process_left_is_found(tmp_path: Path) -> None:
    ledger, outbox = tmp_path / "ledger.sqlite", tmp_path / "outbox.sqlite"
    with Chain.embedded(ledger) as chain:
        chain.fund(PAYER.address, 10**18)
    run_and_kill(ledger, outbox, 20)
    journal = tmp_path / "ledger.sqlite-wal"
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 1
    journal.write_bytes(content)
    with pytest.raises(LedgerCorrupt) as found:
        Chain.embedded(ledger)
    assert found.value.block is not None and 1 < found.value.block < 22


def test_a_ledger_file_has_one_user_at_a_time(tmp_path: Path) -> None:
    with Chain.embedded(tmp_path / "ledger.sqlite"):
        with pytest.raises(LedgerInUse, match="open in another process"):
            Chain.embedded(tmp_path / "ledger.sqlite")
    Chain.embedded(tmp_path / "ledger.sqlite").close()


def test_blocks_lost_to_a_power_cut_are_made_again_from_the_outbox(tmp_path: Path) -> None:
    """What `synchronous=NORMAL` may cost: the last blocks, whole. The outbox has synced their transactions."""
    ledger, earlier = tmp_path / "ledger.sqlite", tmp_path / "earlier.sqlite"
    with Chain.embedded(ledger) as chain:
        chain.fund(PAYER.address, 10**18)
        sent = [chain.sender(PAYER).send(f"wei {i}", TARGET, b"", 1) for i in range(3)]
    shutil.copy(ledger, earlier)
    with Chain.embedded(ledger) as chain:
        sent += [chain.sender(PAYER).send(f"wei {i}", TARGET, b"", 1) for i in range(3, 6)]
    shutil.copy(earlier, ledger)
    with pytest.raises(LedgerCorrupt, match="if the machine lost its power") as found:
        Chain.embedded(ledger)
    assert found.value.block == 5
    (tmp_path / "ledger.sqlite.head").unlink()
    with Chain.embedded(ledger) as chain:
        assert chain.balance(TARGET) == 3
        again = [chain.sender(PAYER).send(f"wei {i}", TARGET, b"", 1) for i in range(6)]
        assert [r.transaction for r in again] == [r.transaction for r in sent]
        assert chain.balance(TARGET) == 6


def test_one_outbox_serves_a_chain_that_was_started_anew(tmp_path: Path) -> None:
    for _life in range(2):
        with Chain.embedded(None, outbox=tmp_path / "outbox.sqlite") as chain:
            chain.fund(PAYER.address, 10**18)
            chain.genesis = os.urandom(32)  # two chains that begin in the same second begin alike
            chain.sender(PAYER).send("wei", TARGET, b"", 1)
            assert chain.balance(TARGET) == 1
