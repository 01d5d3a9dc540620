"""What a person reads when something cannot work: one sentence, exit code 2, nothing half-written."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from fl_runs import Run

from fl import rundir
from fl.cli import main

Make = Callable[..., Run]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Run the command; it must end with code 2 and one line on standard error, and leave no run directory."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        out = tmp_path / "out"
        code = main(
            [*arguments, "--out", str(out)]
            if arguments[0] == "run" and "--out" not in arguments
            else [*arguments]
        )
        said = capsys.readouterr()
        assert code == 2, said.err
        lines = [line for line in said.err.splitlines() if line.startswith("eppml: ")]
        assert len(lines) == 1 and "Traceback" not in said.err
        assert not out.exists()
        return lines[0]

    return run


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("imagenet",), "unknown dataset or plan"),
        (("nowhere.toml",), "no plan file"),
        (("digits", "--clients", "2000"), "more than the 1437 training samples"),
        (("digits", "--clients", "2"), "too few"),
        (("digits", "--rounds", "0"), "rounds must be between"),
        (("digits", "--aggregation", "magic"), "aggregation must be one of"),
        (("digits", "--cheat", "bribe=1"), "unknown way to cheat"),
        (("digits", "--cheat", "swap"), "KIND=N"),
        (("digits", "--cheat", "swap=99"), "more than the 12 clients"),
        (("digits", "--drop", "1.5"), "--drop must be in [0, 1)"),
        (("mnist", "--data", "/nonexistent"), "does not hold train-images"),
    ],
)
def test_a_request_that_cannot_work_is_refused_before_anything_is_written(
    refused: Callable[..., str], options: tuple[str, ...], words: str
) -> None:
    assert words in refused("run", *options)


def plan_file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "plan.toml"
    path.write_text('name = "own"\ndataset = "digits"\nclients = 10\nrounds = 1\n' + text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[update]\nbits = 24\n[aggregation]\nmin_clients = 3\n", None),
        ("[update]\nclip = 9.0\nl2_clip = 1.0\n", "one coordinate could break the norm bound"),
        ("[update]\nbits = 99\n", "update.bits must be between"),
        ("[update]\nbits = 'many'\n", "update.bits must be a int"),
        ("[update]\nwidth = 3\n", "update has no field 'width'"),
        ("colour = 'red'\n", "terms has no field 'colour'"),
        ("[partition]\nalpha = -1.0\n", "partition.alpha must be a positive number"),
        ("[aggregation]\nmin_clients = 50\n", "10 clients are too few"),
        ("clients = = 3", "not valid TOML"),
        ("aggregation = 3\n", "aggregation must be a table"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused_by_name(
    refused: Callable[..., str], tmp_path: Path, text: str, words: str | None
) -> None:
    if words is None:
        assert main(["run", plan_file(tmp_path, text), "--out", str(tmp_path / "out"), "--json"]) == 0
    else:
        assert words in refused("run", plan_file(tmp_path, text))


def test_a_codec_that_could_wrap_says_how_many_bits_are_missing(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    text = "[update]\nbits = 24\n"
    path = Path(plan_file(tmp_path, text))
    path.write_text(path.read_text().replace("clients = 10", "clients = 700"))
    assert "1 bits are missing" in refused("run", str(path)) or "bits are missing" in refused(
        "run", str(path)
    )


def test_the_directory_of_another_run_is_left_alone(refused: Callable[..., str], make_run: Make) -> None:
    run = make_run("--clients", "10", "--rounds", "2")
    before = {p: p.stat().st_mtime_ns for p in run.path.rglob("*")}
    assert "--resume" in refused("run", "digits", "--out", str(run.path))
    assert "another plan" in refused("run", "digits", "--clients", "11", "--resume", "--out", str(run.path))
    assert "other cheaters" in refused(
        "run", "digits", "--resume", "--cheat", "swap=1", "--out", str(run.path)
    )
    assert "another plan" in refused("run", "mnist", "--resume", "--out", str(run.path))
    assert before == {p: p.stat().st_mtime_ns for p in run.path.rglob("*")}


def test_an_option_over_a_table_that_is_none_and_a_plan_that_is_no_text_are_refused(
    refused: Callable[..., str], tmp_path: Path
) -> None:
    path = plan_file(tmp_path, "aggregation = 3\n")
    assert "must be a table" in refused("run", path, "--aggregation", "plain")
    Path(path).write_bytes(b"\xff\xfe")
    assert "not a text file" in refused("run", path)


def test_replace_deletes_runs_and_nothing_else(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "me.png").write_bytes(b"png")
    assert "not a run directory" in refused("run", "digits", "--replace", "--out", str(tmp_path / "photos"))
    assert (tmp_path / "photos" / "me.png").read_bytes() == b"png"


def test_a_chain_that_does_not_answer_is_said_so(refused: Callable[..., str]) -> None:
    assert "127.0.0.1:9" in refused("run", "digits", "--chain", "http://127.0.0.1:9")


def test_a_chain_with_another_id_is_said_so(refused: Callable[..., str], make_run: Make) -> None:
    """An audit against a node of another chain: a small HTTP server that answers eth_chainId and blocks."""

    class Node(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            block = {"hash": "0x" + "11" * 32, "number": "0x0", "timestamp": "0x0"}
            answer = {"eth_chainId": "0x1", "eth_getBlockByNumber": block}[asked["method"]]
            body = json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": answer}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Node)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        run = make_run("--clients", "10", "--rounds", "2")
        said = refused("audit", str(run.path), "--chain", f"http://127.0.0.1:{server.server_port}")
        assert "chain 31337" in said and "chain 1" in said
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_directory_that_is_in_use_is_said_so(refused: Callable[..., str], make_run: Make) -> None:
    run = make_run("--clients", "10", "--rounds", "2")
    with rundir.RunDirectory(run.path).locked():
        assert "in use" in refused("run", "digits", "--resume", "--out", str(run.path))


def test_no_disk_space_is_one_sentence(tmp_path: Path) -> None:
    """The kernel's own limit on file sizes stands in for a full disk: writing fails in the middle."""
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000));"
        "from fl.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["run", "digits", "--clients", "10", "--rounds", "1", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=120,
    )
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("eppml: ") == 1
    assert not list((tmp_path / "out").glob("rounds/*.json"))


def test_a_disk_that_is_full_from_the_start_leaves_nothing(tmp_path: Path) -> None:
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000));"
        "from fl.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    arguments = ["run", "digits", "--clients", "4", "--rounds", "1", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 2, done.stderr
    assert not (tmp_path / "out").exists()


def test_no_write_permission_is_one_sentence(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot create" in refused("run", "digits", "--out", str(tmp_path / "file" / "run"))


@pytest.mark.parametrize("arguments", [["run"], ["nonsense"], ["run", "digits", "--clients", "many"]])
def test_a_wrong_command_line_is_one_sentence(refused: Callable[..., str], arguments: list[str]) -> None:
    refused(*arguments)


def test_help_and_doctor_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0 and main([]) == 0
    capsys.readouterr()
    assert main(["doctor", "--json"]) == 0
    found = {finding["what"]: finding["works"] for finding in json.loads(capsys.readouterr().out)}
    assert found["python"] and found["zk backend py_ecc"] and found["numpy"]


def test_a_defect_is_called_one_and_debug_shows_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a wheel came off")

    monkeypatch.setattr("fl.report.write_report", broken)
    assert main(["report", "x"]) == 3
    assert "a wheel came off" in capsys.readouterr().err
    with pytest.raises(RuntimeError):
        main(["report", "x", "--debug"])


def test_an_interrupted_run_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fl.run.start_run", interrupt)
    assert main(["run", "digits", "--out", str(tmp_path / "out")]) == 130
    assert "go on with --resume" in capsys.readouterr().err
