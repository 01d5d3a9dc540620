"""Ray as the engine: clients trained as tasks, the actor server as actors, on this machine or on a cluster.

Nothing is decided here: groups of clients come from `fl.engine.Work`, actors from `fl.scale.actors`, and both give the
same bits as on a local engine. Ray moves pickles between the operator's own processes.
"""

import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import token_hex
from types import TracebackType
from typing import Any, Self

import ray
import torch
from ray.exceptions import RayActorError, RayTaskError

from fl.engine import Trained, Work
from fl.models.base import Vector
from fl.scale.executor import Actor, ActorLost, Host, Pending
from mpc.errors import ParameterError

__all__ = ["RayEngine", "RayExecutor", "connected"]

# what travels through the object store is states and payloads, not data sets
_OBJECT_STORE = 512 << 20


@contextmanager
def connected(address: str = "", *, cpus: int | None = None) -> Iterator[None]:
    """A Ray of our own with `cpus` processors (None: all there are), or the cluster at `address`; left at the end.

    A program that already talks to Ray keeps what it has.

    Raises: ParameterError when no cluster answers at `address`, or not to this program's token.
    """
    if ray.is_initialized():
        yield
        return
    # nothing is reported to anybody
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    own: dict[str, Any] = {
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": _OBJECT_STORE,
    }
    try:
        ray.init(
            address=address or "local",
            log_to_driver=False,
            logging_level=logging.ERROR,
            **({} if address else own),
        )
    except ConnectionError as error:
        raise ParameterError(
            f"no Ray cluster answers at {address}, or it wants another token (RAY_AUTH_TOKEN): {error}"
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


@dataclass(frozen=True, slots=True)
class _RayPending:
    reference: Any

    def result(self) -> Any:
        try:
            return ray.get(self.reference)
        except RayActorError as error:
            raise ActorLost(str(error).splitlines()[0]) from None
        except RayTaskError as error:
            raise error.cause from None


@dataclass(frozen=True, slots=True)
class _RayActor:
    handle: Any

    def call(self, method: str, *arguments: Any) -> Pending:
        return _RayPending(self.handle.answer.remote(method, arguments))

    def kill(self) -> None:
        ray.kill(self.handle)


@dataclass(frozen=True, slots=True)
class RayExecutor:
    """Actors of a connected Ray, each in a process of its own; workers take one processor, the others none.

    It may itself be handed to actors. `namespace` keeps the names of actors of different runs apart.
    """

    namespace: str

    @property
    def capacity(self) -> int:
        resources: Mapping[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        return max(1, int(resources.get("CPU", 1)))

    def spawn(self, name: str, make: Callable[..., Any], *arguments: Any, worker: bool = False) -> Actor:
        options = {
            # several may have one name here, but not in Ray
            "name": f"{name}#{token_hex(4)}",
            "namespace": self.namespace,
            "num_cpus": int(worker),
            "max_restarts": 0,
        }
        return _RayActor(ray.remote(Host).options(**options).remote(make, arguments))

    def actor(self, name: str) -> Actor:
        """A living actor that was spawned under this name. Raises: ParameterError when there is none."""
        for full in self._names():
            if full.rpartition("#")[0] == name:
                return _RayActor(ray.get_actor(full, namespace=self.namespace))
        raise ParameterError(f"no actor is called {name!r}")

    def _names(self) -> list[str]:
        named = ray.util.list_named_actors(all_namespaces=True)
        return [actor["name"] for actor in named if actor["namespace"] == self.namespace]

    def first(self, pending: Sequence[Pending], timeout_s: float | None = None) -> int | None:
        references = [answer.reference for answer in pending if isinstance(answer, _RayPending)]
        done, _ = ray.wait(references, num_returns=1, timeout=timeout_s)
        return references.index(done[0]) if done else None

    def close(self) -> None:
        for name in self._names():
            ray.kill(ray.get_actor(name, namespace=self.namespace))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _train(
    work: Work, group: Sequence[int], state: Vector, memories: Mapping[int, Vector], round: int
) -> dict[int, Trained]:
    """One group in a task: on one thread, as everywhere."""
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        # arrays in the object store are read-only; training copies what it changes
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return work.train(group, state, memories, round)


class RayEngine:
    """Trains the clients of `work` as Ray tasks, a group a task; `fl.engine.LocalEngine` is its twin to the bit.

    A task whose process crashes is run again by Ray. Connect to Ray first: `connected`.
    """

    def __init__(self, work: Work) -> None:
        self.work = work
        self._shared: Any = ray.put(work)
        self._task = ray.remote(_train)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Forget the data in the object store."""
        self._shared = None

    def train(
        self, round: int, state: Vector, members: Sequence[int], memories: Mapping[int, Vector]
    ) -> dict[int, Trained]:
        """What each of `members` made of round `round`; by client, in ascending order."""
        shared = ray.put(state)
        tasks = [
            self._task.remote(
                self._shared, group, shared, {i: memories[i] for i in group if i in memories}, round
            )
            for group in self.work.groups(members)
        ]
        done: dict[int, Trained] = {}
        for trained in ray.get(tasks):
            done |= trained
        return {client: done[client] for client in sorted(done)}
