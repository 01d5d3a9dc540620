"""Run directories made by an attacker: the audit never passes them, crashes on them or hangs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fl_runs import Run
from rich.console import Console

from chain_adapter import LocalStore
from fl.audit import audit_run
from fl.cli import main
from fl.models import from_safetensors, to_safetensors
from fl.progress import RunDisplay
from fl.publish import Publisher
from fl.record import RoundRecord
from fl.run import Request, start_run
from mpc.errors import DecodeError

Make = Callable[..., Run]
SMALL = ("--clients", "10", "--rounds", "2")


@pytest.fixture
def copy(make_run: Make, tmp_path: Path) -> Run:
    shutil.copytree(make_run(*SMALL).path, tmp_path / "copy")
    return Run(tmp_path / "copy")


def failures(run: Run) -> list[str]:
    return [str(failure) for failure in audit_run(run.path).failures]


def canonical(body: dict[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def test_another_model_with_its_own_record_and_cids_is_not_the_ledgers(copy: Run) -> None:
    """All copies agree with each other and with the block store; only the ledger says otherwise."""
    store = LocalStore(copy.path / "blocks")
    record = copy.records()[1]
    model = to_safetensors(-from_safetensors(copy.model))
    body = json.loads(record.to_bytes()) | {"model": store.put(model)}
    forged = RoundRecord.from_bytes(canonical(body))
    document = copy.document(1) | {"record_cid": store.put(forged.to_bytes()), "record": forged.as_json()}
    (copy.path / "rounds/0001.json").write_text(json.dumps(document))
    (copy.path / "model.safetensors").write_bytes(model)
    found = failures(copy)
    assert "round 1: rounds/0001.json names another record than the ledger" in found
    assert "round 1: model.safetensors is not the recorded final model" in found


def test_another_model_without_any_records_is_found(copy: Run) -> None:
    shutil.rmtree(copy.path / "rounds")
    (copy.path / "model.safetensors").write_bytes(to_safetensors(-from_safetensors(copy.model)))
    assert failures(copy) == ["round 1: model.safetensors is not the recorded final model"]


def test_a_round_that_the_ledger_does_not_know_is_found(copy: Run) -> None:
    shutil.copy(copy.path / "rounds/0001.json", copy.path / "rounds/0002.json")
    assert failures(copy) == ["round 2: rounds/0002.json names another record than the ledger"]


def test_another_plan_file_is_found(copy: Run) -> None:
    path = copy.path / "plan.json"
    path.write_bytes(path.read_bytes().replace(b'"seed":1', b'"seed":2'))
    assert failures(copy) == ["the plan: plan.json is not the registered plan"]


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"record_cid":1}', '{"record_cid":"x","record":{}}', "[" * 9999]
)
def test_garbage_for_a_rounds_file_is_a_failure_of_that_round(copy: Run, content: str) -> None:
    (copy.path / "rounds/0001.json").write_text(content)
    found = failures(copy)
    assert found and all(text.startswith("round 1:") for text in found)


@pytest.mark.parametrize("name", ["run.json", "deployment.json"])
@pytest.mark.parametrize("content", ["", "[]", "{}", "null", '{"chain":3}', "[" * 9999])
def test_garbage_for_what_says_where_the_ledger_is_cannot_be_audited(
    copy: Run, name: str, content: str
) -> None:
    (copy.path / name).write_text(content)
    assert main(["audit", str(copy.path)]) == 2


@pytest.mark.parametrize("content", ["[]", "{}", '{"events":3}', '{"events":[{"block":1}]}'])
def test_garbage_in_the_copy_of_the_ledger_does_not_hide_a_changed_ledger(copy: Run, content: str) -> None:
    (copy.path / "ledger.json").write_text(content)
    log = copy.path / "chain.sqlite"
    changed = bytearray(log.read_bytes())
    changed[changed.index(bytes.fromhex(copy.records()[1].root)) + 3] ^= 1
    log.write_bytes(bytes(changed))
    assert main(["audit", str(copy.path)]) == 1


BAD_FIELDS = [
    {"clients": []},
    {"clients": [{}]},
    {"clients": 3},
    {"round": "0"},
    {"round": True},
    {"plan": 3},
    {"blinding": [1]},
    {"blinding": "12"},
    {"opened": [{"stage": 0}]},
    {"total_samples": 1.0},
    {"accuracy": 1},
    {"beacon": None},
    {"unknown": 1},
]


@pytest.mark.parametrize("change", BAD_FIELDS)
def test_a_record_with_fields_of_other_types_is_refused(make_run: Make, change: dict[str, Any]) -> None:
    body = json.loads(make_run(*SMALL).records()[0].to_bytes()) | change
    if change == {"clients": []}:
        assert RoundRecord.from_bytes(canonical(body)).included == ()
        return
    with pytest.raises(DecodeError):
        RoundRecord.from_bytes(canonical(body))


def _client(number: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: body["clients"][number - 1].update(changes)


LIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "nobody": lambda body: body.update(clients=[]),
    "one member less": lambda body: body["clients"].pop(),
    "a stranger": lambda body: body["clients"].append(body["clients"][-1] | {"client": 99}),
    "another address": _client(2, address="0x" + "1" * 40),
    "a status of its own": _client(2, status="praised"),
    "excluded for nothing": _client(2, status="excluded", reward=0),
    "a mismatch nobody saw": _client(2, status="rejected", reason="mismatch", reward=0),
    "rejected without evidence": _client(2, status="rejected", reason="malformed", reward=0, update=""),
    "a reason that is none": _client(2, status="rejected", reason="ugly", reward=0),
    "silently dropped": _client(2, status="missing", reward=0),
    "a small sum": lambda body: body["opened"].append(
        body["opened"][0] | {"stage": 1, "group": [1, 2], "included": [1, 2]}
    ),
    "a second sum": lambda body: body["opened"].append(body["opened"][0] | {"place": 1}),
    "no sum": lambda body: body.update(opened=[]),
    "another beacon": lambda body: body.update(beacon="00"),
    "another plan": lambda body: body.update(plan="zz"),
    "no samples": lambda body: body.update(total_samples=0),
    "a path for a block": lambda body: body.update(total="../../secrets.json"),
    "a long blinding": lambda body: body.update(blinding=["9" * 9999]),
    "no blinding": lambda body: body.update(blinding=[]),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_coordinator_that_records_a_lie_on_its_own_ledger_is_found(
    lie: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lie is told before anything is written, so that blocks, CIDs and ledger all agree with it."""
    transact = Publisher._transact

    def lying(self: Publisher, setting: Any, record: RoundRecord, cid: str, *rest: Any) -> dict[str, int]:
        body = json.loads(record.to_bytes())
        LIES[lie](body)
        lied = self._store.put(canonical(body))
        return transact(self, setting, record, lied, *rest)

    monkeypatch.setattr(Publisher, "_transact", lying)
    path = tmp_path / "run"
    with RunDisplay(Console(stderr=True), quiet=True) as display:
        request = Request("digits", {"clients": 4, "rounds": 1, "training.epochs": 1})
        start_run(request, path, resume=False, replace=False, display=display)
    shutil.rmtree(path / "rounds")
    (path / "model.safetensors").unlink()
    assert main(["audit", str(path)]) == 1
