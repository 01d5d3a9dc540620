"""Ray: the same bits as here, and the same losses when an actor is killed."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fl.engine import LocalEngine, LocalSGD, Work
from fl.models import SoftmaxRegression
from fl.optim import FedAvg
from fl.scale import (
    ActorServer,
    LocalExecutor,
    Parties,
    RoundTask,
    Shard,
    ShardRules,
    SimulatedBeacon,
    SyntheticClients,
    open_engine,
    open_executor,
)
from fl.seeds import generator
from mpc.errors import ParameterError

ray = pytest.importorskip("ray")

pytestmark = [
    pytest.mark.slow,
    # Ray's own code leaves sockets and files to the garbage collector
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

# the cluster's processes cannot import this file
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

RULES = ShardRules(size=6, min_clients=3, corrupt=0.0, dropout=0.2)
DIM = 9
TASK = RoundTask(0, 20, RULES, DIM, b"plan", SimulatedBeacon(3), field_dim=1)


@dataclass(frozen=True)
class Waiting(SyntheticClients):
    """Whoever is given shard 1 waits until somebody opens and closes a pipe."""

    pipe: Path = Path()

    def parties(self, shard: Shard) -> Parties:
        if shard.number == 1:
            with self.pipe.open("rb") as waiting:
                waiting.read()
        return super().parties(shard)


class Broken:
    def fail(self) -> None:
        raise ParameterError("as it should")


def people() -> SyntheticClients:
    return SyntheticClients(bytes(32), seed=5, round=0, drop=0.0, dim=DIM)


@pytest.fixture(scope="module")
def executor() -> Iterator[Any]:
    with open_executor("ray", processes=2) as made:
        yield made


def work() -> Work:
    rng = generator(1, "test records")
    features = rng.random((300, 12), dtype=np.float32)
    labels = rng.integers(0, 3, 300)
    rows = np.array_split(np.arange(300), 45)
    return Work(SoftmaxRegression(12, 3), FedAvg(LocalSGD(epochs=2, batch=4)), features, labels, rows, seed=3)


def test_sums_have_the_bits_of_the_local_engine(executor: Any) -> None:
    reports = []
    with LocalExecutor(0) as local:
        for where in (executor, local):
            server = ActorServer(where, selectors=2)
            server.check_in(range(1, 21))
            reports.append(server.play(TASK, people()))
    assert reports[0].sum.total.tobytes() == reports[1].sum.total.tobytes()
    assert reports[0].sum.field_total == reports[1].sum.field_total
    assert reports[0].sum.included == reports[1].sum.included == tuple(range(1, 21))
    assert executor.capacity == 2


def test_training_has_the_bits_of_the_local_engine(executor: Any) -> None:
    mine = work()
    state = mine.model.initial(1)
    here = LocalEngine(mine).train(4, state, range(1, 46), {})
    with open_engine("ray", mine) as engine:
        there = engine.train(4, state, range(1, 46), {})
    assert list(here) == list(there) == list(range(1, 46))
    assert all(here[i].payload.tobytes() == there[i].payload.tobytes() for i in here)


def test_a_killed_aggregator_takes_its_shard_along(executor: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    server = ActorServer(executor)
    server.check_in(range(1, 21))
    outcome: list[Any] = []
    clients = Waiting(bytes(32), seed=5, round=0, drop=0.0, dim=DIM, pipe=pipe)
    thread = threading.Thread(target=lambda: outcome.append(server.play(TASK, clients)))
    thread.start()
    with pipe.open("wb"):  # opens when an aggregator is reading: shard 1 is in its hands
        # shards 0 and 1 go to the first two aggregators
        executor.actor("aggregator 2 of master 0.0.0").kill()  # ray.kill
        thread.join()
    (report,) = outcome
    (lost,) = report.sum.lost
    assert lost.number == 1 and report.lost_actors == ("aggregator 2 of master 0.0.0",)
    assert set(report.sum.included) == set(range(1, 21)) - set(lost.clients)
    want = np.sum(list(people().updates(report.sum.included).values()), axis=0)
    assert (report.sum.total == want).all()


def test_a_wait_ends_in_time(executor: Any, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    actor = executor.spawn("reader", Path, pipe)
    pending = actor.call("read_bytes")
    assert executor.first([pending], 0.0) is None
    pipe.write_bytes(b"now")
    assert executor.first([pending]) == 0 and pending.result() == b"now"
    with pytest.raises(ParameterError, match="no actor"):
        executor.actor("nobody")


def test_errors_come_back_as_they_were(executor: Any) -> None:
    with pytest.raises(ParameterError, match="as it should"):
        executor.spawn("broken", Broken).call("fail").result()


@pytest.fixture
def environment() -> dict[str, str]:
    """A cluster's own secret, which whoever joins must know."""
    return {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


@pytest.fixture
def cluster(environment: dict[str, str]) -> Iterator[str]:
    """The address of a Ray that another process started."""
    command = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        "--head",
        "--block",
        "--port=0",
        "--num-cpus=2",
    ]
    command += ["--include-dashboard=false", "--disable-usage-stats", "--object-store-memory=100000000"]
    # the names of sockets are limited to a hundred characters, which pytest's folders exceed
    with tempfile.TemporaryDirectory(prefix="ray") as folder:
        with subprocess.Popen(
            [*command, f"--temp-dir={folder}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**environment, "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if found := re.search(r"ray start --address='([^']+)'", line):
                    yield found[1]
                    break
            process.terminate()


def test_joining_a_cluster_that_another_process_started(cluster: str, environment: dict[str, str]) -> None:
    script = (
        "from fl.scale import *\n"
        f"with open_executor('ray', address={cluster!r}) as executor:\n"
        "    server = ActorServer(executor); server.check_in(range(1, 21))\n"
        f"    task = RoundTask(0, 20, {RULES!r}, {DIM}, b'plan', SimulatedBeacon(3), field_dim=1)\n"
        f"    report = server.play(task, SyntheticClients(bytes(32), 5, 0, 0.0, {DIM}))\n"
        "    print(report.sum.total.tobytes().hex(), len(report.sum.included))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=300,
        env=environment,
    )
    want = np.sum(list(people().updates(range(1, 21)).values()), axis=0)
    assert done.stdout.split() == [want.tobytes().hex(), "20"]
