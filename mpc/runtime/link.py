"""One party's connection to one peer during a run: what it said, in which round, and why it is gone."""

import asyncio
import ssl
from collections.abc import Callable
from time import monotonic

from mpc.errors import DecodeError, FaultyParty, PartyTimeout, ProtocolError
from mpc.runtime.framing import Frame, Kind, Stop, read_frame

__all__ = ["Link", "StoppedByPeer", "close_quietly"]


class StoppedByPeer(ProtocolError):
    """`party` ended the run on its side and says `blames` is the reason (None: its own error)."""

    def __init__(self, party: int, reason: str, blames: int | None) -> None:
        super().__init__(f"party {party} stopped the run: {reason}")
        self.party = party
        self.reason = reason
        self.blames = blames


class Link:
    """A connection that joined a run.

    `gone` is what this party saw for itself (garbage, silence, a broken connection) and `stopped` what the
    peer told; a peer that finished has `finished`. At most two rounds of messages wait here, because a peer
    cannot be further ahead than the next round without having been heard.
    """

    def __init__(
        self, peer: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, max_message: int
    ) -> None:
        self.peer = peer
        self.gone: ProtocolError | None = None
        self.stopped: StoppedByPeer | None = None
        self.finished = False
        self.waits_since_heard = -float("inf")
        self._reader = reader
        self._writer = writer
        self._max_message = max_message
        self._expected = 1
        self._frames: dict[int, Frame] = {}

    @property
    def live(self) -> bool:
        """Whether anything can still be sent to and awaited from this peer."""
        return self.gone is None and self.stopped is None and not self.finished

    def has_spoken(self, number: int) -> bool:
        """Whether the peer's part of round `number` is here."""
        return number in self._frames

    def take(self, number: int) -> bytes | None:
        """The peer's message of round `number`, or None when it had none."""
        frame = self._frames.pop(number, None)
        return frame.body if frame is not None and frame.kind is Kind.MESSAGE else None

    def fail(self, reason: ProtocolError) -> None:
        """The peer is gone for good; the first reason counts."""
        if self.live:
            self.gone = reason
        self._writer.transport.abort()

    async def listen(self, current_round: Callable[[], int], changed: asyncio.Event) -> None:
        """Take frames in until the peer ends, breaks the rules or disconnects; every event sets `changed`."""
        try:
            while self.live:
                self._accept(await read_frame(self._reader.readexactly, self._max_message), current_round())
                changed.set()
        except DecodeError as error:
            self.fail(FaultyParty(self.peer, f"sent garbage: {error}"))
        except (OSError, EOFError, ssl.SSLError):
            self.fail(FaultyParty(self.peer, f"disconnected in round {current_round()}"))
        finally:
            changed.set()
            # The other side lingers until it sees that its last word was read.
            close_quietly(self._writer)

    def _accept(self, frame: Frame, current: int) -> None:
        if frame.kind is Kind.STOP:
            stop = Stop.decode(frame.body)
            self.stopped = StoppedByPeer(self.peer, stop.reason, stop.blames)
        elif frame.kind is Kind.WAITING and frame.round == self._expected - 1:
            self.waits_since_heard = monotonic()
        elif frame.kind in (Kind.MESSAGE, Kind.SILENT, Kind.DONE) and frame.round == self._expected:
            if frame.round > current + 1:
                raise DecodeError(f"a message of round {frame.round} during round {current}")
            self._expected += 1
            if frame.kind is Kind.DONE:
                self.finished = True
            else:
                self._frames[frame.round] = frame
        else:
            raise DecodeError(f"a {frame.kind.name} frame of round {frame.round} out of turn")

    async def send(self, frame: Frame, deadline: float) -> None:
        """Hand a frame to the connection; a peer that does not read for `deadline` seconds is gone."""
        if not self.live:
            return
        try:
            self._writer.write(frame.encode())
            async with asyncio.timeout(deadline):
                await self._writer.drain()
        except TimeoutError:
            self.fail(PartyTimeout(self.peer, f"does not read what it is sent in round {frame.round}"))
        except (OSError, ssl.SSLError):
            # Its last words may still wait to be read: `listen` finds out whether it ended or broke.
            pass


def close_quietly(writer: asyncio.StreamWriter) -> None:
    """Close a connection after flushing it; that it is broken already is no news."""
    try:
        writer.close()
    except (OSError, RuntimeError, ssl.SSLError):
        pass
