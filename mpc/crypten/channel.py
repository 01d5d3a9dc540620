"""Code that waits for the network in the middle of a call, as a protocol that yields.

CrypTen's functions call each other and block when they communicate. Here such a function runs in a thread of
its own, and only while its protocol is being advanced: a round it asks for is what the protocol yields.
"""

import threading
from collections.abc import Callable, Generator
from queue import SimpleQueue
from typing import TypeVar

from mpc.crypten.state import Turn
from mpc.errors import ProtocolError
from mpc.runtime.meter import count_triples
from mpc.runtime.types import Inbox, Outbox, Protocol

__all__ = ["Channel", "in_thread"]

T = TypeVar("T")


class _Abandoned(BaseException):
    """The run ended while the function was waiting for it; unwinds its thread past `except Exception`."""


class Channel:
    """How a blocking function takes part in rounds."""

    def __init__(self) -> None:
        self.triples = 0
        """Correlated randomness used since the runtime last asked."""
        self._asks: SimpleQueue[Outbox | None] = SimpleQueue()
        self._answers: SimpleQueue[Inbox | None] = SimpleQueue()
        self._over = False

    def exchange(self, outbox: Outbox) -> Inbox:
        """One round: send these messages, wait for everybody's."""
        if not self._over:
            self._asks.put(outbox)
            if (inbox := self._answers.get()) is not None:
                return inbox
            self._over = True
        raise _Abandoned

    def drive(self, protocol: Protocol[T]) -> T:
        """Run a protocol of the runtime in the rounds of this one."""
        try:
            outbox = next(protocol)
            while True:
                outbox = protocol.send(self.exchange(outbox))
        except StopIteration as stop:
            value: T = stop.value
            return value


def in_thread(body: Callable[[Channel], T]) -> Generator[Outbox, Inbox, T]:
    """Run `body` as one party's side of a protocol; what it returns or raises is the protocol's.

    Raises: ProtocolError when the run was abandoned and `body` does not let go.
    """
    channel = Channel()
    result: list[T] = []
    failure: list[BaseException] = []

    def work() -> None:
        try:
            channel._answers.get()
            result.append(body(channel))
        except BaseException as error:  # the protocol raises it where the runtime can see it
            failure.append(error)
        finally:
            channel._asks.put(None)

    def step(inbox: Inbox | None) -> Outbox | None:
        with turn:
            channel._answers.put(inbox)
            outbox = channel._asks.get()
        count_triples(channel.triples)
        channel.triples = 0
        return outbox

    turn = Turn()
    thread = threading.Thread(target=work, name="crypten party", daemon=True)
    thread.start()
    inbox: Inbox = {}
    try:
        while (outbox := step(inbox)) is not None:
            inbox = yield outbox
    except GeneratorExit:
        if step(None) is not None:
            raise ProtocolError("the party's function goes on after its run is over") from None
        raise
    finally:
        thread.join(timeout=1.0)
    if failure:
        raise failure[0]
    return result[0]
