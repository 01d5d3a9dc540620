"""What can go wrong on a ledger or in a block store, in one tree.

EppmlError
├── ParameterError
│   ├── WrongChain            the node answers for another chain id than the one expected
│   └── NotDeployed           no contract, or another contract, where the manifest says one is
└── ChainError                the ledger or the block store could not do what was asked
    ├── ChainUnreachable      the node does not answer, or not in time
    ├── RpcError              the node answered with an error (code, message, data)
    ├── TransactionReverted   the contract refused: `error` is its custom error's name, `arguments` its values
    ├── NotMined              a transaction that is not confirmed within the time given
    ├── FeeCapReached         the network asks more than the caps the sender was given
    ├── LedgerCorrupt         a record of the ledger's log was changed: `block`, `transaction`
    ├── LedgerInUse           another process has the ledger file open
    ├── StorageFull           no disk space left where the ledger or the block store lives
    ├── BlockMissing          the store does not hold this CID
    └── BlockCorrupt          the bytes found under a CID hash to something else
"""

from typing import Any

from mpc.errors import EppmlError, ParameterError

__all__ = [
    "BlockCorrupt",
    "BlockMissing",
    "ChainError",
    "ChainUnreachable",
    "FeeCapReached",
    "LedgerCorrupt",
    "LedgerInUse",
    "NotDeployed",
    "NotEnoughCoins",
    "NotMined",
    "RpcError",
    "StorageFull",
    "TransactionReverted",
    "WrongChain",
]


class WrongChain(ParameterError):
    """The node answers for another chain id than the one expected."""


class NotDeployed(ParameterError):
    """No contract, or another contract, at an address the manifest names."""


class ChainError(EppmlError):
    """The ledger or the block store could not do what was asked."""


class ChainUnreachable(ChainError):
    """The node does not answer, or not in time."""


class RpcError(ChainError):
    """The node answered a request with an error."""

    def __init__(self, method: str, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{method}: the node answered {code}: {message}")
        self.method = method
        self.code = code
        self.message = message
        self.data = data


class TransactionReverted(ChainError):
    """A contract refused the call; `error` names its reason as far as the contracts' ABI knows it."""

    def __init__(self, what: str, error: str, arguments: tuple[Any, ...] = (), data: bytes = b"") -> None:
        spelled = ", ".join(f"0x{a.hex()}" if isinstance(a, bytes) else str(a) for a in arguments)
        super().__init__(f"{what}: the contract refused with {error}({spelled})")
        self.error = error
        self.arguments = arguments
        self.data = data


class NotMined(ChainError):
    """A transaction was not confirmed within the time given; it stays in the outbox."""


class NotEnoughCoins(ChainError):
    """The account cannot pay for what it sends, or for the gas."""


class FeeCapReached(ChainError):
    """The network asks a higher fee than the caps the sender was given."""


class LedgerCorrupt(ChainError):
    """A record of the ledger's log is not what was written; `block` and `transaction` say where."""

    def __init__(self, reason: str, block: int | None = None, transaction: int | None = None) -> None:
        where = "the ledger's log" if block is None else f"block {block}"
        if transaction is not None:
            where += f", transaction {transaction}"
        super().__init__(f"{where}: {reason}")
        self.block = block
        self.transaction = transaction


class LedgerInUse(ChainError):
    """Another process has the ledger file open."""


class StorageFull(ChainError):
    """No disk space is left where the ledger or the block store lives."""


class BlockMissing(ChainError):
    """The block store does not hold this CID."""

    def __init__(self, cid: str) -> None:
        super().__init__(f"no block {cid} in this store")
        self.cid = cid


class BlockCorrupt(ChainError):
    """The bytes found under a CID hash to something else."""

    def __init__(self, cid: str, found: str) -> None:
        super().__init__(f"the bytes stored as {cid} hash to {found}")
        self.cid = cid
        self.found = found
