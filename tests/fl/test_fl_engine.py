"""The engine: cohorts, orders, processes that die, clients that diverge."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fl import data
from fl.engine import Cohort, LocalEngine, LocalSGD, Trained, Work, full_gradient, gather, local_sgd
from fl.engine.augment import augment, draw_views
from fl.engine.store import store
from fl.engine.worker import Worker, WorkerLost
from fl.models import model_for
from fl.optim import FedAvg, Scaffold
from fl.seeds import generator
from mpc.errors import ParameterError

SEED = 3
SGD = LocalSGD(epochs=2, batch=8, learning_rate=0.1, momentum=0.5)


def digits_work(model: str = "softmax", clients: int = 45, sgd: LocalSGD = SGD) -> Work:
    """Clients with one record, two records, and so on."""
    digits = data.load("digits")
    first = np.cumsum([0, *range(1, clients + 1)])
    shards = [np.arange(a, b) for a, b in zip(first, first[1:], strict=False)]
    made = model_for(model, digits.inputs, digits.classes)
    return Work(made, FedAvg(sgd), digits.train_x, digits.train_y, shards, SEED)


def same(one: dict[int, Trained], other: dict[int, Trained]) -> bool:
    return list(one) == list(other) and all(
        a.payload is not None
        and b.payload is not None
        and a.payload.tobytes() == b.payload.tobytes()
        and a.memory.tobytes() == b.memory.tobytes()
        and a.reason == b.reason == ""
        for a, b in zip(one.values(), other.values(), strict=True)
    )


@settings(max_examples=30, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 20), min_size=1, max_size=6),
    epochs=st.integers(1, 3),
    batch=st.integers(1, 9),
)
def test_every_epoch_shows_every_record_once_in_the_clients_own_order(
    sizes: list[int], epochs: int, batch: int
) -> None:
    first = np.cumsum([0, *sizes])
    shards = [np.arange(a, b) for a, b in zip(first, first[1:], strict=False)]
    records = torch.arange(sum(sizes))
    clients = range(1, len(sizes) + 1)
    cohort = gather(clients, shards, records.float()[:, None], records, SEED, 4)
    seen: dict[int, list[int]] = {client: [] for client in clients}
    for step in cohort.batches(epochs, batch):
        assert torch.equal(step.features[..., 0].long(), step.labels)
        sums = step.weights.sum(1)
        assert torch.allclose(sums, torch.ones_like(sums))
        for client, labels, weights in zip(cohort.clients, step.labels, step.weights, strict=False):
            real = labels[weights > 0]
            assert torch.allclose(weights[weights > 0], torch.tensor(1 / len(real)))
            seen[client] += real.tolist()
    for client in clients:
        order, shard = generator(SEED, "training", 4, client), shards[client - 1]
        expected = np.concatenate([shard[order.permutation(len(shard))] for _ in range(epochs)])
        assert seen[client] == expected.tolist()


def test_a_cohort_in_the_wrong_order_or_with_an_empty_client_is_refused() -> None:
    x, y = torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64)
    with pytest.raises(ParameterError, match="at least one record"):
        gather([1, 2], [np.arange(3), np.arange(0)], x, y, 1, 0)
    with pytest.raises(ParameterError, match="decreasing size"):
        Cohort((1, 2), x, y, torch.zeros(2, 3, dtype=torch.int64), (1, 3), 1, 0)


def test_the_padded_view_and_its_mask_are_the_shards() -> None:
    work = digits_work(clients=5)
    x, y = torch.from_numpy(work.features), torch.from_numpy(work.labels)
    cohort = gather([2, 5, 3], work.shards, x, y, SEED, 0)
    assert cohort.clients == (5, 3, 2)
    for k, client in enumerate(cohort.clients):
        shard = work.shards[client - 1]
        assert cohort.mask[k].sum() == len(shard) == cohort.counts[k]
        assert torch.equal(cohort.features[k, : len(shard)], x[shard])
        assert torch.equal(cohort.labels[k, : len(shard)], y[shard])


@pytest.mark.parametrize("name", ["softmax", "mlp", "lenet"])
def test_together_is_as_alone_up_to_rounding(name: str) -> None:
    work = digits_work(name, clients=9)
    state = work.model.initial(1)
    together = work.train(range(1, 10), state, {}, 0)
    for client in range(1, 10):
        alone = work.train([client], state, {}, 0)[client].payload
        assert np.abs(alone - together[client].payload).max() < 1e-5
        assert np.abs(alone).max() > 1e-3


def test_the_full_gradient_is_the_mean_over_all_records_in_pieces() -> None:
    digits = data.load("digits")
    model = model_for("softmax", 64, 10)
    x, y = torch.from_numpy(digits.train_x), torch.from_numpy(digits.train_y)
    shards = [np.arange(450), np.arange(450, 500)]
    w = torch.from_numpy(model.initial(1))
    gradient = full_gradient(model, gather([1, 2], shards, x, y, SEED, 0), w)
    for k, shard in enumerate(shards):
        weights = torch.full((1, len(shard)), 1 / len(shard))
        whole = model.gradient(w[None], x[shard][None], y[shard][None], weights)[0]
        assert torch.allclose(gradient[k], whole, atol=1e-6)


def test_any_number_of_processes_gives_the_same_bits_even_when_one_is_killed() -> None:
    work = digits_work("lenet", sgd=replace(SGD, epochs=3, momentum=0.0))
    work = replace(work, algorithm=Scaffold(work.algorithm.sgd))
    state = work.algorithm.initial_state(work.model.initial(1))
    members = [c for c in range(1, 46) if c % 7]
    with LocalEngine(work, 1) as one, LocalEngine(work, 2) as two:
        first = one.train(0, state, members, {})
        assert same(first, two.train(0, state, members, {}))
        before = [worker.pid for worker in two.workers]
        memories = {client: t.memory for client, t in first.items()}
        assert any(memory.any() for memory in memories.values())
        killed = threading.Event()

        def kill() -> None:
            os.kill(before[0], signal.SIGKILL)
            killed.set()

        threading.Timer(0.05, kill).start()
        second = two.train(1, state, members, memories)
        assert killed.is_set() and two.workers[0].pid != before[0] and two.workers[1].pid == before[1]
        assert same(second, one.train(1, state, members, memories))


def test_an_error_in_a_worker_is_raised_here_and_no_process_stays() -> None:
    work = digits_work()
    engine = LocalEngine(work, 2)
    state = work.model.initial(1)
    engine.train(0, state, range(1, 46), {})
    pids = [worker.pid for worker in engine.workers]
    with pytest.raises(ValueError, match="same shape"):
        engine.train(1, state, range(1, 46), {7: np.zeros(3, dtype=np.float32)})
    assert not engine.workers
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_worker_that_always_dies_is_given_up_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stored = store(digits_work(clients=2), tmp_path)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    worker = Worker(stored)
    with pytest.raises(WorkerLost, match=r"died 3 times while training clients \[1, 2\]"):
        worker.train(((1, 2), np.zeros(650, dtype=np.float32), {}, 0))
    worker.close()


INTERRUPTED = """
import sys
sys.path.insert(0, {tests!r})
from test_fl_engine import *
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job starts with it ignored
work = digits_work("lenet", sgd=replace(SGD, epochs=1000))
engine = LocalEngine(work, 2)
threading.Thread(target=lambda: (wait_for(engine), print(*[w.pid for w in engine.workers], flush=True))).start()
try:
    engine.train(0, work.model.initial(1), range(1, 46), {{}})
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def wait_for(engine: LocalEngine) -> None:
    while len(engine.workers) < 2 or not all(worker.pid for worker in engine.workers):
        time.sleep(0.01)


def test_an_interrupt_ends_training_and_its_processes() -> None:
    program = INTERRUPTED.format(tests=os.path.dirname(__file__))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    ) as run:
        assert run.stdout is not None
        pids = [int(pid) for pid in run.stdout.readline().split()]
        os.killpg(run.pid, signal.SIGINT)  # what a terminal sends: to the workers as well
        assert run.stdout.read().split() == ["interrupted"]
        assert run.wait(20) == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_a_client_that_diverges_is_reported_and_keeps_its_memory() -> None:
    work = digits_work(clients=4)
    features = work.features.copy()
    features[work.shards[2]] = np.inf
    work = replace(work, features=features, algorithm=Scaffold(replace(SGD, momentum=0.0)))
    memories = {3: np.full(work.model.size, 0.25, dtype=np.float32)}
    state = work.algorithm.initial_state(work.model.initial(1))
    trained = work.train([1, 2, 3, 4], state, memories, 0)
    assert trained[3].payload is None and "not finite" in trained[3].reason
    assert np.array_equal(trained[3].memory, memories[3])
    for client in (1, 2, 4):
        payload = trained[client].payload
        assert payload is not None and np.isfinite(payload).all()


def test_groups_put_clients_of_like_size_together_whoever_asks() -> None:
    work = digits_work()
    groups = work.groups([5, 45, 1, 20, *range(25, 44)])
    assert [client for group in groups for client in group] == [45, *range(43, 24, -1), 20, 5, 1]
    assert max(map(len, groups)) == work.model.cohort
    assert groups == work.groups(sorted({5, 45, 1, 20, *range(25, 44)}))


def test_settings_that_cannot_work_are_refused() -> None:
    work = digits_work(clients=2)
    with pytest.raises(ParameterError, match="processes must be 1 to 1024, got 0"):
        LocalEngine(work, 0)
    with pytest.raises(ParameterError, match="cuda is driven by one process, not 2"):
        LocalEngine(replace(work, device="cuda"), 2)
    if not torch.cuda.is_available():
        with pytest.raises(ParameterError, match="there is no cuda here"):
            LocalEngine(replace(work, device="cuda"))
    assert work.reproducible and not replace(work, device="cuda").reproducible
    assert not replace(work, model=model_for("cnn-bf16", 3072, 10)).reproducible
    with pytest.raises(ParameterError, match=r"momentum must be in \[0, 1\), got 1"):
        LocalSGD(momentum=1.0)
    with pytest.raises(ParameterError, match="learning_rate must be positive"):
        LocalSGD(learning_rate=float("nan"))
    with pytest.raises(ParameterError, match="augment must be one of"):
        LocalSGD(augment="rotate")


@pytest.mark.slow
def test_ten_thousand_clients_fit_because_only_a_group_is_copied() -> None:
    x = np.zeros((20_000, 784), dtype=np.float32)
    y = np.zeros(20_000, dtype=np.int64)
    shards = np.split(np.arange(20_000), 10_000)
    work = Work(model_for("softmax", 784, 10), FedAvg(LocalSGD(batch=2)), x, y, shards, SEED)
    with LocalEngine(work) as engine:
        trained = engine.train(0, work.model.initial(1), range(1, 10_001), {})
    assert len(trained) == 10_000


@pytest.mark.parametrize(
    ("kind", "channels", "side", "reach", "count"), [("flip-crop", 3, 32, 4, 162), ("shift", 1, 28, 2, 25)]
)
def test_flips_and_shifts_are_those_of_numpy(
    kind: str, channels: int, side: int, reach: int, count: int
) -> None:
    images = np.random.default_rng(1).random((300, side, side, channels), dtype=np.float32)
    views = draw_views(kind, generator(SEED, "augment", 0, 1), (300,))
    flat = torch.from_numpy(images.reshape(2, 150, -1))
    shown = augment(kind, flat, torch.from_numpy(views.reshape(2, 150)))
    for image, view, got in zip(images, views, shown.numpy().reshape(images.shape), strict=True):
        flip, place = (view % 2, view // 2) if kind == "flip-crop" else (0, view)
        down, across = divmod(place, 2 * reach + 1)
        padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)))
        crop = padded[down : down + side, across : across + side]
        assert np.array_equal(got, crop[:, ::-1] if flip else crop)
    assert set(views.tolist()) <= set(range(count)) and len(set(views.tolist())) > 0.8 * min(count, 150)


def test_augmentation_is_refused_for_other_records() -> None:
    with pytest.raises(
        ParameterError, match="flip-crop is for square images of 3 channels, not for records of 64"
    ):
        augment("flip-crop", torch.zeros(1, 64), torch.zeros(1, dtype=torch.int64))


def test_augmented_training_is_seeded_and_differs_from_plain() -> None:
    x, y = torch.rand(6, 3072), torch.arange(6)
    cohort = gather([1, 2], [np.arange(4), np.arange(4, 6)], x, y, SEED, 0)
    first, again = (list(cohort.batches(2, 2, "flip-crop")) for _ in range(2))
    plain = list(cohort.batches(2, 2))
    assert all(torch.equal(a.features, b.features) for a, b in zip(first, again, strict=True))
    assert all(torch.equal(a.labels, b.labels) for a, b in zip(first, plain, strict=True))
    assert not all(torch.equal(a.features, b.features) for a, b in zip(first, plain, strict=True))


def test_a_client_with_fewer_steps_stands_still_while_others_go_on() -> None:
    work = digits_work(clients=12)
    x, y = torch.from_numpy(work.features), torch.from_numpy(work.labels)
    start = torch.from_numpy(work.model.initial(1))
    short = local_sgd(work.model, gather([1, 2], work.shards, x, y, SEED, 0), start, SGD)
    mixed = local_sgd(work.model, gather([12, 1, 2], work.shards, x, y, SEED, 0), start, SGD)
    assert torch.allclose(short, mixed[1:], atol=1e-6)
