"""The actor server: a coordinator, selectors that hold the connected clients, a master aggregator, aggregators.

    Coordinator       one for a population; advances rounds, restarts a round whose master is lost
      |- Selector     keeps the clients that checked in with it, forwards as many as are wanted
      |- MasterAggregator       one for a round; adds the shards' sums
           |- Aggregator        spawned on demand; one secure aggregation after the other

An aggregator that is lost takes the shard in its hands with it and nothing else; a lost selector takes the clients that
were connected to it; a lost master or coordinator costs an attempt, which is made anew with clients that were not in it.
No client is asked twice in a round: two sums with the same update in them, over different survivors, would tell what
those in between sent. Every loss is in the report.

Leakage, Assumes: as `fl.scale.hierarchy`; all actors belong to one operator, whose machines see the shards' sums.
Source: Bonawitz et al., "Towards federated learning at scale: system design" (SysML 2019), sections 4.1, 4.2, 4.4.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import monotonic

from fl.scale.executor import Actor, ActorLost, Executor, Pending
from fl.scale.hierarchy import (
    Beacon,
    Clients,
    HierarchicalSum,
    LostShard,
    Shard,
    ShardRules,
    ShardSum,
    add_shards,
    make_shards,
    sum_shard,
)
from fl.seeds import generator
from mpc.errors import NotEnoughParties, ParameterError, ProtocolError
from mpc.prg import encode_labels
from mpc.secagg import BN254_SCALAR_FIELD

__all__ = [
    "ActorServer",
    "Aggregator",
    "Coordinator",
    "MasterAggregator",
    "RoundReport",
    "RoundTask",
    "Selector",
]

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class RoundTask:
    """One round as its coordinator is told: how many clients are wanted, and what is summed.

    `session` names the round of this plan and no other; `beacon` draws the shards. An aggregator that takes
    longer than `patience_s` for a shard is ended (None: never).
    """

    number: int
    wanted: int
    rules: ShardRules
    dim: int
    session: bytes
    beacon: Beacon
    field_dim: int = 0
    modulus: int = 2**32
    prime: int = BN254_SCALAR_FIELD
    patience_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Busy:
    """An aggregator and the shard in its hands; `since` is a monotonic clock's."""

    name: str
    actor: Actor
    shard: Shard
    pending: Pending
    since: float

    def lost(self, reason: str) -> LostShard:
        return LostShard(self.shard.number, self.shard.clients, f"its aggregator {reason}")


@dataclass(frozen=True, slots=True)
class RoundReport:
    """What a round came to, and every actor lost on the way."""

    number: int
    selected: tuple[int, ...]
    sum: HierarchicalSum
    lost_actors: tuple[str, ...]


class Selector:
    """Holds the clients that checked in, and forwards some of them when a round begins; each is forwarded once."""

    def __init__(self, number: int, seed: int) -> None:
        self._number, self._seed = number, seed
        self._connected: set[int] = set()

    def check_in(self, clients: Sequence[int]) -> int:
        """These clients are connected until they leave or are forwarded; how many are."""
        self._connected |= set(clients)
        return len(self._connected)

    def leave(self, clients: Sequence[int]) -> int:
        """These are gone; how many are left."""
        self._connected -= set(clients)
        return len(self._connected)

    def forward(self, round: int, wanted: int) -> tuple[int, ...]:
        """`wanted` of the connected clients, drawn from the public seed; all when there are not more."""
        waiting = sorted(self._connected)
        rng = generator(self._seed, "selector", self._number, round)
        chosen = sorted(waiting[i] for i in rng.permutation(len(waiting))[:wanted])
        self._connected -= set(chosen)
        return tuple(chosen)


class Aggregator:
    """Runs the secure aggregation of one shard after the other."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def sum(self, shard: Shard) -> ShardSum | LostShard:
        return sum_shard(shard, self._clients)


class MasterAggregator:
    """Gives shards to aggregators, at most as many at a time as can compute, and adds what comes back."""

    def __init__(self, name: str, executor: Executor, clients: Clients, patience_s: float | None) -> None:
        self._name, self._executor, self._clients, self._patience_s = name, executor, clients, patience_s
        self._spawned = 0
        self._lost: list[str] = []

    def aggregate(self, shards: Sequence[Shard]) -> tuple[HierarchicalSum, tuple[str, ...]]:
        """The sum over all shards that came through, and the aggregators that were lost."""
        total = add_shards(shards[0].parameters.field, self._outcomes(shards))
        return total, tuple(self._lost)

    def _outcomes(self, shards: Sequence[Shard]) -> Iterator[ShardSum | LostShard]:
        waiting = deque(shards)
        idle: list[tuple[str, Actor]] = []
        busy: list[_Busy] = []
        while waiting or busy:
            while waiting and len(busy) < self._executor.capacity:
                name, actor = idle.pop() if idle else self._spawn()
                shard = waiting.popleft()
                busy.append(_Busy(name, actor, shard, actor.call("sum", shard), monotonic()))
            at = self._executor.first([work.pending for work in busy], self._patience_left(busy))
            if at is None:
                slow = busy.pop(min(range(len(busy)), key=lambda k: busy[k].since))
                slow.actor.kill()
                self._lost.append(slow.name)
                yield slow.lost(f"took longer than {self._patience_s:g} s")
                continue
            work = busy.pop(at)
            try:
                outcome = work.pending.result()
            except ActorLost as error:
                # its clients were connected to it alone; the shards to come get a new one
                self._lost.append(work.name)
                yield work.lost(f"was lost: {error}")
                continue
            idle.append((work.name, work.actor))
            yield outcome
        for _, actor in idle:
            actor.kill()

    def _patience_left(self, busy: Sequence[_Busy]) -> float | None:
        if self._patience_s is None:
            return None
        return max(0.0, min(work.since for work in busy) + self._patience_s - monotonic())

    def _spawn(self) -> tuple[str, Actor]:
        self._spawned += 1
        name = f"aggregator {self._spawned} of {self._name}"
        return name, self._executor.spawn(name, Aggregator, self._clients, worker=True)


class Coordinator:
    """Advances the rounds of one population."""

    def __init__(self, executor: Executor, selectors: Sequence[tuple[str, Actor]]) -> None:
        self._executor, self._selectors = executor, tuple(selectors)

    def play(self, task: RoundTask, clients: Clients, incarnation: int) -> RoundReport:
        """One round: select, aggregate, and once more from the start, with other clients, when the master is lost.

        `incarnation` counts the coordinators that were asked before this one; it and the attempt are part of the
        session.

        Raises: NotEnoughParties when too few clients are connected, or no shard came through; ProtocolError when every
            attempt lost its master.
        """
        lost: list[str] = []
        for attempt in range(_ATTEMPTS):
            name = f"master {task.number}.{incarnation}.{attempt}"
            selected = self._select(task, lost)
            session = encode_labels((task.session, incarnation, attempt))
            shards = make_shards(
                selected,
                task.rules,
                dim=task.dim,
                field_dim=task.field_dim,
                modulus=task.modulus,
                prime=task.prime,
                session=session,
                beacon=task.beacon.draw(session, selected),
            )
            master = self._executor.spawn(
                name, MasterAggregator, name, self._executor, clients, task.patience_s
            )
            try:
                total, aggregators = master.call("aggregate", shards).result()
            except ActorLost:
                lost.append(name)
                continue
            finally:
                master.kill()
            return RoundReport(task.number, selected, total, (*lost, *aggregators))
        raise ProtocolError(f"round {task.number} lost {_ATTEMPTS} master aggregators in a row")

    def _select(self, task: RoundTask, lost: list[str]) -> tuple[int, ...]:
        """An equal part of the wanted clients from every selector; what one cannot give the next ones are asked for."""
        selected: list[int] = []
        for at, (name, selector) in enumerate(self._selectors):
            share = -(-(task.wanted - len(selected)) // (len(self._selectors) - at))
            try:
                selected += selector.call("forward", task.number, share).result()
            except ActorLost:
                lost += [name] if name not in lost else []
        if len(selected) < task.rules.min_clients:
            raise NotEnoughParties(
                f"{len(selected)} clients are connected, a sum takes at least {task.rules.min_clients}"
            )
        return tuple(sorted(selected))


class ActorServer:
    """The server of one population: selectors, and a coordinator that is started again when it is lost."""

    def __init__(self, executor: Executor, *, selectors: int = 1, seed: int = 1) -> None:
        if selectors < 1:
            raise ParameterError(f"a server needs at least one selector, got {selectors}")
        self._executor = executor
        self._selectors = [
            (f"selector {n}", executor.spawn(f"selector {n}", Selector, n, seed)) for n in range(selectors)
        ]
        self._incarnation = 0
        self._coordinator = self._start()

    def _start(self) -> Actor:
        return self._executor.spawn(
            f"coordinator {self._incarnation}", Coordinator, self._executor, self._selectors
        )

    def check_in(self, clients: Sequence[int]) -> None:
        """Clients connect, spread evenly over the selectors; those that find theirs lost are turned away."""
        for at, (_, selector) in enumerate(self._selectors):
            try:
                selector.call("check_in", clients[at :: len(self._selectors)]).result()
            except ActorLost:
                continue

    def play(self, task: RoundTask, clients: Clients) -> RoundReport:
        """One round, by a new coordinator if the one there is lost.

        Raises: as `Coordinator.play`.
        """
        lost: list[str] = []
        while True:
            try:
                report: RoundReport = self._coordinator.call(
                    "play", task, clients, self._incarnation
                ).result()
            except ActorLost:
                lost.append(f"coordinator {self._incarnation}")
                self._incarnation += 1
                if len(lost) == _ATTEMPTS:
                    raise
                self._coordinator = self._start()
                continue
            return RoundReport(report.number, report.selected, report.sum, (*lost, *report.lost_actors))
