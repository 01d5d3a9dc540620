"""`run_parties`: processes, deadlines, names for those who fail, logs; and from_torch on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from mpc.crypten import PartyFailed, run_parties
from mpc.crypten.compat import load
from mpc.errors import FaultyParty, InsecureError, ParameterError, PartyTimeout
from mpc.runtime.party_file import run_file
from tests.mpc.test_mpc_party_cli import write_files

crypten = load()


def product(rank: int, numbers: torch.Tensor) -> list[float]:
    print(f"rank {rank} computes")
    x = crypten.cryptensor(numbers, src=0)
    result: list[float] = (x * x).get_plain_text().tolist()
    return result


def joined(rank: int, mine: float, scale: float) -> float:
    x = crypten.cryptensor(torch.tensor([mine]), src=0)
    y = crypten.cryptensor(torch.tensor([mine]), src=1)
    return float((x * y * scale).get_plain_text().item())


def raises(rank: int) -> None:
    if rank == 1:
        raise LookupError("there is no such thing")
    crypten.communicator.get().barrier()


def dies(rank: int) -> None:
    if rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    crypten.communicator.get().barrier()


def stalls(rank: int) -> None:
    if rank == 1:
        time.sleep(600)
    crypten.communicator.get().barrier()


def refuses(rank: int) -> None:
    raise ParameterError("this cannot work")


def test_two_processes_and_a_dealer(tmp_path: Path) -> None:
    result = run_parties(2, product, torch.tensor([1.5, -2.0]), logs=tmp_path)
    assert result.values == [[2.25, 4.0]] * 2
    assert "dealer" in result.trust and set(result.costs) == {1, 2, 3}
    assert result.costs[1].rounds == result.costs[2].rounds + 1 > 4 and result.costs[1].bytes_sent > 0
    for number in (1, 2):
        assert f"rank {number - 1} computes" in (tmp_path / f"party-{number}.log").read_text()


def test_each_party_gets_its_own_input_and_nobody_elses() -> None:
    assert run_parties(2, joined, 10.0, inputs=[2.0, 3.0]).values == [60.0, 60.0]


def test_oblivious_transfer_needs_no_third_process() -> None:
    result = run_parties(2, product, torch.tensor([3.0]), provider="transfer")
    assert result.values == [[9.0]] * 2 and set(result.costs) == {1, 2} and "nobody" in result.trust


@pytest.mark.parametrize(
    ("function", "kind", "words"),
    [
        (raises, PartyFailed, "LookupError: there is no such thing; its log is"),
        (dies, FaultyParty, "its process ended with exit code -9"),
        (stalls, PartyTimeout, "silent for 2 s"),
    ],
)
def test_who_fails_is_named_within_the_deadline(function: Any, kind: type[Exception], words: str) -> None:
    begin = time.monotonic()
    with pytest.raises(kind, match=words) as caught:
        run_parties(2, function, deadline=2.0)
    assert getattr(caught.value, "party") == 2  # noqa: B009
    assert time.monotonic() - begin < 40


def test_an_error_of_ours_stays_itself() -> None:
    with pytest.raises(ParameterError, match="this cannot work"):
        run_parties(2, refuses)


def test_what_cannot_work_is_refused_before_anything_runs() -> None:
    with pytest.raises(InsecureError, match="party 1 can read every input"):
        run_parties(2, product, torch.ones(1), provider="first-party")
    with pytest.raises(ParameterError, match="at least two"):
        run_parties(1, product, torch.ones(1))
    with pytest.raises(ParameterError, match="one input"):
        run_parties(2, joined, 1.0, inputs=[1.0])
    with pytest.raises(ParameterError, match="no provider 'magic'"):
        run_parties(2, product, torch.ones(1), provider="magic")
    with pytest.raises(ParameterError, match="cannot be loaded"):
        run_parties(2, product, torch.ones(1), provider="mpc.crypten.nothing:here")
    with pytest.raises(ParameterError, match="have to be importable"):
        run_parties(2, lambda rank: rank)


@pytest.mark.slow
def test_two_machines_worth_of_parties_aggregate(tmp_path: Path) -> None:
    """`eppml party --protocol secure-aggregate --config F`, a process each, from files that name no protocol."""
    files = write_files(
        tmp_path, "secure-aggregate", {1: "length = 2\nvector = [3, 4]", 2: "length = 2\nvector = [900, 1]"}
    )
    for file in files:
        lines = file.read_text().splitlines()
        file.write_text("\n".join([*(line for line in lines if "protocol" not in line)]))
        file.write_text(file.read_text().replace("[input]", "[input]\nmax_norm = 100"))
    command = [
        sys.executable,
        "-m",
        "mpc.runtime.cli",
        "--json",
        "--protocol",
        "secure-aggregate",
        "--config",
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    running = [
        subprocess.Popen(
            [*command, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for file in files
    ]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        answer = json.loads(out)
        assert answer["result"] == {"sum": [3, 4], "accepted": [True, False]}
        assert answer["cost"]["rounds"] > 10 and answer["cost"]["triples"] > 0


def test_a_file_that_names_another_protocol_is_refused(tmp_path: Path) -> None:
    (file, _) = write_files(tmp_path, "sum", {1: "value = 1", 2: "value = 2"})
    with pytest.raises(ParameterError, match="its protocol is 'sum', not 'secure-aggregate'"):
        run_file(file, "secure-aggregate")


def test_insecure_is_possible_when_said() -> None:
    result = run_parties(2, product, torch.tensor([2.0]), provider="first-party", allow_insecure=True)
    assert result.values == [[4.0]] * 2 and result.trust.startswith("party 1 knows every mask")


PLAIN = """
import mpc.crypten
from mpc.crypten.randomness import StreamGenerator
import crypten, crypten.mpc, sys, torch

@crypten.mpc.run_multiprocess(world_size=3)
def job():
    x = crypten.cryptensor(torch.tensor([1.0, 2.0]), src=0)
    y = crypten.cryptensor(torch.tensor([3.0, 4.0]), src=1)
    generators = [crypten.generators[k][torch.device("cpu")] for k in ("prev", "next", "local", "global")]
    assert all(isinstance(g, StreamGenerator) for g in generators)
    total = (x + y).get_plain_text().tolist()
    return total if sys.argv[1] == "add" else (x * y).get_plain_text().tolist()

if __name__ == "__main__":
    print(job())
"""


@pytest.mark.slow
def test_crypten_started_by_itself_over_gloo(tmp_path: Path) -> None:
    """Our streams and sealed seeds there too; but multiplying with CrypTen's own provider is refused."""
    script = tmp_path / "plain.py"
    script.write_text(PLAIN)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}

    def run(what: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(script), what]
        return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)

    assert "[[4.0, 6.0], [4.0, 6.0], [4.0, 6.0]]" in run("add").stdout
    refused = run("multiply")
    assert "party 0 can read every input" in refused.stderr and refused.stdout.strip() == "None"
