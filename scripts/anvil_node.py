"""A private anvil and the few requests that measuring contracts needs; receipts are the node's own."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from build_contracts import node_modules

__all__ = ["Node", "Reverted", "anvil", "running"]

START_SECONDS = 30
RECEIPT_SECONDS = 60
BLOCK_GAS = 1_000_000_000


class Reverted(Exception):
    """A transaction was mined and failed, or the node refused it."""


def anvil() -> Path:
    """The program of the platform's package, or the one on PATH."""
    native = sorted((node_modules() / "@foundry-rs").glob("anvil-*/bin/anvil*"))
    if native:
        return native[0].resolve()
    found = shutil.which("anvil", path=os.pathsep.join([str(node_modules() / ".bin"), os.environ["PATH"]]))
    if found is None:
        raise SystemExit("anvil is missing: run `npm install` in the repository root")
    return Path(found)


class Node:
    """JSON-RPC to one node whose accounts are all unlocked."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ids = itertools.count(1)

    def request(self, method: str, *parameters: Any) -> Any:
        """One answer. Raises: Reverted with the node's message."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(parameters)}
        call = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(call, timeout=RECEIPT_SECONDS) as answer:
            reply = json.load(answer)
        if "error" in reply:
            raise Reverted(f"{method}: {reply['error'].get('message')} {reply['error'].get('data', '')}")
        return reply["result"]

    def send(self, sender: str, to: str | None, data: bytes, value: int = 0) -> dict[str, Any]:
        """Send from an unlocked account and wait for the receipt. Raises: Reverted."""
        transaction = {"from": sender, "data": "0x" + data.hex(), "value": hex(value)}
        if to is not None:
            transaction["to"] = to
        name = self.request("eth_sendTransaction", transaction)
        deadline = time.monotonic() + RECEIPT_SECONDS
        while (receipt := self.request("eth_getTransactionReceipt", name)) is None:
            if time.monotonic() > deadline:
                raise Reverted(f"no receipt for {name}")
        if receipt["status"] != "0x1":
            raise Reverted(f"{name} failed")
        return dict(receipt)

    def call(self, to: str, data: bytes) -> bytes:
        """What a call would answer. Raises: Reverted."""
        return bytes.fromhex(self.request("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")[2:])

    def fund(self, account: str, coins: int = 10**6) -> None:
        """Set an account's balance."""
        self.request("anvil_setBalance", account, hex(coins * 10**18))

    def pass_time(self, seconds: int) -> None:
        """Let the chain's clock advance, and a block with it."""
        self.request("evm_increaseTime", seconds)
        self.request("evm_mine")


@contextmanager
def running() -> Iterator[Node]:
    """A fresh node on a free port of the loopback device, stopped at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(anvil()), "--host", "127.0.0.1", "--port", str(port), "--hardfork", "prague", "--quiet"]
    command += ["--auto-impersonate", "--gas-limit", str(BLOCK_GAS)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        node = Node(f"http://127.0.0.1:{port}")
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                node.request("eth_chainId")
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                process.poll()
        yield node
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)
