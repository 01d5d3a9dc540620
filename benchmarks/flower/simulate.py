"""The peer of bench_training, run by the interpreter of another environment (requirements.txt beside it).

Usage: simulate.py DIRECTORY ROUNDS PROCESSES. DIRECTORY holds x.npy [clients, records, inputs], y.npy
[clients, records] and settings.json. Every client trains softmax regression in numpy, every round; the seconds of each
round but the first, which starts the actors, are printed as JSON.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.update(FLWR_TELEMETRY_ENABLED="0", RAY_USAGE_STATS_ENABLED="0", OMP_NUM_THREADS="1")

import numpy as np
from flwr.client import ClientApp, NumPyClient
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.simulation import run_simulation


class Timed(FedAvg):
    """FedAvg that notes when each round is complete."""

    ends: list[float] = []

    def aggregate_fit(self, *arguments: Any, **named: Any) -> Any:
        result = super().aggregate_fit(*arguments, **named)
        self.ends.append(time.perf_counter())
        return result


class Softmax(NumPyClient):
    def __init__(self, directory: Path, client: int) -> None:
        self.x = np.load(directory / "x.npy", mmap_mode="r")[client]
        self.y = np.load(directory / "y.npy", mmap_mode="r")[client]
        self.settings = json.loads((directory / "settings.json").read_text())

    def fit(self, parameters: Any, config: Any) -> Any:
        weights, biases = (np.array(p) for p in parameters)
        order = np.random.default_rng().permutation(len(self.y))
        for first in range(0, len(order), self.settings["batch"]):
            rows = order[first : first + self.settings["batch"]]
            x = self.x[rows]
            logits = x @ weights + biases
            error = np.exp(logits - logits.max(1, keepdims=True))
            error /= error.sum(1, keepdims=True)
            error[np.arange(len(rows)), self.y[rows]] -= 1
            error *= np.float32(self.settings["learning_rate"] / len(rows))
            weights -= x.T @ error
            biases -= error.sum(0)
        return [weights, biases], len(self.y), {}


def main() -> None:
    directory, rounds, processes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    clients, _, inputs = np.load(directory / "x.npy", mmap_mode="r").shape
    start = [np.zeros((inputs, 10), np.float32), np.zeros(10, np.float32)]

    def client(context: Context) -> Any:
        return Softmax(directory, int(context.node_config["partition-id"])).to_client()

    def server(context: Context) -> ServerAppComponents:
        strategy = Timed(
            fraction_evaluate=0.0,
            min_fit_clients=clients,
            min_available_clients=clients,
            initial_parameters=ndarrays_to_parameters(start),
        )
        return ServerAppComponents(strategy=strategy, config=ServerConfig(num_rounds=rounds))

    run_simulation(
        server_app=ServerApp(server_fn=server),
        client_app=ClientApp(client_fn=client),
        num_supernodes=clients,
        backend_config={
            "client_resources": {"num_cpus": 1, "num_gpus": 0.0},
            "init_args": {"num_cpus": processes},
        },
    )
    print(json.dumps([b - a for a, b in zip(Timed.ends, Timed.ends[1:], strict=False)]))


if __name__ == "__main__":
    main()
