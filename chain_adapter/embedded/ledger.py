"""The embedded chain: signed transactions in, blocks and receipts out, everything replayed from the log at start.

Each transaction is mined at once into a block of its own. A block is executed, then written, then visible: a process
killed in between loses a transaction that nobody was told about. Time comes from the block, so a replay sees the
times of the first run. Gas is metered, limited and free.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from chain_adapter._extras import require
from chain_adapter.embedded.log import BlockRecord, LedgerLog, TransactionRecord
from chain_adapter.embedded.log_index import LogIndex
from chain_adapter.embedded.machine import BLOCK_GAS_LIMIT, BlockContext, Machine, Outcome, create_address
from chain_adapter.errors import ChainError, LedgerCorrupt
from chain_adapter.hashing import keccak256
from chain_adapter.transactions import Transaction, decode_transaction
from mpc.errors import DecodeError, ParameterError

__all__ = ["Block", "EmbeddedLedger", "Executed", "Refused"]


class Refused(Exception):
    """A transaction that cannot enter a block; becomes a JSON-RPC error."""


@dataclass(frozen=True, slots=True)
class Executed:
    """A mined transaction and what it did."""

    transaction: Transaction
    outcome: Outcome
    block: int
    first_log: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """One block as readers see it."""

    record: BlockRecord
    hash: bytes
    executed: tuple[Executed, ...] = field(repr=False)


def randomness(parent: bytes) -> bytes:
    """What PREVRANDAO answers: fixed by the parent, so that a replay sees the same (and so anyone can predict it)."""
    return keccak256(b"prevrandao", parent)


class EmbeddedLedger:
    """A chain in this process.

    Raises: LedgerCorrupt naming block and transaction, LedgerInUse, StorageFull, ParameterError.
    Assumes: whoever can write both the file and the note of its head can cut off its tail unnoticed, unless the head's
    hash was noted elsewhere.
    """

    def __init__(
        self, path: Path | None = None, chain_id: int = 31337, clock: Callable[[], float] = time.time
    ) -> None:
        if not 0 < chain_id < 2**53:
            raise ParameterError(f"a chain id lies between 1 and 2**53, got {chain_id}")
        self.chain_id = chain_id
        self.lock = threading.RLock()
        self.blocks: list[Block] = []
        self.executed: dict[bytes, Executed] = {}
        self.by_hash: dict[bytes, int] = {}
        self.logs = LogIndex()
        self._clock = clock
        self._offset = 0
        self._broken = False
        self._next_timestamp: int | None = None
        self._nonces: dict[str, int] = {}
        self._log = LedgerLog(path, chain_id)
        self.machine = Machine(chain_id)
        try:
            self._replay()
            if not self.blocks:
                self._write(self._now(), (), ())
        except BaseException:
            self._log.close()
            raise

    @property
    def head(self) -> Block:
        return self.blocks[-1]

    def close(self) -> None:
        """Give the file back; the ledger cannot be used afterwards."""
        with self.lock:
            self._log.close()

    def nonce(self, address: str) -> int:
        """The next nonce of an account."""
        known = self._nonces.get(address)
        return self.machine.nonce(address) if known is None else known

    def pending(self) -> BlockContext:
        """The block a message sent now would run in."""
        return BlockContext(len(self.blocks), self._now(), randomness(self.head.hash))

    def submit(self, raw: bytes) -> Executed:
        """Mine one signed transaction into the next block.

        Raises: Refused when no block could hold it; then nothing was written.
        """
        with self.lock:
            try:
                transaction = decode_transaction(raw)
            except DecodeError as error:
                raise Refused(str(error)) from error
            if transaction.hash in self.executed:
                raise Refused("already known")
            self._admit(transaction)
            self._write(self._now(), (), (transaction,))
            return self.executed[transaction.hash]

    def grant(self, address: str, wei: int) -> None:
        """Set an account's balance by decree: this chain's only source of coins."""
        if not 0 <= wei < 2**256:
            raise ParameterError("a balance lies in [0, 2**256)")
        with self.lock:
            checksummed = str(require("eth_utils").to_checksum_address(address))
            self._write(self._now(), ((checksummed, wei),), ())

    def mine(self) -> None:
        """An empty block."""
        with self.lock:
            self._write(self._now(), (), ())

    def shift_time(self, seconds: int) -> None:
        """Let the clock of this ledger run ahead by further `seconds`."""
        self._offset += seconds

    def set_next_timestamp(self, timestamp: int) -> None:
        """The time of the next block."""
        if timestamp < self.head.record.timestamp:
            raise Refused(f"time runs forward: the last block is of {self.head.record.timestamp}")
        self._offset += timestamp - self._now()
        self._next_timestamp = timestamp

    def _now(self) -> int:
        if self._next_timestamp is not None:
            return self._next_timestamp
        last = self.head.record.timestamp if self.blocks else 0
        # several blocks may share a second: a strictly rising time would run away from the clock under load
        return max(last, int(self._clock()) + self._offset)

    def _admit(self, transaction: Transaction) -> None:
        if transaction.chain_id != self.chain_id:
            raise Refused("invalid chain id for signer")
        expected = self.nonce(transaction.sender)
        if transaction.nonce != expected:
            which = "too low" if transaction.nonce < expected else "too high"
            raise Refused(
                f"nonce {which}: the account's next nonce is {expected}, the transaction has {transaction.nonce}"
            )
        if transaction.gas > BLOCK_GAS_LIMIT:
            raise Refused("exceeds block gas limit")
        floor = intrinsic_gas(transaction.data, transaction.to is None)
        if transaction.gas < floor:
            raise Refused(f"intrinsic gas too low: {transaction.gas} given, {floor} needed")
        if transaction.value > self.machine.balance(transaction.sender):
            raise Refused("insufficient funds for transfer")

    def _replay(self) -> None:
        for record in self._log.blocks():
            transactions = []
            for position, stored in enumerate(record.transactions):
                try:
                    transactions.append(decode_transaction(stored.raw))
                except DecodeError as error:
                    raise LedgerCorrupt(str(error), record.number, position) from error
            executed = self._run(record, tuple(transactions), replay=True)
            self._publish(Block(record, record.hash(), executed))

    def _write(
        self, timestamp: int, grants: tuple[tuple[str, int], ...], transactions: tuple[Transaction, ...]
    ) -> None:
        if self._broken:
            raise ChainError("writing the ledger failed earlier: close it and open it again")
        parent = self.head.hash if self.blocks else bytes(32)
        draft = BlockRecord(self.chain_id, len(self.blocks), timestamp, parent, grants, ())
        executed = self._run(draft, transactions, replay=False)
        stored = tuple(
            TransactionRecord(
                e.transaction.hash, e.transaction.raw, e.outcome.gas_used, outcome_digest(e.outcome)
            )
            for e in executed
        )
        record = BlockRecord(self.chain_id, draft.number, timestamp, parent, grants, stored)
        try:
            self._log.append(record)
        except BaseException:
            self._poison()
            raise
        self._next_timestamp = None
        self._publish(Block(record, record.hash(), executed))

    def _poison(self) -> None:
        # the state has moved on and the file has not: only a fresh replay brings them together again
        self._broken = True
        self._log.close()

    def _run(
        self, record: BlockRecord, transactions: tuple[Transaction, ...], *, replay: bool
    ) -> tuple[Executed, ...]:
        self.machine.enter(BlockContext(record.number, record.timestamp, randomness(record.parent)))
        for address, wei in record.grants:
            self.machine.set_balance(address, wei)
        executed = []
        for position, t in enumerate(transactions):
            if replay:
                try:
                    self._admit(t)
                except Refused as error:
                    raise LedgerCorrupt(
                        f"the transaction cannot stand here ({error})", record.number, position
                    ) from error
            outcome = self.machine.execute(t.sender, t.to, t.data, t.value, t.gas, t.nonce)
            self._nonces[t.sender] = t.nonce + 1
            if outcome.success and t.to is None:
                outcome = _with_address(outcome, create_address(t.sender, t.nonce))
            if replay and outcome_digest(outcome) != record.transactions[position].outcome:
                raise LedgerCorrupt(
                    "executing the transaction again did something else", record.number, position
                )
            executed.append(Executed(t, outcome, record.number))
        return tuple(executed)

    def _publish(self, block: Block) -> None:
        self.blocks.append(block)
        self.by_hash[block.hash] = block.record.number
        self.logs.add(block.executed)
        for executed in block.executed:
            self.executed[executed.transaction.hash] = executed


def outcome_digest(outcome: Outcome) -> bytes:
    """32 bytes over what a transaction did; gas apart, which depends on the EVM's version."""
    logs = [[bytes.fromhex(entry.address[2:]), list(entry.topics), entry.data] for entry in outcome.logs]
    created = b"" if outcome.created is None else bytes.fromhex(outcome.created[2:])
    return keccak256(require("rlp").encode([int(outcome.success), outcome.output, created, logs]))


def intrinsic_gas(data: bytes, creates: bool) -> int:
    """What a transaction costs before its first instruction. Source: EIP-2028, EIP-3860."""
    zeros = data.count(0)
    words = (len(data) + 31) // 32 if creates else 0
    return 21_000 + 4 * zeros + 16 * (len(data) - zeros) + (32_000 + 2 * words if creates else 0)


def _with_address(outcome: Outcome, address: str) -> Outcome:
    return Outcome(outcome.success, outcome.output, outcome.gas_used, outcome.logs, address, outcome.halted)
