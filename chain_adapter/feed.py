"""Reading events: from logs to typed records, in the order of the chain, over any number of polls and reorganisations.

Nothing is kept on the node: no filter that vanishes, only ranges of blocks asked for again from where the last poll
ended. Where that was is a `Cursor`, plain JSON, so that another process can go on.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol

from chain_adapter.addresses import checksum_address
from chain_adapter.errors import ChainError
from chain_adapter.events import EVENTS, Event, Rollback
from chain_adapter.interface import artifact
from chain_adapter.receipts import LogEntry
from chain_adapter.storage.cid import DAG_PB, RAW, Cid
from chain_adapter.terms import Terms
from mpc.errors import DecodeError

__all__ = ["Cursor", "positions", "read_event", "read_events"]

MARKS_KEPT = 128
ATTEMPTS = 5


class Blocks(Protocol):
    """What reading needs of a chain."""

    def head(self) -> tuple[int, bytes]: ...

    def block_hash(self, number: int) -> bytes | None: ...

    def logs(
        self, addresses: Sequence[str], first: int, last: int, topics: Sequence[bytes | None] = ()
    ) -> list[LogEntry]: ...


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far somebody has read: numbers and hashes of blocks read, the newest last, and where reading began."""

    start: int
    marks: tuple[tuple[int, bytes], ...] = ()

    def advanced(self, number: int, digest: bytes) -> "Cursor":
        return Cursor(self.start, (*self.marks, (number, digest))[-MARKS_KEPT:])

    def to_json(self) -> dict[str, Any]:
        return {"start": self.start, "marks": [[number, digest.hex()] for number, digest in self.marks]}

    @classmethod
    def from_json(cls, document: Any) -> "Cursor":
        """Raises: DecodeError."""
        try:
            marks = tuple((int(number), bytes.fromhex(digest)) for number, digest in document["marks"])
            return cls(int(document["start"]), marks)
        except (KeyError, TypeError, ValueError) as error:
            raise DecodeError("not a cursor into a deployment's events") from error


def read_events(chain: Blocks, names: Mapping[str, str], cursor: Cursor) -> tuple[list[Event], Cursor]:
    """The events after a cursor, and the cursor after them; a `Rollback` comes first when blocks were replaced.

    `names` maps the contracts' addresses to their names. A node that knows less than the cursor is behind, not
    reorganised: it answers with nothing new. Raises: ChainError when the chain never holds still; DecodeError.
    """
    for _attempt in range(ATTEMPTS):
        kept, replaced = _still_there(chain, cursor)
        head, digest = chain.head()
        first = kept.marks[-1][0] + 1 if kept.marks else kept.start
        events: list[Event] = []
        if replaced:
            number, mark = kept.marks[-1] if kept.marks else (kept.start - 1, bytes(32))
            events.append(Rollback(block=number, block_hash=mark, transaction=bytes(32), position=0))
        if head < first:
            return events, kept
        events += _typed(chain.logs(list(names), first, head), names)
        if chain.block_hash(head) == digest:
            for event in events:
                if not isinstance(event, Rollback) and event.block < head:
                    kept = kept.advanced(event.block, event.block_hash)
            return events, kept.advanced(head, digest)
    raise ChainError("the chain was reorganised each time its events were read")


def _still_there(chain: Blocks, cursor: Cursor) -> tuple[Cursor, bool]:
    """The cursor without the marks that the chain shows other blocks for, and whether there were any."""
    marks = list(cursor.marks)
    replaced = False
    while marks:
        found = chain.block_hash(marks[-1][0])
        if found == marks[-1][1]:
            break
        if found is None and not replaced:
            return cursor, False
        replaced = True
        marks.pop()
    return Cursor(cursor.start, tuple(marks)), replaced


def _typed(logs: Sequence[LogEntry], names: Mapping[str, str]) -> Iterator[Event]:
    known = {address.lower(): name for address, name in names.items()}
    for log in logs:
        event = read_event(known[log.address.lower()], log)
        if event is not None:
            yield event


RENAMED = {"from": "sender"}  # a field of Solidity's that is a word of Python's


def read_event(contract: str, log: LogEntry) -> Event | None:
    """The typed event in a log of `contract`, or None when it is one that this module has no type for.

    Raises: DecodeError when the log is malformed.
    """
    name, found = artifact(contract).interface.decode_event(log.topics, log.data)
    kind = EVENTS.get((contract, name))
    if kind is None:  # one that OpenZeppelin's EIP712 declares and nothing emits
        return None
    values = {RENAMED.get(key, _snake(key)): value for key, value in found.items()}
    wanted = {f.name for f in fields(kind)}
    where = {
        "block": log.block, "block_hash": log.block_hash, "transaction": log.transaction, "position": log.position,
    }  # fmt: skip
    return kind(**{k: v for k, v in {**_converted(values), **where}.items() if k in wanted})


def _converted(values: Mapping[str, Any]) -> dict[str, Any]:
    """Solidity's shapes turned into ours: checksummed addresses, a CID as text, a bitmap as positions."""
    result: dict[str, Any] = {k: checksum_address(v) if _is_address(v) else v for k, v in values.items()}
    if "terms" in result:
        result["terms"] = Terms.from_tuple(result["terms"])
    if "leaves_digest" in result:
        result["leaves_cid"] = cid_text(result["leaves_codec"], result["leaves_digest"])
    if "included" in result:
        result["included"] = positions(result["included"])
    return result


def positions(words: tuple[int, ...]) -> tuple[int, ...]:
    """The positions of the set bits: bit i of word j stands for position 256 j + i."""
    return tuple(256 * j + i for j, word in enumerate(words) for i in range(256) if word >> i & 1)


def cid_text(codec: int, digest: bytes) -> str:
    """The CID a contract keeps as codec and digest. Raises: DecodeError when it keeps none."""
    if codec not in (RAW, DAG_PB):
        raise DecodeError(f"codec {codec} in a round's record is neither raw nor dag-pb")
    return str(Cid(codec, digest))


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 42 and value.startswith("0x")


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
