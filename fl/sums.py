"""Calls for a sum: the coordinator asks disjoint groups of clients to add up what they committed to.

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
    """An opened sum: of the encoded updates (signed) and of the blindings, over the clients in `included`."""

    total: NDArray[np.int64] = field(repr=False)
    blinding: list[int] = field(repr=False)
    included: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class SumCall:
    """Stage `stage` of a round: one sum for each of the disjoint `groups`; no groups: the round is over."""

    stage: int
    groups: tuple[tuple[int, ...], ...] = ()

    def session(self, plan_hash: bytes, round_number: int, group: int) -> bytes:
        """The label that binds every mask and signature of one sum to plan, round, stage and group."""
        body = plan_hash + struct.pack(">QI", round_number, group) + self.to_bytes()
        return hashlib.sha256(b"eppml/sum/1" + body).digest()

    def to_bytes(self) -> bytes:
        parts = [struct.pack(">BI", self.stage, len(self.groups))]
        parts += [struct.pack(f">I{len(group)}I", len(group), *group) for group in self.groups]
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "SumCall":
        """Raises: DecodeError unless `data` is one call with sorted, disjoint, non-empty groups."""
        if len(data) > _MAX_CALL:
            raise DecodeError("a call for sums is too long")
        try:
            stage, count = struct.unpack_from(">BI", data)
            place, groups = 5, []
            for _ in range(count):
                (length,) = struct.unpack_from(">I", data, place)
                groups.append(struct.unpack_from(f">{length}I", data, place + 4))
                place += 4 + 4 * length
        except (struct.error, MemoryError) as error:
            raise DecodeError("a call for sums is cut short") from error
        everyone = [client for group in groups for client in group]
        ordered = all(group and list(group) == sorted(group) for group in groups)
        if place != len(data) or not ordered or len(set(everyone)) != len(everyone):
            raise DecodeError("a call for sums must name sorted, disjoint groups and nothing else")
        return cls(stage, tuple(groups))


class CallJudge:
    """A client's (and an honest coordinator's) memory of the sums of one round.

    `admit` raises FaultyParty when the call, together with all earlier ones, would determine a combination of fewer
    than `min_clients` updates, repeats a stage, or holds a group below `min_clients`.
    """

    def __init__(self, min_clients: int) -> None:
        self._min_clients = min_clients
        self._stages: set[int] = set()
        self._opened: frozenset[tuple[int, ...]] = frozenset()

    def would_admit(self, *calls: SumCall) -> bool:
        """Whether all of `calls`, one after the other, would pass."""
        groups = frozenset(group for call in calls for group in call.groups)
        if any(len(group) < self._min_clients for group in groups):
            return False
        if self._stages & {call.stage for call in calls}:
            return False
        return not reveals_less_than(self._min_clients, self._opened | groups)

    def admit(self, call: SumCall) -> None:
        if not self.would_admit(call):
            raise FaultyParty(
                0, f"the sums of stage {call.stage} would reveal fewer than {self._min_clients} updates"
            )
        self._stages.add(call.stage)
        self._opened |= frozenset(call.groups)


def receive_from(sender: int) -> Generator[Outbox, Inbox, bytes]:
    """Wait, sending nothing, until `sender` has something to say."""
    inbox: Inbox = {}
    while sender not in inbox:
        inbox = yield {}
    return inbox[sender]
