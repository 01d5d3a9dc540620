"""Which cells make up each suite, with the plan of every run in it.

smoke    digits, offline, under a minute: everything once, small
mnist    the papers' MNIST experiment: 100 clients, 50 rounds, cryptography on
cifar10  theirs on CIFAR-10
all      the three
"""

from collections.abc import Mapping
from typing import Any

from fl.suite.cell import Cell
from fl.suite.costs import cost_cell
from fl.suite.experiments import (
    churn_cell,
    client_privacy_cell,
    incentives_cell,
    leakage_cell,
    record_run_cell,
    robustness_cell,
    scale_cell,
    trust_cell,
)
from fl.suite.runs import run_cell
from mpc.errors import ParameterError

__all__ = ["cells_of"]

Plan = Mapping[str, Any]

_HUNDRED: Plan = {"clients": 100, "rounds": 50}
_LENET: Plan = {
    **_HUNDRED,
    "model": "lenet",
    "training.algorithm": "fedavgm",
    "training.epochs": 1,
    "training.batch": 25,
    "training.learning_rate": 0.05,
    "training.momentum": 0.9,
    "training.augment": "shift",
    "server.momentum": 0.8,
}
_SOFTMAX: Plan = {
    **_HUNDRED,
    "training.algorithm": "feddyn",
    "training.epochs": 2,
    "training.batch": 32,
    "training.learning_rate": 0.3,
    "training.prox": 0.02,
}
_SHARDS: Plan = {"partition.kind": "shards", "partition.classes": 2}
_DIGITS: Plan = {"clients": 12, "rounds": 5, "training.epochs": 2}
_METHODS: Mapping[str, Plan] = {
    "fedavg": {},
    "fedadam": {"server.learning_rate": 0.1, "server.momentum": 0.9},
    "scaffold": {},
    "fsvrg": {},
}


def cells_of(name: str) -> list[Cell]:
    """The cells of the suite `name`, in the order in which they are measured. Raises: ParameterError."""
    suites = {"smoke": _smoke, "mnist": _mnist, "cifar10": _cifar10}
    if name == "all":
        return [cell for make in suites.values() for cell in make()]
    if name not in suites:
        raise ParameterError(f"there is no suite {name!r}: there are {', '.join(suites)} and all")
    return suites[name]()


def _smoke() -> list[Cell]:
    runs = [
        run_cell(
            f"digits-{method}",
            f"digits, {method}",
            "digits",
            {**_DIGITS, **settings, "training.algorithm": method},
            5,
        )
        for method, settings in _METHODS.items()
    ]
    return [
        *runs,
        record_run_cell("digits-record-dp", "digits-patches", 8.0, 15, 10),
        robustness_cell("digits-robustness", "digits", "smoke", 6),
        leakage_cell("digits-leakage", "digits", "smoke", 9),
        cost_cell("digits-cost", "digits, softmax regression", "digits", {**_DIGITS, "rounds": 1}, 8),
        churn_cell("digits-churn", "digits", {**_DIGITS, "rounds": 4}, (0.3,), 4),
        incentives_cell("digits-incentives", "smoke", 4),
        trust_cell("digits-trust"),
    ]


def _mnist() -> list[Cell]:
    softmax_shards = {**_SOFTMAX, **_SHARDS}
    return [
        run_cell("mnist-lenet", "LeNet, Dirichlet 0.5", "mnist", _LENET, 290),
        run_cell("mnist-softmax", "softmax regression, Dirichlet 0.5", "mnist", _SOFTMAX, 110),
        run_cell("mnist-shards", "softmax regression, two classes a client", "mnist", softmax_shards, 120),
        run_cell("mnist-lenet-shards", "LeNet, two classes a client", "mnist", {**_LENET, **_SHARDS}, 220),
        record_run_cell("mnist-record-dp", "mnist-patches", 2.9, 50, 160),
        client_privacy_cell("mnist-client-dp", "mnist-patches", 60),
        robustness_cell("mnist-robustness", "mnist", "cone", 80),
        robustness_cell("mnist-robustness-others", "mnist", "others", 120),
        robustness_cell("mnist-robustness-lenet", "mnist", "deep", 780),
        leakage_cell("mnist-leakage", "mnist", "full", 100),
        cost_cell("mnist-cost", "MNIST, LeNet, 100 clients", "mnist", {**_LENET, "rounds": 1}, 30),
        churn_cell("churn", "digits", {**_DIGITS, "rounds": 20}, (0.0, 0.1, 0.3, 0.5), 15),
        incentives_cell("incentives", "full", 20),
        scale_cell("mnist-scale", 10_000, "mnist", 200),
        trust_cell("trust"),
    ]


def _cifar10() -> list[Cell]:
    return [
        run_cell(
            "cifar10-patches",
            "ridge regression on patch features, Dirichlet 0.5",
            "cifar10-patches",
            {},
            1200,
        ),
        run_cell("cifar10-cnn", "GroupNorm CNN, Dirichlet 0.5", "cifar10", {}, 5500),
    ]
