"""One front door to any EVM chain: embedded in this process, or behind a URL.

    chain = Chain.embedded(path)                          chain = Chain.connect(url, expect_chain_id=...)
    deployment = chain.deploy(signer)                     deployment = chain.attach(manifest, signer)

Both speak JSON-RPC through the same `Rpc`, so that everything above behaves alike.
"""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chain_adapter._extras import require
from chain_adapter.addresses import address_bytes
from chain_adapter.errors import ChainError, RpcError, WrongChain
from chain_adapter.keys import Signer
from chain_adapter.outbox import Outbox
from chain_adapter.receipts import LogEntry, Receipt, data, integer, read_log, read_receipt
from chain_adapter.rpc import HttpRpc, LocalRpc, ProviderRpc, Rpc
from chain_adapter.sender import FeePolicy, Sender, reverted
from mpc.errors import ParameterError

if TYPE_CHECKING:
    from chain_adapter.deployment import Deployment

__all__ = ["Chain"]

WIDEST_RANGE = 5_000
LOCAL_POLL, REMOTE_POLL = 0.002, 0.2


class Chain:
    """An EVM chain and what is written down about sending to it.

    Make one with `embedded` or `connect`. Safe to use from several threads.
    """

    def __init__(
        self, rpc: Rpc, *, chain_id: int, outbox: Path | None = None, confirmations: int = 1,
        fees: FeePolicy | None = None, signer: Signer | None = None, poll: float = REMOTE_POLL,
    ) -> None:  # fmt: skip
        self.rpc = rpc
        self.chain_id = chain_id
        self.confirmations = confirmations
        self.signer = signer
        self.genesis = data(rpc.request("eth_getBlockByNumber", "0x0", False)["hash"], 32)
        self._outbox_path = outbox
        self._fees = fees
        self._poll = poll
        self._lock = threading.Lock()
        self._senders: dict[str, tuple[Sender, Outbox]] = {}
        self._range = WIDEST_RANGE
        self._web3: Any = None

    @classmethod
    def embedded(
        cls, path: Path | str | None = None, chain_id: int = 31337, *, outbox: Path | None = None
    ) -> "Chain":
        """A chain in this process, kept in a sqlite file at `path`, or in memory only.

        The outbox lies beside the file unless another place is named.
        Raises: LedgerCorrupt naming block and transaction; LedgerInUse; StorageFull; ParameterError.
        """
        from chain_adapter.embedded import EmbeddedLedger, EmbeddedRpc

        file = None if path is None else Path(path)
        if outbox is None and file is not None:
            outbox = file.with_name(file.stem + ".outbox" + (file.suffix or ".sqlite"))
        ledger = EmbeddedLedger(file, chain_id)
        return cls(LocalRpc(EmbeddedRpc(ledger)), chain_id=chain_id, outbox=outbox, poll=LOCAL_POLL)

    @classmethod
    def connect(
        cls, url: str | Any, signer: Signer | None = None, expect_chain_id: int | None = None,
        confirmations: int = 1, *, outbox: Path | None = None, fees: FeePolicy | None = None, timeout: float = 20.0,
    ) -> "Chain":  # fmt: skip
        """A chain behind a JSON-RPC URL (or behind any web3.py provider object).

        Give `outbox` a file: without one, a crash forgets what was sent, and only the contracts' own checks keep an act
        from being paid for twice. Units: `timeout` in seconds for one answer.
        Raises: ChainUnreachable; WrongChain when the node's chain id is not the one expected; ParameterError.
        """
        rpc: Rpc = HttpRpc(url, timeout) if isinstance(url, str) else ProviderRpc(url)
        found = integer(rpc.request("eth_chainId"))
        if expect_chain_id is not None and found != expect_chain_id:
            raise WrongChain(f"the node is on chain {found}, chain {expect_chain_id} was expected")
        return cls(rpc, chain_id=found, outbox=outbox, confirmations=confirmations, fees=fees, signer=signer)

    def __repr__(self) -> str:
        return f"Chain({self.chain_id}, genesis={self.genesis.hex()[:16]})"

    def __enter__(self) -> "Chain":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the files; the chain cannot be used afterwards."""
        for _sender, outbox in self._senders.values():
            outbox.close()
        if isinstance(self.rpc, LocalRpc):
            self.rpc.embedded.ledger.close()

    @property
    def is_embedded(self) -> bool:
        return isinstance(self.rpc, LocalRpc)

    @property
    def w3(self) -> Any:
        """The same chain through web3.py."""
        if self._web3 is None:
            self._web3 = require("web3").Web3(self.rpc.provider())
        return self._web3

    def sender(self, signer: Signer) -> Sender:
        """The one sender of this account on this chain."""
        with self._lock:  # two senders of one account would count its nonces apart
            if signer.address not in self._senders:
                scope = f"{self.chain_id}/{self.genesis.hex()}/{signer.address}"
                outbox = Outbox(self._outbox_path, scope)
                sender = Sender(
                    self.rpc, self.chain_id, signer, outbox,
                    fees=self._fees, confirmations=self.confirmations, poll=self._poll,
                )  # fmt: skip
                self._senders[signer.address] = (sender, outbox)
            return self._senders[signer.address][0]

    def head(self) -> tuple[int, bytes]:
        """Number and hash of the last block."""
        block = self.rpc.request("eth_getBlockByNumber", "latest", False)
        return integer(block["number"]), data(block["hash"], 32)

    def block_hash(self, number: int) -> bytes | None:
        """The hash of a block, or None when the chain has no such block."""
        block = self.rpc.request("eth_getBlockByNumber", hex(number), False)
        return None if block is None else data(block["hash"], 32)

    def timestamp(self, block: int | None = None) -> int:
        """The time of a block, the last one unless given. Units: seconds since 1970."""
        which = "latest" if block is None else hex(block)
        return integer(self.rpc.request("eth_getBlockByNumber", which, False)["timestamp"])

    def balance(self, address: str) -> int:
        """Units: wei."""
        address_bytes(address)
        return integer(self.rpc.request("eth_getBalance", address, "latest"))

    def code(self, address: str) -> bytes:
        """The bytecode at an address, empty when no contract is there."""
        return data(self.rpc.request("eth_getCode", address, "latest"))

    def call(self, to: str, payload: bytes, sender: str | None = None) -> bytes:
        """Ask a contract without sending anything. Raises: TransactionReverted, RpcError."""
        message = {"to": to, "data": "0x" + payload.hex()}
        if sender is not None:
            message["from"] = sender
        try:
            return data(self.rpc.request("eth_call", message, "latest"))
        except RpcError as error:
            raise reverted("call", error) from error

    def receipt(self, transaction: bytes) -> Receipt | None:
        """The receipt of a mined transaction, or None."""
        answer = self.rpc.request("eth_getTransactionReceipt", "0x" + transaction.hex())
        return None if answer is None else read_receipt(answer)

    def payload(self, transaction: bytes) -> bytes:
        """The calldata of a mined transaction. Raises: ChainError when the chain does not know it."""
        answer = self.rpc.request("eth_getTransactionByHash", "0x" + transaction.hex())
        if answer is None:
            raise ChainError(f"the chain does not know the transaction 0x{transaction.hex()}")
        return data(answer["input"])

    def logs(
        self, addresses: Sequence[str], first: int, last: int, topics: Sequence[bytes | None] = ()
    ) -> list[LogEntry]:
        """The logs of some contracts in blocks `first` to `last`, asked for in ranges a node is willing to answer."""
        found: list[LogEntry] = []
        while first <= last:
            upto = min(last, first + self._range - 1)
            query = {
                "address": list(addresses), "fromBlock": hex(first), "toBlock": hex(upto),
                "topics": [None if t is None else "0x" + t.hex() for t in topics],
            }  # fmt: skip
            try:
                answer = self.rpc.request("eth_getLogs", query)
            except RpcError:
                if upto == first:
                    raise
                self._range = max(
                    1, (upto - first + 1) // 2
                )  # nodes bound the range or the size of an answer
                continue
            found.extend(self._expected(answer, addresses, first, upto))
            first = upto + 1
        return found

    @staticmethod
    def _expected(answer: Any, addresses: Sequence[str], first: int, last: int) -> list[LogEntry]:
        if not isinstance(answer, list):
            raise ChainError("the node answered a question for logs with something else")
        entries = [read_log(log) for log in answer]
        known = {address.lower() for address in addresses}
        for entry in entries:
            if entry.address.lower() not in known or not first <= entry.block <= last:
                raise ChainError("the node answered with logs nobody asked for")
        return sorted(entries, key=lambda e: (e.block, e.position))

    def fund(self, address: str, wei: int, signer: Signer | None = None, key: str | None = None) -> None:
        """Give an account coins: by decree where the ledger allows it (embedded, anvil), else from the signer.

        With a `key` the transfer is made once, however often it is asked for.
        Raises: ParameterError when there is neither a faucet nor a signer.
        """
        address_bytes(address)
        payer = signer or self.signer
        if payer is None:
            balance = self.balance(address)
            try:
                self.rpc.request("anvil_setBalance", address, hex(balance + wei))
            except RpcError as error:
                raise ParameterError(
                    "this chain gives no coins by decree: name an account that has some"
                ) from error
            return
        name = key or f"fund:{address}:{wei}:{self.head()[1].hex()}"
        self.sender(payer).send(name, address, b"", wei)

    def deploy(self, signer: Signer | None = None, label: str = "main") -> "Deployment":
        """Put all contracts on the chain, or finish doing so after a crash.

        `label` tells deployments in one outbox apart: the same label finds the same deployment again.
        Raises: TransactionReverted, ChainUnreachable, ParameterError.
        """
        from chain_adapter.manifest import deploy

        payer = signer or self.signer
        if payer is None:
            raise ParameterError("deploying needs a signer")
        return deploy(self, payer, label)

    def attach(self, manifest: Mapping[str, Any], signer: Signer | None = None) -> "Deployment":
        """Use a deployment somebody else made.

        Raises: WrongChain; NotDeployed when an address holds no code, or other code than this project's.
        """
        from chain_adapter.manifest import attach

        return attach(self, manifest, signer or self.signer)
