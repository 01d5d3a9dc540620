"""The actor server on this machine: what is lost with an actor, and that nothing else is."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fl.scale import (
    ActorLost,
    ActorServer,
    LocalExecutor,
    Parties,
    RoundReport,
    RoundTask,
    Shard,
    ShardRules,
    SimulatedBeacon,
    SyntheticClients,
    make_shards,
    open_executor,
    sum_shards,
)
from fl.scale.actors import Selector
from mpc.errors import NotEnoughParties, ParameterError, ProtocolError
from mpc.prg import encode_labels

RULES = ShardRules(size=6, min_clients=3, corrupt=0.0, dropout=0.2)
DIM = 9
BEACON = SimulatedBeacon(3)


def task(wanted: int, number: int = 0) -> RoundTask:
    return RoundTask(number, wanted, RULES, DIM, b"plan", BEACON, field_dim=1)


@dataclass(frozen=True)
class Crashing(SyntheticClients):
    """The process that is given shard 1 is killed by the system."""

    def parties(self, shard: Shard) -> Parties:
        if shard.number == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().parties(shard)


@dataclass(frozen=True)
class Waiting(SyntheticClients):
    """Whoever is first given shard 1 waits until somebody opens and closes a pipe."""

    pipe: Path = Path()

    def parties(self, shard: Shard) -> Parties:
        first = self.pipe.with_suffix(".taken")
        if shard.number == 1 and not first.exists():
            first.touch()
            with self.pipe.open("rb") as waiting:
                waiting.read()
        return super().parties(shard)


@dataclass(frozen=True)
class Broken(SyntheticClients):
    def updates(self, members: Sequence[int]) -> Mapping[int, NDArray[np.int64]]:
        raise ParameterError("the data are not there")


def clients_of(kind: type[SyntheticClients] = SyntheticClients, **more: Any) -> SyntheticClients:
    return kind(bytes(32), seed=5, round=0, drop=0.0, dim=DIM, **more)


def expected(report: RoundReport) -> NDArray[np.int64]:
    return np.sum(list(clients_of().updates(report.sum.included).values()), axis=0)


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe")
    return tmp_path / "pipe"


@pytest.fixture(params=[0, 2], ids=["threads", "processes"])
def executor(request: pytest.FixtureRequest) -> Iterator[LocalExecutor]:
    with LocalExecutor(request.param) as made:
        yield made


def test_the_same_bits_as_without_actors(executor: LocalExecutor) -> None:
    server = ActorServer(executor, selectors=2)
    server.check_in(range(1, 21))
    report = server.play(task(20), clients_of())
    session = encode_labels((b"plan", 0, 0))
    beacon = BEACON.draw(session, range(1, 21))
    plain = sum_shards(
        make_shards(range(1, 21), RULES, dim=DIM, field_dim=1, session=session, beacon=beacon), clients_of()
    )
    assert report.sum.total.tobytes() == plain.total.tobytes() == expected(report).tobytes()
    assert report.sum.field_total == plain.field_total
    assert report.sum.included == plain.included == report.selected == tuple(range(1, 21))
    assert not report.lost_actors and not report.sum.lost


def test_an_aggregator_that_crashes_takes_its_shard_along() -> None:
    with LocalExecutor(1) as executor:
        server = ActorServer(executor)
        server.check_in(range(1, 21))
        report = server.play(task(20), clients_of(Crashing))
    (lost,) = report.sum.lost
    assert lost.number == 1 and "crashed with exit code -9" in lost.reason
    assert report.lost_actors == ("aggregator 1 of master 0.0.0",)
    assert len(report.sum.shards) == 2
    assert set(report.sum.included) == set(range(1, 21)) - set(lost.clients)
    assert (report.sum.total == expected(report)).all()


def in_the_background(server: ActorServer, clients: SyntheticClients) -> tuple[threading.Thread, list[Any]]:
    outcome: list[Any] = []

    def play() -> None:
        try:
            outcome.append(server.play(task(20), clients))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=play)
    thread.start()
    return thread, outcome


def test_an_aggregator_that_is_killed_takes_its_shard_along(pipe: Path) -> None:
    with LocalExecutor(1) as executor:
        server = ActorServer(executor)
        server.check_in(range(1, 21))
        thread, outcome = in_the_background(server, clients_of(Waiting, pipe=pipe))
        with pipe.open("wb"):  # opens when the aggregator is reading: it has shard 1 in its hands
            executor.actor("aggregator 1 of master 0.0.0").kill()
            thread.join()
    (report,) = outcome
    assert [shard.number for shard in report.sum.lost] == [1]
    assert "was ended" in report.sum.lost[0].reason
    assert (report.sum.total == expected(report)).all()


@pytest.mark.parametrize("name", ["master 0.0.0", "coordinator 0"])
def test_a_round_starts_again_with_others(pipe: Path, name: str) -> None:
    with LocalExecutor(0) as executor:
        server = ActorServer(executor)
        server.check_in(range(1, 41))
        thread, outcome = in_the_background(server, clients_of(Waiting, pipe=pipe))
        with pipe.open("wb"):
            executor.actor(name).kill()
            thread.join()
    (report,) = outcome
    assert report.lost_actors == (name,)
    assert len(report.sum.included) == 20 and not report.sum.lost
    assert (report.sum.total == expected(report)).all()


def test_nobody_is_asked_twice_in_a_round(pipe: Path) -> None:
    """Everybody was in the attempt that was lost, so the round is lost as well."""
    with LocalExecutor(0) as executor:
        server = ActorServer(executor)
        server.check_in(range(1, 21))
        thread, outcome = in_the_background(server, clients_of(Waiting, pipe=pipe))
        with pipe.open("wb"):
            executor.actor("master 0.0.0").kill()
        thread.join()
        assert isinstance(outcome[0], NotEnoughParties)
        server.check_in(range(1, 21))
        assert len(server.play(task(20, number=1), clients_of()).sum.included) == 20


def test_a_selector_takes_its_clients_along() -> None:
    with LocalExecutor(0) as executor:
        server = ActorServer(executor, selectors=2)
        server.check_in(range(1, 41))
        executor.actor("selector 0").kill()
        report = server.play(task(30), clients_of())
    assert report.lost_actors == ("selector 0",)
    assert report.selected == tuple(range(2, 41, 2))
    assert (report.sum.total == expected(report)).all()


def test_an_aggregator_that_hangs_is_ended(pipe: Path) -> None:
    held: list[Any] = []

    class Impatient(LocalExecutor):
        waits = 0

        def first(self, pending: Sequence[Any], timeout_s: float | None = None) -> int | None:
            """The second wait, for shard 1, ends as soon as the aggregator waits for the pipe."""
            assert timeout_s is not None and timeout_s <= 60
            self.waits += 1
            if self.waits != 2:
                return super().first(pending)
            held.append(pipe.open("wb"))
            return None

    with Impatient(0) as executor:
        server = ActorServer(executor)
        server.check_in(range(1, 21))
        report = server.play(replace(task(20), patience_s=60), clients_of(Waiting, pipe=pipe))
    held[0].close()
    (lost,) = report.sum.lost
    assert lost.number == 1 and lost.reason == "its aggregator took longer than 60 s"
    assert report.lost_actors == ("aggregator 1 of master 0.0.0",)
    assert (report.sum.total == expected(report)).all()


def test_masters_that_keep_failing_end_the_round() -> None:
    class Hopeless(LocalExecutor):
        def spawn(self, name: str, make: Any, *arguments: Any, worker: bool = False) -> Any:
            actor = super().spawn(name, make, *arguments, worker=worker)
            if name.startswith("master"):
                actor.kill()
            return actor

    with Hopeless(0) as executor:
        server = ActorServer(executor)
        server.check_in(range(1, 81))
        with pytest.raises(ProtocolError, match="lost 3 master aggregators"):
            server.play(task(20), clients_of())


def test_what_goes_wrong_in_a_worker_is_told(executor: LocalExecutor) -> None:
    server = ActorServer(executor)
    server.check_in(range(1, 21))
    with pytest.raises(ParameterError, match="the data are not there"):
        server.play(task(20), clients_of(Broken))


def test_too_few_clients() -> None:
    with LocalExecutor(0) as executor, pytest.raises(NotEnoughParties, match="0 clients are connected"):
        ActorServer(executor).play(task(20), clients_of())


def test_the_beacon_depends_on_who_takes_part() -> None:
    draws = {
        SimulatedBeacon(seed).draw(s, c) for seed in (1, 2) for s in (b"a", b"b") for c in ((1, 2), (1, 3))
    }
    assert len(draws) == 8


def test_selectors_forward_each_client_once() -> None:
    selector = Selector(0, seed=1)
    assert selector.check_in(range(1, 11)) == 10
    first, second = selector.forward(0, 6), selector.forward(0, 6)
    assert len(first) == 6 and sorted(first + second) == list(range(1, 11))
    again = Selector(0, seed=1)
    again.check_in(range(10, 0, -1))
    assert again.forward(0, 6) == first
    assert again.leave(second) == 0


def test_an_ended_actor_answers_nobody() -> None:
    with LocalExecutor(0) as executor:
        actor = executor.spawn("selector", Selector, 0, 1)
        actor.kill()
        actor.kill()
        with pytest.raises(ActorLost, match="has ended"):
            actor.call("forward", 0, 1).result()
        with pytest.raises(ParameterError):
            executor.actor("nobody")
        with pytest.raises(ParameterError):
            ActorServer(executor, selectors=0)
    with pytest.raises(ParameterError):
        LocalExecutor(-1)


def test_engines_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_executor("local", processes=2) as executor:
        assert executor.capacity == 2
    with pytest.raises(ParameterError, match="one of local, ray"), open_executor("spark"):
        pass
    monkeypatch.setattr("fl.scale.choose.find_spec", lambda name: None)
    with pytest.raises(ParameterError, match=r"eppml\[ray\]"), open_executor("ray"):
        pass
