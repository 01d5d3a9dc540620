"""Servers that compute on shared updates, training on shared data, secure inference: seconds, rounds, bytes, a WAN.

Seconds are those of all servers one after the other in this process, without the dealer's delivery, whose own seconds
are measured beside it. The WAN is simulated: 20 ms one way, 100 Mbit/s up and down; compute is this machine's.
"""

import dataclasses
from collections.abc import Callable
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np

from fl.shared.form import Form, read_parts, split
from fl.shared.inference import Service, ask, deal_answers, lend, serve
from fl.shared.models import SharedModel
from fl.shared.training import Job, deal_training, train_three, train_two
from mpc import additive, replicated
from mpc.client_aided import Contribution, contribute
from mpc.engine import Additive, Engine, Replicated
from mpc.field61 import P61
from mpc.prg import Stream
from mpc.protocols import median, trimmed_mean
from mpc.protocols.aided_norms import verified_norms
from mpc.protocols.clipping import clipped_sum
from mpc.protocols.cone import Cone, cone_scores
from mpc.protocols.directions import as_directions
from mpc.protocols.masked_data import Layout
from mpc.protocols.sorting import sorted_sum
from mpc.protocols.trust import trusted_sum
from mpc.protocols.verdict import conforming
from mpc.ring import RING64
from mpc.runtime import Network, Protocol, RunResult, run_local
from mpc.triples import Allotment, DealtSource, Recorder, deal

KEY = bytes(range(32))
WAN = Network(latency_s=0.02, bandwidth_bps=100e6)
LIMIT = 2**15 - 1
Body = Callable[[Engine, Any], Protocol[Any]]


def stream(*labels: int | str) -> Stream:
    return Stream(KEY, b"bench shares").derive(*labels)


@cache
def updates(n: int, d: int) -> Any:
    return stream("updates", n, d).uint32((n, d)).astype(np.int64) % 401 - 200


def rows_of(x: Any) -> list[Any]:
    return [x[..., row, :] for row in range(x.shape[-2])]


def clip(engine: Engine, x: Any) -> Protocol[Any]:
    total = yield from clipped_sum(engine, x, 20_000.0, 200)
    return (yield from engine.reveal(total))


@cache
def cone_of(d: int) -> Cone:
    directions = stream("directions").uint32((10, d)).astype(np.int64) % 2001 - 1000
    return Cone.of(as_directions(directions + directions[0] // 3))


def cone(engine: Engine, x: Any) -> Protocol[Any]:
    lengths = yield from engine.squared_lengths(x)
    scores = yield from cone_scores(engine, x, lengths, cone_of(x.shape[-1]), 2**17, 256)
    # 16 bits more than one round's scores have, for averages over rounds; to average takes no message
    options = {"floor": 13 << 16, "ratio": 0.4, "spread": 3.0, "longest": 6.0}
    smoothed = scores << np.uint64(16)
    return (yield from conforming(engine, smoothed, lengths, bits=27, length_bits=36, **options))


def trust(engine: Engine, x: Any) -> Protocol[Any]:
    root = as_directions(updates(101, x.shape[-1])[-1])
    return trusted_sum(engine, x, root, 5_000.0, 200, 2**17, reveal_weights=False)


def ranks(engine: Engine, x: Any) -> Protocol[Any]:
    return median(engine, rows_of(x), 10)


def trimmed(engine: Engine, x: Any) -> Protocol[Any]:
    return trimmed_mean(engine, rows_of(x), 2, 10)


def sorted_median(engine: Engine, x: Any) -> Protocol[Any]:
    n = len(rows_of(x))
    total = yield from sorted_sum(engine, rows_of(x), range((n - 1) // 2, n // 2 + 1), 10)
    return (yield from engine.reveal(total))


RULES: dict[str, tuple[Body, int, int]] = {
    "norm and clip, 10 clients, d = 100,000": (clip, 10, 100_000),
    "cone test, 100 clients, d = 7,850": (cone, 100, 7_850),
    "FLTrust, 100 clients, d = 7,850": (trust, 100, 7_850),
    "median by ranks, 10 clients, d = 10,000": (ranks, 10, 10_000),
    "trimmed mean by ranks, 10 clients, d = 10,000": (trimmed, 10, 10_000),
    "median by sorting, 10 clients, d = 10,000": (sorted_median, 10, 10_000),
    "median by sorting, 100 clients, d = 1,000": (sorted_median, 100, 1_000),
}
SERVERS = [2, 3]


@cache
def dealt(name: str) -> tuple[dict[int, Allotment], float]:
    """The dealer's work for two servers, and its seconds."""
    body, n, d = RULES[name]
    recorders = {me: Recorder() for me in (1, 2)}
    zeros = np.zeros((n, d), dtype=np.uint64)
    run_local({me: body(Additive(me, (1, 2), recorders[me], stream("dry", me)), zeros) for me in (1, 2)})
    begin = perf_counter()
    return deal(recorders[1].recipe, (1, 2), stream("dealer")), perf_counter() - begin


@cache
def shared(n: int, d: int, servers: int) -> list[Any]:
    secret = RING64.elements(updates(n, d))
    if servers == 2:
        return list(additive.share(secret, 2, stream("clients")))
    return list(replicated.share(secret, stream("clients")))


def judge(name: str, servers: int, network: Network | None = None) -> RunResult:
    body, n, d = RULES[name]
    parts = shared(n, d, servers)
    if servers == 2:
        engines = {
            me: Additive(me, (1, 2), DealtSource(dealt(name)[0][me]), stream("s", me)) for me in (1, 2)
        }
        parties = {me: body(engine, engine.adopt(parts[me - 1])) for me, engine in engines.items()}
        return run_local(parties, network=network, raise_errors=True)

    def party(me: int) -> Protocol[Any]:
        engine = yield from Replicated.setup(me, (1, 2, 3), stream("setup", me))
        return (yield from body(engine, engine.adopt(parts[me - 1])))

    return run_local({me: party(me) for me in (1, 2, 3)}, network=network, raise_errors=True)


class Rules:
    """What servers do to look at updates."""

    params = (list(RULES), SERVERS)
    param_names = ("rule", "servers")
    timeout = 200

    def setup(self, name: str, servers: int) -> None:
        _, n, d = RULES[name]
        shared(n, d, servers)
        if servers == 2:
            dealt(name)

    def time_all_servers(self, name: str, servers: int) -> None:
        judge(name, servers)

    def track_rounds(self, name: str, servers: int) -> int:
        return judge(name, servers).rounds

    def track_bytes(self, name: str, servers: int) -> int:
        return max(cost.bytes_sent for cost in judge(name, servers).costs.values())

    def track_seconds_on_a_wan(self, name: str, servers: int) -> float:
        return judge(name, servers, WAN).seconds

    def track_dealer_seconds(self, name: str, servers: int) -> float:
        return dealt(name)[1] if servers == 2 else 0.0

    def track_dealer_bytes(self, name: str, servers: int) -> int:
        return sum(len(a.to_bytes()) for a in dealt(name)[0].values()) if servers == 2 else 0


class Sums:
    """The sum alone: servers expand seeds, read words and add; the coordinator adds the servers' sums."""

    params = (SERVERS,)
    param_names = ("servers",)
    n, d = 100, 100_000

    def setup(self, servers: int) -> None:
        self.servers = tuple(range(1, servers + 1))
        self.sent = [
            split(Form.NARROW, row, [1, 2], self.servers, stream("client", i))
            for i, row in enumerate(updates(self.n, self.d))
        ]

    def add(self, servers: int) -> Any:
        totals = []
        for place, server in enumerate(self.servers):
            parts = [read_parts(Form.NARROW, 1, m[server], place, servers, self.d, 2) for m in self.sent]
            totals.append(Form.NARROW.total([part[0].words for part in parts if part]))
        return Form.NARROW.signed(Form.NARROW.total(totals))

    def time_all_servers(self, servers: int) -> None:
        self.add(servers)

    def track_bytes_of_a_client(self, servers: int) -> int:
        return sum(map(len, self.sent[0].values()))


class AidedNorms:
    """Squared norms of 10 clients at d = 100,000 by two servers without a dealer."""

    def setup(self) -> None:
        sent = []
        for client, row in enumerate(updates(10, 100_000)):
            residues = np.where(row < 0, row + P61, row).astype(np.uint64)
            sent.append(contribute(residues, (1, 2), stream("aided", client)))
        self.held = {
            me: [Contribution.decode(client, parts[me], 100_000) for client, parts in enumerate(sent)]
            for me in (1, 2)
        }

    def run(self) -> RunResult:
        parties = {me: verified_norms(me, (1, 2), held, stream("s", me)) for me, held in self.held.items()}
        return run_local(parties, raise_errors=True)

    def time_both_servers(self) -> None:
        self.run()

    def track_bytes(self) -> int:
        return self.run().costs[1].bytes_sent


BATCHES, EPOCH, BATCH, INPUTS = 24, 469, 128, 785
MODELS = {
    "softmax regression (clamp)": SharedModel(INPUTS, 10, rate=11),
    "softmax regression (softmax)": SharedModel(INPUTS, 10, loss="softmax", rate=11),
    "784-128-10, square": SharedModel(INPUTS, 10, hidden=128, rate=10),
}


@cache
def train(name: str, servers: int, batches: int = BATCHES) -> tuple[float, float, RunResult]:
    """Seconds a step, after the data is in; seconds for a batch of data; the whole run. Data is random."""

    def once(epochs: int, network: Network | None = None) -> tuple[float, RunResult]:
        layout = Layout((BATCH,) * batches, INPUTS, ((0, INPUTS), (0, INPUTS)))
        job = Job(MODELS[name], layout, epochs, tuple(range(batches)))

        def piece(kind: str, me: int, columns: int) -> list[Any]:
            # replicated copies must agree: both come from the part's own stream
            if servers == 2:
                return [stream(kind, me, b).uint64((BATCH, columns)) for b in range(batches)]
            parts = (me, me % 3 + 1)
            return [
                np.stack([stream(kind, part, b).uint64((BATCH, columns)) for part in parts])
                for b in range(batches)
            ]

        held = {me: (piece("x", me, INPUTS), piece("y", me, 10)) for me in range(1, servers + 1)}
        if servers == 2:
            parties: dict[int, Protocol[Any]] = {
                me: train_two(me, (1, 2), 3, job, *held[me], stream("p", me)) for me in (1, 2)
            }
            parties[3] = deal_training((1, 2), job, stream("dealer"))
        else:
            parties = {me: train_three(me, (1, 2, 3), job, *held[me], stream("p", me)) for me in (1, 2, 3)}
        begin = perf_counter()
        result = run_local(parties, raise_errors=True, network=network)
        return perf_counter() - begin, result

    first, result = once(1)
    second, _ = once(2)
    step = (second - first) / batches
    return step, max(0.0, first / batches - step), result


class Training:
    """An epoch of 60,000 records of MNIST's shape, from a twentieth of it; in batches of 128."""

    params = (list(MODELS), SERVERS)
    param_names = ("model", "servers")
    timeout = 600

    def track_seconds_an_epoch(self, name: str, servers: int) -> float:
        return train(name, servers)[0] * EPOCH

    def track_seconds_of_first_epoch(self, name: str, servers: int) -> float:
        step, load, _ = train(name, servers)
        return (step + load) * EPOCH

    def track_rounds_an_epoch(self, name: str, servers: int) -> int:
        return round(train(name, servers)[2].rounds * EPOCH / BATCHES)

    def track_megabytes_of_first_epoch(self, name: str, servers: int) -> float:
        costs = train(name, servers)[2].costs
        return max(costs[me].bytes_sent for me in (1, 2)) * EPOCH / BATCHES / 1e6


class TrainingRatios:
    """Softmax regression, a batch of 128: CrypTen's own autograd on the same runtime and dealer, against ours."""

    timeout = 600

    def track_crypten_autograd_softmax(self) -> float:
        from benchmarks.crypten_autograd import seconds_a_batch

        return seconds_a_batch(2) / train("softmax regression (clamp)", 2)[0]

    track_crypten_autograd_softmax.target = 8  # type: ignore[attr-defined]


class Inference:
    """One image of MNIST's shape, one label."""

    params = ([(784, 10), (784, 64, 10)], SERVERS)
    param_names = ("sizes", "servers")

    def run(self, sizes: tuple[int, ...], servers: int, network: Network | None = None) -> RunResult:
        rng = np.random.default_rng(1)
        layers = [
            (rng.normal(size=(a, b)) * 0.05, rng.normal(size=b))
            for a, b in zip(sizes, sizes[1:], strict=False)
        ]
        s = Service(1, 2, (3, 4, 5)[:servers], sizes, 6 if servers == 2 else None)
        parties: dict[int, Protocol[Any]] = {
            1: ask(s, rng.uniform(size=(1, 784)), stream("ask")),
            2: lend(s, layers, stream("lend")),
        }
        parties |= {me: serve(s, me, stream("serve", me)) for me in s.servers}
        if s.dealer is not None:
            parties[s.dealer] = deal_answers(s, stream("deal"))
        return run_local(parties, raise_errors=True, network=network)

    def time_everybody(self, sizes: tuple[int, ...], servers: int) -> None:
        self.run(sizes, servers)

    def track_rounds(self, sizes: tuple[int, ...], servers: int) -> int:
        return self.run(sizes, servers).rounds

    def track_seconds_on_a_wan(self, sizes: tuple[int, ...], servers: int) -> float:
        return self.run(sizes, servers, WAN).seconds


def wan_table() -> list[tuple[str, int, int, int, float, float]]:
    """Every rule: servers, rounds, bytes of the busiest server, seconds here and on the WAN."""
    rows = []
    for name in RULES:
        for servers in SERVERS:
            Rules().setup(name, servers)
            here, far = judge(name, servers), judge(name, servers, dataclasses.replace(WAN))
            sent = max(cost.bytes_sent for cost in here.costs.values())
            rows.append((name, servers, here.rounds, sent, here.seconds, far.seconds))
    return rows


if __name__ == "__main__":
    for row in wan_table():
        print("| {} | {} | {} | {:.1f} MB | {:.2f} s | {:.1f} s |".format(*row[:3], row[3] / 1e6, *row[4:]))
