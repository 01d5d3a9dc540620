"""Calls for a sum: the coordinator asks a group of clients to add up what they committed to.

A round opens one sum over everybody and, only when that does not match the commitments, the rows and columns of
grids. A coordinator that chose those groups, or told different clients different ones, could take the difference of
two sums and hold a single update. So it chooses nothing: the first call carries the seed of all grids, and secure
aggregation binds everybody in the sum to that seed and to the list of those included; each client lays the grids out
itself, and adds to a line only when the line is the one it laid out and nobody is missing from it.
"""

import hashlib
import struct
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fl.groups import Group, grid, reveals_less_than
from fl.scores import Scored
from mpc.errors import DecodeError, FaultyParty
from mpc.runtime import Inbox, Outbox

__all__ = ["CallJudge", "Sum", "SumCall", "receive_from"]

_MAX_CALL = 1 << 22
_MAX_GRIDS = 2
_HEAD = struct.Struct(">BI32sI")


@dataclass(frozen=True, slots=True)
class Sum:
    """An opened sum: of the encoded updates (signed) and of the blindings, over the clients in `included`.

    `evidence` is what the aggregation mode leaves for an auditor, if it leaves anything; `refused` whom the plan's
    robust rule left out, and why; `scored` what the coordinator has to remember where it is the one who judges.
    """

    total: NDArray[np.int64] = field(repr=False)
    blinding: list[int] = field(repr=False)
    included: tuple[int, ...]
    evidence: bytes = field(default=b"", repr=False)
    refused: Mapping[int, str] = field(default_factory=dict)
    scored: Scored | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class SumCall:
    """A sum over `group`; `stage` and `place` tell it from the others of its round. An empty group ends the round.

    Stage 0 is everybody; stages 1 and 2 are the rows and the columns of the first grid, 3 and 4 of the second.
    `beacon` (32 bytes) seeds the round's grids and is the same in all its calls.
    """

    stage: int
    place: int = 0
    group: tuple[int, ...] = ()
    beacon: bytes = bytes(32)

    def session(self, plan_hash: bytes, round_number: int) -> bytes:
        """The label that binds every mask, ciphertext and signature of this sum to plan, round, place and group."""
        body = plan_hash + struct.pack(">Q", round_number) + self.to_bytes()
        return hashlib.sha256(b"eppml/sum/1" + body).digest()

    def to_bytes(self) -> bytes:
        head = _HEAD.pack(self.stage, self.place, self.beacon, len(self.group))
        return head + struct.pack(f">{len(self.group)}I", *self.group)

    def fewest(self, min_clients: int) -> int:
        """How many updates this sum must hold: a line of a grid is opened whole or not at all.

        Lines that miss somebody, taken from the sum over everybody, would leave the update of who is missing.
        """
        return len(self.group) if self.stage else min_clients

    @classmethod
    def from_bytes(cls, data: bytes) -> "SumCall":
        """Raises: DecodeError unless `data` is one call whose group is sorted and names nobody twice."""
        if len(data) > _MAX_CALL:
            raise DecodeError("a call for a sum is too long")
        try:
            stage, place, beacon, count = _HEAD.unpack_from(data)
            group = struct.unpack_from(f">{count}I", data, _HEAD.size)
        except (struct.error, MemoryError, OverflowError) as error:
            raise DecodeError("a call for a sum is cut short") from error
        call = cls(stage, place, group, beacon)
        if list(group) != sorted(set(group)) or call.to_bytes() != data:
            raise DecodeError("a call for a sum must name its clients once, in order, and nothing else")
        return call


class CallJudge:
    """A party's memory of the sums of one round: which call is allowed next.

    One sum over everybody comes first; after `settle` has said who was in it, each line of the grids once. Lines of a
    grid are allowed only while all sums together determine no combination of fewer than `min_clients` updates, as far
    as `reveals_less_than` looks.
    """

    def __init__(self, min_clients: int) -> None:
        self._min_clients = min_clients
        self._places: set[tuple[int, int]] = set()
        self._beacon = b""
        self._included: Group | None = None

    def settle(self, included: Group) -> None:
        """The sum over everybody was opened, over exactly `included`, and all of them know it."""
        self._included = included

    def lines(self, number: int) -> tuple[list[Group], list[Group]] | None:
        """Rows and columns of grid `number` of this round, or None when it may not be opened."""
        if self._included is None or not 0 <= number < _MAX_GRIDS:
            return None
        opened, lines = {self._included}, None
        for earlier in range(number + 1):
            seed = hashlib.sha256(b"eppml/grid/1" + bytes([earlier]) + self._beacon).digest()
            lines = grid(self._included, self._min_clients, seed)
            if lines is None:
                return None
            opened.update(*lines)
        return None if reveals_less_than(self._min_clients, frozenset(opened)) else lines

    def admit(self, call: SumCall) -> None:
        """Raises: FaultyParty (the coordinator) when this call may not come now."""
        if (call.stage, call.place) in self._places or not self._may_come(call):
            raise FaultyParty(
                0, f"its call for a sum, place {call.place} of stage {call.stage}, is not allowed"
            )
        self._places.add((call.stage, call.place))
        self._beacon = call.beacon

    def _may_come(self, call: SumCall) -> bool:
        if call.stage == 0:
            return call.place == 0 and not self._places and len(call.group) >= self._min_clients
        lines = self.lines((call.stage - 1) // 2)
        if lines is None or call.beacon != self._beacon:
            return False
        ways = lines[(call.stage - 1) % 2]
        return call.place < len(ways) and call.group == ways[call.place]


def receive_from(sender: int) -> Generator[Outbox, Inbox, bytes]:
    """Wait, sending nothing, until `sender` has something to say."""
    inbox: Inbox = {}
    while sender not in inbox:
        inbox = yield {}
    return inbox[sender]
