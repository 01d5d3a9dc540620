"""What coordinator and clients of one round both know before it starts."""

from collections.abc import Mapping
from dataclasses import dataclass

from chain_adapter.eip712 import Domain
from chain_adapter.merkle import Member
from fl.plan import Plan
from mpc.secagg import PublicIdentity
from zk.commit_prove import VerifierKey
from zk.statements import NormBound

__all__ = ["COORDINATOR", "RoundSetting"]

COORDINATOR = 0
"""The coordinator's party number; clients count from 1 in the order of the plan."""


@dataclass(frozen=True)
class RoundSetting:
    """One round of one plan: its number (from 0), the members taking part, and the public keys of everything."""

    plan: Plan
    plan_hash: bytes
    number: int
    statement: NormBound
    key: VerifierKey
    domain: Domain
    members: Mapping[int, Member]

    @property
    def identities(self) -> dict[int, PublicIdentity]:
        return {index: PublicIdentity(m.identity) for index, m in self.members.items()}

    def l2_bound_sq(self, member: Member) -> int:
        return self.plan.l2_bound_sq(member.samples, self.statement.dim)
