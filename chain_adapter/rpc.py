"""One way to talk to a ledger: JSON-RPC requests, in this process or over HTTP.

Everything above this file sees `Rpc.request(method, *params)` and three kinds of failure: the node answered an error
(RpcError), the node did not answer (ChainUnreachable), the node answered nonsense (ChainUnreachable as well: such a node
cannot be worked with).
"""

import ast
import re
import threading
import time
from itertools import count
from typing import Any, Protocol
from urllib.parse import urlsplit

from chain_adapter._extras import require
from chain_adapter.embedded.rpc import EmbeddedRpc, Fault
from chain_adapter.errors import ChainUnreachable, RpcError
from mpc.errors import DecodeError, ParameterError
from mpc.json_text import read_json

__all__ = ["HttpRpc", "LocalRpc", "ProviderRpc", "Rpc"]

LARGEST_ANSWER = 256 * 2**20
SPELLED = re.compile(
    r"""b('(\\.|[^'\\])*'|"(\\.|[^"\\])*")$"""
)  # how eth-tester tells what a contract reverted with


class Rpc(Protocol):
    """A JSON-RPC endpoint."""

    def request(self, method: str, *params: Any) -> Any:
        """The result. Raises: RpcError, ChainUnreachable."""
        ...

    def provider(self) -> Any:
        """The same endpoint as a web3.py provider."""
        ...


class LocalRpc:
    """The embedded ledger, called directly."""

    def __init__(self, embedded: EmbeddedRpc) -> None:
        self.embedded = embedded

    def request(self, method: str, *params: Any) -> Any:
        try:
            return self.embedded.request(method, list(params))
        except Fault as fault:
            raise RpcError(method, fault.code, fault.message, fault.data) from fault

    def provider(self) -> Any:
        from chain_adapter.embedded.provider import web3_provider

        return web3_provider(self.embedded)


class HttpRpc:
    """A node behind a URL.

    Raises: ParameterError when `url` is not an http or https URL.
    Units: `timeout` in seconds, for connecting and for a whole answer.
    """

    def __init__(self, url: str, timeout: float = 20.0) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ParameterError(f"{url!r} is not an http:// or https:// address of a node")
        self._url = url
        # the path and the user part of a node's URL often are its access key: messages show the host only
        self.name = f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
        self._timeout = timeout
        self._requests = require("requests")
        self._transport_errors = (
            self._requests.RequestException,
            require("urllib3.exceptions").HTTPError,
            OSError,
        )
        self._threads = threading.local()
        self._ids = count(1)

    def __repr__(self) -> str:
        return f"HttpRpc({self.name})"

    def request(self, method: str, *params: Any) -> Any:
        identity = next(self._ids)
        body = {"jsonrpc": "2.0", "id": identity, "method": method, "params": list(params)}
        try:
            answer = self._session().post(
                self._url, json=body, timeout=self._timeout, stream=True, allow_redirects=False
            )
            with answer:
                content = self._read(answer, method)
        except self._transport_errors as error:
            # not chained: the transport's own message repeats the whole URL, access key and all
            raise ChainUnreachable(f"the node at {self.name} does not answer ({_reason(error)})") from None
        return self._result(method, identity, answer.status_code, content)

    def _session(self) -> Any:
        # a requests.Session is not made for several threads at once
        if not hasattr(self._threads, "session"):
            self._threads.session = self._requests.Session()
        return self._threads.session

    def _read(self, answer: Any, method: str) -> bytes:
        deadline = time.monotonic() + self._timeout
        content = bytearray()
        while piece := answer.raw.read1(2**16, decode_content=True):
            content += piece
            if len(content) > LARGEST_ANSWER:
                raise ChainUnreachable(
                    f"the node at {self.name} answers {method} with over {LARGEST_ANSWER} bytes"
                )
            if time.monotonic() > deadline:
                raise ChainUnreachable(f"the node at {self.name} does not answer (it sends, but never ends)")
        return bytes(content)

    def _result(self, method: str, identity: int, status: int, content: bytes) -> Any:
        try:
            answer = read_json(content, max_bytes=LARGEST_ANSWER)
        except DecodeError as error:
            raise ChainUnreachable(
                f"{self.name} answers with HTTP {status} and no JSON: it is not a node"
            ) from error
        if not isinstance(answer, dict) or not ("result" in answer or "error" in answer):
            raise ChainUnreachable(f"{self.name} does not answer in JSON-RPC: it is not a node")
        if answer.get("error") is not None:
            raise _rpc_error(method, answer["error"])
        if answer.get("id") != identity:
            raise ChainUnreachable(f"the node at {self.name} answered another request than {method}")
        return answer.get("result")

    def provider(self) -> Any:
        return require("web3").HTTPProvider(self._url, request_kwargs={"timeout": self._timeout})


class ProviderRpc:
    """Any web3.py provider (eth-tester, IPC, websocket, one with middleware of its own)."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._web3 = require("web3").Web3(provider)

    def request(self, method: str, *params: Any) -> Any:
        try:
            return self._web3.manager.request_blocking(method, list(params))
        except OSError as error:
            raise ChainUnreachable(f"the node does not answer ({_reason(error)})") from error
        except Exception as error:  # web3.py and its providers report a refusal with exceptions of their own
            answer = getattr(error, "rpc_response", None)
            if isinstance(answer, dict) and answer.get("error"):
                refusal = _rpc_error(method, answer["error"])
                raise (
                    refusal
                    if refusal.data
                    else RpcError(method, refusal.code, refusal.message, _revert_data(error))
                ) from error
            raise RpcError(method, 0, str(error), _revert_data(error)) from error

    def provider(self) -> Any:
        return self._provider


def _rpc_error(method: str, fault: Any) -> RpcError:
    details = fault if isinstance(fault, dict) else {"message": str(fault)}
    code = details.get("code")
    return RpcError(
        method, code if isinstance(code, int) else 0, str(details.get("message")), details.get("data")
    )


def _revert_data(error: BaseException | None) -> str | None:
    """The bytes a contract reverted with, wherever in a chain of exceptions they were put."""
    while error is not None:
        for value in (getattr(error, "data", None), *error.args):
            if isinstance(value, bytes):
                return "0x" + value.hex()
            if isinstance(value, str) and value.startswith("0x"):
                return value
            if isinstance(value, str) and (match := SPELLED.search(value)):
                return "0x" + bytes(ast.literal_eval(match[0])).hex()
        error = error.__cause__ or error.__context__
    return None


def _reason(error: Exception) -> str:
    text = type(error).__name__
    known = {"ConnectionError": "connection refused or lost", "ReadTimeout": "it takes too long"}
    return known.get(text, text)
