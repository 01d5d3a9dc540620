"""The public record of a round: what an auditor reads, the same bytes however often a round is repeated.

Everything in it is determined by the plan, the seed and the members' secrets; times and costs are kept apart, in the
run directory. The record lies in block storage and its CID on the ledger.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, get_type_hints

from mpc.errors import DecodeError
from mpc.json_text import read_json

__all__ = ["ClientRecord", "OpenedRecord", "RoundRecord"]

_FORMAT = "eppml-round-2"
_MAX_BYTES = 32 << 20
STATUSES = ("included", "rejected", "unsummed", "missing", "absent", "excluded")


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """One member's part in a round; `update` is the CID of its message.

    `status` is included (in the sum), unsummed (accepted, but dropped out of the sum), rejected, missing (sent
    nothing), absent (the plan did not ask for it) or excluded (rejected for certain in an earlier round). A rejection
    that is not `certain` proves nothing (see `fl.checks.Rejection`); the client may take part again.
    """

    client: int
    address: str
    status: str
    update: str = ""
    reason: str = ""
    detail: str = ""
    certain: bool = True
    reward: int = 0


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """A sum that was opened, over whom, and whether it matched their commitments.

    `evidence` is the CID of what the aggregation mode leaves for an auditor, or empty.
    """

    stage: int
    place: int
    group: tuple[int, ...]
    included: tuple[int, ...]
    matches: bool
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class RoundRecord:
    """One round. `total` (CID of the opened sum, little-endian int64) and `root` are empty when nothing was summed.

    `epoch` (hexadecimal) is the digest of the members that belonged to the federation in this round (`fl.schedule`).

    `beacon` (hexadecimal) is the seed of the grids, see `fl.sums`.
    """

    plan: str
    round: int
    clients: tuple[ClientRecord, ...]
    opened: tuple[OpenedRecord, ...]
    leaves: str
    root: str
    total: str
    blinding: tuple[str, ...]
    beacon: str
    epoch: str
    commitment_sum: str
    total_samples: int
    previous_model: str
    model: str
    accuracy: float
    loss: float

    @property
    def stage(self) -> int | None:
        """Which stage's matching sums make up the round's sum: the one that covers exactly the included clients."""
        for stage in sorted({o.stage for o in self.opened if o.matches}):
            covered = [c for o in self.opened if o.matches and o.stage == stage for c in o.included]
            if tuple(sorted(covered)) == self.included:
                return stage
        return None

    @property
    def included(self) -> tuple[int, ...]:
        return tuple(client.client for client in self.clients if client.status == "included")

    @property
    def convicted(self) -> tuple[int, ...]:
        """Clients that were rejected for certain: they are excluded from later rounds."""
        return tuple(c.client for c in self.clients if c.status == "rejected" and c.certain)

    def as_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON readers see it: lists for tuples."""
        shown: dict[str, Any] = read_json(json.dumps(self.as_dict()), max_bytes=_MAX_BYTES)
        return shown

    def to_bytes(self) -> bytes:
        body = {"format": _FORMAT, **self.as_dict()}
        return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "RoundRecord":
        """Raises: DecodeError unless `data` is one canonical record."""
        try:
            body: dict[str, Any] = read_json(data, max_bytes=_MAX_BYTES)
            if body.pop("format", None) != _FORMAT:
                raise DecodeError(f"not an {_FORMAT} document")
            clients = tuple(ClientRecord(**client) for client in body.pop("clients"))
            opened = tuple(
                OpenedRecord(group=tuple(o.pop("group")), included=tuple(o.pop("included")), **o)
                for o in body.pop("opened")
            )
            blinding = tuple(body.pop("blinding"))
            record = cls(clients=clients, opened=opened, blinding=blinding, **body)
            parts: list[RoundRecord | ClientRecord | OpenedRecord] = [record, *clients, *opened]
            if not all(map(_well_typed, parts)) or record.to_bytes() != data:
                raise DecodeError("not the canonical bytes of a round's record")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DecodeError(f"malformed round record: {error}") from error
        return record


def _well_typed(part: RoundRecord | ClientRecord | OpenedRecord) -> bool:
    """Whether every field holds what its annotation says; JSON would put anything there."""
    for name, wanted in get_type_hints(type(part)).items():
        value = getattr(part, name)
        if wanted in (tuple[int, ...], tuple[str, ...]):
            if any(type(item) is not wanted.__args__[0] for item in value):
                return False
        elif wanted in (str, int, bool, float) and type(value) is not wanted:
            return False
    return True
