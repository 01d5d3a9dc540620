"""A node that lies, hangs, lags or forgets: served over real HTTP from an embedded ledger, and from anvil's reorgs."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from chain_ledgers import Anvil
from chain_support import COORDINATOR, PLAN, UPDATES, run_round

from chain_adapter import Chain, ChainUnreachable, WrongChain
from chain_adapter.audit import audit_plan
from chain_adapter.embedded import EmbeddedLedger, EmbeddedRpc
from chain_adapter.embedded.rpc import Fault
from chain_adapter.errors import ChainError, NotMined
from chain_adapter.events import AggregateRecorded, RewardClaimed, Rollback, RoundCommitted
from chain_adapter.feed import Cursor
from chain_adapter.rpc import HttpRpc
from mpc.errors import ParameterError

Lie = Callable[[str, list[Any], Any], Any]


class Node:
    """An embedded ledger behind HTTP whose answers can be bent by `lie(method, params, honest answer)`."""

    def __init__(self) -> None:
        self.ledger = EmbeddedLedger()
        self.ledger.grant(COORDINATOR.address, 10**18)
        self.lie: Lie = lambda _method, _params, answer: answer
        rpc, node = EmbeddedRpc(self.ledger), self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                document = {"jsonrpc": "2.0", "id": question["id"]}
                try:
                    honest = rpc.request(question["method"], question["params"])
                    document["result"] = node.lie(question["method"], question["params"], honest)
                except Fault as fault:
                    document["error"] = {"code": fault.code, "message": fault.message, "data": fault.data}
                result = document.get("result")
                body = result if isinstance(result, bytes) else json.dumps(document).encode()
                with suppress(BrokenPipeError, ConnectionResetError):  # who asked may have given up
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_arguments: object) -> None:
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def node() -> Iterator[Node]:
    node = Node()
    yield node
    node.server.shutdown()
    node.server.server_close()


def test_an_honest_node_over_http_is_audited_from_outside(node: Node) -> None:
    deployment = Chain.connect(node.url).deploy(COORDINATOR)
    run_round(deployment)
    state = audit_plan(Chain.connect(node.url).attach(deployment.manifest()), PLAN)
    assert state.findings == ()
    assert [r.status for r in state.rounds] == ["recorded"]


@pytest.mark.parametrize("kind", [RewardClaimed, AggregateRecorded, RoundCommitted])
def test_logs_left_out_are_noticed(node: Node, kind: type) -> None:
    deployment = Chain.connect(node.url).deploy(COORDINATOR)
    run_round(deployment)
    topic = "0x" + deployment_topic(kind).hex()

    def lie(method: str, _params: list[Any], answer: Any) -> Any:
        if method != "eth_getLogs":
            return answer
        hits = [log for log in answer if log["topics"][0] == topic]
        return [log for log in answer if log not in hits[-1:]]

    node.lie = lie
    findings = audit_plan(deployment, PLAN).findings
    assert findings and any("logs" in f for f in findings)


def test_an_invented_log_is_noticed(node: Node) -> None:
    deployment = Chain.connect(node.url).deploy(COORDINATOR)
    run_round(deployment)
    topic = "0x" + deployment_topic(RewardClaimed).hex()

    def lie(method: str, _params: list[Any], answer: Any) -> Any:
        if method != "eth_getLogs":
            return answer
        first = next(log for log in answer if log["topics"][0] == topic)
        invented = {
            **first,
            "topics": [*first["topics"][:3], "0x" + "00" * 12 + UPDATES[4].client[2:].lower()],
        }
        return [*answer, {**invented, "logIndex": "0x9"}]

    node.lie = lie
    assert audit_plan(deployment, PLAN).findings


def test_logs_of_other_blocks_or_contracts_are_refused(node: Node) -> None:
    deployment = Chain.connect(node.url).deploy(COORDINATOR)
    run_round(deployment)
    for field, value in (("blockNumber", "0xffff"), ("address", "0x" + "11" * 20)):

        def lie(method: str, _params: list[Any], answer: Any, field: str = field, value: str = value) -> Any:
            return [{**log, field: value} for log in answer] if method == "eth_getLogs" else answer

        node.lie = lie
        with pytest.raises(ChainError, match="nobody asked for"):
            list(deployment.events())


def test_a_public_chain_gives_no_coins_by_decree(node: Node) -> None:
    def lie(method: str, _params: list[Any], answer: Any) -> Any:
        if method == "anvil_setBalance":
            raise Fault(-32601, "the method anvil_setBalance does not exist")
        return answer

    node.lie = lie
    with pytest.raises(ParameterError, match="no coins by decree"):
        Chain.connect(node.url).fund(UPDATES[0].client, 1)


def test_another_chain_id_is_refused(node: Node) -> None:
    node.lie = lambda method, _params, answer: "0x5" if method == "eth_chainId" else answer
    with pytest.raises(WrongChain, match="chain 5, chain 31337 was expected"):
        Chain.connect(node.url, expect_chain_id=31337)


def test_a_stale_head_is_no_rollback_and_makes_nobody_send_twice(node: Node) -> None:
    chain = Chain.connect(node.url)
    deployment = chain.deploy(COORDINATOR)
    first = run_round(deployment)
    events, cursor = deployment.poll()
    stale = node.ledger.head.record.number - 4

    def lie(method: str, params: list[Any], answer: Any) -> Any:
        if method == "eth_blockNumber":
            return hex(stale)
        if method == "eth_getBlockByNumber":
            if params[0] == "latest":
                return EmbeddedRpc(node.ledger).request(method, [hex(stale), False])
            return None if int(params[0], 16) > stale else answer
        late = answer is not None and method == "eth_getTransactionReceipt"
        return None if late and int(answer["blockNumber"], 16) > stale else answer

    node.lie = lie
    assert deployment.poll(cursor) == ([], cursor)
    assert chain.sender(COORDINATOR).watch() == []
    node.lie = lambda _method, _params, answer: answer
    assert run_round(deployment) == first
    assert deployment.poll(cursor)[0] == []
    assert len(events) == 9


def test_a_receipt_of_another_transaction_is_not_believed(node: Node) -> None:
    chain = Chain.connect(node.url)
    sender = chain.sender(COORDINATOR)
    sender.send("one", UPDATES[0].client, b"", 1)

    def lie(method: str, _params: list[Any], answer: Any) -> Any:
        swapped = method == "eth_getTransactionReceipt" and answer is not None
        return {**answer, "transactionHash": "0x" + "11" * 32} if swapped else answer

    node.lie = lie
    intent = sender.submit("two", UPDATES[0].client, b"", 1)
    with pytest.raises((ChainUnreachable, NotMined)):
        sender.wait(intent, timeout=0.5)


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        (b"<html>busy</html>", "no JSON"),
        (b'"text"', "JSON-RPC"),
        (b'{"id": 999, "result": "0x1"}', "another request"),
    ],
)
def test_answers_that_are_no_answers(node: Node, answer: bytes, sentence: str) -> None:
    node.lie = lambda _method, _params, _answer: answer
    with pytest.raises(ChainUnreachable, match=sentence):
        Chain.connect(node.url)


def test_a_node_that_drips_bytes_for_ever_is_given_up() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def drip() -> None:
        connection, _peer = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
            while not stop.wait(0.05):
                connection.sendall(b" ")

    thread = threading.Thread(target=drip)
    thread.start()
    with pytest.raises(ChainUnreachable, match="never ends"):
        HttpRpc(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=0.5).request("eth_chainId")
    stop.set()
    thread.join()
    listener.close()


def test_a_node_that_hangs_is_given_up(node: Node) -> None:
    release = threading.Event()

    def lie(_method: str, _params: list[Any], _answer: Any) -> Any:
        release.wait(10)
        return None

    node.lie = lie
    before = time.monotonic()
    with pytest.raises(ChainUnreachable, match="takes too long"):
        HttpRpc(node.url, timeout=0.5).request("eth_chainId")
    assert time.monotonic() - before < 5
    release.set()


def test_a_question_nodes_find_too_wide_is_asked_in_parts(node: Node) -> None:
    deployment = Chain.connect(node.url).deploy(COORDINATOR)
    run_round(deployment)

    def lie(method: str, params: list[Any], answer: Any) -> Any:
        if method == "eth_getLogs" and int(params[0]["toBlock"], 16) - int(params[0]["fromBlock"], 16) > 2:
            raise Fault(-32005, "query returned more than 10000 results")
        return answer

    node.lie = lie
    assert len(list(deployment.events())) == 9


@pytest.mark.anvil
def test_a_reorganisation_is_told_as_a_rollback_and_events_come_again(anvil: Anvil, tmp_path: Path) -> None:
    chain = Chain.connect(anvil.url, outbox=tmp_path / "outbox.sqlite")
    chain.fund(COORDINATOR.address, 10**18)
    deployment = chain.deploy(COORDINATOR)
    run_round(deployment)
    events, cursor = deployment.poll()
    assert deployment.poll(Cursor.from_json(json.loads(json.dumps(cursor.to_json())))) == ([], cursor)
    anvil.rpc.request("anvil_reorg", 2, [])
    rolled, cursor = deployment.poll(cursor)
    assert isinstance(rolled[0], Rollback) and rolled[0].block == events[-3].block
    assert rolled[1:] == []
    chain.sender(COORDINATOR).watch()
    run_round(deployment)
    again, cursor = deployment.poll(cursor)
    assert [type(e) for e in again] == [type(e) for e in events[-2:]]
    assert {e.transaction for e in again} == {e.transaction for e in events[-2:]}


def deployment_topic(kind: Any) -> bytes:
    from chain_adapter.interface import artifact

    return artifact(kind.contract).interface.topic(kind.__name__)
