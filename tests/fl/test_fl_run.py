"""Whole rounds on real digits: training, proofs, secure sums, ledger; with and without cheaters."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fl_runs import Run
from numpy.typing import NDArray

from chain_adapter import Chain, LocalStore
from chain_adapter.events import AggregateRecorded, ClientRejected, RewardClaimed, RoundCommitted
from fl.audit import audit_run
from fl.cli import main
from fl.engine import LocalEngine
from fl.federation import Federation
from fl.models import from_safetensors
from fl.plan import Plan, load_terms

Make = Callable[..., Run]
SMALL = ("--clients", "10", "--rounds", "2")
CHEATERS = ("--clients", "16", "--rounds", "3", "--cheat", "oversize=1,forged=1,swap=1,replay=1")


def updates(
    federation: Federation, number: int, start: NDArray[np.float32]
) -> dict[int, NDArray[np.float64]]:
    """What every client makes of a round, before anything is done to it."""
    with LocalEngine(federation.work()) as engine:
        everybody = range(1, federation.terms.clients + 1)
        made = federation.train(engine, number, everybody, [start], {})
    return {client: t.payload.astype(np.float64) for client, t in made.items() if t.payload is not None}


def test_training_gains_accuracy_and_everybody_is_in_the_sum(make_run: Make) -> None:
    first, second = make_run(*SMALL).records()
    assert 0.5 < first.accuracy < second.accuracy
    assert all(client.status == "included" for client in first.clients + second.clients)


def test_protection_costs_less_than_half_a_percentage_point(make_run: Make) -> None:
    """The same training without clipping, quantisation, masks and proofs ends at almost the same accuracy."""
    run = make_run("--clients", "12", "--rounds", "5")
    federation = Federation.gather(load_terms("digits", {"clients": 12, "rounds": 5}), {}, 0.0, None)
    terms, model = federation.terms, federation.model
    parameters = model.initial(terms.seed).astype(np.float64)
    for number in range(terms.rounds):
        weighted = np.zeros(model.size)
        for index, update in updates(federation, number, parameters.astype(np.float32)).items():
            weighted += len(federation.shards[index - 1]) * update
        parameters += weighted / sum(map(len, federation.shards))
    plain = federation.evaluate(parameters.astype(np.float32)).accuracy
    assert abs(run.records()[-1].accuracy - plain) < 0.005


def test_the_model_does_not_depend_on_secrets_masks_or_the_aggregation_mode(make_run: Make) -> None:
    masked, plain = make_run(*SMALL), make_run(*SMALL, "--aggregation", "plain")
    assert masked.model == plain.model
    secrets = [json.loads((run.path / "secrets.json").read_text()) for run in (masked, plain)]
    assert secrets[0] != secrets[1]


def test_another_seed_gives_another_model(make_run: Make) -> None:
    assert make_run(*SMALL).model != make_run(*SMALL, "--seed", "2").model


def test_four_cheaters_at_once_are_each_named_for_what_they_did(make_run: Make) -> None:
    run = make_run(*CHEATERS)
    cheats = run.cheats
    assert sorted(cheats) == ["forged", "oversize", "replay", "swap"]
    records = run.records()
    named = {
        (record.round, client.client): client.reason
        for record in records
        for client in record.clients
        if client.status == "rejected"
    }
    assert named == {
        (0, cheats["oversize"]): "proof",
        (0, cheats["forged"]): "proof",
        (0, cheats["swap"]): "mismatch",
        (1, cheats["replay"]): "proof",
    }
    assert all(client.certain for record in records for client in record.clients)
    excluded = {client.client for client in records[2].clients if client.status == "excluded"}
    assert excluded == set(cheats.values())
    assert records[2].accuracy > records[0].accuracy


def test_the_ledger_tells_the_same_story_about_the_cheaters(make_run: Make) -> None:
    run = make_run(*CHEATERS)
    manifest = json.loads((run.path / "deployment.json").read_text())
    plan = Plan.from_bytes((run.path / "plan.json").read_bytes())
    with Chain.embedded(run.path / "chain.sqlite") as chain:
        events = list(chain.attach(manifest).events())
    rejected = {event.client for event in events if isinstance(event, ClientRejected)}
    assert rejected == {plan.members[client - 1].address for client in run.cheats.values()}
    assert len([e for e in events if isinstance(e, RoundCommitted)]) == 3
    assert len([e for e in events if isinstance(e, AggregateRecorded)]) == 3
    paid = {e.client for e in events if isinstance(e, RewardClaimed) and e.round == 0}
    cheated_in_round_0 = {plan.members[run.cheats[k] - 1].address for k in ("oversize", "forged", "swap")}
    assert paid and not paid & cheated_in_round_0


def test_the_search_for_the_swapper_opens_no_small_sum(make_run: Make) -> None:
    run = make_run(*CHEATERS)
    opened = run.records()[0].opened
    assert len(opened) > 1 and not opened[0].matches
    assert min(len(o.included) for o in opened) >= 3


def test_a_cheater_changes_nothing_about_the_honest_sum(make_run: Make) -> None:
    """The round's sum is the sum of the included clients' committed updates, whatever the swapper sent."""
    run = make_run(*CHEATERS)
    record = run.records()[0]
    store = LocalStore(run.path / "blocks")
    plan = Plan.from_bytes((run.path / "plan.json").read_bytes())
    federation = Federation.gather(plan.terms, {}, 0.0, None)
    start = federation.model.initial(plan.terms.seed)
    total = np.zeros(federation.model.size, dtype=np.int64)
    trained = updates(federation, 0, start)
    for client in record.included:
        shard, update = federation.shards[client - 1], trained[client]
        norm = np.linalg.norm(update)
        update *= min(1.0, plan.terms.update.l2_clip / norm)
        total += plan.codec().encode(update, weight=len(shard)).values
    assert np.array_equal(np.frombuffer(store.get(record.total), dtype="<i8"), total)


def test_clients_that_vanish_are_left_out_and_the_round_survives(make_run: Make) -> None:
    run = make_run("--clients", "12", "--rounds", "4", "--drop", "0.2")
    statuses = [client.status for record in run.records() for client in record.clients]
    assert {"missing", "unsummed"} & set(statuses)
    assert statuses.count("included") >= 4 * 6
    assert "rejected" not in statuses


def test_a_round_that_loses_too_many_clients_is_skipped_and_training_goes_on(make_run: Make) -> None:
    run = make_run("--clients", "6", "--rounds", "4", "--drop", "0.6")
    records = run.records()
    skipped = [record for record in records if not record.total]
    assert skipped and len(records) == 4
    assert all(record.model == record.previous_model and not record.root for record in skipped)


def test_too_few_clients_to_find_a_swapper_skips_the_round_rather_than_open_a_small_sum(
    make_run: Make,
) -> None:
    run = make_run("--clients", "5", "--rounds", "1", "--cheat", "swap=1")
    (record,) = run.records()
    assert not record.total and [opened.matches for opened in record.opened] == [False]
    assert all(client.status == "unsummed" for client in record.clients)


def test_a_receipt_says_what_ran_and_what_was_given_up(make_run: Make) -> None:
    masked = json.loads((make_run(*SMALL).path / "receipt.json").read_text())
    plain = json.loads((make_run(*SMALL, "--aggregation", "plain").path / "receipt.json").read_text())
    assert any("single-party" in sentence for sentence in masked["insecure"])
    assert not any("saw every update" in sentence for sentence in masked["insecure"])
    assert any("saw every update" in sentence for sentence in plain["insecure"])


def test_the_final_model_is_the_recorded_one(make_run: Make) -> None:
    run = make_run(*SMALL)
    assert LocalStore(run.path / "blocks").get(run.records()[-1].model) == run.model
    assert len(from_safetensors(run.model)) == 650


def test_json_output_is_one_document(make_run: Make, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(*SMALL)
    capsys.readouterr()
    assert main(["run", "digits", "--resume", "--out", str(run.path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert [entry["included"] for entry in printed["rounds"]] == [10, 10]


@pytest.fixture(scope="session")
def small_committee(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digits plan with the shortest modulus that is allowed, as safe primes take long."""
    path = tmp_path_factory.mktemp("plan") / "digits.toml"
    lines = [
        'name = "digits"',
        'dataset = "digits"',
        "clients = 10",
        "rounds = 2",
        "[training]",
        "epochs = 3",
    ]
    path.write_text("\n".join([*lines, "[committee]", "bits = 2048", "[aggregation]", 'mode = "paillier"']))
    return str(path)


def test_paillier_gives_the_same_model_and_an_auditable_decryption(
    make_run: Make, small_committee: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    assert main(["run", small_committee, "--out", str(out), "--json"]) == 0
    run = Run(out)
    assert run.model == make_run(*SMALL).model
    assert audit_run(out).passed
    record = run.records()[1]
    evidence = next(p for p in (out / "blocks").rglob(record.opened[0].evidence) if p.stat().st_size)
    content = bytearray(evidence.read_bytes())
    content[len(content) // 2] ^= 1
    evidence.write_bytes(bytes(content))
    assert any(str(f).startswith("round 1: the decrypted sum") for f in audit_run(out).failures)


def test_paillier_finds_a_swapper_as_well(small_committee: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ["--clients", "12", "--rounds", "1", "--cheat", "swap=1", "--json"]
    assert main(["run", small_committee, *options, "--out", str(out)]) == 0
    run = Run(out)
    (record,) = run.records()
    assert record.convicted == (run.cheats["swap"],)
    assert audit_run(out).passed
