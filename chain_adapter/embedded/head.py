"""Beside the log, where it ended: number and hash of the last block, so that a tail cut off is noticed.

The note is written after its block, so a killed process leaves a note that the log has reached or passed. A note ahead
of the log means that blocks which were answered for are gone: cut off, changed in sqlite's journal, or lost with the
machine's power.
"""

import os
from pathlib import Path

from chain_adapter.errors import LedgerCorrupt

__all__ = ["HeadNote"]

SIZE = 8 + 32


class HeadNote:
    """A file of 40 bytes."""

    def __init__(self, ledger: Path) -> None:
        self.path = ledger.with_name(ledger.name + ".head")
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)

    def write(self, number: int, digest: bytes) -> None:
        os.lseek(self._file, 0, os.SEEK_SET)
        os.write(self._file, number.to_bytes(8, "big") + digest)

    def check(self, hashes: list[bytes]) -> None:
        """Raises: LedgerCorrupt when the log, whose blocks have these hashes, ends before the note."""
        os.lseek(self._file, 0, os.SEEK_SET)
        note = os.read(self._file, SIZE + 1)
        if not note:
            return
        number = int.from_bytes(note[:8], "big")
        if len(note) != SIZE or (number < len(hashes) and hashes[number] != note[8:]):
            raise LedgerCorrupt(f"it is not the block that {self.path.name} names", min(number, len(hashes)))
        if number >= len(hashes):
            raise LedgerCorrupt(
                f"missing, and so is all up to block {number}; if the machine lost its power, delete {self.path} to go "
                "on from the block before: the outbox sends again what is lost",
                len(hashes),
            )

    def close(self) -> None:
        os.close(self._file)
