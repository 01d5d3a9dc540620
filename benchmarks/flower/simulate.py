"""The peer of bench_training, run by the interpreter of another environment (requirements.txt beside it).

Usage: simulate.py DIRECTORY ROUNDS PROCESSES. DIRECTORY holds x.npy [clients, records, inputs], y.npy
[clients, records] and settings.json. Every client trains softmax regression, every round. For each round but the
first, which starts the actors, the processor seconds of this process and all that it started are printed as JSON.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(FLWR_TELEMETRY_ENABLED="0", RAY_USAGE_STATS_ENABLED="0", OMP_NUM_THREADS="1")

import numpy as np
import torch
from flwr.client import ClientApp, NumPyClient
from flwr.common import Context, ndarrays_to_parameters
from flwr.server import ServerApp, ServerAppComponents, ServerConfig
from flwr.server.strategy import FedAvg
from flwr.simulation import run_simulation


def processor_seconds() -> float:
    """Of this process, Ray's daemons and its workers: this process and its descendants, as /proc knows them."""
    parents, spent = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        parents[int(entry.name)] = int(fields[1])
        spent[int(entry.name)] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    ours, known = {os.getpid()}, 0
    while known < len(ours):
        known = len(ours)
        ours |= {pid for pid, parent in parents.items() if parent in ours}
    return sum(spent[pid] for pid in ours)


class Timed(FedAvg):
    """FedAvg that notes what had been spent when each round was complete."""

    ends: list[float] = []

    def aggregate_fit(self, *arguments: Any, **named: Any) -> Any:
        result = super().aggregate_fit(*arguments, **named)
        self.ends.append(processor_seconds())
        return result


class Softmax(NumPyClient):
    """Trains as in Flower's quickstart with PyTorch: a module, an optimizer, batches in random order."""

    def __init__(self, directory: Path, client: int) -> None:
        self.x = torch.from_numpy(np.load(directory / "x.npy", mmap_mode="c")[client])
        self.y = torch.from_numpy(np.load(directory / "y.npy", mmap_mode="c")[client])
        self.settings = json.loads((directory / "settings.json").read_text())
        self.net = torch.nn.Linear(self.x.shape[1], 10)

    def fit(self, parameters: Any, config: Any) -> Any:
        names = list(self.net.state_dict())
        self.net.load_state_dict({n: torch.tensor(p) for n, p in zip(names, parameters, strict=True)})
        optimizer = torch.optim.SGD(self.net.parameters(), lr=self.settings["learning_rate"])
        for rows in torch.randperm(len(self.y)).split(self.settings["batch"]):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.net(self.x[rows]), self.y[rows]).backward()
            optimizer.step()
        return [p.numpy() for p in self.net.state_dict().values()], len(self.y), {}


def main() -> None:
    directory, rounds, processes = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    clients, _, inputs = np.load(directory / "x.npy", mmap_mode="r").shape
    start = [np.zeros((10, inputs), np.float32), np.zeros(10, np.float32)]

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
