"""The frames two parties exchange over a connection: bounded, canonical, and nothing is unpickled.

    length (4 bytes, of what follows) | kind (1) | round (4) | body          all integers big-endian

The length is checked before a byte of the body is waited for, so a peer cannot make a party allocate more
than the `max_message` both agreed on.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import IntEnum

from mpc.errors import DecodeError, ParameterError

__all__ = ["MAX_CONTROL", "Frame", "Hello", "Kind", "Stop", "read_frame", "session_digest"]

MAX_CONTROL = 512
"""Longest body of any frame that is no message."""

_HEADER = 5
_MAGIC = b"EPPML/1\n"
_NOBODY = 2**32 - 1


class Kind(IntEnum):
    """What a frame says."""

    HELLO = 1  # the dialling side: who I am and which run I want to join
    WELCOME = 2  # the listening side: the same, when it joins that run
    MESSAGE = 3  # my message to you in this round
    SILENT = 4  # I have none for you in this round
    WAITING = 5  # I am alive and wait for somebody else
    DONE = 6  # my protocol returned: I am absent from this round on
    STOP = 7  # my side of the run failed, and why


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    >>> Frame.decode(Frame(Kind.MESSAGE, 3, b"hi").encode()[4:])
    Frame(kind=<Kind.MESSAGE: 3>, round=3)
    """

    kind: Kind
    round: int
    body: bytes = field(default=b"", repr=False)

    def encode(self) -> bytes:
        """The bytes on the wire, length first."""
        length = _HEADER + len(self.body)
        return length.to_bytes(4, "big") + bytes([self.kind]) + self.round.to_bytes(4, "big") + self.body

    @classmethod
    def decode(cls, data: bytes) -> "Frame":
        """A frame from its bytes after the length.

        Raises: DecodeError for an unknown kind, a body too long or where none belongs, or a late greeting.
        """
        if len(data) < _HEADER:
            raise DecodeError(f"a frame has at least {_HEADER} bytes, got {len(data)}")
        try:
            kind = Kind(data[0])
        except ValueError:
            raise DecodeError(f"no frame has kind {data[0]}") from None
        body = data[_HEADER:]
        if kind in (Kind.SILENT, Kind.WAITING, Kind.DONE) and body:
            raise DecodeError(f"a {kind.name} frame has no body, got {len(body)} bytes")
        if kind is not Kind.MESSAGE and len(body) > MAX_CONTROL:
            raise DecodeError(f"a {kind.name} frame of {len(body)} bytes is too long")
        number = int.from_bytes(data[1:_HEADER], "big")
        if kind in (Kind.HELLO, Kind.WELCOME) and number:
            raise DecodeError("greetings come before the first round")
        return cls(kind, number, body)


@dataclass(frozen=True, slots=True)
class Hello:
    """Who speaks to whom about which run: the body of HELLO and WELCOME."""

    session: bytes
    sender: int
    receiver: int

    def encode(self) -> bytes:
        """Magic, the 32-byte digest of the session, sender, receiver."""
        return _MAGIC + self.session + self.sender.to_bytes(4, "big") + self.receiver.to_bytes(4, "big")

    @classmethod
    def decode(cls, body: bytes) -> "Hello":
        """Raises: DecodeError unless magic and length are right."""
        if len(body) != len(_MAGIC) + 40 or not body.startswith(_MAGIC):
            raise DecodeError("not the greeting of this protocol's version")
        rest = body[len(_MAGIC) :]
        return cls(rest[:32], int.from_bytes(rest[32:36], "big"), int.from_bytes(rest[36:], "big"))


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a party stopped, and whom it blames: the body of STOP."""

    reason: str
    blames: int | None = None

    def encode(self) -> bytes:
        """Blamed party (all ones: nobody), then the reason in UTF-8, cut to what a control frame holds."""
        text = self.reason.encode()[: MAX_CONTROL - 4].decode(errors="ignore").encode()
        return (_NOBODY if self.blames is None else self.blames).to_bytes(4, "big") + text

    @classmethod
    def decode(cls, body: bytes) -> "Stop":
        """Raises: DecodeError for a body too short or a reason that is no printable UTF-8."""
        if len(body) < 4:
            raise DecodeError("a STOP frame names whom it blames")
        try:
            reason = body[4:].decode()
        except UnicodeDecodeError:
            raise DecodeError("the reason of a STOP frame is no UTF-8") from None
        if not reason.isprintable():
            raise DecodeError("the reason of a STOP frame is not printable")
        blames = int.from_bytes(body[:4], "big")
        return cls(reason, None if blames == _NOBODY else blames)


async def read_frame(read_exactly: Callable[[int], Awaitable[bytes]], max_message: int) -> Frame:
    """The next frame of a stream.

    Raises: DecodeError for a length beyond `max_message` or a malformed frame; what the stream raises at its
        end is the caller's.
    """
    length = int.from_bytes(await read_exactly(4), "big")
    if not _HEADER <= length <= _HEADER + max(max_message, MAX_CONTROL):
        raise DecodeError(f"a frame of {length} bytes, where at most {max_message} may follow the header")
    return Frame.decode(await read_exactly(length))


def session_digest(session: bytes) -> bytes:
    """The 32 bytes that name a run on the wire; both sides must have been told the same `session`."""
    if not session:
        raise ParameterError("a session needs a name that no other run has")
    return hashlib.sha256(b"eppml/runtime/session/1\0" + session).digest()
