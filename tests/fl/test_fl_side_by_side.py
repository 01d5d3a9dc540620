"""Processes side by side give what one gives, outlive a crash, and do not outlive whoever wanted the results."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fl.engine.worker import WorkerLost
from fl.suite.side_by_side import side_by_side
from mpc.errors import EppmlError

_PARENT = """
import os, time
from fl.suite.side_by_side import side_by_side
from test_fl_side_by_side import tell_and_wait
if __name__ == "__main__":
    list(side_by_side(tell_and_wait, os.environ["PLACE"], [1, 2], 2))
"""


def tell_and_wait(place: str, number: int) -> None:
    (Path(place) / str(number)).write_text(str(os.getpid()))
    signal.pause()


def tell_and_wait_but_the_first(place: str, number: int) -> None:
    if number > 0:
        tell_and_wait(place, number)


def die_once(place: Path, number: int) -> int:
    mark = place / "died"
    if number == 2 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * number


def die(_: None, number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def threads(name: str, _: int) -> str:
    return os.environ[name]


def waited_for(condition: Callable[[], bool], seconds: float = 120.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def told(file: Path) -> bool:
    return file.exists() and bool(file.read_text())


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


@pytest.mark.parametrize("processes", [1, 2])
def test_results_come_in_the_order_of_the_tasks(processes: int) -> None:
    assert list(side_by_side(pow, 3, range(7), processes)) == [1, 3, 9, 27, 81, 243, 729]


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_measurement_raises_comes_out(processes: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(side_by_side(divmod, 3, [1, 0, 2], processes))


def test_each_process_calculates_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    assert list(side_by_side(threads, "OMP_NUM_THREADS", [0, 1], 2)) == ["1", "1"]
    assert os.environ["OMP_NUM_THREADS"] == "7" and "MKL_NUM_THREADS" not in os.environ


def test_what_a_dead_process_had_is_measured_again(tmp_path: Path) -> None:
    assert list(side_by_side(die_once, tmp_path, [1, 2, 3, 4], 2)) == [10, 20, 30, 40]
    assert (tmp_path / "died").exists()


def test_processes_that_always_die_are_an_error_and_no_endless_loop() -> None:
    with pytest.raises(WorkerLost, match="died 3 times") as raised:
        list(side_by_side(die, None, [1, 2], 2))
    assert isinstance(
        raised.value, EppmlError
    )  # a suite notes it and goes on; a command ends with one sentence


def test_whoever_stops_listening_waits_for_nobody(tmp_path: Path) -> None:
    results = side_by_side(tell_and_wait_but_the_first, str(tmp_path), [0, 1, 2], 2)
    next(results)
    assert waited_for(lambda: told(tmp_path / "1"))
    results.close()
    pid = int((tmp_path / "1").read_text())
    assert waited_for(lambda: not alive(pid))


def test_a_killed_parent_takes_its_processes_along(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        env={
            **os.environ,
            "PLACE": str(tmp_path),
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path]),
        },
    )
    try:
        assert waited_for(lambda: told(tmp_path / "1") and told(tmp_path / "2"))
    finally:
        parent.kill()
        parent.wait()
    pids = [int((tmp_path / name).read_text()) for name in "12"]
    assert waited_for(lambda: not any(map(alive, pids)))
