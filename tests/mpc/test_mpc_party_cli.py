"""`eppml party`: files in, three processes, one result; and one sentence for every file that cannot work."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mpc.errors import FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.protocols import private_sum
from mpc.protocols.named import NAMED, find
from mpc.runtime import Protocol, run_local
from mpc.runtime.cli import app
from mpc.runtime.party_file import run_file

ROOT = Path(__file__).resolve().parents[2]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"party test").derive(*labels)


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def write_files(directory: Path, protocol: str, inputs: dict[int, str], **extra: str) -> list[Path]:
    ports = dict(zip(inputs, free_ports(len(inputs)), strict=True))
    for me in inputs:
        assert CliRunner().invoke(app, ["init", str(directory / f"p{me}")]).exit_code == 0
    files = []
    for me, text in inputs.items():
        lines = [f'protocol = "{protocol}"', f"me = {me}", 'session = "test"', f'identity = "p{me}"']
        lines += [f'listen = "127.0.0.1:{ports[me]}"', "deadline = 20", *extra.values(), "[input]", text]
        for peer in inputs:
            if peer != me:
                lines += ["[[peers]]", f"index = {peer}", f'address = "127.0.0.1:{ports[peer]}"']
                lines += [f'certificate = "p{peer}/certificate.pem"']
        files.append(directory / f"p{me}.toml")
        files[-1].write_text("\n".join(lines))
    return files


def processes(files: list[Path]) -> list[tuple[int, str, str]]:
    command = [sys.executable, "-m", "mpc.runtime.cli", "run", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [
        subprocess.Popen(
            [*command, str(file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for file in files
    ]
    ended = []
    for process in running:
        out, err = process.communicate(timeout=60)
        ended.append((process.returncode, out, err))
    return ended


def test_three_processes_multiply(tmp_path: Path) -> None:
    files = write_files(tmp_path, "product", {1: "value = 6", 2: "value = -7", 3: "value = 10"})
    for code, out, err in processes(files):
        assert code == 0, err
        answer = json.loads(out)
        assert answer["result"] == -420
        assert answer["cost"]["rounds"] == 5


def with_relay(files: list[Path]) -> list[Path]:
    """The same files, by way of party 0, whose own file this writes over."""
    for file in files:
        text = file.read_text().replace("[input]", "relay = 0\n[input]", 1)
        if "me = 0\n" in text:
            text = text.replace('protocol = "product"', 'protocol = "relay"')
        file.write_text(text)
    return files


def test_four_processes_multiply_by_way_of_a_relay_that_learns_nothing(tmp_path: Path) -> None:
    inputs = {0: "", 1: "value = 6", 2: "value = -7", 3: "value = 10"}
    ended = processes(with_relay(write_files(tmp_path, "product", inputs)))
    for code, _, err in ended:
        assert code == 0, err
    answers = [json.loads(out) for _, out, _ in ended]
    assert [answer["result"] for answer in answers[1:]] == [-420] * 3
    # The relay's result is how many messages it carried, and it knows no more.
    assert answers[0]["result"] == 18
    assert answers[1]["cost"]["rounds"] == 10


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("relay = 0", "relay = 9", "none of the peers"),
        ("relay = 0", "relay = 1", "runs the protocol 'relay'"),
        ('protocol = "product"', 'protocol = "relay"', "runs the protocol 'relay'"),
    ],
)
def test_a_relay_that_cannot_be_is_explained(tmp_path: Path, old: str, new: str, word: str) -> None:
    inputs = {0: "", 1: "value = 6", 2: "value = -7", 3: "value = 10"}
    file = with_relay(write_files(tmp_path, "product", inputs))[1]
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ParameterError, match=word):
        run_file(file)


def test_two_processes_need_no_dealer(tmp_path: Path) -> None:
    vectors = {1: "length = 2\nvector = [3, 4]", 2: "length = 2\nvector = [10, -1]"}
    for code, out, err in processes(write_files(tmp_path, "inner-product", vectors)):
        assert code == 0, err
        assert json.loads(out)["result"] == 26


def test_a_party_that_never_starts_is_named(tmp_path: Path) -> None:
    inputs = {1: "value = 6", 2: "value = -7", 3: "value = 10"}
    files = write_files(tmp_path, "sum", inputs, patience="join_deadline = 1.5")
    ended = processes(files[:2])
    assert all(code != 0 and out == "" for code, out, _ in ended)
    assert any("party 3: did not join within 1.5 s" in err for _, _, err in ended)


def test_a_function_of_ones_own_runs_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "my_protocol.py").write_text(
        "def greet(me, parties, inputs, randomness):\n"
        "    inbox = yield {p: inputs['word'].encode() for p in parties if p != me}\n"
        "    return sorted(word.decode() for word in inbox.values())\n"
    )
    files = write_files(tmp_path, "my_protocol:greet", {1: 'word = "aye"', 2: 'word = "bye"'})
    (_, first, _), (_, second, _) = processes(files)
    assert (json.loads(first)["result"], json.loads(second)["result"]) == (["bye"], ["aye"])


def test_names_of_nothing_are_refused() -> None:
    for bad in ("nothing", "no.such.module:f", "mpc.protocols.named:nothing", "mpc.protocols.named:NAMED"):
        with pytest.raises(ParameterError):
            find(bad)


INPUTS: dict[str, list[dict[str, Any]]] = {
    "sum": [{"value": 4}, {"value": -9}, {"value": 1}],
    "product": [{"value": 4}, {"value": -9}, {"value": 2}],
    "inner-product": [{"length": 2, "vector": [1, 2]}, {"length": 2, "vector": [5, -6]}, {"length": 2}],
    "squared-norm": [{"length": 2, "vector": [3, -4]}, {"length": 2}, {"length": 2}],
    "less-than": [{"length": 2, "vector": [1, 9]}, {"length": 2, "vector": [2, 2]}, {"length": 2}],
    "median": [{"length": 2, "vector": v} for v in ([1, 9], [5, 5], [7, -1])],
    "trimmed-mean": [{"length": 2, "vector": v} for v in ([1, 9], [5, 5], [7, -1])],
    "secure-aggregate": [{"length": 2, "vector": v} for v in ([1, 9], [5, 5], [7, -1])],
}
WANT: dict[str, tuple[Any, Any]] = {
    "sum": (-4, -5),
    "product": (-72, -36),
    "inner-product": (-7, -7),
    "squared-norm": (25, 25),
    "less-than": ([True, False], [True, False]),
    "median": ([5, 5], [3, 7]),
    "trimmed-mean": ([5, 5], None),
    "secure-aggregate": (
        {"sum": [13, 13], "accepted": [True, True, True]},
        {"sum": [6, 14], "accepted": [True, True]},
    ),
}


def test_every_name_is_tried() -> None:
    assert set(NAMED) == set(INPUTS) == set(WANT)


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize("n", [2, 3])
def test_named_protocols_compute_what_they_say(name: str, n: int) -> None:
    parties = tuple(range(1, n + 1))
    want = WANT[name][3 - n]
    run = {me: find(name)(me, parties, INPUTS[name][me - 1], stream(name, n, me)) for me in parties}
    result = run_local(run)
    if want is None:
        assert all(isinstance(error, ParameterError) for error in result.errors.values())
        return
    assert not result.errors
    for value in result.results.values():
        np.testing.assert_array_equal(value, want)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("sum", {}),
        ("sum", {"value": 1.5}),
        ("sum", {"value": True}),
        ("median", {"length": 0, "vector": []}),
        ("median", {"length": 2, "vector": [1]}),
        ("median", {"length": 1, "vector": ["1"]}),
        ("median", {"length": 1, "vector": [2**63]}),
        ("less-than", {"length": 1}),
    ],
)
def test_inputs_that_do_not_fit_are_refused_before_anything_runs(name: str, inputs: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        next(find(name)(1, (1, 2, 3), inputs, stream("bad")))


def test_a_party_without_a_vector_must_not_bring_one() -> None:
    with pytest.raises(ParameterError):
        find("squared-norm")(2, (1, 2, 3), {"length": 1, "vector": [1]}, stream("bad"))


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("me = 1", "me = 'one'", "'me' cannot be"),
        ("me = 1", "me = true", "'me' cannot be"),
        ("me = 1", "", "'me' is missing"),
        ("me = 1", "me = 1\ncolour = 3", "colour"),
        ("me = 1", "me = ", "no TOML"),
        ("index = 2", "index = 3", "same index"),
        ("index = 2", "number = 2", "a peer has"),
        ('protocol = "sum"', 'protocol = "some"', "no protocol"),
        ('identity = "p1"', 'identity = "p9"', "no identity"),
        ('certificate = "p2/', 'certificate = "p9/', "no certificate"),
        ('listen = "127.0.0.1:', 'listen = "', "host:port"),
        ("value = 1", "value = 'x'", "integer"),
    ],
)
def test_a_file_that_cannot_work_is_explained(tmp_path: Path, old: str, new: str, word: str) -> None:
    file = write_files(tmp_path, "sum", {1: "value = 1", 2: "value = 2", 3: "value = 3"})[0]
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(ParameterError, match=word):
        run_file(file)


def test_init_does_not_overwrite_and_protocols_lists_all(tmp_path: Path) -> None:
    runner = CliRunner()
    assert "fingerprint" in runner.invoke(app, ["init", str(tmp_path / "a")]).output
    assert isinstance(runner.invoke(app, ["init", str(tmp_path / "a")]).exception, ParameterError)
    listed = runner.invoke(app, ["protocols"]).output
    assert all(name in listed for name in NAMED)
    with pytest.raises(ParameterError):
        run_file(tmp_path / "nothing.toml")


# --- the private sum itself ------------------------------------------------------------------------


def test_the_sum_is_right_and_signed() -> None:
    values = {1: 5, 2: -20, 3: 3, 4: -(2**62)}
    parties = tuple(values)
    result = run_local({me: private_sum(me, parties, v, stream("sum", me)) for me, v in values.items()})
    assert set(result.results.values()) == {sum(values.values())}


def test_a_message_of_the_sum_is_uniform() -> None:
    """Chi-square on the first byte of what party 2 gets from party 1, over fixed streams."""
    heard = []
    for salt in range(2000):
        run = {me: private_sum(me, (1, 2, 3), 7, stream("u", me, salt)) for me in (1, 2, 3)}
        heard.append(run_local(run, record=True).view(2)[0].data[0])
    counts = np.bincount(np.array(heard) // 16, minlength=16)
    assert float(((counts - 125) ** 2 / 125).sum()) < 37.7  # 15 degrees of freedom, p = 0.001


@pytest.mark.parametrize("message", [None, b"", bytes(7), bytes(9)])
@pytest.mark.parametrize("at", [1, 2])
def test_a_malformed_message_of_the_sum_is_blamed(message: bytes | None, at: int) -> None:
    def corrupt() -> Protocol[None]:
        for number in (1, 2):
            fine = dict.fromkeys((1, 2), bytes(8))
            yield fine if number != at else ({} if message is None else dict.fromkeys((1, 2), message))

    run = {me: private_sum(me, (1, 2, 3), 7, stream("c", me)) for me in (1, 2)}
    result = run_local({**run, 3: corrupt()})
    for me in (1, 2):
        error = result.errors[me]
        assert isinstance(error, FaultyParty) and error.party == 3


def test_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(ParameterError):
        next(private_sum(1, (1, 2), 2**63, stream("range")))
