"""Training: processor time for each model, and 100 clients a round beside Flower's simulation on Ray.

One process of one thread unless a name says otherwise; clients of 600 records, as when MNIST is shared by a hundred.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import process_time

import numpy as np
import torch

from fl.engine import LocalEngine, LocalSGD, Work
from fl.models import model_for
from fl.optim import FedAvg

CLIENTS, RECORDS = 100, 600
INPUTS = {"softmax": 784, "mlp": 784, "lenet": 784, "cnn": 3072, "cnn-bf16": 3072}
SETTINGS = {
    "softmax": LocalSGD(batch=32, learning_rate=0.1),
    "mlp": LocalSGD(batch=32, learning_rate=0.1),
    "lenet": LocalSGD(batch=25, learning_rate=0.05, momentum=0.9),
    "cnn": LocalSGD(batch=50, learning_rate=0.05),
    "cnn-bf16": LocalSGD(batch=50, learning_rate=0.05),
}


def work(name: str, clients: int, records: int) -> Work:
    """Clients of random records: what they learn does not matter here."""
    rng = np.random.default_rng(1)
    count, inputs = clients * records, INPUTS[name]
    return Work(
        model=model_for(name, inputs, 10),
        algorithm=FedAvg(SETTINGS[name]),
        features=rng.random((count, inputs), dtype=np.float32),
        labels=rng.integers(0, 10, count),
        shards=np.split(np.arange(count), clients),
        seed=1,
    )


class Models:
    """One epoch of as many clients as the model trains at once."""

    params = list(INPUTS)
    param_names = ["model"]
    timeout = 300
    number = 1
    repeat = (3, 7, 20.0)

    def setup(self, name: str) -> None:
        torch.set_num_threads(1)
        self.clients = model_for(name, INPUTS[name], 10).cohort
        self.records = RECORDS if INPUTS[name] == 784 else 200
        self.work = work(name, self.clients, self.records)
        self.start = self.work.model.initial(1)

    def _train(self) -> None:
        self.work.train(range(1, self.clients + 1), self.start, {}, 0)

    def time_epoch(self, name: str) -> None:
        self._train()

    def track_microseconds_a_record(self, name: str) -> float:
        """The best of five, in processor time: the others are the machine's."""
        spent = []
        for _ in range(5):
            begin = process_time()
            self._train()
            spent.append(process_time() - begin)
        return 1e6 * min(spent) / (self.clients * self.records)

    track_microseconds_a_record.unit = "us"  # type: ignore[attr-defined]


class HundredClients:
    """A round of 100 clients with 600 records each."""

    params = ["softmax", "lenet"]
    param_names = ["model"]
    timeout = 300
    number = 1
    repeat = (2, 5, 30.0)

    def setup(self, name: str) -> None:
        self.work = work(name, CLIENTS, RECORDS)
        self.start = self.work.model.initial(1)
        self.two = LocalEngine(self.work, 2)
        self.two.train(0, self.start, range(1, CLIENTS + 1), {})

    def teardown(self, name: str) -> None:
        self.two.close()

    def time_round(self, name: str) -> None:
        LocalEngine(self.work).train(0, self.start, range(1, CLIENTS + 1), {})

    def time_round_in_two_processes(self, name: str) -> None:
        self.two.train(0, self.start, range(1, CLIENTS + 1), {})


class Memory:
    """Ten thousand clients of d = 7,850 train; only those at work are copied."""

    timeout = 300

    def setup(self) -> None:
        self.work = work("softmax", 10_000, 4)

    def peakmem_ten_thousand_clients(self) -> None:
        LocalEngine(self.work).train(0, self.work.model.initial(1), range(1, 10_001), {})


class SimulationRatios:
    """Rounds of 100 clients, softmax regression 784x10, 600 records each, one epoch in batches of 32.

    Processor time of all processes together: on a machine that others use, wall-clock time would favour whoever starts
    more of them. Flower's first round, in which they start, does not count. Its clients train with PyTorch, as in its
    quickstart.
    """

    timeout = 1800
    rounds = 4
    processes = 2  # of Flower

    def _ours(self, job: Work) -> float:
        everyone, state, spent = range(1, CLIENTS + 1), job.model.initial(1), []
        with LocalEngine(job) as engine:
            for number in range(3 * self.rounds):
                begin = process_time()
                trained = engine.train(number, state, everyone, {})
                mean = np.mean([t.payload for t in trained.values()], axis=0, dtype=np.float64)  # type: ignore[misc]
                state = job.algorithm.step(state, mean, 1.0, number)
                spent.append(process_time() - begin)
        return median(spent[1:])

    def _theirs(self, job: Work, python: str) -> float:
        script = Path(__file__).with_name("flower") / "simulate.py"
        with tempfile.TemporaryDirectory() as folder:
            np.save(f"{folder}/x.npy", job.features.reshape(CLIENTS, RECORDS, -1))
            np.save(f"{folder}/y.npy", job.labels.reshape(CLIENTS, RECORDS))
            sgd = SETTINGS["softmax"]
            settings = {"batch": sgd.batch, "learning_rate": sgd.learning_rate}
            Path(folder, "settings.json").write_text(json.dumps(settings))
            run = subprocess.run(
                [python, str(script), folder, str(self.rounds), str(self.processes)],
                stdout=subprocess.PIPE,
                timeout=self.timeout,
                check=True,
                text=True,
            )
        return median(json.loads(run.stdout.strip().splitlines()[-1]))

    def track_softmax(self) -> float:
        python = os.environ.get("EPPML_FLOWER_PYTHON")
        if not python:
            print(
                "skipped: EPPML_FLOWER_PYTHON names no interpreter with benchmarks/flower/requirements.txt",
                file=sys.stderr,
            )
            return float("nan")
        job = work("softmax", CLIENTS, RECORDS)
        before = self._ours(job)
        theirs = self._theirs(job, python)
        return theirs / median([before, self._ours(job)])

    track_softmax.unit = "x"  # type: ignore[attr-defined]
    track_softmax.target = 10  # type: ignore[attr-defined]
