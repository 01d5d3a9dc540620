"""Calls for a sum: the coordinator asks a group of clients to add up what they committed to.

A round opens one sum over everybody and, only when that does not match the commitments, the rows and columns of
grids. A client judges every call by all the calls of the round so far, so that no coordinator can corner one update.
"""

import hashlib
import struct
from collections.abc import Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fl.groups import reveals_less_than
from mpc.errors import DecodeError, FaultyParty
from mpc.runtime import Inbox, Outbox

__all__ = ["CallJudge", "Sum", "SumCall", "receive_from"]

_MAX_CALL = 1 << 22


@dataclass(frozen=True, slots=True)
class Sum:
    """An opened sum: of the encoded updates (signed) and of the blindings, over the clients in `included`.

    `evidence` is what the aggregation mode leaves for an auditor, if it leaves anything.
    """

    total: NDArray[np.int64] = field(repr=False)
    blinding: list[int] = field(repr=False)
    included: tuple[int, ...]
    evidence: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class SumCall:
    """A sum over `group`; `stage` and `place` tell it from the others of its round. An empty group ends the round.

    Stage 0 is everybody; stages 1 and 2 are the rows and the columns of the first grid, 3 and 4 of the second.
    """

    stage: int
    place: int = 0
    group: tuple[int, ...] = ()

    def session(self, plan_hash: bytes, round_number: int) -> bytes:
        """The label that binds every mask, ciphertext and signature of this sum to plan, round, place and group."""
        body = plan_hash + struct.pack(">Q", round_number) + self.to_bytes()
        return hashlib.sha256(b"eppml/sum/1" + body).digest()

    def to_bytes(self) -> bytes:
        return struct.pack(f">BII{len(self.group)}I", self.stage, self.place, len(self.group), *self.group)

    @classmethod
    def from_bytes(cls, data: bytes) -> "SumCall":
        """Raises: DecodeError unless `data` is one call whose group is sorted and names nobody twice."""
        if len(data) > _MAX_CALL:
            raise DecodeError("a call for a sum is too long")
        try:
            stage, place, count = struct.unpack_from(">BII", data)
            group = struct.unpack_from(f">{count}I", data, struct.calcsize(">BII"))
        except (struct.error, MemoryError, OverflowError) as error:
            raise DecodeError("a call for a sum is cut short") from error
        call = cls(stage, place, group)
        if list(group) != sorted(set(group)) or call.to_bytes() != data:
            raise DecodeError("a call for a sum must name its clients once, in order, and nothing else")
        return call


class CallJudge:
    """A client's (and an honest coordinator's) memory of the sums of one round.

    `admit` raises FaultyParty when the call, together with all earlier ones, would determine a combination of fewer
    than `min_clients` updates, repeats a place, or has a group below `min_clients`.
    """

    def __init__(self, min_clients: int) -> None:
        self._min_clients = min_clients
        self._places: set[tuple[int, int]] = set()
        self._opened: frozenset[tuple[int, ...]] = frozenset()

    def would_admit(self, *calls: SumCall) -> bool:
        """Whether all of `calls`, one after the other, would pass."""
        groups = frozenset(call.group for call in calls)
        if any(len(group) < self._min_clients for group in groups):
            return False
        if self._places & {(call.stage, call.place) for call in calls}:
            return False
        return not reveals_less_than(self._min_clients, self._opened | groups)

    def admit(self, call: SumCall) -> None:
        if not self.would_admit(call):
            raise FaultyParty(
                0, f"a sum of stage {call.stage} would reveal fewer than {self._min_clients} updates"
            )
        self._places.add((call.stage, call.place))
        self._opened |= {call.group}


def receive_from(sender: int) -> Generator[Outbox, Inbox, bytes]:
    """Wait, sending nothing, until `sender` has something to say."""
    inbox: Inbox = {}
    while sender not in inbox:
        inbox = yield {}
    return inbox[sender]
