"""The embedded ledger's file: one changed byte is found and named, a replay is the same chain, trouble is a sentence."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from chain_support import COORDINATOR, run_round

from chain_adapter import Chain, LedgerCorrupt, LocalSigner
from chain_adapter.embedded import EmbeddedLedger
from chain_adapter.embedded.ledger import Refused
from chain_adapter.errors import ChainError, StorageFull
from mpc.errors import ParameterError

PAYER = LocalSigner(bytes([1]) * 32)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with Chain.embedded(path) as chain:
        chain.fund(COORDINATOR.address, 10**18)
        run_round(chain.deploy(COORDINATOR))
    return path


def columns(path: Path) -> list[tuple[str, str, int]]:
    """Every (table, column, row) of the log."""
    database = sqlite3.connect(path)
    cells = []
    for table, order in (("blocks", "number"), ("transactions", "block")):
        names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        rows = [row[0] for row in database.execute(f"SELECT {order} FROM {table} ORDER BY 1")]
        cells += [(table, name, row) for name in names for row in rows]
    database.close()
    return cells


def change(path: Path, table: str, column: str, block: int, edit: Callable[[object], object]) -> None:
    key = "number" if table == "blocks" else "block"
    database = sqlite3.connect(path)
    (value,) = database.execute(f"SELECT {column} FROM {table} WHERE {key} = ?", (block,)).fetchone()
    database.execute(f"UPDATE {table} SET {column} = ? WHERE {key} = ?", (edit(value), block))
    database.commit()
    database.close()


def flip(value: object) -> object:
    if isinstance(value, int):
        return value ^ 0x40
    assert isinstance(value, bytes)
    middle = len(value) // 2
    return value[:middle] + bytes([value[middle] ^ 1]) + value[middle + 1 :]


def test_one_changed_value_is_found_and_named_with_its_block(file: Path) -> None:
    cells = columns(file)
    assert len(cells) > 150
    for table, column, block in cells:
        if column in ("number", "block", "position"):
            continue
        before = file.read_bytes()
        change(file, table, column, block, flip)
        with pytest.raises(LedgerCorrupt) as found:
            Chain.embedded(file)
        assert found.value.block == block, (table, column)
        assert found.value.transaction == (0 if table == "transactions" else None), (table, column)
        file.write_bytes(before)
    Chain.embedded(file).close()


@pytest.mark.parametrize(
    ("statement", "block"),
    [
        ("DELETE FROM blocks WHERE number = 4", 4),
        ("DELETE FROM blocks WHERE number >= 12; DELETE FROM transactions WHERE block >= 12", 12),
        ("DELETE FROM transactions WHERE block = 4", 4),
        ("UPDATE blocks SET number = 99 WHERE number = 4", 4),
        ("UPDATE transactions SET block = 99 WHERE block = 4", 4),
        ("UPDATE transactions SET position = 1 WHERE block = 4", 4),
        ("INSERT INTO transactions SELECT 99, position, hash, raw, gas_used, outcome, seal FROM transactions "
         "WHERE block = 4", 99),
        ("INSERT INTO transactions SELECT block, 1, hash, raw, gas_used, outcome, seal FROM transactions "
         "WHERE block = 4", 4),
    ],
)  # fmt: skip
def test_rows_removed_moved_or_added_are_found(file: Path, statement: str, block: int) -> None:
    database = sqlite3.connect(file)
    database.executescript(statement)
    database.commit()
    database.close()
    with pytest.raises(LedgerCorrupt) as found:
        Chain.embedded(file)
    assert found.value.block == block


def test_any_byte_of_the_file_changed_either_is_found_or_changes_nothing(file: Path) -> None:
    with Chain.embedded(file) as chain:
        head = chain.head()
    original = file.read_bytes()
    outcomes = {"found": 0, "harmless": 0}
    for position in range(100, len(original), len(original) // 150):
        changed = bytearray(original)
        changed[position] ^= 0x10
        file.write_bytes(changed)
        try:
            with Chain.embedded(file) as chain:
                assert chain.head() == head
            outcomes["harmless"] += 1  # sqlite's free space and unused header fields
        except LedgerCorrupt:
            outcomes["found"] += 1
        for extra in ("-wal", "-shm"):
            Path(f"{file}{extra}").unlink(missing_ok=True)
    assert outcomes["found"] > 75


def test_a_note_of_the_head_that_was_changed_is_found_and_a_missing_one_is_no_harm(file: Path) -> None:
    note = file.with_name(file.name + ".head")
    good = note.read_bytes()
    for bad in (good[:-1], good + b"x", flip(good), bytes([good[0] ^ 1]) + good[1:]):
        assert isinstance(bad, bytes)
        note.write_bytes(bad)
        with pytest.raises(LedgerCorrupt):
            Chain.embedded(file)
    note.unlink()
    Chain.embedded(file).close()


def test_a_log_whose_hashes_were_all_made_anew_still_has_to_execute_the_same(file: Path) -> None:
    from chain_adapter.embedded.log import LedgerLog, TransactionRecord

    log = LedgerLog(file, 31337)
    blocks = list(log.blocks())
    log.close()
    forged_file = file.with_name("forged.sqlite")
    forged = LedgerLog(forged_file, 31337)
    parent = bytes(32)
    for block in blocks:
        stored = tuple(
            TransactionRecord(t.hash, t.raw, t.gas_used, bytes(32) if block.number == 9 else t.outcome)
            for t in block.transactions
        )
        copy = type(block)(block.chain_id, block.number, block.timestamp, parent, block.grants, stored)
        forged.append(copy)
        parent = copy.hash()
    forged.close()
    with pytest.raises(LedgerCorrupt, match="did something else") as found:
        Chain.embedded(forged_file)
    assert (found.value.block, found.value.transaction) == (9, 0)


def test_a_replay_is_the_same_chain_even_when_the_clock_has_moved(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    first = EmbeddedLedger(path, clock=lambda: 1_700_000_000.0)
    first.grant(PAYER.address, 10**18)
    first.mine()
    hashes, times = [b.hash for b in first.blocks], [b.record.timestamp for b in first.blocks]
    first.close()
    again = EmbeddedLedger(path, clock=lambda: 1_800_000_000.0)
    assert [b.hash for b in again.blocks] == hashes
    assert [b.record.timestamp for b in again.blocks] == times
    again.close()


def test_a_full_disk_is_a_sentence_and_leaves_whole_blocks(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = EmbeddedLedger(path)
    pages = ledger._log._db.execute("PRAGMA page_count").fetchone()[0]
    ledger._log._db.execute(f"PRAGMA max_page_count={pages + 1}")  # sqlite's own way to a disk that is full
    with pytest.raises(StorageFull, match="no disk space left"):
        for _ in range(200):
            ledger.grant(PAYER.address, 1)
    with pytest.raises(ChainError, match="open it again"):
        ledger.grant(PAYER.address, 1)
    written = len(ledger.blocks)
    ledger.close()
    again = EmbeddedLedger(path)
    assert len(again.blocks) == written
    again.close()


def test_a_file_that_is_no_ledger_or_of_another_chain_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"not a database, but long enough to be read as one" * 30)
    with pytest.raises(LedgerCorrupt, match="not a readable ledger file"):
        Chain.embedded(tmp_path / "text")
    Chain.embedded(tmp_path / "five", chain_id=5).close()
    with pytest.raises(ParameterError, match="ledger of chain 5, not of chain 6"):
        Chain.embedded(tmp_path / "five", chain_id=6)
    with pytest.raises(ParameterError, match="cannot open the ledger file"):
        Chain.embedded(tmp_path)


def test_time_does_not_run_backwards() -> None:
    ledger = EmbeddedLedger()
    now = ledger.head.record.timestamp
    ledger.set_next_timestamp(now + 500)
    ledger.mine()
    assert ledger.head.record.timestamp == now + 500
    with pytest.raises(Refused, match="time runs forward"):
        ledger.set_next_timestamp(now)
