"""Ten thousand clients in one round: secure aggregation in shards, by the actor server.

`trained` clients train softmax regression on their own few records when their shard's turn comes; `synthetic` ones send
random integers of the same length, which costs the cryptography alone. A row says which. Every sum is compared with the
plain one, which is made a second time without cryptography.
"""

import resource
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fl import data
from fl.data import Dataset
from fl.engine import LocalSGD
from fl.models import SoftmaxRegression
from fl.optim import FedAvg
from fl.partition import split
from fl.plan import Partition
from fl.scale import (
    ActorServer,
    HierarchicalSum,
    RoundTask,
    ShardRules,
    SimulatedBeacon,
    SimulatedClients,
    SyntheticClients,
    open_executor,
    shards_of,
)
from fl.scale.peak import peak_mib
from fl.scale.training import TrainingClients, write_records
from mpc.codec import Codec
from mpc.errors import ProtocolError
from mpc.prg import Stream

__all__ = ["ScaleCase", "measure_scale", "scale_rows"]

Row = dict[str, Any]

_SGD = LocalSGD(epochs=5, batch=2, learning_rate=0.05)
_SELECTORS = 2


@dataclass(frozen=True, slots=True)
class ScaleCase:
    """One round of `clients` clients in shards. `drop` of them vanish; `engine` is local or ray, at `address`."""

    clients: int = 10_000
    dataset: str = "mnist"
    trained: bool = True
    rules: ShardRules = ShardRules(size=100, min_clients=50, corrupt=0.1, dropout=0.1)
    drop: float = 0.02
    engine: str = "local"
    processes: int = 2
    address: str = ""
    seed: int = 1

    @property
    def name(self) -> str:
        return (
            f"{self.clients:,} clients, {'trained' if self.trained else 'synthetic updates'}, {self.engine}"
        )


def measure_scale(
    case: ScaleCase, directory: Path | None = None, note: Callable[[str], None] = lambda text: None
) -> Row:
    """Play one round and say what it cost; `directory` holds the data set, or is None for the cache.

    Units: seconds of wall and processor time of everything on this machine (None under Ray, whose processes are not
        ours); `processor_ms_a_client` is what making and summing one client's update took, its share of the server's work
        included and a signature checked once for all; MiB; bytes of the client that moved most.
    Raises: ProtocolError if the sum were not the plain one.
    """
    dataset = data.load(case.dataset, directory)
    model = SoftmaxRegression(dataset.inputs, dataset.classes)
    # the run keeps its records in a file that all processes map
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder), dataset.train_x, dataset.train_y)
        clients, codec = _clients(case, dataset, model, Path(folder))
        task = RoundTask(
            number=0,
            wanted=case.clients,
            rules=case.rules,
            dim=model.size,
            session=b"scale" + case.seed.to_bytes(8, "big"),
            beacon=SimulatedBeacon(case.seed),
            field_dim=1,
        )
        note(f"{case.name}: secure aggregation")
        clock, before = perf_counter(), _processor_seconds()
        with open_executor(case.engine, processes=case.processes, address=case.address) as executor:
            server = ActorServer(executor, selectors=_SELECTORS, seed=case.seed)
            server.check_in(range(1, case.clients + 1))
            report = server.play(task, clients)
        wall = perf_counter() - clock
        spent = _processor_seconds() - before if case.engine == "local" else None
        note(f"{case.name}: the same sum in the clear")
        clock = perf_counter()
        plain = _plain_sum(clients, report.sum.included, model.size, case.rules.size)
        in_the_clear = perf_counter() - clock
    done = report.sum
    if not np.array_equal(done.total, plain):
        raise ProtocolError("the sum of the shards is not the sum of what the clients sent")
    return {
        "what": case.name,
        "clients": case.clients,
        "parameters": model.size,
        "included": len(done.included),
        "shards": len(done.shards),
        "lost_shards": len(done.lost),
        "smallest_sum": done.receipt()["smallest_sum"],
        "seconds": round(wall, 1),
        "processor_seconds": None if spent is None else round(spent, 1),
        "seconds_in_the_clear": round(in_the_clear, 1),
        "processor_ms_a_client": round(
            1e3 * sum(s.processor_seconds for s in done.shards) / len(done.included), 1
        ),
        "bytes_sent": max(s.bytes_sent for s in done.shards),
        "bytes_received": max(s.bytes_received for s in done.shards),
        "bytes_over_float32": round(max(s.bytes_sent for s in done.shards) / (4 * model.size), 3),
        "peak_mib": peak_mib(),
        "peak_mib_of_a_worker": max(s.peak_mib for s in done.shards),
        **(_learned(case, dataset, model, clients, codec, done) if case.trained else {}),
    }


def scale_rows(
    *,
    clients: int = 10_000,
    dataset: str = "mnist",
    directory: Path | None = None,
    processes: int = 2,
    seed: int = 1,
    note: Callable[[str], None] = lambda text: None,
) -> list[Row]:
    """The rows of the suite's table: clients that train, and synthetic updates of the same length."""
    case = ScaleCase(clients=clients, dataset=dataset, processes=processes, seed=seed)
    return [measure_scale(replace(case, trained=trained), directory, note) for trained in (True, False)]


def _clients(
    case: ScaleCase, dataset: Dataset, model: SoftmaxRegression, folder: Path
) -> tuple[SimulatedClients, Codec]:
    # the secrets of a simulation need not outlive it
    root = Stream.from_os().bytes(32)
    rows = (
        split(dataset.train_y, case.clients, Partition("iid"), case.seed, _SGD.batch) if case.trained else []
    )
    largest = max(map(len, shards_of(range(case.clients), case.rules.size, bytes(32))))
    # what is sent must fit the sum of a shard, what is decoded that of all
    sent = Codec(2.0, 16, max_clients=largest, max_weight=max(map(len, rows), default=1))
    codec = replace(sent, max_clients=case.clients, modulus=1 << 63)
    if not case.trained:
        return SyntheticClients(root, case.seed, 0, case.drop, model.size, sent.bits), codec
    training = TrainingClients(
        root, case.seed, 0, case.drop, model, FedAvg(_SGD), rows, folder, model.initial(case.seed), sent
    )
    return training, codec


def _plain_sum(clients: SimulatedClients, included: Sequence[int], dim: int, step: int) -> NDArray[np.int64]:
    total = np.zeros(dim, dtype=np.int64)
    for first in range(0, len(included), step):
        for values in clients.updates(included[first : first + step]).values():
            total += values
    return total


def _learned(
    case: ScaleCase,
    dataset: Dataset,
    model: SoftmaxRegression,
    clients: SimulatedClients,
    codec: Codec,
    done: HierarchicalSum,
) -> Row:
    """How good the model is before and after this one round, on the held-out records."""
    assert isinstance(clients, TrainingClients)
    weight = sum(len(clients.rows[client - 1]) for client in done.included)
    after = clients.algorithm.step(
        clients.state,
        codec.decode_sum(done.total, total_weight=weight),
        len(done.included) / case.clients,
        0,
    )
    accuracies = [model.evaluate(w, dataset.test_x, dataset.test_y).accuracy for w in (clients.state, after)]
    return {"accuracy_before": accuracies[0], "accuracy_after": accuracies[1]}


def _processor_seconds() -> float:
    """Of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
