"""The embedded chain as a provider for web3.py, so that `Web3(provider)` works on it as on any node."""

from typing import Any

from chain_adapter._extras import require
from chain_adapter.embedded.rpc import EmbeddedRpc, Fault

__all__ = ["web3_provider"]


def web3_provider(rpc: EmbeddedRpc) -> Any:
    """A web3.py provider answering from `rpc`; its class exists only once web3 is imported."""
    base: Any = require("web3.providers.base").JSONBaseProvider

    class EmbeddedProvider(base):  # type: ignore[misc, unused-ignore]
        """Hands each request to the ledger in this process."""

        def make_request(self, method: str, params: Any) -> dict[str, Any]:
            answer: dict[str, Any] = {"jsonrpc": "2.0", "id": next(self.request_counter)}
            try:
                return {**answer, "result": rpc.request(method, list(params or []))}
            except Fault as fault:
                error = {"code": fault.code, "message": fault.message}
                return {**answer, "error": error if fault.data is None else {**error, "data": fault.data}}

        def make_batch_request(self, requests: list[tuple[str, Any]]) -> list[dict[str, Any]]:
            return [self.make_request(method, params) for method, params in requests]

    return EmbeddedProvider()
