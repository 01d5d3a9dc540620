"""What every protocol costs: rounds and bytes exactly, seconds for what they are worth; transfers a second.

Bytes are the most any one party sends, without the dealer's delivery; where two parties make their own
triples by oblivious transfer, that is included.
"""

from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Any

import numpy as np

from mpc import field61
from mpc.client_aided import Contribution, contribute, verified_squared_norm
from mpc.engine import Additive, Engine, Replicated, as_words
from mpc.ot import Receiver, Sender, transferred
from mpc.prg import Stream
from mpc.protocols import (
    SealingKey,
    aggregate_shares,
    inner_product,
    matrix_product,
    median,
    private_sum,
    product,
    relay,
    reveal_less_than,
    rows_within,
    share_update,
    squared_norm,
    through_relay,
    trimmed_mean,
)
from mpc.runtime import Protocol, RunResult, run_local
from mpc.spdz import Spdz, deal_authenticated
from mpc.triples import DealtSource, Recipe, Recorder, deal

KEY = bytes(range(32))
D = 1000
ROWS, BITS = 9, 18


def stream(*labels: int | str) -> Stream:
    return Stream(KEY, b"bench").derive(*labels)


def vector(seed: int, n: int = D) -> Any:
    return stream("vector", seed).uint32(n).astype(np.int64) % 2**16 - 2**15


def ordered(estimate: Callable[..., Protocol[Any]], *arguments: int) -> Callable[[Engine], Protocol[Any]]:
    rows = np.stack([vector(i, 100) for i in range(ROWS)])

    def body(engine: Engine) -> Protocol[Any]:
        mine = as_words(rows) if engine.me == 1 else None
        shares = (yield from engine.inputs(mine, {1: rows.shape}))[1]
        return (yield from estimate(engine, [shares[..., i, :] for i in range(ROWS)], *arguments, bits=BITS))

    return body


def screened(engine: Engine) -> Protocol[Any]:
    rows = np.stack([vector(i, 100) for i in range(10)])
    shares = (yield from engine.inputs(as_words(rows) if engine.me == 1 else None, {1: rows.shape}))[1]
    return (yield from rows_within(engine, shares, 2**15, 2**35))


def two(values: dict[int, Any], engine: Engine) -> dict[int, Any]:
    return {engine.me: values[engine.me]} if engine.me in values else {}


VECTORS = {1: vector(1), 2: vector(2)}
MATRICES = {1: vector(3, 600).reshape(20, 30), 2: vector(4, 300).reshape(30, 10)}
BODIES: dict[str, Callable[[Engine], Protocol[Any]]] = {
    "product": lambda e: product(e, e.me + 1),
    "inner product, d = 1000": lambda e: inner_product(e, two(VECTORS, e), {1: D, 2: D}),
    "matrix product, 20 x 30 x 10": lambda e: matrix_product(e, two(MATRICES, e), {1: (20, 30), 2: (30, 10)}),
    "squared norm, d = 1000": lambda e: squared_norm(e, VECTORS[1] if e.me == 1 else None, 1, D),
    "less than, 1000 of 64 bits": lambda e: reveal_less_than(e, VECTORS.get(e.me), (1, 2), D),
    "median, 9 x 100 of 18 bits": ordered(median),
    "trimmed mean, 9 x 100 of 18 bits": ordered(trimmed_mean, 2),
    "screening, 10 x 100": screened,
}
ENGINES = ["replicated", "dealer, 2 parties", "dealer, 3 parties", "transfer, 2 parties"]


def recipe_of_body(parties: tuple[int, ...], body: Callable[[Engine], Protocol[Any]]) -> Recipe:
    recorders = {me: Recorder() for me in parties}
    run_local({me: body(Additive(me, parties, recorders[me], stream("dry"))) for me in parties})
    return recorders[parties[0]].recipe


def run(engine: str, body: Callable[[Engine], Protocol[Any]]) -> RunResult:
    parties = (1, 2) if engine.endswith("2 parties") else (1, 2, 3)
    if engine == "replicated":

        def party(me: int) -> Protocol[Any]:
            shares = yield from Replicated.setup(me, parties, stream("setup", me))
            return (yield from body(shares))

    else:
        recipe = recipe_of_body(parties, body)
        allotments = deal(recipe, parties, stream("dealer")) if engine.startswith("dealer") else {}

        def party(me: int) -> Protocol[Any]:
            if allotments:
                source: Any = DealtSource(allotments[me])
            else:
                source = yield from transferred(me, parties, recipe, stream("transfer", me))
            return (yield from body(Additive(me, parties, source, stream("shares", me))))

    return run_local({me: party(me) for me in parties}, raise_errors=True)


class Protocols:
    """Every protocol on every engine."""

    params = (list(BODIES), ENGINES)
    param_names = ("protocol", "engine")
    timeout = 120

    def track_rounds(self, name: str, engine: str) -> int:
        return run(engine, BODIES[name]).rounds

    def track_bytes(self, name: str, engine: str) -> int:
        return max(cost.bytes_sent for cost in run(engine, BODIES[name]).costs.values())

    def track_triples(self, name: str, engine: str) -> int:
        return max(cost.triples for cost in run(engine, BODIES[name]).costs.values())

    def time_all_parties(self, name: str, engine: str) -> None:
        run(engine, BODIES[name])


def sealed_product() -> RunResult:
    keys = {me: SealingKey.generate(stream("key", me)) for me in (1, 2, 3)}
    public = {me: key.public for me, key in keys.items()}

    def party(me: int) -> Protocol[int]:
        engine = yield from Replicated.setup(me, (1, 2, 3), stream("setup", me))
        return (yield from product(engine, me + 1))

    parties: dict[int, Protocol[Any]] = {
        me: through_relay(me, party(me), via=0, key=keys[me], peers=public, session=b"bench") for me in keys
    }
    return run_local({0: relay((1, 2, 3)), **parties}, raise_errors=True)


def authenticated_inner_product() -> RunResult:
    parties = (1, 2, 3)
    dealt = deal_authenticated(parties, {1: D, 2: D}, D, stream("spdz"))

    def party(me: int) -> Protocol[Any]:
        spdz = Spdz(me, parties, dealt[me], stream("spdz", me))
        mine = vector(me).astype(np.uint64) % np.uint64(field61.P61) if me < 3 else None
        shares = yield from spdz.inputs(mine, {1: D, 2: D})
        products = yield from spdz.multiply(shares[1], shares[2])
        return (yield from spdz.reveal(products.total()))

    return run_local({me: party(me) for me in parties}, raise_errors=True)


def client_aided_norm() -> RunResult:
    servers = (1, 2, 3)
    values = (vector(1) + 2**15).astype(np.uint64)

    def client() -> Protocol[None]:
        yield contribute(values, servers, stream("client"))

    def server(me: int) -> Protocol[int]:
        inbox = yield {}
        contribution = Contribution.decode(9, inbox[9], D)
        return (yield from verified_squared_norm(me, servers, contribution, stream("server", me)))

    return run_local({9: client(), **{me: server(me) for me in servers}}, raise_errors=True)


def three_servers() -> RunResult:
    servers, clients = (1, 2, 3), tuple(range(11, 21))
    parties: dict[int, Protocol[Any]] = {c: share_update(servers, vector(c), stream("c", c)) for c in clients}
    for me in servers:
        parties[me] = aggregate_shares(
            me,
            servers,
            clients,
            D,
            limit=2**15,
            bound_squared=D * 2**30,
            min_clients=3,
            randomness=stream("s", me),
        )
    return run_local(parties, raise_errors=True)


def sum_of_ten() -> RunResult:
    parties = tuple(range(1, 11))
    return run_local(
        {me: private_sum(me, parties, me, stream("sum", me)) for me in parties}, raise_errors=True
    )


SPECIAL: dict[str, Callable[[], RunResult]] = {
    "product through a relay": sealed_product,
    "authenticated inner product, d = 1000": authenticated_inner_product,
    "client-aided squared norm, d = 1000": client_aided_norm,
    "private sum of ten": sum_of_ten,
    "ten updates of 1000 screened and added by three servers": three_servers,
}


class SpecialProtocols:
    """Those that bring their own shares."""

    params = (list(SPECIAL),)
    param_names = ("protocol",)

    def track_rounds(self, name: str) -> int:
        return SPECIAL[name]().rounds

    def track_bytes(self, name: str) -> int:
        return max(cost.bytes_sent for cost in SPECIAL[name]().costs.values())

    def time_all_parties(self, name: str) -> None:
        SPECIAL[name]()


def timed(protocol: Protocol[Any], seconds: list[float]) -> Protocol[Any]:
    """Add to `seconds[0]` the CPU time that the protocol's own steps take."""
    step: Callable[[], Any] = partial(next, protocol)
    while True:
        begin = process_time()
        try:
            outbox = step()
        except StopIteration as stop:
            return stop.value
        finally:
            seconds[0] += process_time() - begin
        inbox = yield outbox
        step = partial(protocol.send, inbox)


class ObliviousTransfer:
    """Transfers a second and core, in a batch of a million, without setup; and what one costs on the wire."""

    timeout = 120
    blocks = 2**14

    def _run(self) -> tuple[float, float, int]:
        """CPU seconds of the sender's and of the receiver's extension, and the bytes of it."""
        sent, received = [0.0], [0.0]

        def sender() -> Protocol[None]:
            end = yield from Sender.setup(2, stream("sender"))
            yield from timed(end.extend(64 * self.blocks, 1), sent)

        def receiver() -> Protocol[None]:
            end = yield from Receiver.setup(1, stream("receiver"))
            yield from timed(end.extend(stream("choices").uint64(self.blocks), 1), received)

        result = run_local({1: sender(), 2: receiver()}, raise_errors=True)
        return sent[0], received[0], result.costs[2].bytes_sent

    def _best(self) -> tuple[float, float, int]:
        runs = [self._run() for _ in range(3)]
        return min(r[0] for r in runs), min(r[1] for r in runs), runs[0][2]

    def track_sent_a_second(self) -> float:
        return 64 * self.blocks / self._best()[0]

    def track_received_a_second(self) -> float:
        return 64 * self.blocks / self._best()[1]

    def track_bytes_a_transfer(self) -> float:
        return self._run()[2] / (64 * self.blocks)

    def time_setup(self) -> None:
        run_local({1: Sender.setup(2, stream("sender")), 2: Receiver.setup(1, stream("receiver"))})


def _unit(tracker: Any, unit: str) -> None:
    tracker.unit = unit


_unit(Protocols.track_rounds, "rounds")
_unit(Protocols.track_bytes, "bytes")
_unit(Protocols.track_triples, "triples")
_unit(SpecialProtocols.track_rounds, "rounds")
_unit(SpecialProtocols.track_bytes, "bytes")
_unit(ObliviousTransfer.track_sent_a_second, "transfers/s")
_unit(ObliviousTransfer.track_received_a_second, "transfers/s")
_unit(ObliviousTransfer.track_bytes_a_transfer, "bytes")
