"""The three ledgers every contract test runs on, and an anvil of one's own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain_adapter import Chain
from chain_adapter.errors import ChainUnreachable
from chain_adapter.rpc import HttpRpc

ROOT = Path(__file__).parents[2]


def anvil_binary() -> str:
    """The anvil program; its absence fails in CI and skips on a developer's machine."""
    modules = Path(os.environ.get("EPPML_NODE_MODULES", ROOT / "node_modules"))
    found = next(iter(sorted(modules.glob("@foundry-rs/anvil-*/bin/anvil*"))), None) or shutil.which("anvil")
    if found is None:
        message = "anvil is not installed (npm install @foundry-rs/anvil)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    return str(found)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Anvil:
    """A running anvil and how to restart it."""

    def __init__(self, *arguments: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        command = [anvil_binary(), "--host", "127.0.0.1", "--port", str(self.port), "-q", *self._arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.rpc = HttpRpc(self.url, timeout=30)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.rpc.request("eth_chainId")
                return
            except ChainUnreachable:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.05)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(timeout=30)


@pytest.fixture
def anvil_factory() -> Iterator[Callable[..., Anvil]]:
    """Start anvils with arguments of one's own; all are killed at the end of the test."""
    started: list[Anvil] = []

    def start(*arguments: str) -> Anvil:
        started.append(Anvil(*arguments))
        return started[-1]

    yield start
    for anvil in started:
        anvil.kill()


@pytest.fixture
def anvil(anvil_factory: Callable[..., Anvil]) -> Anvil:
    return anvil_factory()


@dataclass
class Backend:
    """A ledger with what differs between ledgers in tests: coins from nowhere and time that passes."""

    name: str
    open: Callable[..., Chain]
    fund: Callable[[str, int], Any]
    advance: Callable[[int], Any]


def embedded_backend() -> Backend:
    first = Chain.embedded(None)

    def again(outbox: Path | None = None) -> Chain:
        return Chain(first.rpc, chain_id=first.chain_id, outbox=outbox, poll=0.001)

    def advance(seconds: int) -> None:
        first.rpc.request("evm_increaseTime", seconds)
        first.rpc.request("evm_mine")

    return Backend("embedded", again, first.fund, advance)


def anvil_backend(anvil: Anvil) -> Backend:
    def advance(seconds: int) -> None:
        anvil.rpc.request("evm_increaseTime", seconds)
        anvil.rpc.request("evm_mine")

    return Backend(
        "anvil",
        lambda outbox=None: Chain.connect(anvil.url, expect_chain_id=31337, outbox=outbox),
        lambda address, wei: anvil.rpc.request("anvil_setBalance", address, hex(wei)),
        advance,
    )


def eth_tester_backend() -> Backend:
    tester_module = pytest.importorskip("eth_tester")
    from web3 import EthereumTesterProvider

    provider = EthereumTesterProvider(tester_module.EthereumTester())
    tester = provider.ethereum_tester
    rich = tester.get_accounts()[0]

    def advance(seconds: int) -> None:
        tester.time_travel(tester.get_block_by_number("latest")["timestamp"] + seconds)

    return Backend(
        "eth-tester",
        lambda outbox=None: Chain.connect(provider, outbox=outbox),
        lambda address, wei: tester.send_transaction(
            {"from": rich, "to": address, "value": wei, "gas": 21_000}
        ),
        advance,
    )


@pytest.fixture(params=["embedded", pytest.param("anvil", marks=pytest.mark.anvil), "eth-tester"])
def backend(request: pytest.FixtureRequest) -> Backend:
    if request.param == "anvil":
        return anvil_backend(request.getfixturevalue("anvil"))
    return embedded_backend() if request.param == "embedded" else eth_tester_backend()
