"""The suite: cells that are measured once and found again, the papers' table, the page, the command."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from fl.cli import main
from fl.learning import algorithm_of
from fl.plan import Proofs, load_terms, preset_names
from fl.progress import RunDisplay
from fl.rundir import RunDirectory
from fl.suite import sizes
from fl.suite.cell import GROUPS, Cell, Conditions, Result
from fl.suite.cli import proofs_asked
from fl.suite.experiments import trust_cell
from fl.suite.page import page
from fl.suite.papers import CLAIMS, answers
from fl.suite.runner import measure_cells
from fl.suite.runs import run_cell
from fl.suite.sizes import cells_of
from fl.suite.table import markdown, rules_table, run_table
from mpc.errors import ParameterError

TINY = {"clients": 5, "rounds": 2, "training.epochs": 1}


@pytest.fixture
def display() -> RunDisplay:
    return RunDisplay(Console(stderr=True), quiet=True)


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    found = RunDirectory(tmp_path / "suite")
    found.create()
    return found


def conditions(directory: RunDirectory, seed: int = 1) -> Conditions:
    return Conditions(seed=seed, work=directory.path / "runs", proofs=Proofs("sample", 1, 1))


def test_a_cell_is_an_audited_run_measured_once(directory: RunDirectory, display: RunDisplay) -> None:
    cells = [run_cell("tiny", "a tiny run", "digits", TINY, 1)]
    first = measure_cells("test", cells, conditions(directory), directory, display)
    (row,) = first[0]["rows"]
    assert row["audit"] == "passed" and row["proofs"] == 1 and row["rounds"] == 2
    assert 0 < row["label_distance"] < 1
    assert first[0]["curves"]["a tiny run"][-1] == row["accuracy"]
    assert first[0]["command"] == "eppml suite test --only tiny --seed 1 --prove rounds=1,clients=1"
    again = measure_cells("test", cells, conditions(directory), directory, display)
    assert again == first  # seconds and all: it was found, not measured again


def test_the_table_says_how_unlike_clients_are_where_labels_are_not_protected(
    directory: RunDirectory, display: RunDisplay
) -> None:
    private = {
        "weights": "equal",
        "privacy.kind": "client",
        "privacy.epsilon": 8.0,
        "privacy.l2_clip": 8.0,
        "update.clip": 2000.0,
        "aggregation.min_clients": 5,
    }
    sources = {"alike": {"partition.kind": "iid"}, "unlike": {"partition.kind": "shards"}, "private": private}
    cells = [run_cell(key, key, "digits", TINY | fields, 1) for key, fields in sources.items()]
    documents = measure_cells("test", cells, conditions(directory), directory, display)
    headings, rows = run_table(documents)
    shown = {row[0]: row[headings.index("label distance")] for row in rows}
    assert float(shown["alike"]) < 0.2 < 0.6 < float(shown["unlike"]) <= 0.8
    assert shown["private"] == ""
    receipt = json.loads((directory.path / "runs" / "alike" / "receipt.json").read_text())
    assert float(shown["alike"]) == pytest.approx(receipt["data"]["distances"]["mean"], abs=1e-4)


def test_results_of_another_seed_are_not_mixed_in(directory: RunDirectory, display: RunDisplay) -> None:
    measure_cells("test", [trust_cell("trust")], conditions(directory), directory, display)
    with pytest.raises(ParameterError, match="another seed"):
        measure_cells("test", [trust_cell("trust")], conditions(directory, 2), directory, display)


def test_a_cell_that_fails_says_why_and_the_others_are_measured(
    directory: RunDirectory, display: RunDisplay
) -> None:
    def broken(conditions: Conditions, display: object) -> Result:
        raise ParameterError("the data set is not here")

    cells = [Cell("broken", "broken", "accuracy", 1, broken), trust_cell("trust")]
    documents = measure_cells("test", cells, conditions(directory), directory, display)
    assert documents[0]["error"] == "the data set is not here" and documents[1]["rows"]
    text = markdown("test", documents)
    assert "Not measured: the data set is not here." in text
    assert not (directory.path / "results" / "broken.json").exists()  # the next start tries again


def test_every_claim_of_the_papers_has_cells_that_can_answer_it() -> None:
    keys = {cell.key for cell in cells_of("all")} | {cell.key for cell in cells_of("smoke")}
    for claim in CLAIMS:
        assert set(claim.cells) & keys, claim.what


def test_cells_have_one_key_each_and_a_known_group() -> None:
    for name in ("smoke", "mnist", "cifar10", "all"):
        keys = [cell.key for cell in cells_of(name)]
        assert len(keys) == len(set(keys)), name
        assert {cell.group for cell in cells_of(name)} <= set(GROUPS)


@pytest.mark.parametrize("plan", ["_LENET", "_SOFTMAX", "_SHARDS", "_DIGITS"])
def test_every_plan_of_the_suites_is_one_that_can_be_made(plan: str) -> None:
    terms = load_terms("mnist", getattr(sizes, plan))
    assert algorithm_of(terms).name == terms.training.algorithm


@pytest.mark.parametrize("preset", preset_names())
def test_every_preset_is_a_plan_that_can_be_made(preset: str) -> None:
    terms = load_terms(preset)
    assert algorithm_of(terms).name == terms.training.algorithm


def test_the_table_puts_their_figure_beside_ours() -> None:
    document = {
        "key": "mnist-lenet",
        "rows": [{"what": "LeNet", "accuracy": 0.9853}],
        "command": "eppml suite mnist --only mnist-lenet --seed 1",
    }
    found = {answer.what: answer for answer in answers([document])}
    assert found["accuracy, MNIST"].ours == "98.53 % (LeNet)"
    assert found["accuracy, MNIST"].theirs.startswith("92.1 %")
    assert found["poisoned updates rejected"].ours == ""


def test_rules_stand_side_by_side_with_means_over_seeds() -> None:
    def row(rule: str, seed: int, detected: float | None, false: float | None) -> dict[str, object]:
        about = {"rule": rule, "attack": "alie", "model": "softmax", "partition": "shards", "seed": seed}
        return about | {"accuracy": 0.5, "detected": detected, "false_positive": false, "success": None}

    headings, rows = rules_table(
        [row("mean", 1, None, None), row("cone", 1, 0.9, 0.01), row("cone", 2, 1.0, 0.0)]
    )
    assert headings == ["model", "partition", "attack", "mean", "cone (2 seeds)"]
    assert rows == [["softmax", "shards", "alie", "50.0", "50.0 [95.0 / 0.50]"]]


def test_the_page_is_complete_and_asks_for_nothing(directory: RunDirectory, display: RunDisplay) -> None:
    cells = [run_cell("tiny", "a <tiny> run", "digits", TINY, 1), trust_cell("trust")]
    documents = measure_cells("test", cells, conditions(directory), directory, display)
    text = page("test", documents)
    assert text.startswith("<!doctype html>") and "<svg" in text and "a &lt;tiny&gt; run" in text
    assert not re.search(r'(?:src|href)="https?:', text) and "<script" not in text


@pytest.mark.parametrize(
    ("text", "proofs"),
    [
        ("all", Proofs("all")),
        ("none", Proofs("none")),
        ("rounds=2", Proofs("sample", 2, 0)),
        ("rounds=1,clients=5", Proofs("sample", 1, 5)),
    ],
)
def test_whose_updates_are_proven(text: str, proofs: Proofs) -> None:
    assert proofs_asked(text) == proofs


@pytest.mark.parametrize("text", ["some", "rounds=0", "rounds=-1", "clients=x", "rounds"])
def test_a_sample_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="--prove wants"):
        proofs_asked(text)


def test_the_command_writes_table_page_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "suite"
    assert main(["suite", "smoke", "--only", "digits-trust", "--out", str(out)]) == 0
    assert "Whom one must trust" in capsys.readouterr().out
    assert {"table.md", "index.html", "results.json"} <= {path.name for path in out.iterdir()}
    assert main(["suite", "smoke", "--only", "digits-trust", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["key"] == "digits-trust"


def test_unknown_suites_and_cells_are_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["suite", "imagenet", "--out", str(tmp_path)]) == 2
    assert "there is no suite 'imagenet'" in capsys.readouterr().err
    assert main(["suite", "smoke", "--only", "nothing", "--out", str(tmp_path)]) == 2
    assert "has no cell 'nothing'" in capsys.readouterr().err


def test_a_result_survives_its_encoding() -> None:
    result = Result([{"what": "x", "accuracy": 0.5}], {"x": [0.1, 0.5]})
    assert Result.from_dict(result.as_dict()) == replace(result)
