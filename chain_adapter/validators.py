"""Stake-weighted votes on recorded rounds: the papers' proof-of-stake validation, beside the proofs and not instead.

Source: EIP-712 for votes signed off the chain.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chain_adapter.addresses import NOBODY
from chain_adapter.contract_set import word
from chain_adapter.deployment import Deployment
from chain_adapter.eip712 import DigestSigner, Domain
from chain_adapter.hashing import keccak256
from chain_adapter.receipts import Receipt

__all__ = ["Validators", "Vote"]

VOTE_TYPE = b"Attestation(bytes32 plan,uint64 round,bytes32 record,bool right)"


@dataclass(frozen=True, slots=True)
class Vote:
    """What a validator says: the record of this round is right, or it is not. `record` is the aggregate's hash."""

    plan: bytes
    round: int
    record: bytes
    right: bool

    def hash(self, domain: Domain) -> bytes:
        """The 32 bytes a validator signs."""
        struct = keccak256(
            keccak256(VOTE_TYPE), self.plan, word(self.round), self.record, word(int(self.right))
        )
        return keccak256(b"\x19\x01", domain.separator(), struct)

    def sign(self, signer: DigestSigner, domain: Domain) -> bytes:
        """65 bytes r || s || v."""
        return signer.sign_digest(self.hash(domain))


@dataclass(frozen=True, slots=True)
class Validators:
    """Validators of the deployment's plans; acts are those of its signer."""

    deployment: Deployment

    @property
    def domain(self) -> Domain:
        """Where votes for this deployment are valid."""
        return Domain(self.deployment.chain.chain_id, self.deployment.addresses["Validators"])

    def join(self, plan: bytes, stake: int) -> Receipt:
        """Put up a stake to vote with. Units: wei, or units of the plan's token."""
        value = stake if self.deployment.terms(plan).token == NOBODY else 0
        return self._mine("join", plan, (plan, stake), value, "ValidatorJoined")

    def start_leaving(self, plan: bytes) -> Receipt:
        """Begin the delay after which the stake can be withdrawn."""
        return self._mine("startLeaving", plan, (plan,), 0, "ValidatorLeaving")

    def withdraw(self, plan: bytes) -> Receipt:
        """Take the stake back once the delay is over."""
        return self._mine("withdraw", plan, (plan,), 0, "ValidatorLeft")

    def record(self, plan: bytes, round: int) -> bytes:
        """What a vote on a round is about: the hash of its aggregate; 32 zero bytes before it is recorded."""
        return self.deployment.aggregate_hash(plan, round)

    def attest(self, vote: Vote) -> Receipt:
        """Vote, once a round."""
        me = self.deployment.account().address
        arguments = (vote.plan, vote.round, vote.record, vote.right)
        return self.deployment.act(
            "Validators", "attest", (vote.plan, vote.round, me), arguments, 0, self._voted(vote, me)
        )

    def attest_signed(self, vote: Vote, validator: str, signature: bytes) -> Receipt:
        """Hand in the vote of a validator who signed it and pays no gas."""
        arguments = (vote.plan, vote.round, vote.record, vote.right, validator, signature)
        return self.deployment.act(
            "Validators",
            "attestSigned",
            (vote.plan, vote.round, validator),
            arguments,
            0,
            self._voted(vote, validator),
        )

    def slash_two_votes(
        self, votes: tuple[Vote, Vote], validator: str, signatures: tuple[bytes, bytes]
    ) -> Receipt:
        """Slash a validator who signed two different votes on one round."""
        first, second = votes
        arguments = (
            first.plan, first.round, validator, [first.record, second.record], [first.right, second.right],
            list(signatures),
        )  # fmt: skip
        d = self.deployment
        return d.act(
            "Validators", "slashTwoVotes", (first.plan, first.round, validator), arguments, 0,
            lambda: d.written("Validators", "ValidatorSlashed", first.plan, word(first.round), word(validator)),
        )  # fmt: skip

    def _voted(self, vote: Vote, validator: str) -> Callable[[], Receipt | None]:
        return lambda: self.deployment.written(
            "Validators",
            "Attested",
            vote.plan,
            word(vote.round),
            word(validator),
            content={"right": vote.right},
        )

    def _mine(
        self, function: str, plan: bytes, arguments: tuple[object, ...], value: int, event: str
    ) -> Receipt:
        d, me = self.deployment, self.deployment.account().address
        return d.act(
            "Validators", function, (plan, me), arguments, value,
            lambda: d.written("Validators", event, plan, word(me)),
        )  # fmt: skip
