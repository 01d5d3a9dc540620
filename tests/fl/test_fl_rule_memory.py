"""Scores that outlive a round: fewer honest clients left out, the same in the clear and on shares, killed or not."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fl_runs import Run
from numpy.typing import NDArray
from rich.console import Console
from test_fl_shares import CLIENTS, DIM, EVERYBODY, ROOT, play, setting_of, the_sum

from fl.audit import audit_run
from fl.progress import RunDisplay
from fl.publish import Publisher
from fl.robust import ConeTest
from fl.run import Request, start_run
from fl.rundir import RunDirectory, RunDirectoryError
from fl.scores import Scored, Scores
from fl.screening import refuse
from fl.session import Session
from fl.setting import COORDINATOR, RoundSetting
from fl.shared.screening import LEVELS
from fl.shared.servers import servers_of
from fl.sums import SumCall
from mpc.runtime import Network

# a large step: the model is soon good and goes on moving, so that updates of late rounds are mostly noise
NOISY = {
    "clients": 20,
    "rounds": 20,
    "training.epochs": 1,
    "training.learning_rate": 2.0,
    "proofs.kind": "none",
    "aggregation.mode": "plain",
    "robustness.rule": "cone",
}
Updates = dict[int, NDArray[np.int64]]
Past = dict[int, dict[int, Scored]]


def start(path: Path, resume: bool = False, attacks: dict[str, int] | None = None, **fields: Any) -> Run:
    overrides = NOISY | {name.replace("__", "."): value for name, value in fields.items()}
    with RunDisplay(Console(stderr=True), quiet=True) as display:
        request = Request("digits", overrides=overrides, attacks=attacks or {})
        start_run(request, path, resume=resume, replace=False, display=display)
    return Run(path)


def left_out(run: Run) -> list[set[int]]:
    return [{c.client for c in record.clients if c.reason == "outlier"} for record in run.records()]


def test_a_plan_that_remembers_leaves_out_fewer_honest_clients(tmp_path: Path) -> None:
    forgetful = left_out(start(tmp_path / "forgetful", robustness__keep=0.0))
    remembering = left_out(start(tmp_path / "remembering"))
    updates = NOISY["clients"] * NOISY["rounds"]
    assert sum(map(len, forgetful)) >= 0.04 * updates
    assert sum(map(len, remembering)) <= 0.01 * updates
    assert not (tmp_path / "forgetful" / "scores").exists()
    assert audit_run(tmp_path / "remembering").passed


def test_a_plan_that_remembers_finds_all_attackers_from_the_first_round(tmp_path: Path) -> None:
    run = start(tmp_path / "run", attacks={"sign-flip": 4}, rounds=8)
    attackers = {int(c) for c in json.loads((run.path / "run.json").read_text())["attackers"]}
    assert all(attackers <= out for out in left_out(run))


class Killed(Exception):
    pass


@pytest.mark.parametrize(("mode", "servers"), [("plain", 3), ("shares", 3)])
def test_a_run_stopped_at_and_inside_every_round_leaves_out_the_same_clients(
    mode: str, servers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"rounds": 6, "seed": 3}
    fields = few | {"aggregation__mode": mode, "aggregation__servers": servers}
    whole = start(tmp_path / "whole", **fields)
    forgetful = start(tmp_path / "forgetful", **few, robustness__keep=0.0)
    assert left_out(whole) != left_out(forgetful), "the memory must matter here, or this test shows nothing"

    publish, play_round = Publisher.publish, Session.play_round
    killed_in: set[int] = set()
    last: list[int] = []

    def publish_the_second_time(self: Publisher, setting: RoundSetting, *rest: Any) -> Any:
        """Scores are written, the round is not."""
        if setting.number not in killed_in:
            killed_in.add(setting.number)
            raise Killed
        return publish(self, setting, *rest)

    def play_one(self: Session, number: int, display: Any) -> Any:
        if last and last[0] != number:
            last.clear()
            raise Killed
        last[:] = [number]
        return play_round(self, number, display)

    monkeypatch.setattr(Publisher, "publish", publish_the_second_time)
    monkeypatch.setattr(Session, "play_round", play_one)
    starts = 0
    while not (tmp_path / "cut" / "receipt.json").is_file():
        starts += 1
        try:
            start(tmp_path / "cut", resume=starts > 1, **fields)
        except Killed:
            continue
    assert starts == 2 * 6 and killed_in == set(range(6))
    assert left_out(Run(tmp_path / "cut")) == left_out(whole)
    assert Run(tmp_path / "cut").model == whole.model


# what follows plays single rounds of one federation by hand: who is asked, who vanishes, what they send


def updates_of(number: int) -> Updates:
    """Updates inside the cone of the root's directions, other ones each round, and noise beside it."""
    rng = np.random.default_rng([17, number])
    mixes = rng.random((CLIENTS, len(ROOT))) @ ROOT + 0.5 * rng.normal(size=(CLIENTS, DIM))
    rows = np.rint(mixes / np.linalg.norm(mixes, axis=1, keepdims=True) * 12_000).astype(np.int64)
    return dict(zip(EVERYBODY, rows, strict=True))


def changed(number: int) -> tuple[Updates, tuple[int, ...], dict[int, int]]:
    """Round `number` of a story: what is sent, who is asked, and who vanishes before which message.

    Client 2 lies for three rounds, is not asked in the fourth, is gone in the fifth and honest in the sixth. Client 5
    sends one odd update, in the sixth.
    """
    sent = updates_of(number)
    if number <= 2:
        sent[2] = -sent[2]
    if number == 5:
        sent[5] = -sent[5]
    asked = tuple(c for c in EVERYBODY if (number, c) != (3, 2))
    return sent, asked, {2: 1} if number == 4 else {}


STORY = [set[int]({2}), {2}, {2}, set[int](), set[int](), {2}]


def in_the_clear(setting: RoundSetting) -> tuple[list[set[int]], Past]:
    out, past = [], dict[int, Scored]()
    for number in range(len(STORY)):
        sent, asked, gone = changed(number)
        round_setting = dataclasses.replace(setting, number=number, past=dict(past))
        refused, scored = refuse(round_setting, {c: sent[c] for c in asked if c not in gone})
        assert scored is not None
        out.append(set(refused))
        past[number] = scored
    return out, {COORDINATOR: past}


def on_shares(setting: RoundSetting) -> tuple[list[set[int]], Past]:
    out = []
    past: Past = {server: {} for server in servers_of(setting)}
    for number in range(len(STORY)):
        sent, asked, gone = changed(number)
        result = play(
            dataclasses.replace(setting, number=number),
            sent,
            calls=(SumCall(0, 0, asked, bytes(32)),),
            network=Network(vanish=gone),
            past=past,
        )
        out.append(set(asked) - set(the_sum(result).included) - set(gone))
        for server in past:
            past[server] = past[server] | {number: result.results[server]}
    return out, past


def opened(past: Past, number: int) -> NDArray[np.int64]:
    """The scores of one round that the servers hold shares of, in levels."""
    shares = [notes[number].values for notes in past.values()]
    words = sum(share[0] if len(shares) == 3 else share for share in shares)
    return np.asarray(words).astype(np.int64)


@pytest.mark.parametrize("servers", [2, 3])
def test_shares_and_the_clear_agree_on_verdicts_and_scores_round_after_round(servers: int) -> None:
    setting = setting_of("cone", servers)
    out, clear = in_the_clear(setting)
    shared_out, shared = on_shares(setting)
    assert out == shared_out == STORY
    last, notes = len(STORY) - 1, clear[COORDINATOR]
    assert all(shared[server][n].clients == notes[n].clients for server in shared for n in notes)
    judged = np.array([[c in notes[n].clients for c in EVERYBODY] for n in notes])
    fresh = np.zeros(judged.shape)
    for number in notes:
        fresh[number, judged[number]] = opened(shared, number) / LEVELS
    smoothed = (ConeTest().weights(judged) * fresh).sum(axis=0)
    # two cosines, each rounded down to a level
    np.testing.assert_allclose(smoothed, notes[last].values, atol=1 / LEVELS)


@pytest.mark.parametrize("mode", ["plain", "shares"])
def test_who_is_absent_or_gone_keeps_its_memory(mode: str) -> None:
    """Client 2 is back after two rounds with an honest update, and is what it was; forgetting would have helped it."""
    setting = setting_of("cone", 3)
    out, past = in_the_clear(setting) if mode == "plain" else on_shares(setting)
    assert out[5] == {2}
    for notes in past.values():
        assert [number for number in notes if 2 in notes[number].clients] == [0, 1, 2, 5]
    robustness = dataclasses.replace(setting.plan.terms.robustness, keep=0.0)
    terms = dataclasses.replace(setting.plan.terms, robustness=robustness)
    forgetful = dataclasses.replace(setting, plan=dataclasses.replace(setting.plan, terms=terms))
    out, _ = in_the_clear(forgetful) if mode == "plain" else on_shares(forgetful)
    assert out[5] == {5}


@pytest.mark.parametrize("servers", [2, 3])
def test_a_round_that_one_server_does_not_remember_counts_for_none(servers: int) -> None:
    """After a server failed in rounds 0 to 2, client 2 is judged by the sixth alone, client 5 by fewer good ones."""
    setting = setting_of("cone", servers)
    _, past = on_shares(setting)
    sent, asked, _ = changed(5)
    complete = {server: {n: notes[n] for n in range(5)} for server, notes in past.items()}
    first, *others = complete
    partial = {first: {n: complete[first][n] for n in (3, 4)}} | {s: complete[s] for s in others}
    call = (SumCall(0, 0, asked, bytes(32)),)
    latest = dataclasses.replace(setting, number=5)
    for memory, expected in ((complete, {2}), (partial, {5})):
        assert set(EVERYBODY) - set(the_sum(play(latest, sent, calls=call, past=memory)).included) == expected


def test_masks_are_not_used_again_on_other_old_scores() -> None:
    """The same updates judged after another past: no message of the judging repeats, as nothing that masks it does."""
    setting = dataclasses.replace(setting_of("cone", 2), number=1)
    first, second = servers_of(setting)
    values = {server: np.arange(CLIENTS, dtype=np.uint64) + np.uint64(server) for server in (first, second)}
    seen = []
    for shift in (0, 1):
        past = {s: {0: Scored(EVERYBODY, v + np.uint64(shift))} for s, v in values.items()}
        result = play(setting, updates_of(0), past=past)
        longest = max((m.data for m in result.view(second) if m.sender == first), key=len)
        seen.append(np.frombuffer(longest, dtype="<u8"))
    assert np.count_nonzero(seen[0] == seen[1]) < 3


@pytest.fixture
def kept(tmp_path: Path) -> RunDirectory:
    """Two finished rounds, the second without a sum."""
    directory = RunDirectory(tmp_path)
    directory.create()
    scores = Scores(directory, True)
    scores.keep(0, {9: Scored((1, 3), np.array([[1, 2], [3, 4]], dtype=np.uint64))})
    scores.keep(1, {})
    for number in range(2):
        directory.write_json(directory.round_file(number), {})
    return directory


def test_what_was_kept_is_there_again(kept: RunDirectory) -> None:
    (number, scored), *others = Scores(kept, True).before(2, 9).items()
    assert (number, scored.clients, scored.values.tolist()) == (0, (1, 3), [[1, 2], [3, 4]]) and not others
    assert Scores(kept, True).before(0, 9) == Scores(kept, True).before(2, 8) == {}
    assert (kept.path / "scores/0000.npz").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: np.savez(path, **{"clients.9": np.array([1, 2, 3]), "values.9": np.zeros(2)}),
        lambda path: np.savez(path, **{"clients.9": np.array([1])}),
        lambda path: np.savez(path, **{"clients.9": np.array([1]), "values.9": np.array(["x"])}),
    ],
)
def test_a_run_whose_scores_are_missing_or_damaged_is_not_continued(
    kept: RunDirectory, damage: Callable[[Path], object]
) -> None:
    damage(kept.path / "scores/0000.npz")
    with pytest.raises(RunDirectoryError, match=r"0000\.npz"):
        Scores(kept, True)
