"""Several numbered messages as one."""

from collections.abc import Mapping

from mpc.errors import DecodeError

__all__ = ["bundle", "unbundle"]


def bundle(messages: Mapping[int, bytes]) -> bytes:
    """number (4) | length (4) | bytes, in the order of the numbers; integers big-endian."""
    return b"".join(
        number.to_bytes(4, "big") + len(data).to_bytes(4, "big") + data
        for number, data in sorted(messages.items())
    )


def unbundle(data: bytes) -> dict[int, bytes]:
    """The messages by number.

    Raises: DecodeError unless `bundle` could have made it.

    >>> unbundle(bundle({7: b"seven", 2: b""}))
    {2: b'', 7: b'seven'}
    """
    messages: dict[int, bytes] = {}
    at, last = 0, -1
    while at < len(data):
        number = int.from_bytes(data[at : at + 4], "big")
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8], "big")
        if end > len(data) or at + 8 > len(data) or number <= last:
            raise DecodeError("a bundle that is truncated, or not in order")
        messages[number], at, last = data[at + 8 : end], end, number
    return messages
