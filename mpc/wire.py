"""Arrays of 64-bit words as messages: without a header, as shapes are known, and checked against them."""

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mpc.errors import FaultyParty
from mpc.runtime.types import Inbox

__all__ = ["Words", "pack", "receive", "unpack"]

Words: TypeAlias = npt.NDArray[np.uint64]


def pack(*arrays: Words) -> bytes:
    """The arrays, one behind the other; their shapes are known to the receiver and do not travel."""
    return b"".join(np.ascontiguousarray(array).astype("<u8", copy=False).tobytes() for array in arrays)


def receive(inbox: Inbox, sender: int) -> bytes:
    """What `sender` had to say in this round.

    Raises: FaultyParty when it said nothing.
    """
    try:
        return inbox[sender]
    except KeyError:
        raise FaultyParty(sender, "sent nothing where the protocol wants a message") from None


def unpack(inbox: Inbox, sender: int, *shapes: tuple[int, ...]) -> list[Words]:
    """The arrays `sender` packed, as writable arrays of the shapes that are due.

    Raises: FaultyParty when the message is missing or has another length.

    >>> unpack({2: pack(np.arange(6, dtype=np.uint64))}, 2, (2, 2), (2,))[1]
    array([4, 5], dtype=uint64)
    """
    data = receive(inbox, sender)
    sizes = [math.prod(shape) for shape in shapes]
    if len(data) != 8 * sum(sizes):
        raise FaultyParty(sender, f"sent {len(data)} bytes where {8 * sum(sizes)} are due")
    words = np.frombuffer(data, dtype="<u8").astype(np.uint64)
    ends = np.cumsum(sizes)[:-1]
    return [part.reshape(shape) for part, shape in zip(np.split(words, ends), shapes, strict=True)]
