"""Joining and leaving a plan: stakes, listed members, the delay before a stake comes back."""

from dataclasses import dataclass

from chain_adapter.addresses import NOBODY
from chain_adapter.contract_set import word
from chain_adapter.deployment import Deployment
from chain_adapter.merkle import Member, MerkleTree
from chain_adapter.receipts import Receipt

__all__ = ["Stake", "Staking"]


@dataclass(frozen=True, slots=True)
class Stake:
    """What a member has at stake. Units: `amount` in wei or units of the plan's token, `leaving_at` in seconds or 0."""

    amount: int
    leaving_at: int
    identity: bytes


@dataclass(frozen=True, slots=True)
class Staking:
    """Membership of the deployment's signer in its plans. A plan in a token needs `Deployment.approve` first."""

    deployment: Deployment

    def join(self, plan: bytes, identity: bytes) -> Receipt:
        """Join an open plan with the 32 bytes of one's identity key."""
        return self._join("join", plan, (plan, identity))

    def join_listed(self, plan: bytes, member: Member, members: MerkleTree, position: int) -> Receipt:
        """Join a plan with an allow-list, as the entry at `position` of its tree of members."""
        path = members.path(position)
        return self._join(
            "joinListed", plan, (plan, member.identity, member.samples, path.index, path.siblings)
        )

    def start_leaving(self, plan: bytes) -> Receipt:
        """Begin the delay after which the stake can be withdrawn."""
        return self._act("startLeaving", plan, "MemberLeaving")

    def withdraw(self, plan: bytes) -> Receipt:
        """Take the stake back once the delay is over. Raises: TransactionReverted with StillBonded before."""
        return self._act("withdraw", plan, "StakeWithdrawn")

    def stake_of(self, plan: bytes, member: str) -> Stake:
        """What a member has at stake."""
        return Stake(*self.deployment.ask("Membership", "stakeOf", plan, member))

    def _join(self, function: str, plan: bytes, arguments: tuple[object, ...]) -> Receipt:
        d, me = self.deployment, self.deployment.account().address
        terms = d.terms(plan)
        value = terms.member_stake if terms.token == NOBODY else 0
        return d.act(
            "Membership", function, (plan, me), arguments, value,
            lambda: d.written("Membership", "MemberJoined", plan, word(me)),
        )  # fmt: skip

    def _act(self, function: str, plan: bytes, event: str) -> Receipt:
        d, me = self.deployment, self.deployment.account().address
        return d.act(
            "Membership", function, (plan, me), (plan,), 0,
            lambda: d.written("Membership", event, plan, word(me)),
        )  # fmt: skip
