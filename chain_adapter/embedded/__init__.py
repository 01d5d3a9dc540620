"""An EVM chain inside this process: pyrevm executes, sqlite remembers, web3.py speaks to it.

provider.py   web3.py's view            rpc.py      JSON-RPC methods
ledger.py     blocks, nonces, replay    log.py      the sqlite file
machine.py    pyrevm and its edges
"""

from chain_adapter.embedded.ledger import EmbeddedLedger
from chain_adapter.embedded.provider import web3_provider
from chain_adapter.embedded.rpc import EmbeddedRpc

__all__ = ["EmbeddedLedger", "EmbeddedRpc", "web3_provider"]
