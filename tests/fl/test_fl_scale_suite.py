"""Clients that train when their shard is summed, and the measured round of the suite."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from fl.engine import LocalEngine, LocalSGD, Work
from fl.models import SoftmaxRegression
from fl.optim import FedAvg
from fl.scale import ShardRules, make_shards, sum_shards
from fl.scale.training import TrainingClients, write_records
from fl.seeds import generator
from fl.suite.scale import ScaleCase, measure_scale, scale_rows
from mpc.codec import Codec
from mpc.errors import ParameterError

RULES = ShardRules(size=10, min_clients=4, corrupt=0.0, dropout=0.2)


@pytest.fixture
def clients(tmp_path: Path) -> TrainingClients:
    rng = generator(1, "test records")
    features, labels = rng.random((120, 6), dtype=np.float32), rng.integers(0, 3, 120)
    write_records(tmp_path, features, labels)
    model = SoftmaxRegression(6, 3)
    rows = np.array_split(np.arange(120), 25)
    codec = Codec(2.0, 16, max_clients=30, max_weight=5)
    sgd = LocalSGD(epochs=2, batch=2, learning_rate=0.1)
    return TrainingClients(bytes(32), 7, 3, 0.0, model, FedAvg(sgd), rows, tmp_path, model.initial(7), codec)


def test_lazy_clients_train_as_all_at_once(clients: TrainingClients) -> None:
    features, labels = (np.load(clients.folder / f"{name}.npy") for name in ("features", "labels"))
    work = Work(clients.model, clients.algorithm, features, labels, clients.rows, seed=7)
    trained = LocalEngine(work).train(3, clients.state, range(1, 26), {})
    shards = make_shards(range(1, 26), RULES, dim=clients.model.size, session=b"s", beacon=bytes(32))
    done = sum_shards(shards, clients)
    want = sum(
        clients.codec.encode(made.payload, weight=len(clients.rows[i - 1])).values
        for i, made in trained.items()
    )
    assert done.included == tuple(range(1, 26)) and (done.total == want).all()
    # what travels to a worker holds no records
    assert len(pickle.dumps(clients)) < 10_000


def test_clients_that_remember_cannot_be_lazy(clients: TrainingClients) -> None:
    class Remembering(FedAvg):
        def memory_size(self, size: int) -> int:
            return size

    fields = {name: getattr(clients, name) for name in clients.__dataclass_fields__}
    with pytest.raises(ParameterError, match="remember"):
        TrainingClients(**{**fields, "algorithm": Remembering()})


def test_a_measured_round() -> None:
    case = ScaleCase(
        60, "digits", rules=ShardRules(size=20, min_clients=5, corrupt=0.0), drop=0.0, processes=0
    )
    row = measure_scale(case)
    assert row["included"] == 60 and row["shards"] == 3 and row["lost_shards"] == 0
    assert row["accuracy_after"] > row["accuracy_before"] + 0.2
    assert row["bytes_sent"] > 4 * row["parameters"] == 2600
    assert row["processor_seconds"] > 0 and 20 < row["peak_mib_of_a_worker"] <= row["peak_mib"] < 10_000
    assert "trained" in row["what"]


def test_the_rows_keep_trained_and_synthetic_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[ScaleCase] = []

    def measured(case: ScaleCase, *_: object) -> dict[str, str]:
        seen.append(case)
        return {"what": case.name}

    monkeypatch.setattr("fl.suite.scale.measure_scale", measured)
    names = [row["what"] for row in scale_rows(clients=1000, seed=4)]
    assert names == ["1,000 clients, trained, local", "1,000 clients, synthetic updates, local"]
    assert {case.seed for case in seen} == {4}
