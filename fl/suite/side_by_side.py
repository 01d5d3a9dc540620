"""Measurements that have nothing to do with each other, in processes of their own: as many at once as there are cores."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from fl.engine.worker import WorkerLost

__all__ = ["side_by_side"]

Shared = TypeVar("Shared")
Task = TypeVar("Task")
Result = TypeVar("Result")

_TRIES = 3
# in a process: the function and what all its tasks share
_given: tuple[Callable[[Any, Any], Any], Any] | None = None


def side_by_side(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task], processes: int
) -> Generator[Result, None, None]:
    """function(shared, task) for every task, in the order of the tasks, each as soon as it and those before it are there.

    Each process has one thread for arithmetic, gets `shared` once, and ends with this iterator or with its parent. What
    was lost with a process that died is measured again.
    Assumes: `function` is importable; it, `shared` and the tasks can be pickled; a script that wants several processes
        guards its main part with `if __name__ == "__main__"`, as they import it again.
    Raises: WorkerLost when processes die again and again; whatever `function` raises.
    """
    if processes == 1 or len(tasks) < 2:
        for task in tasks:
            yield function(shared, task)
        return
    done = 0
    for _ in range(_TRIES):
        try:
            for result in _spread(function, shared, tasks[done:], processes):
                done += 1
                yield result
            return
        except BrokenProcessPool:
            continue
    raise WorkerLost(f"processes that measure died {_TRIES} times; fewer at once need less memory")


def _spread(
    function: Callable[[Shared, Task], Result], shared: Shared, tasks: Sequence[Task], processes: int
) -> Iterator[Result]:
    others = set(multiprocessing.active_children())
    # a forked copy of a process with threads may stop for ever
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(processes, len(tasks)), context, _begin, (function, shared))
    try:
        with _one_thread_each():
            futures = [pool.submit(_measure, task) for task in tasks]
        for future in futures:
            yield future.result()
    except BaseException:  # an error, Ctrl-C, or nobody wants the rest: nobody waits for it
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        raise
    pool.shutdown()


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes that start inside see this environment; libraries read it when they are loaded."""
    names = [f"{library}_NUM_THREADS" for library in ("OMP", "MKL", "OPENBLAS")]
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _begin(function: Callable[[Any, Any], Any], shared: Any) -> None:
    global _given
    _given = (function, shared)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _measure(task: Any) -> Any:
    assert _given is not None
    function, shared = _given
    return function(shared, task)
