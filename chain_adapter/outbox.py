"""What was signed, written down before it is sent: a crash neither loses nor doubles a transaction.

Each intent has a business key that is unique in the file. Its nonce and its signed bytes are committed before the
first byte leaves, so a restart finds them and sends the same bytes again, which a chain accepts once.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from chain_adapter.errors import ChainError, StorageFull
from mpc.errors import ParameterError

__all__ = ["Broadcast", "Intent", "Outbox", "Taken"]

PENDING, MINED, FAILED = "pending", "mined", "failed"
SCHEMA = """
CREATE TABLE IF NOT EXISTS intents (
    id INTEGER PRIMARY KEY, scope TEXT NOT NULL, key TEXT NOT NULL, nonce INTEGER NOT NULL, target TEXT,
    value TEXT NOT NULL, data BLOB NOT NULL, gas INTEGER NOT NULL, state TEXT NOT NULL, block INTEGER,
    block_hash BLOB, UNIQUE (scope, key), UNIQUE (scope, nonce));
CREATE TABLE IF NOT EXISTS broadcasts (
    intent INTEGER NOT NULL REFERENCES intents(id) ON DELETE CASCADE, hash BLOB NOT NULL, raw BLOB NOT NULL,
    cap TEXT NOT NULL, priority TEXT NOT NULL, PRIMARY KEY (intent, hash));
"""


class Taken(ChainError):
    """The key or the nonce of a new intent is in the file already: another process wrote it."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """One signed version of an intent. Units: `cap`, `priority` in wei per gas."""

    hash: bytes
    raw: bytes
    cap: int
    priority: int


@dataclass(frozen=True, slots=True)
class Intent:
    """One thing to be done once, and the versions of it that were signed, newest last."""

    id: int
    key: str
    nonce: int
    target: str | None
    value: int
    data: bytes
    gas: int
    state: str
    block: int | None
    block_hash: bytes | None
    broadcasts: tuple[Broadcast, ...]


class Outbox:
    """The intents of one signer on one chain (`scope`), in a file or, when `path` is None, in memory only.

    Raises: ParameterError when the file cannot be opened; StorageFull.
    """

    def __init__(self, path: Path | None, scope: str) -> None:
        self._path = path
        self._scope = scope
        self._lock = threading.RLock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path or ":memory:", isolation_level=None, check_same_thread=False, timeout=10
            )
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.executescript(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            self._explain(error)

    def find(self, key: str) -> Intent | None:
        """The intent with this business key, if there is one."""
        return next(iter(self._select("key = ?", key)), None)

    def in_state(self, state: str, newest_after_block: int | None = None) -> list[Intent]:
        """All intents in a state, by nonce; of the mined ones only those in blocks after the one given."""
        if newest_after_block is None:
            return self._select("state = ?", state)
        return self._select("state = ? AND block > ?", state, newest_after_block)

    def next_nonce(self) -> int:
        """One above the highest nonce ever used here; 0 in an empty outbox."""
        with self._lock:
            query = "SELECT coalesce(max(nonce) + 1, 0) FROM intents WHERE scope = ?"
            return int(self._db.execute(query, (self._scope,)).fetchone()[0])

    def add(
        self, key: str, nonce: int, target: str | None, value: int, data: bytes, gas: int, first: Broadcast
    ) -> Intent:
        """Write an intent and its first signed version; when this returns both are on the disk. Raises: Taken."""
        row = (self._scope, key, nonce, target, str(value), data, gas, PENDING)
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                columns = "(scope, key, nonce, target, value, data, gas, state)"
                cursor = self._db.execute(
                    f"INSERT INTO intents {columns} VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row
                )
                identity = int(cursor.lastrowid or 0)
                self._insert(identity, first)
                self._db.execute("COMMIT")
            except sqlite3.IntegrityError as error:
                self._db.execute("ROLLBACK")
                raise Taken(f"{key} or nonce {nonce} is in the outbox already") from error
            except (sqlite3.Error, OSError) as error:
                self._abort(error)
        return Intent(identity, key, nonce, target, value, data, gas, PENDING, None, None, (first,))

    def add_broadcast(self, intent: Intent, version: Broadcast) -> None:
        """Write a further signed version (a fee bump) before it is sent."""
        self._execute(lambda: self._insert(intent.id, version))

    def set_state(
        self, intent: Intent, state: str, block: int | None = None, block_hash: bytes | None = None
    ) -> None:
        """Note what became of an intent."""
        query = "UPDATE intents SET state = ?, block = ?, block_hash = ? WHERE id = ?"
        self._execute(lambda: self._db.execute(query, (state, block, block_hash, intent.id)), durable=False)

    def discard(self, intent: Intent) -> None:
        """Forget an intent that no node ever accepted, or whose transaction failed without effect."""
        self._execute(lambda: self._db.execute("DELETE FROM intents WHERE id = ?", (intent.id,)))

    def retire(self, intent: Intent) -> None:
        """Keep the record of a failed transaction and its nonce, but free its business key."""
        query = "UPDATE intents SET key = key || '#' || id, state = ? WHERE id = ?"
        self._execute(lambda: self._db.execute(query, (FAILED, intent.id)), durable=False)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _select(self, condition: str, *values: object) -> list[Intent]:
        columns = "id, key, nonce, target, value, data, gas, state, block, block_hash"
        query = f"SELECT {columns} FROM intents WHERE scope = ? AND {condition} ORDER BY nonce"
        with self._lock:
            rows = self._db.execute(query, (self._scope, *values)).fetchall()
            return [self._intent(row) for row in rows]

    def _intent(self, row: Sequence[object]) -> Intent:
        identity, key, nonce, target, value, data, gas, state, block, block_hash = row
        query = "SELECT hash, raw, cap, priority FROM broadcasts WHERE intent = ? ORDER BY rowid"
        versions = [
            Broadcast(digest, raw, int(cap), int(priority))
            for digest, raw, cap, priority in self._db.execute(query, (identity,))
        ]
        return Intent(
            identity, key, nonce, target, int(value), data, gas, state, block, block_hash, tuple(versions)  # type: ignore[arg-type,call-overload]
        )  # fmt: skip

    def _insert(self, identity: int, version: Broadcast) -> None:
        row = (identity, version.hash, version.raw, str(version.cap), str(version.priority))
        self._db.execute("INSERT INTO broadcasts VALUES (?, ?, ?, ?, ?)", row)

    def _execute(self, action: Callable[[], object], durable: bool = True) -> None:
        """Write; what the chain can tell again after a power cut need not wait for the disk."""
        with self._lock:
            try:
                self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
                action()
                self._db.execute("PRAGMA synchronous=FULL")
            except (sqlite3.Error, OSError) as error:
                self._explain(error)

    def _abort(self, error: Exception) -> NoReturn:
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        self._explain(error)

    def _explain(self, error: Exception) -> NoReturn:
        text = str(error)
        if "full" in text or (isinstance(error, OSError) and error.errno == 28):
            raise StorageFull(f"no disk space left to write {self._path}") from error
        if "unable to open" in text or isinstance(error, OSError):
            raise ParameterError(f"cannot open the outbox {self._path} ({text})") from error
        raise ChainError(f"the outbox {self._path} cannot be used ({text})") from error
