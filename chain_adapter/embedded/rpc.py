"""The JSON-RPC methods of the embedded chain, as any Ethereum node answers them.

What it cannot answer it refuses: state of past blocks, unlocked accounts, server-side filters.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chain_adapter._extras import require
from chain_adapter.embedded.ledger import Block, EmbeddedLedger, Executed, Refused, intrinsic_gas
from chain_adapter.embedded.machine import BLOCK_GAS_LIMIT, Log, Outcome
from mpc.errors import EppmlError

__all__ = ["EmbeddedRpc", "Fault"]

ZERO_ADDRESS = "0x" + "00" * 20
NO_BLOOM = "0x" + "00" * 256
REJECTED, REVERTED, UNSUPPORTED, BAD_PARAMS = -32000, 3, -32601, -32602


class Fault(Exception):
    """A JSON-RPC error on its way to the caller."""

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class EmbeddedRpc:
    """Answers JSON-RPC requests from an `EmbeddedLedger`, one at a time."""

    def __init__(self, ledger: EmbeddedLedger) -> None:
        self.ledger = ledger
        self._methods: dict[str, Callable[..., Any]] = {
            "web3_clientVersion": lambda: "eppml-embedded/1",
            "net_version": lambda: str(ledger.chain_id),
            "net_listening": lambda: True,
            "eth_chainId": lambda: hex(ledger.chain_id),
            "eth_syncing": lambda: False,
            "eth_accounts": lambda: [],
            "eth_gasPrice": lambda: "0x0",
            "eth_maxPriorityFeePerGas": lambda: "0x0",
            "eth_feeHistory": self._fee_history,
            "eth_blockNumber": lambda: hex(ledger.head.record.number),
            "eth_getBlockByNumber": lambda tag, full=False: self._block(self._number(tag), full),
            "eth_getBlockByHash": lambda digest, full=False: self._block(
                ledger.by_hash.get(_bytes(digest)), full
            ),
            "eth_getTransactionByHash": self._transaction,
            "eth_getTransactionReceipt": self._receipt,
            "eth_getTransactionCount": lambda address, tag="latest": hex(
                ledger.nonce(self._latest(address, tag))
            ),
            "eth_getBalance": lambda address, tag="latest": hex(
                ledger.machine.balance(self._latest(address, tag))
            ),
            "eth_getCode": lambda address, tag="latest": _hex(
                ledger.machine.code(self._latest(address, tag))
            ),
            "eth_getStorageAt": self._storage,
            "eth_call": self._call,
            "eth_estimateGas": self._estimate,
            "eth_sendRawTransaction": lambda raw: _hex(ledger.submit(_bytes(raw)).transaction.hash),
            "eth_getLogs": self._logs,
            "evm_mine": self._mine,
            "evm_increaseTime": self._increase_time,
            "evm_setNextBlockTimestamp": self._set_timestamp,
            "anvil_setBalance": self._set_balance,
        }

    def request(self, method: str, params: list[Any]) -> Any:
        """The result of one request. Raises: Fault with a JSON-RPC error code."""
        handler = self._methods.get(method)
        if handler is None:
            raise Fault(UNSUPPORTED, f"the embedded ledger does not know the method {method}")
        with self.ledger.lock:
            try:
                return handler(*params)
            except Refused as error:
                raise Fault(REJECTED, str(error)) from error
            except EppmlError:
                raise
            except (TypeError, ValueError, KeyError, AttributeError) as error:
                raise Fault(BAD_PARAMS, f"invalid parameters for {method}: {error}") from error

    def _number(self, tag: Any) -> int | None:
        head: int = self.ledger.head.record.number
        if tag in ("latest", "pending", "safe", "finalized"):
            return head
        number = 0 if tag == "earliest" else _integer(tag)
        return number if 0 <= number <= head else None

    def _latest(self, address: str, tag: Any) -> str:
        if isinstance(tag, dict) or self._number(tag) != self.ledger.head.record.number:
            raise Fault(REJECTED, "the embedded ledger keeps the state of its last block only")
        return _address(address)

    def _block(self, number: int | None, full: bool) -> dict[str, Any] | None:
        if number is None:
            return None
        block = self.ledger.blocks[number]
        transactions: list[Any] = [_hex(e.transaction.hash) for e in block.executed]
        if full:
            transactions = [self._describe(e, block, i) for i, e in enumerate(block.executed)]
        gas = sum(e.outcome.gas_used for e in block.executed)
        zero = "0x" + "00" * 32
        return {
            "number": hex(number), "hash": _hex(block.hash), "parentHash": _hex(block.record.parent),
            "timestamp": hex(block.record.timestamp), "transactions": transactions, "gasUsed": hex(gas),
            "gasLimit": hex(BLOCK_GAS_LIMIT), "baseFeePerGas": "0x0", "miner": ZERO_ADDRESS, "difficulty": "0x0",
            "totalDifficulty": "0x0", "extraData": "0x", "nonce": "0x" + "00" * 8, "sha3Uncles": zero, "uncles": [],
            "logsBloom": NO_BLOOM, "stateRoot": zero, "transactionsRoot": zero, "receiptsRoot": zero, "mixHash": zero,
            "size": hex(sum(len(e.transaction.raw) for e in block.executed)),
        }  # fmt: skip

    def _find(self, digest: str) -> tuple[Executed, Block, int] | None:
        executed = self.ledger.executed.get(_bytes(digest))
        if executed is None:
            return None
        block = self.ledger.blocks[executed.block]
        return executed, block, block.executed.index(executed)

    def _transaction(self, digest: str) -> dict[str, Any] | None:
        found = self._find(digest)
        return None if found is None else self._describe(*found)

    @staticmethod
    def _describe(executed: Executed, block: Block, index: int) -> dict[str, Any]:
        t = executed.transaction
        return {
            "hash": _hex(t.hash), "blockHash": _hex(block.hash), "blockNumber": hex(executed.block),
            "transactionIndex": hex(index), "from": t.sender, "to": t.to, "nonce": hex(t.nonce), "value": hex(t.value),
            "gas": hex(t.gas), "gasPrice": "0x0", "maxFeePerGas": hex(t.fees.cap),
            "maxPriorityFeePerGas": hex(t.fees.priority), "input": _hex(t.data), "type": hex(t.kind),
            "chainId": hex(t.chain_id), "accessList": [],
        }  # fmt: skip

    def _receipt(self, digest: str) -> dict[str, Any] | None:
        found = self._find(digest)
        if found is None:
            return None
        executed, block, index = found
        t, outcome = executed.transaction, executed.outcome
        first = sum(len(e.outcome.logs) for e in block.executed[:index])
        return {
            "transactionHash": _hex(t.hash), "transactionIndex": hex(index), "blockHash": _hex(block.hash),
            "blockNumber": hex(executed.block), "from": t.sender, "to": t.to, "status": hex(int(outcome.success)),
            "gasUsed": hex(outcome.gas_used), "effectiveGasPrice": "0x0", "type": hex(t.kind),
            "cumulativeGasUsed": hex(sum(e.outcome.gas_used for e in block.executed[: index + 1])),
            "contractAddress": outcome.created, "logsBloom": NO_BLOOM,
            "logs": [self._log(executed, block, index, first + i, log) for i, log in enumerate(outcome.logs)],
        }  # fmt: skip

    @staticmethod
    def _log(executed: Executed, block: Block, index: int, position: int, log: Log) -> dict[str, Any]:
        return {
            "address": log.address, "topics": [_hex(topic) for topic in log.topics], "data": _hex(log.data),
            "blockNumber": hex(executed.block), "blockHash": _hex(block.hash), "logIndex": hex(position),
            "transactionHash": _hex(executed.transaction.hash), "transactionIndex": hex(index), "removed": False,
        }  # fmt: skip

    def _logs(self, query: Mapping[str, Any]) -> list[dict[str, Any]]:
        first, last = self._range(query)
        wanted = query.get("address")
        addresses = (
            None if not wanted else {a.lower() for a in ([wanted] if isinstance(wanted, str) else wanted)}
        )
        topics = [_alternatives(t) for t in query.get("topics", [])]
        return [
            self._log(
                entry.executed,
                self.ledger.blocks[entry.executed.block],
                entry.index,
                entry.position,
                entry.log,
            )
            for entry in self.ledger.logs.candidates(topics)
            if first <= entry.executed.block <= last
            and (addresses is None or entry.log.address.lower() in addresses)
            and _matches(entry.log.topics, topics)
        ]

    def _range(self, query: Mapping[str, Any]) -> tuple[int, int]:
        if "blockHash" in query:
            number = self.ledger.by_hash.get(_bytes(query["blockHash"]))
            if number is None:
                raise Fault(REJECTED, "unknown block")
            return number, number
        head = self.ledger.head.record.number
        first, last = (self._bound(query.get(end, "latest")) for end in ("fromBlock", "toBlock"))
        return first, min(last, head)

    def _bound(self, tag: Any) -> int:
        named = isinstance(tag, str) and not tag.startswith("0x")
        return int(self._number(tag) or 0) if named else _integer(tag)

    def _storage(self, address: str, slot: Any, tag: Any = "latest") -> str:
        return _hex(
            self.ledger.machine.storage(self._latest(address, tag), _integer(slot)).to_bytes(32, "big")
        )

    def _call(self, message: Mapping[str, Any], tag: Any = "latest", *_overrides: Any) -> str:
        if _overrides:
            raise Fault(UNSUPPORTED, "state overrides are not supported by the embedded ledger")
        self._latest(ZERO_ADDRESS, tag)
        outcome = self._simulate(message, _integer(message.get("gas", BLOCK_GAS_LIMIT)))
        if not outcome.success:
            raise _fault(outcome)
        return _hex(outcome.output)

    def _estimate(self, message: Mapping[str, Any], tag: Any = "latest") -> str:
        self._latest(ZERO_ADDRESS, tag)
        highest = _integer(message.get("gas", BLOCK_GAS_LIMIT))
        outcome = self._simulate(message, highest)
        if not outcome.success:
            raise _fault(outcome)
        low = max(outcome.gas_used, intrinsic_gas(_data(message), message.get("to") is None)) - 1
        generous = (
            low + low // 16 + 2_300
        )  # refunds and the 63/64 rule hide gas that must be there on the way
        if generous < highest and self._simulate(message, generous).success:
            highest = generous
        while highest - low > max(1, low // 64):
            middle = (low + highest) // 2
            low, highest = (low, middle) if self._simulate(message, middle).success else (middle, highest)
        return hex(highest)

    def _simulate(self, message: Mapping[str, Any], gas: int) -> Outcome:
        to, value = message.get("to"), _integer(message.get("value", 0))
        sender = _address(message.get("from") or ZERO_ADDRESS)
        if value > self.ledger.machine.balance(sender):
            raise Refused("insufficient funds for transfer")
        self.ledger.machine.enter(self.ledger.pending())
        return self.ledger.machine.simulate(
            sender, _address(to) if to else None, _data(message), value, min(gas, BLOCK_GAS_LIMIT)
        )

    def _fee_history(self, count: Any, newest: Any, percentiles: list[float] | None = None) -> dict[str, Any]:
        last = self._number(newest)
        number = min(_integer(count), (last or 0) + 1)
        history: dict[str, Any] = {
            "oldestBlock": hex((last or 0) + 1 - number),
            "baseFeePerGas": ["0x0"] * (number + 1),
            "gasUsedRatio": [0.0] * number,
        }
        if percentiles:
            history["reward"] = [["0x0"] * len(percentiles)] * number
        return history

    def _mine(self, *_parameters: Any) -> str:
        self.ledger.mine()
        return "0x0"

    def _increase_time(self, seconds: Any) -> str:
        self.ledger.shift_time(_integer(seconds))
        return hex(_integer(seconds))

    def _set_timestamp(self, timestamp: Any) -> None:
        self.ledger.set_next_timestamp(_integer(timestamp))

    def _set_balance(self, address: str, wei: Any) -> None:
        self.ledger.grant(_address(address), _integer(wei))


def _fault(outcome: Outcome) -> Fault:
    if outcome.halted:
        return Fault(REJECTED, f"the call halted: {outcome.halted}")
    return Fault(REVERTED, "execution reverted", _hex(outcome.output))


def _alternatives(topic: Any) -> set[bytes] | None:
    if topic is None:
        return None
    return {_bytes(t) for t in ([topic] if isinstance(topic, str | bytes) else topic)}


def _matches(topics: tuple[bytes, ...], wanted: list[set[bytes] | None]) -> bool:
    if len(topics) < len(wanted):
        return False
    return all(w is None or topic in w for topic, w in zip(topics, wanted, strict=False))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _bytes(text: Any) -> bytes:
    return bytes(text) if isinstance(text, bytes | bytearray) else bytes.fromhex(text.removeprefix("0x"))


def _integer(value: Any) -> int:
    return value if isinstance(value, int) else int(value, 16)


def _address(text: str) -> str:
    return str(require("eth_utils").to_checksum_address(text))


def _data(message: Mapping[str, Any]) -> bytes:
    return _bytes(message.get("input") or message.get("data") or "0x")
