"""Where actors run: threads and processes here, or a Ray cluster (`fl.scale.ray_engine`), behind one small interface.

An actor is an ordinary object that answers one call after the other. Actors that coordinate live on threads; workers,
which compute, in processes of their own, so that they use all cores and can crash alone. What passes between them is
pickled: they are one operator's processes and trust each other. What clients send is bytes, and is never unpickled.
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from multiprocessing.connection import Connection
from threading import Lock
from typing import Any
from typing import Protocol as Interface

from mpc.errors import EppmlError, ParameterError

__all__ = ["Actor", "ActorLost", "Executor", "Host", "LocalExecutor", "Pending"]


class ActorLost(EppmlError):
    """An actor ended before it answered."""


class Pending(Interface):
    """An answer that is on its way."""

    def result(self) -> Any:
        """Wait for it. Raises: ActorLost, or what the actor raised."""


class Actor(Interface):
    """An object somewhere that answers calls, one after the other."""

    def call(self, method: str, *arguments: Any) -> Pending:
        """Ask for `method(*arguments)` and go on."""

    def kill(self) -> None:
        """End it at once; whoever waits for it gets ActorLost. Ending it twice is harmless."""


class Executor(Interface):
    """What actors need of the world."""

    @property
    def capacity(self) -> int:
        """How many workers can compute at the same time."""

    def spawn(self, name: str, make: Callable[..., Any], *arguments: Any, worker: bool = False) -> Actor:
        """A new actor `make(*arguments)`; one that computes is a `worker`."""

    def first(self, pending: Sequence[Pending], timeout_s: float | None = None) -> int | None:
        """Wait until one of these is there; its position, or None when none came in time."""

    def close(self) -> None:
        """End every actor."""


class Host:
    """The object of an actor, made when it is first asked something: what goes wrong then goes to whoever asked."""

    def __init__(self, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        self._make, self._arguments = make, arguments
        self._made: Any = None

    def answer(self, method: str, values: tuple[Any, ...]) -> Any:
        if self._made is None:
            self._made = self._make(*self._arguments)
        return getattr(self._made, method)(*values)


class _Answer:
    """A pending answer of a local actor."""

    def __init__(self) -> None:
        self.future: Future[Any] = Future()

    def result(self) -> Any:
        return self.future.result()

    def settle(self, value: Any = None, error: BaseException | None = None) -> None:
        """The first answer counts: an actor that was ended may still be heard of."""
        if not self.future.done():
            if error is None:
                self.future.set_result(value)
            else:
                self.future.set_exception(error)


class _LocalActor:
    """A mailbox with one thread behind it; `answer` computes."""

    def __init__(self, name: str, answer: Callable[[str, tuple[Any, ...]], Any], end: Callable[[], None]):
        self.name = name
        self._answer, self._end = answer, end
        self._mailbox = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._lock = Lock()
        self._waiting: set[_Answer] = set()
        self._ended = False

    def call(self, method: str, *arguments: Any) -> Pending:
        answer = _Answer()
        with self._lock:
            if self._ended:
                answer.settle(error=ActorLost(f"{self.name} has ended"))
                return answer
            self._waiting.add(answer)
            self._mailbox.submit(self._work, answer, method, arguments)
        return answer

    def _work(self, answer: _Answer, method: str, arguments: tuple[Any, ...]) -> None:
        value, error = None, None
        try:
            value = self._answer(method, arguments)
        except BaseException as raised:  # it belongs to whoever asked
            error = raised
        with self._lock:
            self._waiting.discard(answer)
            answer.settle(value, error)

    def kill(self) -> None:
        with self._lock:
            self._ended = True
            for answer in self._waiting:
                answer.settle(error=ActorLost(f"{self.name} was ended"))
            self._waiting.clear()
        self._mailbox.shutdown(wait=False, cancel_futures=True)
        self._end()


def _on_a_thread(name: str, make: Callable[..., Any], arguments: tuple[Any, ...]) -> _LocalActor:
    return _LocalActor(name, Host(make, arguments).answer, lambda: None)


def _serve(connection: Connection, make: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """The main loop of a worker's process."""
    host = Host(make, arguments)
    while True:
        try:
            method, values = connection.recv()
        except EOFError:
            return
        try:
            answer: tuple[bool, Any] = True, host.answer(method, values)
        except Exception as error:
            answer = False, error
        connection.send(answer)


def _in_a_process(name: str, make: Callable[..., Any], arguments: tuple[Any, ...]) -> _LocalActor:
    # a fresh interpreter: forking a process with threads can leave locks held for ever
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(there, make, arguments), name=name, daemon=True)
    process.start()
    there.close()

    def answer(method: str, values: tuple[Any, ...]) -> Any:
        try:
            here.send((method, values))
            good, value = here.recv()
        except (EOFError, OSError):
            process.join()
            raise ActorLost(f"{name} crashed with exit code {process.exitcode}") from None
        if not good:
            raise value
        return value

    def end() -> None:
        process.kill()
        process.join()

    return _LocalActor(name, answer, end)


class LocalExecutor:
    """Coordinating actors on threads, workers in up to `processes` processes at a time (0: on threads as well).

    A context manager: the processes end with it.
    """

    def __init__(self, processes: int = 0) -> None:
        if processes < 0:
            raise ParameterError(f"processes must not be negative, got {processes}")
        self._processes = processes
        self._actors: list[_LocalActor] = []

    @property
    def capacity(self) -> int:
        return max(1, self._processes)

    def spawn(self, name: str, make: Callable[..., Any], *arguments: Any, worker: bool = False) -> Actor:
        start = _in_a_process if worker and self._processes else _on_a_thread
        actor = start(name, make, arguments)
        self._actors.append(actor)
        return actor

    def actor(self, name: str) -> Actor:
        """The actor that was spawned last under this name. Raises: ParameterError when there is none."""
        for actor in reversed(self._actors):
            if actor.name == name:
                return actor
        raise ParameterError(f"no actor is called {name!r}")

    def first(self, pending: Sequence[Pending], timeout_s: float | None = None) -> int | None:
        futures = [answer.future for answer in pending if isinstance(answer, _Answer)]
        done, _ = wait(futures, timeout_s, return_when=FIRST_COMPLETED)
        return next((at for at, future in enumerate(futures) if future in done), None)

    def close(self) -> None:
        for actor in self._actors:
            actor.kill()
        self._actors.clear()

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
