"""Several protocols in the same rounds: their messages travel as one bundle a receiver and round."""

from collections.abc import Generator, Sequence
from typing import Any

from mpc.errors import DecodeError, FaultyParty
from mpc.runtime.bundles import bundle, unbundle
from mpc.runtime.types import Inbox, Outbox, Protocol, close_protocol

__all__ = ["together"]


def together(protocols: Sequence[Protocol[Any]]) -> Generator[Outbox, Inbox, list[Any]]:
    """Run one party's side of several protocols side by side; the results in their order.

    All parties list the same protocols in the same order. Rounds are those of the longest, not their sum.

    Raises: FaultyParty for a message that is no bundle or speaks of a protocol that is not there; the first
        exception of any of the protocols, after closing the others.

    >>> from mpc.runtime.local import run_local
    >>> def say(peer, word):
    ...     inbox = yield {peer: word}
    ...     return inbox[peer]
    >>> parties = {me: together([say(3 - me, b"a"), say(3 - me, b"b")]) for me in (1, 2)}
    >>> run_local(parties).results[1]
    [b'a', b'b']
    """
    running = dict(enumerate(protocols))
    inboxes: dict[int, Inbox | None] = dict.fromkeys(running)
    results: dict[int, Any] = {}
    try:
        while True:
            outgoing: dict[int, dict[int, bytes]] = {}
            for index, protocol in list(running.items()):
                inbox = inboxes[index]
                try:
                    outbox = next(protocol) if inbox is None else protocol.send(inbox)
                except StopIteration as stop:
                    results[index] = stop.value
                    del running[index]
                    continue
                for receiver, data in outbox.items():
                    outgoing.setdefault(receiver, {})[index] = data
            if not running:
                return [results[index] for index in sorted(results)]
            arrived = yield {receiver: bundle(messages) for receiver, messages in outgoing.items()}
            sorted_out: dict[int, Inbox] = {index: {} for index in running}
            for sender, data in arrived.items():
                for index, message in _messages(sender, data, len(protocols)).items():
                    if index in running:
                        sorted_out[index][sender] = message
            inboxes.update(sorted_out)
    finally:
        for protocol in running.values():
            close_protocol(protocol)


def _messages(sender: int, data: bytes, count: int) -> dict[int, bytes]:
    try:
        messages = unbundle(data)
    except DecodeError as error:
        raise FaultyParty(sender, str(error)) from None
    if any(index >= count for index in messages):
        raise FaultyParty(sender, "speaks of a protocol that is not running")
    return messages
