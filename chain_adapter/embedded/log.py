"""The sqlite file behind an embedded ledger: what happened, in the order it happened.

One block is one sqlite transaction: after a crash at any moment the file holds a prefix of the blocks, never half a
one. The journal is sqlite's write-ahead log with `synchronous=NORMAL`: a killed process loses nothing it has answered
for. A machine that loses power may lose the last blocks, whole; the outbox, which syncs before it sends, still has their
transactions and sends them again. Syncing every block too would cut the ledger to what the disk syncs (a few hundred a
second) and protect nothing more. The file stays locked while it is open: two processes that both append would fork
the chain.

Every value is covered by a hash: a transaction's bytes by its hash, its row by a seal, the seals, the time and the
parent by the block's hash, which is the next block's parent. Replaying then checks that the transactions still do what
the log says they did. A tail cut off is what no log can show by itself: `head.py` notes beside it where it ended.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from chain_adapter._extras import require
from chain_adapter.embedded.head import HeadNote
from chain_adapter.errors import LedgerCorrupt, LedgerInUse, StorageFull
from chain_adapter.hashing import keccak256
from mpc.errors import ParameterError

__all__ = ["BlockRecord", "LedgerLog", "TransactionRecord"]

FORMAT = 1
SCHEMA = """
CREATE TABLE header (format INTEGER NOT NULL, chain_id INTEGER NOT NULL, digest BLOB NOT NULL);
CREATE TABLE blocks (number INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, parent BLOB NOT NULL,
                     grants BLOB NOT NULL, transactions INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE transactions (block INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL, raw BLOB NOT NULL,
                           gas_used INTEGER NOT NULL, outcome BLOB NOT NULL, seal BLOB NOT NULL,
                           PRIMARY KEY (block, position)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class TransactionRecord:
    """One transaction of a block: the signed bytes and a digest of what they did."""

    hash: bytes
    raw: bytes
    gas_used: int
    outcome: bytes

    def seal(self) -> bytes:
        """32 bytes over the whole row, so that a changed byte is found where it is."""
        return keccak256(require("rlp").encode([self.hash, self.gas_used, self.outcome]))


@dataclass(frozen=True, slots=True)
class BlockRecord:
    """One block. `grants` are balances set by decree: (address, wei), the embedded ledger's faucet."""

    chain_id: int
    number: int
    timestamp: int
    parent: bytes
    grants: tuple[tuple[str, int], ...]
    transactions: tuple[TransactionRecord, ...]

    def encoded_grants(self) -> bytes:
        grants = [[bytes.fromhex(address[2:]), wei] for address, wei in self.grants]
        return bytes(require("rlp").encode(grants))

    def hash(self) -> bytes:
        """The 32 bytes that name this block and, through its parent, everything before it."""
        head = [self.chain_id, self.number, self.timestamp, self.parent, self.encoded_grants()]
        return keccak256(require("rlp").encode([*head, [t.seal() for t in self.transactions]]))


class LedgerLog:
    """An append-only list of blocks in a file, or in memory when `path` is None.

    Raises: LedgerInUse, LedgerCorrupt, StorageFull; ParameterError when the file is of another chain.
    """

    def __init__(self, path: Path | None, chain_id: int) -> None:
        self._path = path
        self._chain_id = chain_id
        self._note: HeadNote | None = None
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            name = ":memory:" if path is None else path
            self._db = sqlite3.connect(name, isolation_level=None, check_same_thread=False, timeout=1)
        except (sqlite3.Error, OSError) as error:
            self._explain(error)
        try:
            self._open()
            self._note = None if path is None else HeadNote(path)
        except (sqlite3.Error, OSError) as error:
            self._db.close()
            self._explain(error)
        except BaseException:
            self._db.close()
            raise

    def _open(self) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute("BEGIN EXCLUSIVE")
        tables = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables:
            for statement in SCHEMA.split(";"):
                self._db.execute(statement)
            self._db.execute(
                "INSERT INTO header VALUES (?, ?, ?)", (FORMAT, self._chain_id, self._header_digest())
            )
        self._db.execute("COMMIT")
        rows = self._db.execute("SELECT format, chain_id, digest FROM header").fetchall()
        if len(rows) != 1 or rows[0][2] != keccak256(repr(tuple(rows[0][:2])).encode()):
            raise LedgerCorrupt("its header was changed")
        if rows[0][0] != FORMAT:
            raise ParameterError(f"{self._path} has format {rows[0][0]}, this version reads format {FORMAT}")
        if rows[0][1] != self._chain_id:
            raise ParameterError(
                f"{self._path} is a ledger of chain {rows[0][1]}, not of chain {self._chain_id}"
            )

    def _header_digest(self) -> bytes:
        return keccak256(repr((FORMAT, self._chain_id)).encode())

    def append(self, block: BlockRecord) -> None:
        """Write one block; when this returns it is on the disk."""
        rows = [
            (block.number, position, t.hash, t.raw, t.gas_used, t.outcome, t.seal())
            for position, t in enumerate(block.transactions)
        ]
        head = (block.number, block.timestamp, block.parent, block.encoded_grants(), len(rows), block.hash())
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?)", head)
            self._db.executemany("INSERT INTO transactions VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            self._db.execute("COMMIT")
            if self._note is not None:
                self._note.write(block.number, block.hash())
        except (sqlite3.Error, OSError) as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self._explain(error)

    def blocks(self) -> Iterator[BlockRecord]:
        """Every block from the first, each checked against its hashes before it is handed out.

        Raises: LedgerCorrupt naming block and transaction when one byte is not what was written.
        """
        parent = bytes(32)
        number, hashes = -1, []
        try:
            for number, row in enumerate(self._db.execute("SELECT * FROM blocks ORDER BY number")):
                record = self._read(number, row)
                if record.parent != parent:
                    raise LedgerCorrupt("its parent is not the block before it", number)
                parent = record.hash()
                hashes.append(parent)
                yield record
            orphans = self._db.execute("SELECT block FROM transactions WHERE block > ?", (number,)).fetchone()
        except (sqlite3.Error, OverflowError, UnicodeDecodeError) as error:
            raise LedgerCorrupt(f"the file cannot be read ({error})", number + 1) from error
        if orphans:
            raise LedgerCorrupt("a transaction without its block", orphans[0])
        if self._note is not None:
            self._note.check(hashes)

    def _read(self, number: int, row: tuple[object, ...]) -> BlockRecord:
        found, timestamp, parent, grants, count, digest = row
        if found != number:
            raise LedgerCorrupt("the block is missing", number)
        if not isinstance(timestamp, int) or timestamp < 0 or not isinstance(parent, bytes):
            raise LedgerCorrupt("its time or parent was changed", number)
        transactions = []
        query = "SELECT position, hash, raw, gas_used, outcome, seal FROM transactions WHERE block = ? ORDER BY position"
        for position, (at, *fields) in enumerate(self._db.execute(query, (number,))):
            transactions.append(self._transaction(number, position, at, fields))
        if len(transactions) != count:
            raise LedgerCorrupt(f"it has {count} transactions, the log holds {len(transactions)}", number)
        record = BlockRecord(
            self._chain_id, number, timestamp, parent, self._grants(number, grants), tuple(transactions)
        )
        if record.hash() != digest:
            raise LedgerCorrupt("the block does not hash to the hash stored with it", number)
        return record

    @staticmethod
    def _transaction(number: int, position: int, at: object, fields: list[object]) -> TransactionRecord:
        digest, raw, gas_used, outcome, seal = fields
        if at != position:
            raise LedgerCorrupt("the transaction is missing", number, position)
        if not isinstance(raw, bytes) or keccak256(raw) != digest or not isinstance(digest, bytes):
            raise LedgerCorrupt("the transaction does not hash to the hash stored with it", number, position)
        if not isinstance(gas_used, int) or gas_used < 0 or not isinstance(outcome, bytes):
            raise LedgerCorrupt("the record of what it did was changed", number, position)
        record = TransactionRecord(digest, raw, gas_used, outcome)
        if record.seal() != seal:
            raise LedgerCorrupt("the record of what it did was changed", number, position)
        return record

    @staticmethod
    def _grants(number: int, encoded: object) -> tuple[tuple[str, int], ...]:
        rlp, checksum = require("rlp"), require("eth_utils").to_checksum_address
        try:
            pairs = rlp.decode(encoded, strict=True)
            return tuple((checksum(address), int.from_bytes(wei, "big")) for address, wei in pairs)
        except Exception as error:  # whatever a changed byte makes of the decoder, the answer is the same
            raise LedgerCorrupt("its list of granted balances was changed", number) from error

    def close(self) -> None:
        self._db.close()
        if self._note is not None:
            self._note.close()
            self._note = None

    def _explain(self, error: Exception) -> NoReturn:
        text = str(error)
        if "locked" in text:
            raise LedgerInUse(f"{self._path} is open in another process") from error
        if "full" in text or (isinstance(error, OSError) and error.errno == 28):
            raise StorageFull(f"no disk space left to write {self._path}") from error
        if "malformed" in text or "not a database" in text:
            raise LedgerCorrupt(f"{self._path} is not a readable ledger file ({text})") from error
        if "unable to open" in text or isinstance(error, OSError):
            raise ParameterError(f"cannot open the ledger file {self._path} ({text})") from error
        raise LedgerCorrupt(f"{self._path} cannot be used ({text})") from error
