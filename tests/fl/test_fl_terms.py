"""What a plan may ask for beyond the default round: methods, schedules, compression, privacy, rules, proofs by sample."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fl_runs import Run
from rich.console import Console

from chain_adapter import LocalStore
from fl.audit import audit_run
from fl.federation import Federation
from fl.learning import algorithm_of
from fl.models import from_safetensors
from fl.plan import Plan, load_terms
from fl.progress import RunDisplay
from fl.run import Request, start_run
from fl.schedule import membership, taking_part
from mpc.errors import ParameterError

Play = Callable[..., Run]
SMALL = {"clients": 8, "rounds": 3, "training.epochs": 1, "proofs.kind": "none"}


@pytest.fixture(scope="module")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Play a small run on digits with these fields of the plan, and check that its audit passes."""

    def make(attacks: dict[str, int] | None = None, **fields: Any) -> Run:
        overrides = SMALL | {name.replace("__", "."): value for name, value in fields.items()}
        path = tmp_path_factory.mktemp("terms") / "run"
        with RunDisplay(Console(stderr=True), quiet=True) as display:
            request = Request("digits", overrides=overrides, attacks=attacks or {})
            start_run(request, path, resume=False, replace=False, display=display)
        audit = audit_run(path)
        assert audit.passed, [str(failure) for failure in audit.failures]
        return Run(path)

    return make


@pytest.mark.parametrize(
    "fields",
    [
        {"training__algorithm": "fedadam", "server__learning_rate": 0.1, "server__momentum": 0.9},
        {"training__algorithm": "scaffold"},
        {"training__algorithm": "fsvrg"},
        {"compression__kind": "top-k", "compression__keep": 0.2},
    ],
    ids=lambda fields: str(next(iter(fields.values()))),
)
def test_every_kind_of_method_learns_and_its_states_are_audited(play: Play, fields: dict[str, Any]) -> None:
    """The auditor repeats the coordinator's step from the sum alone, whatever the server keeps beside the model."""
    run = play(rounds=4, **fields)
    assert run.records()[-1].accuracy > 0.4
    plan = Plan.from_bytes((run.path / "plan.json").read_bytes())
    model = from_safetensors(run.model)
    assert len(model) == plan.parameters == 650
    state = from_safetensors(LocalStore(run.path / "blocks").get(run.records()[-1].model))
    assert np.array_equal(state[:650], model) and len(state) == algorithm_of(plan.terms).state_size(650)


@pytest.mark.parametrize(("bits", "kept"), [(16, 4), (5, 5)])
def test_quantized_updates_arrive_as_they_were_rounded(play: Play, bits: int, kept: int) -> None:
    """Every sum of codes is a multiple of the grid's step, so that the codec rounded none of its addends."""
    run = play(
        rounds=4, weights="equal", compression__kind="quantized", compression__bits=kept, update__bits=bits
    )
    store = LocalStore(run.path / "blocks")
    for record in run.records():
        total = np.frombuffer(store.get(record.total), dtype="<i8")
        assert total.any() and (total % 2 ** (bits - kept) == 0).all()
        assert np.abs(total).max() <= 8 * (2 ** (kept - 1) - 1) * 2 ** (bits - kept)
    assert run.records()[-1].accuracy > 0.6


def test_sparse_fsvrg_counts_features_under_the_masks_and_learns(play: Play) -> None:
    """Two rounds sum what nobody shows: how often features occur, and at how many clients."""
    run = play(rounds=6, training__algorithm="fsvrg", training__sparse=True)
    terms = Plan.from_bytes((run.path / "plan.json").read_bytes()).terms
    federation = Federation.gather(terms, {}, 0.0, None)
    store, records = LocalStore(run.path / "blocks"), run.records()
    states = [from_safetensors(store.get(record.model)).reshape(4, 650) for record in records]
    assert all(np.array_equal(state[0], federation.model.initial(terms.seed)) for state in states[:3])
    assert records[-1].accuracy > records[2].accuracy + 0.2
    has = federation.dataset.train_x != 0
    phi, spread = states[-1][2], states[-1][3].reshape(65, 10)
    assert np.abs(phi[:64] / phi[64] - has.mean(axis=0)).max() < 0.01
    omega = np.sum([has[shard].any(axis=0) for shard in federation.shards], axis=0)
    assert 0 < omega[omega > 0].min() < 8 and (omega == 0).any()
    expected = np.where(omega > 0, 8 / np.maximum(omega, 1), 1)
    assert np.allclose(spread[:64], expected[:, None], rtol=1e-6) and (spread[64] == 1).all()


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"training.algorithm": "fedavg"}, r"training\.sparse has no use in fedavg"),
        ({"weights": "equal"}, "needs weights 'samples'"),
        ({"model": "mlp"}, "linear models only"),
        ({"update.clip": 0.1}, r"update\.clip of at least 0\.124"),
        ({"update.clip": 0.5, "update.l2_clip": 0.5}, r"update\.l2_clip of at least 1"),
        ({"update.bits": 6}, r"more update\.bits than 6"),
        (
            {"privacy.kind": "client", "privacy.epsilon": 8.0, "privacy.l2_clip": 8.0},
            "with privacy makes no sense",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_counting_features_that_cannot_work_is_refused(fields: dict[str, Any], reason: str) -> None:
    asked = SMALL | {"training.algorithm": "fsvrg", "training.sparse": True} | fields
    with pytest.raises(ParameterError, match=reason):
        Federation.gather(load_terms("digits", asked), {}, 0.0, None)


def test_a_field_without_use_is_refused() -> None:
    for field, value in (("server.momentum", 0.5), ("training.sparse", True)):
        terms = load_terms("digits", {field: value})
        with pytest.raises(ParameterError, match=f"{field} has no use in fedavg".replace(".", r"\.")):
            algorithm_of(terms)


def test_members_come_and_go_and_the_record_says_who_was_asked(play: Play) -> None:
    run = play(clients=12, participation__churn=0.3, participation__fraction=0.8)
    plan = Plan.from_bytes((run.path / "plan.json").read_bytes())
    for record in run.records():
        asked = {c.client for c in record.clients if c.status != "absent"}
        assert asked == set(taking_part(plan.terms, record.round)) and len(asked) < 12
        identities = [m.identity for m in plan.members]
        assert record.epoch == membership(plan.terms, record.round).digest(plan.hash, identities).hex()
    assert len({record.epoch for record in run.records()}) > 1


def test_a_client_leaves_as_the_plan_says_and_comes_back(play: Play) -> None:
    """Under a method whose clients remember something between rounds."""
    run = play(rounds=5, participation__absences="3:1-2, 7:3-", training__algorithm="scaffold")
    plan, records = Plan.from_bytes((run.path / "plan.json").read_bytes()), run.records()
    away = [{c.client for c in record.clients if c.status == "absent"} for record in records]
    assert away == [set(), {3}, {3}, {7}, {7}]
    assert all(c.status in ("included", "absent") for record in records for c in record.clients)
    identities = [m.identity for m in plan.members]
    there = [membership(plan.terms, number) for number in range(5)]
    assert [m.epoch for m in there] == [0, 1, 1, 2, 2]
    assert [r.epoch for r in records] == [m.digest(plan.hash, identities).hex() for m in there]
    receipt = json.loads((run.path / "receipt.json").read_text())
    assert receipt["participation"]["asked_per_round"] == [8, 7, 7, 7, 7]


def test_old_starting_points_are_allowed(play: Play) -> None:
    run = play(participation__staleness=2, rounds=4)
    assert run.records()[-1].accuracy > 0.6


def test_a_sample_of_proofs_is_what_the_plan_says(play: Play) -> None:
    run = play(proofs__kind="sample", proofs__rounds=1, proofs__clients=2)
    plan = Plan.from_bytes((run.path / "plan.json").read_bytes())
    proven = [(n, c) for n in range(3) for c in range(1, 9) if plan.proves(n, c)]
    assert len(proven) == 2 and len({number for number, _ in proven}) == 1
    receipt = json.loads((run.path / "receipt.json").read_text())
    assert "2 of 24 updates, in 1 of 3 rounds" in receipt["proven"]
    assert any("Updates without a proof" in sentence for sentence in receipt["insecure"])


def test_privacy_is_accounted_for_and_every_client_keeps_its_budget(play: Play) -> None:
    run = play(
        clients=10,
        weights="equal",
        training__algorithm="dp-fedsgd",
        training__learning_rate=0.01,
        privacy__kind="record",
        privacy__epsilon=8.0,
        privacy__l2_clip=1.0,
        aggregation__min_clients=8,
        update__clip=200.0,
        update__l2_clip=200.0,
    )
    privacy = json.loads((run.path / "receipt.json").read_text())["privacy"]
    assert 7.0 < privacy["epsilon"] <= 8.0 and privacy["unit"] == "record" and privacy["delta"] == 1e-5
    budgets = [json.loads(path.read_text()) for path in sorted((run.path / "budgets").glob("*.json"))]
    assert [len(budget["releases"]) for budget in budgets] == [3] * 10


@pytest.mark.parametrize("mode", ["plain", "shares"])
def test_attackers_are_left_out_whether_updates_are_seen_or_shared(play: Play, mode: str) -> None:
    run = play(
        {"sign-flip": 2}, clients=12, aggregation__mode=mode, robustness__rule="cone", aggregation__servers=3
    )
    attackers = {int(c) for c in json.loads((run.path / "run.json").read_text())["attackers"]}
    for record in run.records():
        left_out = {c.client for c in record.clients if c.reason == "outlier"}
        assert attackers <= left_out and len(left_out) <= 3
        assert not record.convicted


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"robustness.rule": "cone"}, "needs aggregation.mode shares or plain"),
        (
            {"robustness.rule": "cone", "aggregation.mode": "plain", "robustness.malicious": 0.6},
            "tolerates at most",
        ),
        ({"robustness.keep": 1.0}, r"robustness\.keep must be in \[0, 1\), got 1\.0"),
        ({"robustness.keep": -0.1}, r"robustness\.keep must be in"),
        ({"robustness.rule": "median", "aggregation.mode": "plain"}, r"robustness\.rule must be none"),
        ({"privacy.kind": "record", "privacy.epsilon": 1.0}, "needs a clip"),
        ({"privacy.epsilon": 1.0}, "kind is 'none'"),
        ({"partition.kind": "shards", "clients": 1000}, "client"),
        ({"participation.fraction": 0.1}, "leaves"),
        ({"proofs.kind": "sample", "proofs.rounds": 99}, "cannot sample"),
        ({"model": "cnn"}, "reads images"),
        ({"participation.absences": "1:0-1, 2:1-, 3:1, 4:1, 5:1, 6:1"}, "leaves 2 of 8 members in round 1"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_plans_that_cannot_work_are_refused_before_training(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        Federation.gather(load_terms("digits", SMALL | fields), {}, 0.0, None)


QUANTIZED = {"compression.kind": "quantized", "weights": "equal"}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"weights": "samples"}, "needs weights 'equal'"),
        ({"update.bits": 6}, r"compression\.bits 8 is above update\.bits 6"),
        ({"compression.bits": 1}, r"compression\.bits must be between 2 and 16"),
        ({"compression.bits": 17}, r"compression\.bits must be between 2 and 16"),
        ({"compression.kind": "top-k", "compression.bits": 4}, "belongs to compression.kind 'quantized'"),
        ({"compression.keep": 0.5}, "no use under compression.kind 'quantized'"),
        ({"participation.staleness": 1}, "scaled by its age"),
        ({"training.algorithm": "fsvrg"}, "alternate between gradients and steps"),
        ({"training.algorithm": "conjugate-gradients"}, "curvature along other directions"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_quantization_that_cannot_keep_its_word_is_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        Federation.gather(load_terms("digits", SMALL | QUANTIZED | fields), {}, 0.0, None)


def test_noise_that_the_codec_cannot_hold_is_refused() -> None:
    fields = {
        "weights": "equal",
        "privacy.kind": "client",
        "privacy.epsilon": 0.5,
        "privacy.l2_clip": 1.0,
        "update.l2_clip": 1.0,
        "update.clip": 1.0,
        "aggregation.min_clients": 8,
    }
    with pytest.raises(ParameterError, match=r"update\.clip 1 must be at least"):
        Federation.gather(load_terms("digits", SMALL | {"clients": 10} | fields), {}, 0.0, None)


def test_a_killed_run_with_memories_ends_in_the_same_model(play: Play, tmp_path: Path) -> None:
    """SCAFFOLD's control variates are there again after a start in the middle."""
    whole = play(training__algorithm="scaffold")
    conditions = json.loads((whole.path / "run.json").read_text())
    overrides = conditions["overrides"]
    with RunDisplay(Console(stderr=True), quiet=True) as display:
        part = Request("digits", overrides=overrides)
        start_run(part, tmp_path / "run", resume=False, replace=False, display=display)
        (tmp_path / "run" / "rounds" / "0002.json").unlink()
        start_run(part, tmp_path / "run", resume=True, replace=False, display=display)
    assert Run(tmp_path / "run").model == whole.model


def test_terms_survive_their_encoding() -> None:
    terms = load_terms("digits", {"compression.kind": "random-k", "participation.churn": 0.1})
    assert dataclasses.asdict(terms)["participation"]["churn"] == 0.1
