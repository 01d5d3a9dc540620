"""What a protocol is: a generator that yields what it sends and receives what arrived for it."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from mpc.errors import ParameterError
from mpc.runtime.meter import Cost

__all__ = ["Delivery", "Inbox", "Outbox", "Protocol", "RunResult", "check_outbox", "close_protocol"]

T = TypeVar("T")

Outbox: TypeAlias = dict[int, bytes]
"""Messages to send in this round, by receiver."""

Inbox: TypeAlias = dict[int, bytes]
"""Messages that arrived in this round, by sender; whoever is absent sent nothing or is gone."""

Protocol: TypeAlias = Generator[Outbox, Inbox, T]
"""One party's side of a protocol: it holds no socket, clock or randomness source, and returns a `T`."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of a recorded run; `arrived` is False when the network or the receiver's end lost it."""

    round: int
    sender: int
    receiver: int
    data: bytes = field(repr=False)
    arrived: bool


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: what each party returned, what it cost, and whose own code raised.

    `results` and `errors` have no party in common; a party the network made vanish is in `vanished`
    and in neither. `messages` is filled only when the run was recorded.
    """

    results: dict[int, Any] = field(repr=False)
    costs: dict[int, Cost]
    errors: dict[int, Exception]
    rounds: int
    vanished: dict[int, int] = field(default_factory=dict)
    messages: tuple[Delivery, ...] = field(default=(), repr=False)

    def view(self, party: int) -> list[Delivery]:
        """Everything `party` received: what a curious party has to work with, beside its own input."""
        return [message for message in self.messages if message.receiver == party and message.arrived]

    @property
    def seconds(self) -> float:
        """Simulated wall time of the whole run: the clock of the party that ended last."""
        return max((cost.seconds for cost in self.costs.values()), default=0.0)


def check_outbox(me: int, outbox: object, known: Mapping[int, object]) -> Outbox:
    """Return `outbox` when it is one, so that a malformed one ends its own author and nobody else.

    Raises: ParameterError when it is no dict of bytes addressed to other, known parties.
    """
    if not isinstance(outbox, dict):
        raise ParameterError(f"party {me} yielded {type(outbox).__name__} where a dict of bytes belongs")
    for receiver, data in outbox.items():
        if type(receiver) is not int or receiver == me or receiver not in known:
            raise ParameterError(f"party {me} addressed {receiver!r}, which is not another party of this run")
        if not isinstance(data, bytes):
            raise ParameterError(f"party {me} sends {type(data).__name__} to party {receiver}, not bytes")
    return outbox


def close_protocol(protocol: Protocol[Any]) -> None:
    """Close a generator, whatever it does about it: a crashed or corrupt party has no say any more."""
    try:
        protocol.close()
    except Exception:  # its last words change nothing for the others
        pass
