"""The client for a Kubo node, against a small server that speaks its RPC: honest first, then lying in each way.

No real Kubo can be installed where these tests run; the server below follows its RPC's documentation, and the bytes it
names are checked against helia's in test_chain_storage.py.
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from chain_adapter.errors import BlockCorrupt, BlockMissing, ChainError, ChainUnreachable, StorageFull
from chain_adapter.storage import Cid, KuboStore, LocalStore, cid_of
from mpc.errors import ParameterError

BIG = bytes(range(256)) * 2049
TOKEN = "a-token"


class FakeKubo:
    """Add, block/get, block/stat, pin and version of Kubo's RPC over a directory of blocks."""

    def __init__(self, directory: Path) -> None:
        self.store = LocalStore(directory)
        self.bend: Callable[[str, bytes], bytes] = lambda _command, answer: answer
        self.refuse: tuple[int, str] | None = None
        self.questions: list[dict[str, list[str]]] = []
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                parts = urlsplit(self.path)
                command, question = parts.path.removeprefix("/api/v0/"), parse_qs(parts.query)
                fake.questions.append(question)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, answer = 200, b""
                if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                    status, answer = 403, b"403 - Forbidden"
                elif fake.refuse is not None:
                    status, answer = fake.refuse[0], json.dumps({"Message": fake.refuse[1]}).encode()
                else:
                    try:
                        answer = fake.bend(command, fake.answer(command, question, body))
                    except BlockMissing as missing:
                        status = 500
                        answer = json.dumps({"Message": f"block was not found locally: {missing}"}).encode()
                with suppress(BrokenPipeError, ConnectionResetError):  # who asked may have given up
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(answer)))
                    self.end_headers()
                    self.wfile.write(answer)

            def log_message(self, *_arguments: object) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, command: str, question: dict[str, list[str]], body: bytes) -> bytes:
        if command == "version":
            return b'{"Version": "0.39.0"}'
        if command == "add":
            assert question["cid-version"] == ["1"] and question["raw-leaves"] == ["true"]
            boundary, rest = body.split(b"\r\n", 1)
            data = rest.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n" + boundary + b"--\r\n")
            cid = self.store.put(data, pin=question["pin"] == ["true"])
            return json.dumps({"Name": cid, "Hash": cid, "Size": str(len(data))}).encode() + b"\n"
        cid = Cid.parse(question["arg"][0])
        if command == "pin/add":
            self.store.pin(str(cid))
        elif command == "pin/rm":
            self.store.unpin(str(cid))
        else:
            block = self.store.get_block(cid)
            return (
                block
                if command == "block/get"
                else json.dumps({"Key": str(cid), "Size": len(block)}).encode()
            )
        return json.dumps({"Pins": [str(cid)]}).encode()


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeKubo]:
    fake = FakeKubo(tmp_path)
    yield fake
    fake.server.shutdown()
    fake.server.server_close()


def test_files_go_there_and_come_back(fake: FakeKubo) -> None:
    store = KuboStore(fake.url, token=TOKEN)
    assert store.version() == "0.39.0"
    for data in (b"", b"small", BIG):
        cid = store.put(data)
        assert cid == cid_of(data) and store.get(cid) == data and store.has(cid)
    assert store.put_file(BytesIO(BIG)) == cid_of(BIG)
    assert list(store.stream(cid_of(BIG))) == [BIG[i : i + 262_144] for i in range(0, len(BIG), 262_144)]
    assert cid_of(BIG) in fake.store.pins()
    store.unpin(cid_of(BIG))
    assert cid_of(BIG) not in fake.store.pins()
    store.pin(cid_of(BIG))
    assert cid_of(BIG) in fake.store.pins()


def test_what_is_not_there_is_missing(fake: FakeKubo) -> None:
    store = KuboStore(fake.url, token=TOKEN)
    assert not store.has(cid_of(b"never"))
    for ask in (store.get, store.pin):
        with pytest.raises(BlockMissing):
            ask(cid_of(b"never"))


def test_a_node_that_sends_other_bytes_is_caught_at_the_block(fake: FakeKubo) -> None:
    store = KuboStore(fake.url, token=TOKEN)
    cid = store.put(BIG)
    chunks = [str(Cid.of_block(0x55, BIG[i : i + 262_144])) for i in range(0, len(BIG), 262_144)]
    fake.bend = lambda command, answer: answer[:-1] + b"?" if len(answer) == len(BIG) % 262_144 else answer
    stream = store.stream(cid)
    assert next(stream) == BIG[:262_144]
    next(stream)
    with pytest.raises(BlockCorrupt) as found:
        next(stream)
    assert found.value.cid == chunks[2]


def test_a_node_that_names_another_cid_for_a_file_is_caught(fake: FakeKubo) -> None:
    fake.bend = lambda command, answer: answer.replace(b"bafkrei", b"bafkrej") if command == "add" else answer
    with pytest.raises(BlockCorrupt):
        KuboStore(fake.url, token=TOKEN).put(b"small")


def test_answers_that_never_end_or_make_no_sense_are_refused(fake: FakeKubo) -> None:
    store = KuboStore(fake.url, token=TOKEN, timeout=0.5)
    cid = store.put(b"small")
    fake.bend = lambda _command, _answer: bytes(3 * 2**20)
    with pytest.raises(ChainError, match="more than"):
        store.get(cid)
    fake.bend = lambda _command, _answer: b"<html>"
    with pytest.raises(ChainUnreachable, match="not the RPC"):
        store.version()

    release = threading.Event()

    def slow(_command: str, answer: bytes) -> bytes:
        release.wait(5)
        return answer

    fake.bend = slow
    with pytest.raises(BlockMissing):
        store.get(cid)
    release.set()


def test_refusals_are_sentences(fake: FakeKubo) -> None:
    with pytest.raises(ChainUnreachable, match="another token"):
        KuboStore(fake.url, token="wrong").put(b"small")
    store = KuboStore(fake.url, token=TOKEN)
    fake.refuse = (500, "write /data: no space left on device")
    with pytest.raises(StorageFull):
        store.put(b"small")
    fake.server.shutdown()
    fake.server.server_close()
    with pytest.raises(ChainUnreachable, match="does not answer"):
        store.put(b"small")


def test_only_loopback_unless_told_otherwise() -> None:
    for url in (
        "http://10.0.0.7:5001",
        "http://example.org",
        "http://0.0.0.0:5001",
        "http://127.0.0.1.example.org",
    ):
        with pytest.raises(ParameterError, match="open to the network"):
            KuboStore(url)
    assert TOKEN not in repr(KuboStore("http://example.org", token=TOKEN, allow_remote=True))
    for url in ("127.0.0.1:5001", "ftp://127.0.0.1", ""):
        with pytest.raises(ParameterError, match="address of a Kubo node"):
            KuboStore(url)
