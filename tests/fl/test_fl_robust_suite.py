"""Rules against attacks in small federations of real digits, and the directions of a root set."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from fl.data import Dataset, load
from fl.engine import LocalSGD
from fl.models import model_for
from fl.plan import Partition
from fl.robust.directions import RootSet, gradient_directions, root_update
from fl.suite.robustness import CASES, SMOKE, Setting, measure, robustness
from mpc.errors import ParameterError

SHARDS = replace(SMOKE, partition=Partition(kind="shards"))
SETTINGS = {"dirichlet": SMOKE, "shards": SHARDS}


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


@pytest.fixture(scope="module")
def root(digits: Dataset) -> RootSet:
    return RootSet(digits.train_x[:200], digits.train_y[:200], digits.classes)


@pytest.mark.parametrize("partition", SETTINGS)
@pytest.mark.parametrize("attack", ["sign-flip", "gaussian", "scaling", "min-max", "ipm"])
def test_the_cone_test_finds_them_all_and_blames_nobody_else(
    partition: str, attack: str, digits: Dataset
) -> None:
    row, accuracies = measure(SETTINGS[partition], "cone", attack, digits, seed=1)
    assert row["detected"] >= 0.95 and row["false_positive"] <= 0.01
    assert len(accuracies) == SMOKE.rounds and row["accuracy"] == accuracies[-1] > 0.7


@pytest.mark.parametrize("partition", SETTINGS)
def test_what_it_finds_partly_and_what_it_cannot_find(partition: str, digits: Dataset) -> None:
    setting = SETTINGS[partition]
    flipped, _ = measure(setting, "cone", "label-flip", digits, seed=1)
    assert flipped["detected"] >= 0.8 and flipped["false_positive"] <= 0.01
    hidden, _ = measure(setting, "cone", "adaptive", digits, seed=1)
    clean, _ = measure(setting, "cone", "none", digits, seed=1)
    assert hidden["detected"] == 0 and hidden["accuracy"] < clean["accuracy"] - 0.05
    assert clean["detected"] is None and clean["false_positive"] <= 0.02 and clean["malicious"] == 0


def test_without_a_rule_the_attacks_work(digits: Dataset) -> None:
    clean = measure(SMOKE, "mean", "none", digits, seed=1)[0]["accuracy"]
    for attack in ("sign-flip", "scaling"):
        row, _ = measure(SMOKE, "mean", attack, digits, seed=1)
        assert row["accuracy"] < clean - 0.3
        assert row["detected"] is None and row["false_positive"] is None
    backdoored, _ = measure(SMOKE, "mean", "backdoor", digits, seed=1)
    assert backdoored["success"] > 0.9 and backdoored["accuracy"] > clean - 0.15


def test_coordinate_wise_rules_cost_accuracy_on_shards_without_any_attack(digits: Dataset) -> None:
    mean, trimmed = (
        measure(SHARDS, case, "none", digits, seed=1)[0]["accuracy"] for case in ("mean", "trimmed-mean")
    )
    assert trimmed < mean - 0.03


def test_every_case_runs_and_the_same_seed_gives_the_same_row_in_any_number_of_processes(
    digits: Dataset,
) -> None:
    short = replace(SMOKE, rounds=2)
    rows = [row for row, _ in robustness([short], list(CASES), ["label-flip"], [3], digits)]
    again = [row for row, _ in robustness([short], list(CASES), ["label-flip"], [3], digits, 2)]
    for row in rows + again:
        row.pop("seconds")
    assert rows == again and [row["rule"] for row in rows] == list(CASES)


def test_a_class_direction_is_minus_its_gradient(root: RootSet) -> None:
    model = model_for("softmax", 64, 10)
    w = model.initial(3)
    found = gradient_directions(model, w, root)
    for label in range(10):
        leaf = torch.from_numpy(w.copy()).requires_grad_(True)
        mine = root.rows([label])
        logits = model.logits(leaf[None], torch.from_numpy(root.features[mine])[None])[0]
        (gradient,) = torch.autograd.grad(
            functional.cross_entropy(logits, torch.from_numpy(root.labels[mine])), leaf
        )
        assert np.allclose(found[label], -gradient.numpy(), atol=1e-6)


def test_one_full_batch_step_on_the_root_set_is_the_mean_of_its_directions(root: RootSet) -> None:
    model = model_for("softmax", 64, 10)
    w, how = model.initial(3), LocalSGD(epochs=1, batch=200, learning_rate=0.5)
    gradients = gradient_directions(model, w, root)
    whole = sum(len(root.rows([label])) * gradients[label] for label in range(10)) / len(root.labels)
    assert np.allclose(root_update(model, w, root, how, seed=1, round=1), 0.5 * whole, atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: RootSet(d.train_x[:3], np.array([0, 1, 3]), 4), "no record of class 2"),
        (lambda d: Setting(clients=10, malicious=10), "fewer than all 10"),
        (lambda d: next(robustness([SMOKE], ["hope"], ["none"], [1], d)), "unknown rule"),
        (lambda d: next(robustness([SMOKE], ["cone"], ["hope"], [1], d)), "unknown attack"),
    ],
)
def test_what_cannot_work_is_refused(make: object, message: str, digits: Dataset) -> None:
    with pytest.raises(ParameterError, match=message):
        make(digits)  # type: ignore[operator]
