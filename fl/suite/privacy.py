"""Accuracy at a stated epsilon: records protected, whole clients protected, and clients that trust no sum.

A round here is the plan's: the same training, codec, clip, integer noise shares and coordinator's step as in a run, on sums
of integers that masking would carry exactly. Masks, proofs and ledger are left out, as they change no digit of the
model; the suite's audited runs have them. Noise comes from a stream keyed by the public seed, so that a figure can be
repeated: nothing here is private, it measures what would be.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np

from fl.data import load
from fl.engine import LocalEngine
from fl.federation import Federation
from fl.models.base import Vector
from fl.models.softmax import SoftmaxRegression
from fl.partition import split
from fl.plan import Partition, terms_from_dict, update_codec, update_noise
from fl.privacy import PrivacyTerms, epsilon_of, resolve
from fl.privacy.dpsgd import DPSGD
from fl.privacy.events import Repeated
from fl.privacy.inversion import Int64s
from fl.privacy.noise import Noise
from fl.suite.cell import Row
from fl.suite.side_by_side import side_by_side
from mpc.codec import Codec
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = [
    "HUNDRED",
    "THOUSAND",
    "Client",
    "Local",
    "Measured",
    "client_curve",
    "client_terms",
    "measure",
    "measure_local",
    "record_terms",
]

DELTA = 1e-5
ROUNDS = 50
_MALICIOUS, _DROPOUT = 0.2, 0.1


@dataclass(frozen=True, slots=True)
class Measured:
    """A row for the table, and the accuracy after every round."""

    row: Row
    curve: list[float]


def record_terms(
    dataset: str, epsilon: float, seed: int, mechanism: str = "discrete-gaussian"
) -> dict[str, Any]:
    """A plan for 100 clients (20 for digits) in which each record is protected, for a linear head on patch features."""
    clients, records = (20, 72) if dataset.startswith("digits") else (100, 595)
    clip = 0.2
    return _terms(
        f"{dataset}-records",
        dataset,
        clients,
        seed,
        # a payload is a sum over records: the rate of a step along the mean gradient of a record is 200
        training={"algorithm": "dp-fedsgd", "learning_rate": 200 / records},
        server={"momentum": 0.9},
        update={"clip": 128.0, "bits": 22, "l2_clip": 2 * clip * records},
        privacy=_privacy("record", epsilon, clip, mechanism),
    )


@dataclass(frozen=True, slots=True)
class Client:
    """How clients are protected: settings that were chosen for an epsilon, by trying few."""

    clients: int
    epsilon: float
    clip: float
    learning_rate: float
    server_rate: float = 1.0
    momentum: float = 0.9


HUNDRED = (
    Client(100, 1.0, 1.0, 60.0, 0.2),
    Client(100, 2.9, 1.0, 20.0, 0.5),
    Client(100, 6.6, 1.0, 20.0),
    Client(100, 20.7, 1.0, 20.0),
    Client(100, 54.0, 1.0, 20.0, 2.0),
)
THOUSAND = (Client(1000, 2.9, 1.0, 20.0, 2.0),)
"""Settings for mnist-patches; smaller epsilons want smaller steps."""


def client_terms(dataset: str, how: Client, seed: int) -> dict[str, Any]:
    """A plan in which everything of one client is protected."""
    privacy = resolve(PrivacyTerms(**_privacy("client", how.epsilon, how.clip)), ROUNDS)
    # the largest noise of a share of 70 % of the clients is 18 of its deviations over 1; and room for the update
    room = 1.5 + 19 * privacy.noise_multiplier / sqrt(how.clients)
    return _terms(
        f"{dataset}-clients",
        dataset,
        how.clients,
        seed,
        training={"algorithm": "fedavgm", "epochs": 1, "batch": 32, "learning_rate": how.learning_rate},
        server={"momentum": how.momentum, "learning_rate": how.server_rate},
        update={"clip": how.clip * room, "bits": 20, "l2_clip": how.clip},
        privacy=asdict(privacy),
    )


def _terms(name: str, dataset: str, clients: int, seed: int, **tables: Any) -> dict[str, Any]:
    return {
        "name": name,
        "dataset": dataset,
        "clients": clients,
        "rounds": ROUNDS,
        "seed": seed,
        "weights": "equal",
        "aggregation": {"min_clients": round((1 - _DROPOUT) * clients), "dropout": _DROPOUT},
        **tables,
    }


def _privacy(kind: str, epsilon: float, clip: float, mechanism: str = "discrete-gaussian") -> dict[str, Any]:
    return {
        "kind": kind,
        "mechanism": mechanism,
        "epsilon": epsilon,
        "delta": DELTA,
        "l2_clip": clip,
        "malicious": _MALICIOUS,
    }


def measure(
    plan: Mapping[str, Any],
    data: Path | None = None,
    *,
    noisy: bool = True,
) -> Measured:
    """Play all rounds of `plan` with everybody taking part; without `noisy` the clips stay, the
    noise is left out, and epsilon is None.

    Raises: ParameterError for a plan that cannot keep its promise, or protects nobody.
    """
    start = time.perf_counter()
    federation = Federation.gather(terms_from_dict(plan), {}, 0.0, data)
    terms, dim = federation.terms, federation.statement.dim
    codec = update_codec(terms, 1)
    noise = update_noise(terms, dim, 1, max(map(len, federation.shards)))
    if noise is None or terms.weights != "equal":
        raise ParameterError("this measures plans with privacy, in which all clients weigh the same")
    stream = Stream(sha256(f"{terms.seed}".encode()).digest(), b"noise of an experiment")
    members = tuple(range(1, terms.clients + 1))
    state, curve, cut = federation.initial_state(), [], 0
    with LocalEngine(federation.work()) as engine:
        for number in range(terms.rounds):
            trained = federation.train(engine, number, members, [state], {})
            total = np.zeros(dim, dtype=np.int64)
            for client, made in trained.items():
                if made.payload is None:
                    continue
                own = stream.derive(number, client) if noisy else None
                values, clamped = _encoded(made.payload, terms.update.l2_clip, codec, noise, own)
                total += values
                cut += clamped
            sent = sum(made.payload is not None for made in trained.values())
            mean = codec.decode_sum(total, total_weight=sent)
            state = federation.algorithm.step(state, mean, sent / terms.clients, number)
            curve.append(federation.evaluate(state).accuracy)
    promise = noise.guarantee(terms.rounds)
    row: Row = {
        "what": terms.name,
        "accuracy": curve[-1],
        "epsilon": promise.epsilon if noisy else None,
        "delta": promise.delta,
        "unit": promise.unit,
        "neighbours": promise.neighbours,
        "mechanism": promise.mechanism if noisy else "none",
        "accountant": promise.accountant,
        "trust": promise.trust,
        "clients": terms.clients,
        "rounds": terms.rounds,
        "parameters": dim,
        "noise_multiplier": terms.privacy.noise_multiplier if noisy else 0.0,
        "l2_clip": terms.privacy.l2_clip,
        "shares": noise.shares,
        "cut": cut,
        "seed": terms.seed,
        "seconds": round(time.perf_counter() - start, 2),
    }
    return Measured(row, curve)


def _encoded(
    payload: Vector, l2_clip: float, codec: Codec, noise: Noise, stream: Stream | None
) -> tuple[Int64s, int]:
    """As a client of a run encodes its upload; `fl.client.encode_update` is the same with the run's secrets."""
    exact = payload.astype(np.float64)
    norm = float(np.linalg.norm(exact))
    if norm > l2_clip:
        exact *= l2_clip / norm
    encoded = codec.encode(exact)
    if stream is None:
        return encoded.values, encoded.saturated
    values, clamped = noise.add(encoded.values, stream)
    return values, encoded.saturated + clamped


def client_curve(
    dataset: str, settings: Sequence[Client], seed: int, data: Path | None = None, processes: int = 1
) -> Iterator[Measured]:
    """Each setting with whole clients protected, as each is done; `processes` measure at once, with the same results."""
    plans = [client_terms(dataset, how, seed) for how in settings]
    yield from side_by_side(_measure_plan, data, plans, processes)


def _measure_plan(data: Path | None, plan: Mapping[str, Any]) -> Measured:
    return measure(plan, data)


@dataclass(frozen=True, slots=True)
class Local:
    """DP-SGD inside every client, before anything leaves it: `steps` a round on batches that hold a record with `rate`."""

    clients: int = 100
    rounds: int = 10
    steps: int = 5
    rate: float = 0.25
    learning_rate: float = 20.0
    clip: float = 0.2


def measure_local(
    dataset: str,
    how: Local,
    epsilon: float,
    seed: int,
    data: Path | None = None,
) -> Measured:
    """Records protected by each client alone: no sum is trusted, and a hundred times the noise is the price.

    The model is a softmax regression, the partition Dirichlet 0.5, the mean of all updates is added.
    """
    start = time.perf_counter()
    records = load(dataset, data)
    model = SoftmaxRegression(records.inputs, records.classes)
    shards = split(records.train_y, how.clients, Partition(), seed, 1)
    multiplier = _local_multiplier(how, model.size, max(map(len, shards)), epsilon)
    local = DPSGD(how.steps, how.rate, how.learning_rate, how.clip, multiplier)
    stream = Stream(sha256(f"{seed}".encode()).digest(), b"local noise of an experiment")
    w, curve = model.initial(seed), []
    for number in range(how.rounds):
        total = np.zeros(model.size)
        for client, shard in enumerate(shards):
            rows = records.train_x[shard], records.train_y[shard]
            total += local.train(model, w, *rows, stream.derive(number, client))
        w = (w + total / how.clients).astype(np.float32)
        curve.append(model.evaluate(w, records.test_x, records.test_y).accuracy)
    event = Repeated(local.event(model.size, max(map(len, shards))), how.rounds)
    row: Row = {
        "what": f"{dataset}, DP-SGD inside the clients",
        "accuracy": curve[-1],
        "epsilon": epsilon_of(event, DELTA, "rdp"),
        "delta": DELTA,
        "unit": "record",
        "neighbours": "zero-out",
        "mechanism": "discrete-gaussian",
        "accountant": "rdp",
        "trust": "nobody: the batches are secret, and an update is noisy before it leaves its client",
        "clients": how.clients,
        "rounds": how.rounds,
        "parameters": model.size,
        "noise_multiplier": multiplier,
        "l2_clip": how.clip,
        "seed": seed,
        "seconds": round(time.perf_counter() - start, 2),
    }
    return Measured(row, curve)


def _local_multiplier(how: Local, size: int, records: int, epsilon: float) -> float:
    """The smallest noise multiplier, to about one part in a hundred, that costs no more than `epsilon`."""
    low, high = 0.3, 100.0
    while high > 1.01 * low:
        middle = sqrt(low * high)
        event = DPSGD(how.steps, how.rate, how.learning_rate, how.clip, middle).event(size, records)
        enough = epsilon_of(Repeated(event, how.rounds), DELTA, "rdp") <= epsilon
        low, high = (low, middle) if enough else (middle, high)
    return high
