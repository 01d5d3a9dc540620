"""What a run costs each party: rounds, bytes, messages, multiplication triples, seconds."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

__all__ = ["Cost", "Meter", "count_seconds", "count_triples"]


@dataclass(frozen=True, slots=True)
class Cost:
    """The bill of one party.

    Units: `rounds` exchanges it took part in; bytes are payloads without framing, sent ones that left and
        received ones that arrived; `triples` correlated-randomness items consumed; `seconds` its clock when
        it ended, network included (simulated in `run_local`); `compute_seconds` its own work alone.
    """

    rounds: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    messages: int = 0
    triples: int = 0
    seconds: float = 0.0
    compute_seconds: float = 0.0


@dataclass(slots=True)
class Meter:
    """A running bill; `frozen()` is the `Cost` of it."""

    rounds: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    messages: int = 0
    triples: int = 0
    seconds: float = 0.0
    compute_seconds: float = 0.0

    def sent(self, data: bytes) -> None:
        """Count one message that left."""
        self.messages += 1
        self.bytes_sent += len(data)

    def received(self, data: bytes) -> None:
        """Count one message that arrived."""
        self.bytes_received += len(data)

    @contextmanager
    def running(self) -> Iterator[None]:
        """While inside, `count_triples` counts here: a runtime enters this around each step of its party."""
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)

    def frozen(self) -> Cost:
        """The bill so far."""
        return Cost(
            self.rounds,
            self.bytes_sent,
            self.bytes_received,
            self.messages,
            self.triples,
            self.seconds,
            self.compute_seconds,
        )


_current: ContextVar[Meter | None] = ContextVar("eppml_meter", default=None)


def count_triples(count: int) -> None:
    """Add `count` consumed triples to the bill of the party whose protocol is running, if one is.

    A context variable carries the meter, so protocols need not be handed one.
    """
    if (meter := _current.get()) is not None:
        meter.triples += count


def count_seconds(seconds: float) -> None:
    """Add work to the bill of the party whose protocol is running, if one is: a simulation that computed something
    once for several parties bills each of them for it.
    """
    if (meter := _current.get()) is not None:
        meter.compute_seconds += seconds
        meter.seconds += seconds
