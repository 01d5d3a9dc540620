"""Rules against attacks: how many malicious updates a rule finds, how many honest ones it loses, what the model is worth.

One federation in the clear, but on the integers of the codec: what a rule decides here is what a protocol that evaluates
the same rule on shared integers decides. Attackers know every honest update of the round and the public directions.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fl.attacks import ATTACKS, Backdoor, View, attack_for, stamp
from fl.data import Dataset
from fl.engine import LocalEngine, LocalSGD, Work
from fl.models import Model, model_for
from fl.optim.fedavg import FedAvg
from fl.partition import split
from fl.plan import Partition
from fl.poisoning import poisoned_data
from fl.robust import RULES, ConeTest, Context, Memory, Rule, encode_directions
from fl.robust.directions import RootSet, gradient_directions, root_update
from fl.seeds import generator
from fl.suite.side_by_side import side_by_side
from mpc.codec import Codec
from mpc.errors import ParameterError

__all__ = ["CASES", "DEEP", "LINEAR", "SMOKE", "Setting", "measure", "robustness"]

Row = dict[str, Any]
Vector = NDArray[np.float32]

CASES: dict[str, Rule] = {**RULES, "cone-round": ConeTest(keep=0.0)}
"""What is measured, by name: every rule, and the cone test without memory, as in a plan with `robustness.keep = 0`."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One federation; `records` training samples in all, `root` public ones of each class besides.

    `malicious` clients attack in every round. Updates are encoded with `bits` bits to +-`clip`, in model units.
    """

    model: str = "softmax"
    partition: Partition = Partition()
    clients: int = 100
    malicious: int = 20
    rounds: int = 15
    records: int = 15_000
    root: int = 20
    sgd: LocalSGD = LocalSGD(epochs=1, batch=32, learning_rate=0.5)
    clip: float = 2.0
    bits: int = 16

    def __post_init__(self) -> None:
        if not 0 <= self.malicious < self.clients:
            raise ParameterError(
                f"malicious clients must be fewer than all {self.clients}, got {self.malicious}"
            )


LINEAR = Setting()
DEEP = Setting(model="lenet", sgd=LocalSGD(epochs=1, batch=25, learning_rate=0.05, momentum=0.9), clip=1.0)
SMOKE = Setting(clients=20, malicious=4, rounds=10, records=1_300, root=10)


@dataclass(frozen=True)
class _Federation:
    """Who has which records; `attackers` count from 1."""

    model: Model
    dataset: Dataset
    root: RootSet
    shards: list[NDArray[np.int64]]
    attackers: tuple[int, ...]


def _gather(setting: Setting, dataset: Dataset, seed: int) -> _Federation:
    """Public root records, then the clients' records, both drawn by the seed; who attacks is drawn apart from that."""
    order = generator(seed, "robustness", "records").permutation(len(dataset.train_y))
    labels = dataset.train_y[order]
    chosen = np.zeros(len(order), dtype=np.bool_)
    for label in range(dataset.classes):
        chosen[np.flatnonzero(labels == label)[: setting.root]] = True
    root, rest = order[chosen], order[~chosen][: setting.records]
    mine = replace(dataset, train_x=dataset.train_x[rest], train_y=dataset.train_y[rest])
    shards = split(mine.train_y, setting.clients, setting.partition, seed, setting.sgd.batch)
    bad = generator(seed, "robustness", "attackers").permutation(setting.clients)[: setting.malicious]
    return _Federation(
        model_for(setting.model, dataset.inputs, dataset.classes),
        mine,
        RootSet(dataset.train_x[root], dataset.train_y[root], dataset.classes),
        shards,
        tuple(sorted(int(client) + 1 for client in bad)),
    )


def measure(setting: Setting, case: str, attack: str, dataset: Dataset, seed: int) -> tuple[Row, list[float]]:
    """One training under one attack ("none": nobody attacks); a row for the table, and the accuracy by round.

    `detected` is the share of the attackers' updates that were rejected, over all rounds, and `false_positive` that of the
    honest ones; None where the rule judges nobody. `success` is the share of stamped test images that a backdoored
    model gives the attackers' class. A client whose training diverged is not in the round, and not counted.
    """
    began, rule = time.perf_counter(), CASES[case]
    federation = _gather(setting, dataset, seed)
    attackers = federation.attackers if attack != "none" else ()
    features, labels, shards = poisoned_data(
        federation.dataset, federation.shards, dict.fromkeys(attackers, attack), seed
    )
    model, how = federation.model, FedAvg(sgd=setting.sgd)
    codec = Codec(clip=setting.clip, bits=setting.bits, max_clients=setting.clients)
    w, memory = model.initial(seed), Memory.fresh(setting.clients)
    change = np.zeros(model.size)
    verdicts: list[NDArray[np.bool_]] = []
    accuracies: list[float] = []
    with LocalEngine(Work(model, how, features, labels, shards, seed)) as engine:
        for number in range(1, setting.rounds + 1):
            trained = engine.train(number, w, range(1, setting.clients + 1), {})
            updates = {c: t.payload.astype(np.float64) for c, t in trained.items() if t.payload is not None}
            context = _context(setting, federation, rule, attack, w, codec, seed, number)
            if attack != "none":
                _attack(setting, attack, updates, attackers, change, context, seed, number)
            if not updates:
                break
            members = np.array(sorted(updates)) - 1
            codes = codec.encode(np.stack([updates[c + 1] for c in members.tolist()])).values
            verdict = rule.accept(codes, replace(context, members=members), memory)
            memory = verdict.memory
            after = (w + verdict.aggregate * codec.step).astype(np.float32)
            w, change = after, after.astype(np.float64) - w
            bad = np.isin(members + 1, attackers)
            verdicts.append(np.stack([verdict.accepted, bad]))
            accuracies.append(model.evaluate(w, dataset.test_x, dataset.test_y).accuracy)
    accepted, bad = np.concatenate(verdicts, axis=1)
    return {
        "rule": case,
        "attack": attack,
        "model": setting.model,
        "partition": setting.partition.kind,
        "seed": seed,
        "accuracy": accuracies[-1],
        "detected": float((~accepted[bad]).mean()) if rule.judges and bad.any() else None,
        "false_positive": float((~accepted[~bad]).mean()) if rule.judges else None,
        "success": _success(model, w, dataset, attack),
        "clients": setting.clients,
        "malicious": len(attackers),
        "rounds": setting.rounds,
        "seconds": round(time.perf_counter() - began, 2),
    }, accuracies


def _context(
    setting: Setting,
    federation: _Federation,
    rule: Rule,
    attack: str,
    w: Vector,
    codec: Codec,
    seed: int,
    number: int,
) -> Context:
    """The root set's directions and update, where the rule or the attacker looks at them."""
    model, root = federation.model, federation.root
    directions = update = None
    if rule.name == "cone" or attack == "adaptive":
        directions = encode_directions(gradient_directions(model, w, root))
    if rule.name == "fltrust":
        update = root_update(model, w, root, setting.sgd, seed, number) / codec.step
    return Context(directions, update)


def _attack(
    setting: Setting,
    attack: str,
    updates: dict[int, NDArray[np.float64]],
    attackers: Sequence[int],
    change: NDArray[np.float64],
    context: Context,
    seed: int,
    number: int,
) -> None:
    """Put what the attackers send in the place of what they trained."""
    honest = [update for client, update in updates.items() if client not in attackers]
    present = [client for client in attackers if client in updates]
    if not honest or not present:
        return
    view = View(np.stack(honest), change, setting.clients, context.directions)
    sent = attack_for(attack).update(
        np.stack([updates[client] for client in present]), view, generator(seed, "attack", number)
    )
    updates.update(zip(present, sent, strict=True))


def _success(model: Model, w: Vector, dataset: Dataset, attack: str) -> float | None:
    found = ATTACKS.get(attack)
    if not isinstance(found, Backdoor):
        return None
    others = dataset.test_y != found.target
    stamped = torch.from_numpy(stamp(dataset.test_x[others], found.side))
    with torch.no_grad():
        classes = model.logits(torch.from_numpy(w)[None], stamped[None])[0].argmax(1)
    return float((classes == found.target).float().mean())


def robustness(
    settings: Sequence[Setting],
    cases: Sequence[str],
    attacks: Sequence[str],
    seeds: Sequence[int],
    dataset: Dataset,
    processes: int = 1,
) -> Iterator[tuple[Row, list[float]]]:
    """`measure` for every combination, seed by seed, as each is done; `processes` measure at once, with the same results.

    Raises: ParameterError for an unknown case or attack, before anything is trained.
    """
    for case in cases:
        if case not in CASES:
            raise ParameterError(f"unknown rule {case!r}: there are {', '.join(CASES)}")
    for attack in attacks:
        if attack != "none":
            attack_for(attack)
    tasks = list(product(settings, seeds, attacks, cases))
    yield from side_by_side(_measure_task, dataset, tasks, processes)


def _measure_task(dataset: Dataset, task: tuple[Setting, int, str, str]) -> tuple[Row, list[float]]:
    setting, seed, attack, case = task
    return measure(setting, case, attack, dataset, seed)
