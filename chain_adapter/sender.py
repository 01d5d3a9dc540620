"""Send each thing once: a nonce lock, an outbox, fees with caps, bumps, confirmations and a look-out for reorgs.

`submit` writes the signed bytes down before it sends them, `wait` follows them until enough blocks lie on top and
raises the fee when the network ignores them. One `Sender` serves many threads; one account belongs to one `Sender`.
"""

import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace

from chain_adapter.errors import (
    ChainError,
    ChainUnreachable,
    FeeCapReached,
    NotEnoughCoins,
    NotMined,
    RpcError,
    TransactionReverted,
)
from chain_adapter.hashing import keccak256
from chain_adapter.interface import explain_revert
from chain_adapter.keys import Signer
from chain_adapter.outbox import MINED, PENDING, Broadcast, Intent, Outbox, Taken
from chain_adapter.receipts import Receipt, data, integer, read_receipt
from chain_adapter.rpc import Rpc
from chain_adapter.transactions import Fees
from mpc.errors import ParameterError

__all__ = ["FeePolicy", "Lost", "Sender"]

GWEI = 10**9
ALREADY_KNOWN = ("already known", "already imported", "known transaction", "already exists", "alreadyknown")
NONCE_USED = ("nonce too low", "nonce is too low", "oldnonce")
UNDERPRICED = (
    "underpriced",
    "fee too low",
    "less than block base fee",
    "could not replace",
    "max fee per gas",
)
TOO_POOR = (
    "insufficient funds",
    "insufficient balance",
    "insufficient for gas",
    "exceeds balance",
    "cannot afford",
)
PATIENCE = 3  # times a node must repeat that a nonce is used and our transaction unknown
ATTEMPTS = 5
FEES_KEPT = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class FeePolicy:
    """What the sender may offer, and when it offers more.

    Units: `largest_cap`, `largest_priority`, `usual_priority` in wei per gas; `bump_after` in seconds.
    Raises: ParameterError when a bump would be under 12.5 %, which nodes refuse to take for a replacement.
    """

    largest_cap: int = 500 * GWEI
    largest_priority: int = 50 * GWEI
    usual_priority: int = GWEI
    bump_percent: float = 12.5
    bump_after: float = 30.0

    def __post_init__(self) -> None:
        if self.bump_percent < 12.5:
            raise ParameterError(f"a replacement must offer at least 12.5 % more, got {self.bump_percent} %")
        if self.largest_cap < self.largest_priority:
            raise ParameterError("the cap on the whole fee is below the cap on its priority part")

    def raised(self, fees: Fees) -> Fees | None:
        """The next higher offer, or None when the caps do not allow one."""
        cap, priority = (self._step(f) for f in (fees.cap, fees.priority))
        if cap > self.largest_cap or priority > self.largest_priority:
            return None
        return Fees(cap, priority)

    def _step(self, fee: int) -> int:
        return max(fee + 1, -(-fee * (1000 + int(self.bump_percent * 10)) // 1000))


@dataclass(frozen=True, slots=True)
class Lost:
    """A transaction that was mined and is no longer: it went back to the outbox and was sent again."""

    key: str
    transaction: bytes
    block: int


class Sender:
    """Sends the transactions of one account on one chain; any number of threads may share it.

    Units: times in seconds. Assumes: nothing else sends from this account meanwhile. If something does, a transaction
    whose nonce was taken is signed again under a new one; the contracts accept each act once in any case.
    """

    def __init__(
        self, rpc: Rpc, chain_id: int, signer: Signer, outbox: Outbox, *, fees: FeePolicy | None = None,
        confirmations: int = 1, poll: float = 0.2, timeout: float = 120.0,
    ) -> None:  # fmt: skip
        if confirmations < 1:
            raise ParameterError("a transaction needs at least one confirmation: the block it is in")
        self.signer = signer
        self.fees = fees or FeePolicy()
        self.confirmations = confirmations
        self._rpc = rpc
        self._chain_id = chain_id
        self._outbox = outbox
        self._poll = poll
        self._timeout = timeout
        self._lock = threading.RLock()
        self._nonce: int | None = None
        self._recovered = False
        self._suggestion: tuple[float, Fees] | None = None

    def send(self, key: str, to: str | None, data: bytes, value: int = 0, gas: int | None = None) -> Receipt:
        """Do what `key` stands for, once, and wait for it. A second call with the key returns the first receipt.

        Raises: TransactionReverted, NotMined, FeeCapReached, RpcError, ChainUnreachable; ParameterError when the key
        was used for something else.
        """
        return self.wait(self.submit(key, to, data, value, gas))

    def find(self, key: str) -> Intent | None:
        """What was sent under this key, if anything was."""
        self.recover()
        return self._outbox.find(key)

    def submit(self, key: str, to: str | None, data: bytes, value: int = 0, gas: int | None = None) -> Intent:
        """Sign, write down and broadcast, without waiting. Raises: as `send`, except NotMined."""
        if (known := self.find(key)) is not None:
            return _same(known, to, data, value)
        limit = gas if gas is not None else self._estimate(key, to, data, value)
        with self._lock:
            if (known := self._outbox.find(key)) is not None:
                return _same(known, to, data, value)
            return self._first(key, to, data, value, limit)

    def recover(self) -> None:
        """Send again whatever was written down and is not mined: at the start, and after the node was away."""
        with self._lock:
            if self._recovered:
                return
            for intent in self._outbox.in_state(PENDING):
                if self._receipt(intent) is None:
                    self._rebroadcast(intent)
            self._recovered = True

    def wait(self, intent: Intent, timeout: float | None = None) -> Receipt:
        """The receipt once it is confirmed. Raises: TransactionReverted, NotMined, RpcError, ChainUnreachable."""
        deadline = time.monotonic() + (self._timeout if timeout is None else timeout)
        since, overtaken = time.monotonic(), 0
        while True:
            try:
                self.recover()
                receipt = self._receipt(intent)
                if receipt is not None and self._confirmed(receipt):
                    return self._settle(intent, receipt)
                if receipt is None:
                    # another thread or process may have raised the fee: one of its versions may be the mined one
                    intent = self._outbox.find(intent.key) or intent
                    if intent.state == MINED:  # it was mined, and the chain no longer has it
                        intent = replace(intent, state=PENDING)
                        self._rebroadcast(intent)
                    overtaken = overtaken + 1 if self._is_overtaken(intent) else 0
                    if overtaken >= PATIENCE:
                        intent, overtaken = self._again(intent), 0
                    elif time.monotonic() - since >= self.fees.bump_after:
                        intent, since = self._bump(intent), time.monotonic()
            except ChainUnreachable:
                self._recovered = False
                if time.monotonic() >= deadline:
                    raise
            if time.monotonic() >= deadline:
                raise NotMined(
                    f"{intent.key}: not confirmed in time; it stays in the outbox and will be sent again"
                )
            time.sleep(self._poll)

    def watch(self, depth: int = 64) -> list[Lost]:
        """Look whether mined transactions of the last `depth` blocks are still mined; send the lost ones again.

        Lost is what the chain shows another block for: a node that merely does not answer well is not believed.
        """
        lost = []
        with self._lock:
            head = integer(self._rpc.request("eth_blockNumber"))
            for intent in self._outbox.in_state(MINED, head - depth):
                receipt = self._receipt(intent)
                if receipt is not None:
                    if receipt.block_hash != intent.block_hash:
                        self._outbox.set_state(intent, MINED, receipt.block, receipt.block_hash)
                    continue
                self._rebroadcast(intent)
                block = self._rpc.request("eth_getBlockByNumber", hex(intent.block or 0), False)
                if block is not None and data(block["hash"]) != intent.block_hash:
                    self._outbox.set_state(intent, PENDING)
                    lost.append(Lost(intent.key, intent.broadcasts[-1].hash, intent.block or 0))
        return lost

    def _first(self, key: str, to: str | None, data: bytes, value: int, gas: int) -> Intent:
        """Give the next nonce to a new intent and send it; called with the lock held."""
        for _attempt in range(ATTEMPTS):
            fees = self._suggest()
            nonce = self._take_nonce()
            version = self._sign(nonce, fees, gas, to, value, data)
            try:
                intent = self._outbox.add(key, nonce, to, value, data, gas, version)
            except Taken:  # another process with this outbox was faster
                self._nonce = None
                if (known := self._outbox.find(key)) is not None:
                    return _same(known, to, data, value)
                continue
            self._nonce = nonce + 1
            try:
                self._broadcast(version.raw)
                return intent
            except ChainUnreachable:
                self._recovered = False  # whether the node took it is unknown: it stays, and is sent again
                return intent
            except RpcError as error:
                if self._is_known(version):
                    return intent
                # the node has read the transaction and refused it: its nonce and its key are free again
                self._outbox.discard(intent)
                self._nonce, self._suggestion = None, None
                if not _says(error, NONCE_USED + UNDERPRICED):
                    raise self._refusal(key, error) from error
        raise NotMined(f"{key}: the node refused every nonce and fee offered to it")

    def _take_nonce(self) -> int:
        if self._nonce is None:
            on_chain = integer(self._rpc.request("eth_getTransactionCount", self.signer.address, "pending"))
            self._nonce = max(on_chain, self._outbox.next_nonce())
        return self._nonce

    def _sign(self, nonce: int, fees: Fees, gas: int, to: str | None, value: int, data: bytes) -> Broadcast:
        raw = self.signer.sign_transaction(
            chain_id=self._chain_id, nonce=nonce, fees=fees, gas=gas, to=to, value=value, data=data
        )
        return Broadcast(keccak256(raw), raw, fees.cap, fees.priority)

    def _broadcast(self, raw: bytes) -> None:
        try:
            self._rpc.request("eth_sendRawTransaction", "0x" + raw.hex())
        except RpcError as error:
            if not _says(error, ALREADY_KNOWN):
                raise

    def _is_known(self, version: Broadcast) -> bool:
        try:
            return self._rpc.request("eth_getTransactionByHash", "0x" + version.hash.hex()) is not None
        except RpcError:
            return False

    def _rebroadcast(self, intent: Intent) -> None:
        with suppress(RpcError):  # mined meanwhile, overtaken or priced out: whoever waits for it finds out
            self._broadcast(intent.broadcasts[-1].raw)

    def _suggest(self) -> Fees:
        if self._suggestion is not None and time.monotonic() - self._suggestion[0] < FEES_KEPT:
            return self._suggestion[1]
        block = self._rpc.request("eth_getBlockByNumber", "latest", False)
        base = integer(block.get("baseFeePerGas") or 0)
        try:
            priority = integer(self._rpc.request("eth_maxPriorityFeePerGas"))
        except RpcError:
            priority = self.fees.usual_priority
        priority = min(priority, self.fees.largest_priority)
        if base + priority > self.fees.largest_cap:
            raise FeeCapReached(
                f"a unit of gas costs {base + priority} wei now, the cap is {self.fees.largest_cap}"
            )
        fees = Fees(min(2 * base + priority, self.fees.largest_cap), priority)
        self._suggestion = (time.monotonic(), fees)
        return fees

    def _estimate(self, what: str, to: str | None, payload: bytes, value: int) -> int:
        try:
            estimate = integer(self._rpc.request("eth_estimateGas", self._message(to, payload, value)))
        except RpcError as error:
            raise self._refusal(what, error) from error
        return estimate + estimate // 5

    def _refusal(self, what: str, error: RpcError) -> ChainError:
        if _says(error, TOO_POOR):
            return NotEnoughCoins(
                f"the account {self.signer.address} has not enough coins on chain {self._chain_id}"
            )
        return reverted(what, error)

    def _message(self, to: str | None, payload: bytes, value: int) -> dict[str, str]:
        message = {"from": self.signer.address, "data": "0x" + payload.hex(), "value": hex(value)}
        return message if to is None else {**message, "to": to}

    def _receipt(self, intent: Intent) -> Receipt | None:
        for version in reversed(intent.broadcasts):
            answer = self._rpc.request("eth_getTransactionReceipt", "0x" + version.hash.hex())
            if answer is not None:
                receipt = read_receipt(answer)
                if receipt.transaction != version.hash:
                    raise ChainUnreachable("the node answers with the receipt of another transaction")
                return receipt
        return None

    def _confirmed(self, receipt: Receipt) -> bool:
        if self.confirmations == 1:
            return True
        head = integer(self._rpc.request("eth_blockNumber"))
        if head - receipt.block + 1 < self.confirmations:
            return False
        block = self._rpc.request("eth_getBlockByNumber", hex(receipt.block), False)
        return block is not None and data(block["hash"]) == receipt.block_hash

    def _settle(self, intent: Intent, receipt: Receipt) -> Receipt:
        if not receipt.success:
            self._outbox.retire(intent)
            raise self._why(intent, receipt)
        if (intent.state, intent.block_hash) != (MINED, receipt.block_hash):
            self._outbox.set_state(intent, MINED, receipt.block, receipt.block_hash)
        return receipt

    def _why(self, intent: Intent, receipt: Receipt) -> TransactionReverted:
        """The reason of a mined failure, as far as doing it again on today's state shows one."""
        try:
            self._rpc.request("eth_call", self._message(intent.target, intent.data, intent.value), "latest")
        except RpcError as error:
            explained = reverted(intent.key, error)
            if isinstance(explained, TransactionReverted):
                return explained
        return TransactionReverted(intent.key, f"a failed transaction 0x{receipt.transaction.hex()}")

    def _is_overtaken(self, intent: Intent) -> bool:
        used = integer(self._rpc.request("eth_getTransactionCount", self.signer.address, "latest"))
        return used > intent.nonce and self._receipt(intent) is None

    def _again(self, intent: Intent) -> Intent:
        """Another transaction took the nonce, so none of our versions can be mined: sign under a new nonce."""
        with self._lock:
            current = self._outbox.find(intent.key)
            if current is None or current.nonce != intent.nonce or self._receipt(current) is not None:
                return current or intent
            self._outbox.retire(intent)
            self._nonce = None
            return self._first(intent.key, intent.target, intent.data, intent.value, intent.gas)

    def _bump(self, intent: Intent) -> Intent:
        """Offer more for the same nonce, or the same again where the caps allow no more."""
        with self._lock:
            current = self._outbox.find(intent.key) or intent
            last = current.broadcasts[-1]
            fees = self.fees.raised(Fees(last.cap, last.priority))
            if fees is None:
                self._rebroadcast(current)
                return current
            with suppress(FeeCapReached):
                market = self._suggest()
                fees = Fees(max(fees.cap, market.cap), max(fees.priority, market.priority))
            version = self._sign(
                current.nonce, fees, current.gas, current.target, current.value, current.data
            )  # fmt: skip
            self._outbox.add_broadcast(current, version)
            bumped = self._outbox.find(intent.key) or current
            self._rebroadcast(bumped)
            return bumped


def _same(known: Intent, to: str | None, data: bytes, value: int) -> Intent:
    if (known.target, known.data, known.value) != (to, data, value):
        raise ParameterError(f"{known.key} was sent before with another content")
    return known


def reverted(what: str, error: RpcError) -> TransactionReverted | RpcError:
    """The contract's reason inside a node's error, or the error itself when it is about something else."""
    payload = error.data.get("data") if isinstance(error.data, dict) else error.data
    if isinstance(payload, str) and payload.startswith("0x"):
        raw = bytes.fromhex(payload[2:])
        name, arguments = explain_revert(raw)
        return TransactionReverted(what, name, arguments, raw)
    if "revert" in error.message:
        return TransactionReverted(what, error.message)
    return error


def _says(error: RpcError, phrases: tuple[str, ...]) -> bool:
    return any(phrase in error.message.lower() for phrase in phrases)
