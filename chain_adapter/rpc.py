"""One way to talk to a ledger: JSON-RPC requests, in this process or over HTTP.

Everything above this file sees `Rpc.request(method, *params)` and three kinds of failure: the node answered an error
(RpcError), the node did not answer (ChainUnreachable), the node answered nonsense (ChainUnreachable as well: such a node
cannot be worked with).
"""

import json
from itertools import count
from typing import Any, Protocol
from urllib.parse import urlsplit

from chain_adapter._extras import require
from chain_adapter.embedded.rpc import EmbeddedRpc, Fault
from chain_adapter.errors import ChainUnreachable, RpcError
from mpc.errors import ParameterError

__all__ = ["HttpRpc", "LocalRpc", "ProviderRpc", "Rpc"]

LARGEST_ANSWER = 256 * 2**20


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
    Units: `timeout` in seconds, for connecting and for each answer.
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
        self._session = self._requests.Session()
        self._ids = count(1)

    def __repr__(self) -> str:
        return f"HttpRpc({self.name})"

    def request(self, method: str, *params: Any) -> Any:
        identity = next(self._ids)
        body = {"jsonrpc": "2.0", "id": identity, "method": method, "params": list(params)}
        try:
            response = self._session.post(self._url, json=body, timeout=self._timeout, stream=True)
            with response:
                content = response.raw.read(LARGEST_ANSWER + 1, decode_content=True)
                status = response.status_code
        except (self._requests.RequestException, OSError) as error:
            raise ChainUnreachable(f"the node at {self.name} does not answer ({_reason(error)})") from error
        if len(content) > LARGEST_ANSWER:
            raise ChainUnreachable(
                f"the node at {self.name} answers {method} with more than {LARGEST_ANSWER} bytes"
            )
        return self._result(method, identity, status, content)

    def _result(self, method: str, identity: int, status: int, content: bytes) -> Any:
        try:
            answer = json.loads(content)
        except ValueError as error:
            raise ChainUnreachable(
                f"{self.name} answers with HTTP {status} and no JSON: it is not a node"
            ) from error
        if not isinstance(answer, dict) or not ("result" in answer or "error" in answer):
            raise ChainUnreachable(f"{self.name} does not answer in JSON-RPC: it is not a node")
        if answer.get("error") is not None:
            fault = (
                answer["error"] if isinstance(answer["error"], dict) else {"message": str(answer["error"])}
            )
            code = fault.get("code", 0)
            raise RpcError(
                method, code if isinstance(code, int) else 0, str(fault.get("message")), fault.get("data")
            )
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
            answer = self._web3.manager._make_request(method, list(params))
        except OSError as error:
            raise ChainUnreachable(f"the node does not answer ({_reason(error)})") from error
        if answer.get("error") is not None:
            fault = answer["error"]
            raise RpcError(method, fault.get("code", 0), str(fault.get("message")), fault.get("data"))
        return answer.get("result")

    def provider(self) -> Any:
        return self._provider


def _reason(error: Exception) -> str:
    text = type(error).__name__
    return {"ConnectionError": "connection refused or lost", "ReadTimeout": "it took too long"}.get(
        text, text
    )
