"""Round after round over the links of one run: send, wait for everybody, name who does not answer."""

import asyncio
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any, Generic, TypeVar

from mpc.errors import FaultyParty, ParameterError, PartyTimeout, ProtocolError
from mpc.runtime.framing import Frame, Kind, Stop
from mpc.runtime.link import Link, StoppedByPeer
from mpc.runtime.meter import Cost, Meter
from mpc.runtime.types import Inbox, Outbox, Protocol, check_outbox

__all__ = ["Rounds", "TlsResult", "public_reason"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TlsResult(Generic[T]):
    """What this party's protocol returned, its bill, and the peers that failed in a run that tolerates it."""

    value: T = field(repr=False)
    cost: Cost
    failed: dict[int, ProtocolError]


class Rounds(Generic[T]):
    """One run of one protocol over the links that joined."""

    def __init__(
        self,
        me: int,
        protocol: Protocol[T],
        deadline: float,
        tolerate: bool,
        max_rounds: int,
        max_message: int,
    ) -> None:
        self.failed: dict[int, ProtocolError] = {}
        self.heartbeat = deadline / 4
        self._me = me
        self._protocol = protocol
        self._deadline = deadline
        self._tolerate = tolerate
        self._max_rounds = max_rounds
        self._max_message = max_message
        self._links: dict[int, Link] = {}
        self._listeners: list[asyncio.Task[None]] = []
        self._changed = asyncio.Event()
        self._round = 1
        self._meter = Meter()

    def add(self, link: Link) -> None:
        """A peer joined."""
        self._links[link.peer] = link
        self._listeners.append(asyncio.create_task(link.listen(lambda: self._round, self._changed)))

    async def to_the_end(self, join_deadline: float) -> TlsResult[T]:
        """Round after round until the protocol returns; in the first, peers may still be joining others."""
        begin = perf_counter()
        known = dict.fromkeys([*self._links, *self.failed])
        inbox: Inbox | None = None
        patience = join_deadline
        while True:
            try:
                outbox = check_outbox(self._me, await asyncio.to_thread(self._step, inbox), known)
            except _Returned as returned:
                await self.send_all(Frame(Kind.DONE, self._round))
                self._meter.seconds = perf_counter() - begin
                return TlsResult(returned.value, self._meter.frozen(), self.failed)
            if self._round > self._max_rounds:
                raise ProtocolError(f"party {self._me} is still running after {self._max_rounds} rounds")
            await self._send(outbox)
            inbox = await self._receive(patience)
            self._round += 1
            patience = self._deadline

    def _step(self, inbox: Inbox | None) -> Outbox:
        """One step of the protocol, in a thread of its own so that heartbeats are not held up."""
        begin = perf_counter()
        try:
            with self._meter.running():
                return next(self._protocol) if inbox is None else self._protocol.send(inbox)
        except StopIteration as stop:
            # A StopIteration cannot cross a future.
            raise _Returned(stop.value) from None
        finally:
            self._meter.compute_seconds += perf_counter() - begin

    async def _send(self, outbox: Outbox) -> None:
        self._meter.rounds += 1
        for index, data in outbox.items():
            if len(data) > self._max_message:
                raise ParameterError(f"a message of {len(data)} bytes to party {index} is over the bound")
            self._meter.sent(data)
        frames = {
            index: Frame(Kind.MESSAGE, self._round, outbox[index])
            if index in outbox
            else Frame(Kind.SILENT, self._round)
            for index in self._links
        }
        await asyncio.gather(*(self._links[i].send(frame, self._deadline) for i, frame in frames.items()))

    async def _receive(self, patience: float) -> Inbox:
        """Wait until every live peer has spoken in this round, or is gone."""
        begin = monotonic()
        beat = begin + self.heartbeat
        while True:
            self._changed.clear()
            pending = [
                link for link in self._links.values() if link.live and not link.has_spoken(self._round)
            ]
            limits = {link.peer: begin + self._allowance(link, patience) for link in pending}
            now = monotonic()
            for link in pending:
                if limits[link.peer] <= now:
                    link.fail(
                        PartyTimeout(link.peer, f"silent for {self._deadline:g} s in round {self._round}")
                    )
            self._collect(everyone_answered=not any(link.live for link in pending))
            if not any(link.live for link in pending):
                break
            if now >= beat:
                await self.send_all(Frame(Kind.WAITING, self._round))
                beat = now + self.heartbeat
            try:
                async with asyncio.timeout(max(0.0, min(beat, *limits.values()) - now)):
                    await self._changed.wait()
            except TimeoutError:
                pass
        inbox: Inbox = {}
        for index, link in sorted(self._links.items()):
            if (data := link.take(self._round)) is not None:
                self._meter.received(data)
                inbox[index] = data
        return inbox

    def _allowance(self, link: Link, patience: float) -> float:
        """One deadline, and `patience` more for a peer that said lately that somebody keeps it waiting."""
        waits = monotonic() - link.waits_since_heard < 2 * self.heartbeat
        return self._deadline + (patience + self.heartbeat if waits else 0.0)

    def _collect(self, everyone_answered: bool) -> None:
        """Write down who failed: what we saw at once, what a peer claims only when all have answered."""
        for index, link in self._links.items():
            if link.gone is not None:
                self.failed.setdefault(index, link.gone)
            elif link.stopped is not None and (everyone_answered or self._tolerate):
                self.failed.setdefault(index, link.stopped)
        self.raise_first_failure()

    def raise_first_failure(self) -> None:
        """Raises: the failure that says most, unless failures are tolerated."""
        if self.failed and not self._tolerate:
            raise min(self.failed.values(), key=lambda failure: isinstance(failure, StoppedByPeer))

    async def send_all(self, frame: Frame) -> None:
        """The same frame to every live peer."""
        await asyncio.gather(*(link.send(frame, self._deadline) for link in self._links.values()))

    async def stop(self, why: Stop) -> None:
        """Tell everybody why this party gives up."""
        await self.send_all(Frame(Kind.STOP, self._round, why.encode()))

    async def leave(self, linger: float) -> None:
        """Linger until the peers have read our last word, so that closing does not destroy it, then close."""
        if self._listeners:
            await asyncio.wait(self._listeners, timeout=linger)
        for link, listener in zip(self._links.values(), self._listeners, strict=True):
            listener.cancel()
            link.fail(FaultyParty(link.peer, "did not hang up when the run was over"))
        await asyncio.gather(*self._listeners, return_exceptions=True)


class _Returned(Exception):
    """The protocol returned `value`."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


def public_reason(error: Exception) -> str:
    """What peers are told: our own sentences as they are, of anything else only that it happened."""
    text = str(error) if isinstance(error, ProtocolError) else f"its own {type(error).__name__}"
    return "".join(character if character.isprintable() else "?" for character in text)
