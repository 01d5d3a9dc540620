"""Reading events: from logs to typed records, in the order of the chain, over any number of polls and reorganisations."""

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from chain_adapter.addresses import checksum_address
from chain_adapter.events import EVENTS, Event
from chain_adapter.interface import artifact
from chain_adapter.receipts import LogEntry
from chain_adapter.storage.cid import DAG_PB, RAW, Cid
from chain_adapter.terms import Terms
from mpc.errors import DecodeError

__all__ = ["positions", "read_event"]

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
