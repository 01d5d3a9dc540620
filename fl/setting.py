"""What coordinator and clients of one round both know before it starts."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from chain_adapter import LocalStore
from chain_adapter.eip712 import Domain
from chain_adapter.merkle import Member
from fl import schedule
from fl.plan import Plan
from fl.scores import Scored
from he.threshold import ThresholdKey
from mpc.errors import DecodeError
from mpc.secagg import PublicIdentity, shared_checks
from zk.commit_prove import VerifierKey
from zk.statements import NormBound

__all__ = ["COORDINATOR", "Committee", "RoundSetting", "taking_part"]

COORDINATOR = 0
"""The coordinator's party number; clients count from 1 in the order of the plan."""


@dataclass(frozen=True)
class Committee:
    """Who decrypts sums, with the threshold key in the order of its shares; or who holds shares of updates, without one."""

    key: ThresholdKey | None
    identities: tuple[PublicIdentity, ...]

    @classmethod
    def of(cls, plan: Plan, store: LocalStore) -> "Committee | None":
        """The committee that a plan names, if it names one; its key is in block storage. Raises: DecodeError."""
        if not plan.committee:
            return None
        identities = tuple(PublicIdentity(bytes.fromhex(text)) for text in plan.committee)
        if not plan.committee_key:
            return cls(None, identities)
        key = ThresholdKey.from_bytes(store.get(plan.committee_key))
        if key.threshold.parties != len(plan.committee):
            raise DecodeError("the committee's key is for another number of members")
        return cls(key, identities)


def taking_part(plan: Plan, number: int, excluded: Collection[int]) -> dict[int, Member]:
    """Whom the plan asks for an update in round `number`, less those that earlier rounds excluded; by client."""
    asked = schedule.taking_part(plan.terms, number)
    return {index: plan.members[index - 1] for index in asked if index not in excluded}


@dataclass(frozen=True)
class RoundSetting:
    """One round of one plan: its number (from 0), the members taking part, and the public keys of everything.

    `past` alone is not everybody's: what the party that judges updates wrote down itself about earlier rounds, by round.
    """

    plan: Plan
    plan_hash: bytes
    number: int
    statement: NormBound
    key: VerifierKey
    domain: Domain
    members: Mapping[int, Member]
    committee: Committee | None = None
    directions: NDArray[np.int64] | None = None
    one_process: bool = False
    past: Mapping[int, Scored] = field(default_factory=dict, repr=False)

    @property
    def epoch(self) -> bytes:
        """The digest of those who belong to the federation in this round, whether they are asked or not."""
        identities = [member.identity for member in self.plan.members]
        return schedule.membership(self.plan.terms, self.number).digest(self.plan_hash, identities)

    @property
    def committee_parties(self) -> tuple[int, ...]:
        """The committee's party numbers: behind those of all members of the plan; none where there is no committee."""
        first = len(self.plan.members) + 1
        return tuple(range(first, first + len(self.committee.identities))) if self.committee else ()

    @cached_property
    def identities(self) -> dict[int, PublicIdentity]:
        """Who signs as which party: clients and committee.

        Where `one_process` plays everybody, each signature of a masked sum is checked once and billed to each who asked.
        """
        clients = {index: PublicIdentity(m.identity) for index, m in self.members.items()}
        committee = self.committee.identities if self.committee else ()
        everybody = clients | dict(zip(self.committee_parties, committee, strict=True))
        masked = self.plan.terms.aggregation.mode == "secagg"
        return shared_checks(everybody) if self.one_process and masked else everybody

    def l2_bound_sq(self, member: Member) -> int:
        return self.plan.l2_bound_sq(member.samples, self.statement.dim)
