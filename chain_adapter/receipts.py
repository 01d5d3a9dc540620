"""What a mined transaction left behind, read strictly from a node's answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mpc.errors import DecodeError

__all__ = ["LogEntry", "Receipt", "read_log", "read_receipt"]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One log of a contract, with where it stands on the chain."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block: int
    block_hash: bytes
    transaction: bytes
    position: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """A mined transaction. Units: `gas_price` in wei per gas."""

    transaction: bytes
    block: int
    block_hash: bytes
    success: bool
    gas_used: int
    gas_price: int
    contract: str | None
    logs: tuple[LogEntry, ...]


def read_receipt(answer: Mapping[str, Any]) -> Receipt:
    """Raises: DecodeError when a field is missing or is not what a receipt has there."""
    try:
        return Receipt(
            data(answer["transactionHash"], 32), integer(answer["blockNumber"]), data(answer["blockHash"], 32),
            integer(answer["status"]) == 1, integer(answer["gasUsed"]), integer(answer.get("effectiveGasPrice") or 0),
            answer.get("contractAddress"), tuple(read_log(log) for log in answer["logs"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise DecodeError(f"the node's receipt is malformed ({type(error).__name__}: {error})") from error


def read_log(answer: Mapping[str, Any]) -> LogEntry:
    """Raises: DecodeError when a field is missing or is not what a log has there."""
    try:
        return LogEntry(
            str(answer["address"]), tuple(data(topic, 32) for topic in answer["topics"]), data(answer["data"]),
            integer(answer["blockNumber"]), data(answer["blockHash"], 32), data(answer["transactionHash"], 32),
            integer(answer["logIndex"]),
        )  # fmt: skip
    except (KeyError, TypeError, AttributeError) as error:
        raise DecodeError(f"the node's log is malformed ({type(error).__name__}: {error})") from error


def integer(value: Any) -> int:
    """A JSON-RPC quantity. Raises: DecodeError."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and value.startswith("0x") and len(value) <= 66:
        try:
            return int(value, 16)
        except ValueError:
            pass
    raise DecodeError(f"the node answered {str(value)[:80]!r} where a quantity belongs")


def data(value: Any, size: int | None = None) -> bytes:
    """JSON-RPC data, of `size` bytes when given. Raises: DecodeError."""
    if isinstance(value, bytes | bytearray):
        raw = bytes(value)
    elif isinstance(value, str) and value.startswith("0x"):
        try:
            raw = bytes.fromhex(value[2:])
        except ValueError as error:
            raise DecodeError(f"the node answered {value[:80]!r} where bytes belong") from error
    else:
        raise DecodeError(f"the node answered {str(value)[:80]!r} where bytes belong")
    if size is not None and len(raw) != size:
        raise DecodeError(f"the node answered {len(raw)} bytes where {size} belong")
    return raw
