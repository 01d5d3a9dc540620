"""Clients that send anything at all, against the real coordinator: the round goes on, and the audit holds."""

import json
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from fl_runs import Run
from rich.console import Console

from fl import session
from fl.audit import audit_run
from fl.client import Prepared, client_round, sign
from fl.member import MemberSecrets
from fl.progress import RunDisplay
from fl.run import Request, start_run
from fl.setting import COORDINATOR, RoundSetting
from mpc.runtime import Inbox, Outbox
from zk.statements import UpdateProof

HOSTILE = 2
Message = Callable[[RoundSetting, MemberSecrets, Prepared], bytes]


def _with_proof(change: Callable[[UpdateProof], bytes]) -> Message:
    def message(setting: RoundSetting, secrets: MemberSecrets, prepared: Prepared) -> bytes:
        proof = change(UpdateProof.from_bytes(prepared.signed.proof))
        try:
            return sign(setting, HOSTILE, secrets, proof).to_bytes()
        except ValueError:  # what cannot even be signed is sent with the old signature
            honest = prepared.signed.to_bytes()
            return honest[:68] + len(proof).to_bytes(4, "big") + proof + honest[-65:]

    return message


MESSAGES: dict[str, tuple[Message, str, bool]] = {
    "nothing in it": (lambda *_: b"", "malformed", False),
    "noise": (lambda *_: b"\xa5" * 594, "malformed", False),
    "another round": (
        lambda s, k, p: p.signed.to_bytes()[:43] + b"\7" + p.signed.to_bytes()[44:],
        "malformed",
        False,
    ),
    "a broken signature": (lambda s, k, p: p.signed.to_bytes()[:-40] + bytes(40), "signature", False),
    "two commitments": (
        _with_proof(lambda u: UpdateProof(u.commitment * 2, u.proof).to_bytes()),
        "proof",
        True,
    ),
    "points off the curve": (
        _with_proof(lambda u: UpdateProof(u.commitment, bytes(63) + b"\1" + u.proof[64:]).to_bytes()),
        "proof",
        True,
    ),
    "a commitment off the curve": (
        _with_proof(lambda u: UpdateProof(b"\1" * len(u.commitment), u.proof).to_bytes()),
        "proof",
        True,
    ),
    "an empty proof": (_with_proof(lambda u: UpdateProof(u.commitment, b"").to_bytes()), "proof", True),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_any_message_is_judged_by_what_it_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message, reason, certain = MESSAGES[name]

    def hostile(
        setting: RoundSetting, index: int, secrets: MemberSecrets, prepared: Prepared
    ) -> Generator[Outbox, Inbox, None]:
        if index != HOSTILE:
            yield from client_round(setting, index, secrets, prepared)
            return
        yield {COORDINATOR: message(setting, secrets, prepared)}

    monkeypatch.setattr(session, "client_round", hostile)
    run = _play(tmp_path)
    first, second = run.records()
    found = first.clients[HOSTILE - 1]
    assert found.status == "rejected"
    assert (found.reason, found.certain) in {(reason, certain), ("malformed", False)}
    assert second.clients[HOSTILE - 1].status == ("excluded" if found.certain else "rejected")
    assert len(first.included) == len(second.included) == 4
    audit = audit_run(run.path)
    assert audit.passed, audit.failures


def _play(tmp_path: Path) -> Run:
    overrides: dict[str, Any] = {"clients": 5, "rounds": 2, "training.epochs": 1}
    with RunDisplay(Console(stderr=True), quiet=True) as display:
        start_run(
            Request("digits", overrides), tmp_path / "run", resume=False, replace=False, display=display
        )
    return Run(tmp_path / "run")


def test_a_client_that_adds_garbage_to_the_sum_does_not_stop_the_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hostile(
        setting: RoundSetting, index: int, secrets: MemberSecrets, prepared: Prepared
    ) -> Generator[Outbox, Inbox, None]:
        if index != HOSTILE:
            yield from client_round(setting, index, secrets, prepared)
            return
        yield {COORDINATOR: prepared.signed.to_bytes()}
        while True:
            yield {COORDINATOR: b"\xff" * 100, 1: b"garbage", 99: b"to nobody"}

    monkeypatch.setattr(session, "client_round", hostile)
    run = _play(tmp_path)
    assert all(record.clients[HOSTILE - 1].status == "unsummed" for record in run.records())
    assert audit_run(run.path).passed


def test_when_everybody_cheated_the_run_still_ends_and_holds(make_run: Callable[..., Run]) -> None:
    """Nobody is left for the second round: it is skipped on the ledger, and the model stays what it was."""
    run = make_run("--clients", "4", "--rounds", "2", "--cheat", "forged=4")
    first, second = run.records()
    assert {client.status for client in first.clients} == {"rejected"}
    assert {client.status for client in second.clients} == {"excluded"}
    assert second.model == first.previous_model
    assert audit_run(run.path).passed


def test_the_receipt_says_when_so_few_clients_weaken_the_protection(make_run: Callable[..., Run]) -> None:
    def insecure(*options: str) -> str:
        return " ".join(json.loads((make_run(*options).path / "receipt.json").read_text())["insecure"])

    assert "So few clients" in insecure("--clients", "4", "--rounds", "2", "--cheat", "forged=4")
    assert "So few clients" not in insecure("--clients", "10", "--rounds", "2")
