"""The audit of an honest run holds; with one byte changed anywhere it says which round, which client, what."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from fl_runs import Run

from chain_adapter import Chain, LocalStore
from fl.audit import Audit, audit_run
from fl.cli import main
from fl.record import RoundRecord
from fl.rundir import RunDirectoryError

Make = Callable[..., Run]
OPTIONS = ("--clients", "16", "--rounds", "3", "--cheat", "oversize=1,forged=1,swap=1,replay=1")


@pytest.fixture
def copy(make_run: Make, tmp_path: Path) -> Run:
    shutil.copytree(make_run(*OPTIONS).path, tmp_path / "copy")
    return Run(tmp_path / "copy")


def block(run: Run, cid: str) -> Path:
    (path,) = (run.path / "blocks").rglob(cid)
    return next(p for p in [path, *(run.path / "blocks").rglob(cid)] if p.stat().st_size)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(bytes(content))


def stored(run: Run, cid: str) -> Path:
    return next(p for p in (run.path / "blocks").rglob(cid) if p.stat().st_size)


def honest_client(run: Run) -> int:
    return run.records()[1].included[0]


def failed(run: Run) -> list[str]:
    audit = audit_run(run.path)
    assert not audit.passed
    return [str(failure) for failure in audit.failures]


def test_an_honest_run_holds_and_says_how_much_was_checked(
    make_run: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(*OPTIONS)
    audit = audit_run(run.path)
    assert audit.passed and sorted(audit.counts) == [0, 1, 2]
    assert all(row["proofs"] >= 12 for row in audit.counts.values())
    capsys.readouterr()
    assert main(["audit", str(run.path)]) == 0
    assert "everything holds" in capsys.readouterr().out
    assert main(["audit", str(run.path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] is True


def test_ledger_and_blocks_are_enough(copy: Run) -> None:
    for name in (
        "rounds",
        "receipt.json",
        "ledger.json",
        "model.safetensors",
        "run.json",
        "plan.json",
        "secrets.json",
    ):
        target = copy.path / name
        shutil.rmtree(target) if target.is_dir() else target.unlink()
    assert audit_run(copy.path).passed


# where the parts of an update message lie: see fl.update and zk.statements.update_proof
HEADER, PROOF_HEADER, COMMITMENT = 72, 9, 64


@pytest.mark.parametrize(
    ("place", "part"),
    [
        (HEADER + PROOF_HEADER + COMMITMENT + 40, "proof"),
        (HEADER + PROOF_HEADER + 20, "commitment"),
        (-40, "signature"),
    ],
)
def test_a_changed_byte_of_an_update_is_found_and_placed(copy: Run, place: int, part: str) -> None:
    client = honest_client(copy)
    flip(stored(copy, copy.records()[1].clients[client - 1].update), place)
    messages = failed(copy)
    assert any(f"round 1, client {client}:" in m and part in m for m in messages), messages


def test_a_changed_byte_of_a_model_is_found(copy: Run) -> None:
    flip(stored(copy, copy.records()[1].model), -1)
    assert any(m.startswith("round 1: the model") for m in failed(copy))


def test_a_changed_final_model_file_is_found(copy: Run) -> None:
    flip(copy.path / "model.safetensors", -1)
    assert any("round 2: model.safetensors" in m for m in failed(copy))


def test_a_changed_opened_sum_is_found(copy: Run) -> None:
    flip(stored(copy, copy.records()[1].total), 5)
    assert any(m.startswith("round 1: the opened sum") for m in failed(copy))


def test_a_changed_root_on_the_ledger_is_found(copy: Run) -> None:
    root = bytes.fromhex(copy.records()[1].root)
    log = copy.path / "chain.sqlite"
    content = log.read_bytes()
    assert root in content
    flip(log, content.index(root) + 7)
    assert any(m.startswith("round 1:") and "RoundCommitted" in m for m in failed(copy))


def test_a_changed_root_in_a_round_file_is_found(copy: Run) -> None:
    rounds = copy.path / "rounds/0001.json"
    text = rounds.read_text()
    root = copy.records()[1].root
    rounds.write_text(text.replace(root, ("0" if root[0] != "0" else "1") + root[1:]))
    assert any(m.startswith("round 1: rounds/0001.json differs") and "root" in m for m in failed(copy))


def test_a_changed_reward_in_a_round_file_is_found(copy: Run) -> None:
    rounds = copy.path / "rounds/0001.json"
    document = json.loads(rounds.read_text())
    client = honest_client(copy)
    document["record"]["clients"][client - 1]["reward"] += 1
    rounds.write_text(json.dumps(document))
    assert any(f"round 1, client {client}:" in m and "reward" in m for m in failed(copy))


def test_a_changed_reward_in_the_stored_record_is_found(copy: Run) -> None:
    cid = copy.document(1)["record_cid"]
    path = stored(copy, cid)
    content = path.read_bytes()
    place = content.index(b'"reward":') + len(b'"reward":')
    path.write_bytes(
        content[:place] + (b"9" if content[place : place + 1] != b"9" else b"8") + content[place + 1 :]
    )
    assert any(m.startswith("round 1: the round's record") for m in failed(copy))


def test_a_changed_claim_on_the_ledger_is_found(copy: Run) -> None:
    events = json.loads((copy.path / "ledger.json").read_text())["events"]
    claim = next(e for e in events if e["event"] == "RewardClaimed" and e["round"] == 1)
    log = copy.path / "chain.sqlite"
    content = log.read_bytes()
    flip(log, content.index(bytes.fromhex(claim["tx"][2:])) + 3)
    found = failed(copy)
    assert any(m.startswith(f"round 1, client {claim['client']}:") and "RewardClaimed" in m for m in found), (
        found
    )


def test_a_rewritten_record_under_its_own_cid_is_not_the_ledgers(copy: Run) -> None:
    """Somebody who recomputes CIDs all the way up still has no ledger that names them."""
    store = LocalStore(copy.path / "blocks")
    record = copy.records()[1]
    forged = replace(record, accuracy=1.0)
    document = copy.document(1)
    document["record_cid"], document["record"] = store.put(forged.to_bytes()), json.loads(forged.to_bytes())
    (copy.path / "rounds/0001.json").write_text(json.dumps(document))
    assert any(m.startswith("round 1:") and "record" in m for m in failed(copy))


def test_a_missing_update_is_named(copy: Run) -> None:
    client = honest_client(copy)
    stored(copy, copy.records()[1].clients[client - 1].update).unlink()
    assert any(f"round 1, client {client}:" in m for m in failed(copy))


def test_an_invented_run_is_not_the_agreed_plan(make_run: Make) -> None:
    run = make_run(*OPTIONS)
    agreed = json.loads((run.path / "receipt.json").read_text())["plan_hash"]
    assert main(["audit", str(run.path), "--plan", agreed]) == 0
    assert main(["audit", str(run.path), "--plan", "0x" + agreed.upper()]) == 0
    assert main(["audit", str(run.path), "--plan", "00" * 32]) == 1


def test_every_failure_makes_exit_code_one(copy: Run, capsys: pytest.CaptureFixture[str]) -> None:
    flip(copy.path / "model.safetensors", -1)
    assert main(["audit", str(copy.path)]) == 1
    assert "FAILED" in capsys.readouterr().out


def test_what_is_no_run_directory_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError):
        audit_run(tmp_path / "nowhere")
    with pytest.raises(RunDirectoryError):
        audit_run(tmp_path)


def test_a_false_accusation_is_found(copy: Run) -> None:
    """A coordinator that rejects an update for its proof is caught when the proof is in order."""
    from fl.audit_round import RoundAuditor
    from fl.federation import Federation
    from fl.learning import algorithm_of
    from fl.plan import Plan
    from fl.setting import RoundSetting
    from zk.key_bytes import decode_verifier_key

    store = LocalStore(copy.path / "blocks")
    plan = Plan.from_bytes((copy.path / "plan.json").read_bytes())
    record = copy.records()[2]
    client = record.included[0]
    accused = RoundRecord.from_bytes(
        json.dumps(
            json.loads(record.to_bytes())
            | {
                "clients": [
                    c | ({"status": "rejected", "reason": "proof"} if c["client"] == client else {})
                    for c in json.loads(record.to_bytes())["clients"]
                ]
            },
            sort_keys=True,
            separators=(",", ":"),
        ).encode()
    )
    with Chain.embedded(copy.path / "chain.sqlite") as chain:
        domain = chain.attach(json.loads((copy.path / "deployment.json").read_text())).domain
    setting = RoundSetting(
        plan=plan,
        plan_hash=plan.hash,
        number=2,
        statement=Federation.gather(plan.terms, {}, 0.0, None).statement,
        key=decode_verifier_key(store.get(plan.verifying_key)),
        domain=domain,
        members=dict(enumerate(plan.members, start=1)),
    )
    audit = Audit()
    RoundAuditor(audit, store, setting, [], record.previous_model, algorithm_of(plan.terms))._rejections(
        accused
    )
    assert any(f.client == client and "in order" in f.what for f in audit.failures)
