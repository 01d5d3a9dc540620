"""Run every party of a protocol in one process, over a simulated network.

Rounds are synchronous: in each one every live party's generator is advanced with the messages that arrived
for it in the round before, and hands over its next outbox. Nothing sleeps: time is accounted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from mpc.errors import ParameterError, ProtocolError
from mpc.runtime.meter import Meter
from mpc.runtime.types import Delivery, Inbox, Outbox, Protocol, RunResult, check_outbox, close_protocol

__all__ = ["DropRule", "Network", "run_local"]

DropRule = Callable[[int, int, int], bool]
"""`(round, sender, receiver) -> lost?`, with rounds counted from 1."""


@dataclass(frozen=True, slots=True)
class Network:
    """A simulated network: every party has one uplink and one downlink to a core that never queues.

    `drop(round, sender, receiver)` loses single messages; `vanish` maps a party to the first round (from 1)
    in which it no longer takes part: it crashes before sending that round's messages.

    Units: seconds one way; bits per second of each up- and downlink (None: unlimited).
    Raises: ParameterError for a negative latency, a bandwidth that is not positive, or a round below 1.
    """

    latency_s: float = 0.0
    bandwidth_bps: float | None = None
    drop: DropRule | None = None
    vanish: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.latency_s >= 0:
            raise ParameterError(f"latency must not be negative, got {self.latency_s}")
        if self.bandwidth_bps is not None and not self.bandwidth_bps > 0:
            raise ParameterError(f"bandwidth must be positive, got {self.bandwidth_bps}")
        for party, first in self.vanish.items():
            if first < 1:
                raise ParameterError(f"party {party} cannot vanish from round {first}: rounds start at 1")

    def transfer_s(self, size: int) -> float:
        """Seconds for which `size` bytes occupy one link."""
        return 0.0 if self.bandwidth_bps is None else 8 * size / self.bandwidth_bps


@dataclass(slots=True)
class _Party:
    """One live party: its generator, its bill (whose `seconds` are its clock), and what waits for it."""

    protocol: Protocol[Any]
    meter: Meter = field(default_factory=Meter)
    started: bool = False
    inbox: Inbox = field(default_factory=dict)

    def step(self) -> Outbox:
        """Advance to the next yield; what the generator raises, StopIteration included, is the caller's."""
        begin = perf_counter()
        try:
            with self.meter.running():
                outbox = self.protocol.send(self.inbox) if self.started else next(self.protocol)
        finally:
            spent = perf_counter() - begin
            self.meter.compute_seconds += spent
            self.meter.seconds += spent
            self.started, self.inbox = True, {}
        return outbox


def run_local(
    parties: Mapping[int, Protocol[Any]],
    *,
    network: Network | None = None,
    max_rounds: int = 100_000,
    raise_errors: bool = False,
    record: bool = False,
) -> RunResult:
    """Run `parties` against each other until all have ended.

    A party that returned or raised is silent from then on, and what is sent to it counts as sent and is lost.
    A corrupt party is simply another generator under its number. With `record`, `messages` keeps every
    message, so that a test can look at what one party saw.

    Raises: ParameterError when there are no parties; with `raise_errors`, the first exception of any party;
        a party still running after `max_rounds` gets a ProtocolError.

    >>> def greet(me, peer):
    ...     inbox = yield {peer: b"hello from %d" % me}
    ...     return inbox[peer]
    >>> run_local({1: greet(1, 2), 2: greet(2, 1)}).results
    {1: b'hello from 2', 2: b'hello from 1'}
    """
    if not parties:
        raise ParameterError("a run needs at least one party")
    net = network or Network()
    everyone = {index: _Party(protocol) for index, protocol in parties.items()}
    live = dict(sorted(everyone.items()))
    results: dict[int, Any] = {}
    errors: dict[int, Exception] = {}
    vanished: dict[int, int] = {}
    messages: list[Delivery] = []
    number = 0
    try:
        while live:
            number += 1
            for index in [index for index in live if net.vanish.get(index, number + 1) <= number]:
                close_protocol(live.pop(index).protocol)
                vanished[index] = number
            outboxes: dict[int, Outbox] = {}
            for index, party in list(live.items()):
                try:
                    outbox = party.step()
                    if number > max_rounds:
                        raise ProtocolError(f"party {index} is still running after {max_rounds} rounds")
                    outboxes[index] = check_outbox(index, outbox, everyone)
                except StopIteration as stop:
                    results[index] = stop.value
                    del live[index]
                except Exception as error:
                    if raise_errors:
                        raise
                    errors[index] = error
                    close_protocol(live.pop(index).protocol)
            sent = _deliver(number, outboxes, live, net)
            if record:
                messages += sent
    finally:
        for party in live.values():
            close_protocol(party.protocol)
    return RunResult(
        results=results,
        costs={index: party.meter.frozen() for index, party in everyone.items()},
        errors=errors,
        rounds=max(party.meter.rounds for party in everyone.values()),
        vanished=vanished,
        messages=tuple(messages),
    )


def _deliver(
    number: int, outboxes: dict[int, Outbox], live: dict[int, _Party], net: Network
) -> list[Delivery]:
    """Carry one round's messages and move the clocks of the parties that wait for them.

    Links are shared fairly among the messages of a round, so a sender's messages all end together; a receiver
    is done when the slowest of its senders is, and not before everything went through its own downlink.
    """
    record: list[Delivery] = []
    first_byte: dict[int, float] = {}
    last_byte: dict[int, float] = {}
    received: dict[int, int] = {}
    clocks = {sender: live[sender].meter.seconds for sender in outboxes}
    for sender, outbox in outboxes.items():
        meter = live[sender].meter
        meter.rounds += 1
        begin = clocks[sender] + net.latency_s
        end = begin + net.transfer_s(sum(len(data) for data in outbox.values()))
        for receiver, data in outbox.items():
            meter.sent(data)
            arrived = receiver in live and not (net.drop is not None and net.drop(number, sender, receiver))
            if arrived:
                live[receiver].inbox[sender] = data
                live[receiver].meter.received(data)
                first_byte[receiver] = min(first_byte.get(receiver, begin), begin)
                last_byte[receiver] = max(last_byte.get(receiver, end), end)
                received[receiver] = received.get(receiver, 0) + len(data)
            record.append(Delivery(number, sender, receiver, data, arrived))
    for receiver, size in received.items():
        clock = live[receiver].meter
        clock.seconds = max(clock.seconds, last_byte[receiver], first_byte[receiver] + net.transfer_s(size))
    return record
