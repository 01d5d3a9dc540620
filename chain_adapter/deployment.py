"""What a plan and its rounds write to the ledger, each act once, and what anyone reads about them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from chain_adapter.addresses import NOBODY, address_bytes, checksum_address
from chain_adapter.contract_set import Contracts, word
from chain_adapter.eip712 import Update
from chain_adapter.errors import ChainError, TransactionReverted
from chain_adapter.groth16_calldata import KeyBlob
from chain_adapter.hashing import keccak256
from chain_adapter.interface import artifact
from chain_adapter.merkle import Member, MerkleTree, Path, member_leaf
from chain_adapter.receipts import Receipt
from chain_adapter.storage.cid import Cid
from chain_adapter.terms import Terms
from mpc.errors import ParameterError, ProofRejected

__all__ = ["Deployment", "bitmap", "members_tree"]

NOTHING = bytes(32)


@dataclass(frozen=True, slots=True)
class Deployment(Contracts):
    """The contracts of one deployment.

    Writing methods raise TransactionReverted with the contract's error, NotMined, ChainUnreachable; ParameterError
    when an argument cannot work, no signer is there, or the same act was done before with other content.
    """

    def register_plan(
        self, plan: bytes, *, plan_cid: str, key_hash: bytes, members: Sequence[Member | tuple[str, bytes, int]],
        rounds: int, min_clients: int, reward_per_round: int = 0, members_cid: str = "", **terms: Any,
    ) -> Receipt:  # fmt: skip
        """Start a plan: its hash, its members, its terms, and every round's reward paid in.

        Without `members_cid` the list of members goes on the chain as well, so that the chain alone names them.
        Further `terms` are those of `Terms`. Raises: ParameterError when the plan is there with other terms.
        """
        listed = [m if isinstance(m, Member) else Member(*m) for m in members]
        wanted = Terms(
            coordinator=self.account().address, rounds=rounds, min_clients=min_clients, member_count=len(listed),
            members_root=members_tree(listed).root if listed else NOTHING, key_hash=_bytes32(key_hash, "a key's hash"),
            reward_per_round=reward_per_round, **terms,
        )  # fmt: skip
        names = artifact("PlanRegistry").interface.components("register", 1)
        arguments = (_bytes32(plan, "a plan's hash"), wanted.to_tuple(names), plan_cid, members_cid)
        receipt = self.act(
            "PlanRegistry", "register", (plan,), arguments, wanted.deposit if wanted.token == NOBODY else 0,
            lambda: self.written("PlanRegistry", "PlanRegistered", plan) if self.exists(plan) else None,
        )  # fmt: skip
        registered = self.terms(plan)
        if replace(registered, start=wanted.start) != wanted:
            raise ParameterError(f"the plan {plan.hex()} is registered with other terms")
        if listed and not members_cid:
            self.publish_members(plan, listed)
        return receipt

    def publish_members(self, plan: bytes, members: Sequence[Member]) -> Receipt:
        """Put the list of members on the chain, where the contract checks it against the plan's root."""
        rows = [(m.address, m.identity, m.samples) for m in members]
        return self.act(
            "Membership", "publishMembers", (plan,), (plan, rows), 0,
            lambda: self.written("Membership", "MembersPublished", plan),
        )  # fmt: skip

    def approve(self, plan: bytes, token: str, contract: str, amount: int) -> Receipt:
        """Let one of the contracts take `amount` units of an ERC-20 token: needed before paying in it, once a plan."""
        sender = self.chain.sender(self.account())
        payload = keccak256(b"approve(address,uint256)")[:4] + word(self.addresses[contract]) + word(amount)
        address_bytes(token)
        return sender.send(f"{self.suite}:approve:{plan.hex()}:{token}:{contract}:{amount}", token, payload)

    def deploy_key(self, key: KeyBlob) -> str:
        """Put a verifying key on the chain, once; its address. A plan names it by `key.key_hash`."""
        receipt = self.chain.sender(self.account()).send(f"key:{key.key_hash.hex()}", None, key.creation_code)
        if receipt.contract is None or keccak256(self.chain.code(receipt.contract)) != key.key_hash:
            raise ChainError("the chain holds other bytes than the key that was sent")
        return receipt.contract

    def verify_proof(self, key: str, publics: Sequence[int], proof: bytes, commitments: bytes = b"") -> None:
        """Let the chain check a Groth16 proof under the key at an address, for free.

        Shapes: proof 256 bytes (A, B, C), or 320 (with Pi) beside 64 bytes for each commitment; a challenge is not among
        the publics. Raises: ProofRejected; TransactionReverted when the key or a length is wrong.
        """
        try:
            self.ask("Groth16Verifier", "verifyCommitted", key, list(publics), commitments, proof)
        except TransactionReverted as error:
            if error.error == "BadProof":
                raise ProofRejected("the proof does not verify on the chain") from error
            raise

    def commit_round(self, plan: bytes, round: int, root: bytes, leaves_cid: str, count: int) -> Receipt:
        """Fix a round's updates: the root over their leaves. Once a round; another root is refused."""
        cid = Cid.parse(leaves_cid)

        def written() -> Receipt | None:
            found = self.root(plan, round)
            if found not in (NOTHING, root):
                raise TransactionReverted(f"commitRound {round}", "AlreadyCommitted", (found,))
            return self.written("Rounds", "RoundCommitted", plan, word(round)) if found == root else None

        arguments = (plan, round, _bytes32(root, "a root"), count, cid.codec, cid.digest)
        return self.act("Rounds", "commitRound", (plan, round), arguments, 0, written)

    def record_aggregate(
        self, plan: bytes, round: int, model_cid: str, model_digest: bytes, commitment_sum: bytes, total_samples: int,
        record_cid: str, included: Sequence[int] | None = None,
    ) -> Receipt:  # fmt: skip
        """Record a round's result. `included`: positions of the leaves in the sum (all of the round's, unless given)."""
        positions = range(self.committed_count(plan, round)) if included is None else included
        aggregate = {
            "modelDigest": _bytes32(model_digest, "a model's digest"), "totalSamples": total_samples,
            "included": bitmap(positions), "commitmentSum": commitment_sum, "modelCid": model_cid,
            "recordCid": record_cid,
        }  # fmt: skip
        content = {
            "model_digest": model_digest, "total_samples": total_samples, "included": tuple(sorted(positions)),
            "commitment_sum": commitment_sum, "model_cid": model_cid, "record_cid": record_cid,
        }  # fmt: skip
        names = artifact("Rounds").interface.components("recordAggregate", 2)
        arguments = (plan, round, tuple(aggregate[name] for name in names))
        return self.act(
            "Rounds", "recordAggregate", (plan, round), arguments, 0,
            lambda: self.written("Rounds", "AggregateRecorded", plan, word(round), content=content)
            if self.aggregate_hash(plan, round) != NOTHING else None,
        )  # fmt: skip

    def skip_round(self, plan: bytes, round: int, record_cid: str) -> Receipt:
        """Close a round without a sum, instead of a root; its reward goes back when the plan ends."""
        return self.act(
            "Rounds", "skipRound", (plan, round), (plan, round, record_cid), 0,
            lambda: self.written(
                "Rounds", "RoundSkipped", plan, word(round), content={"record_cid": record_cid}
            ),
        )  # fmt: skip

    def publish_leaves(self, plan: bytes, round: int, leaves: Sequence[bytes]) -> Receipt:
        """Put a round's leaves on the chain, where the contract checks them against the round's root."""
        return self.act(
            "Rounds", "publishLeaves", (plan, round), (plan, round, leaves), 0,
            lambda: self.written("Rounds", "LeavesPublished", plan, word(round)),
        )  # fmt: skip

    def reject(self, plan: bytes, round: int, client: str, reason: int, evidence_cid: str) -> Receipt:
        """Name a client whose update is not in the sum, and why."""
        return self.act(
            "Rounds", "reject", (plan, round, client), (plan, round, client, reason, evidence_cid), 0,
            lambda: self.written(
                "Rounds", "ClientRejected", plan, word(round), word(client),
                content={"reason": reason, "evidence_cid": evidence_cid},
            ),
        )  # fmt: skip

    def commit_self(self, update: Update, update_cid: str) -> Receipt:
        """A client the coordinator ignores puts its update on the chain itself, before the round's root."""
        arguments = (update.plan, update.round, update.samples, update.digest, update_cid)
        return self.act(
            "Rounds", "commitSelf", (update.plan, update.round, update.client), arguments, 0,
            lambda: self.written(
                "Rounds", "SelfCommitted", update.plan, word(update.round), word(update.client),
                content={"samples": update.samples, "digest": update.digest, "update_cid": update_cid},
            ),
        )  # fmt: skip

    def claim(self, update: Update, path: Path) -> Receipt:
        """Pay a client its part of a round's reward, once; whoever sends this, the client is paid."""

        def written() -> Receipt | None:
            if self.ask("Rounds", "isClaimable", update.plan, update.round, path.index)[0]:
                return None
            return self.written(
                "Rewards", "RewardClaimed", update.plan, word(update.round), word(update.client)
            )

        arguments = (
            update.plan, update.round, update.client, update.samples, update.digest, path.index, path.siblings,
        )  # fmt: skip
        return self.act("Rewards", "claim", (update.plan, update.round, update.client), arguments, 0, written)

    def abandon(self, plan: bytes, round: int) -> Receipt:
        """Anyone ends a plan whose coordinator let a round's deadline pass: stakes are free, rewards go back."""
        return self.act(
            "Rounds", "abandon", (plan,), (plan, round), 0,
            lambda: self.written("Rounds", "PlanAbandoned", plan),
        )  # fmt: skip

    def refund(self, plan: bytes) -> Receipt:
        """The sponsor takes back the rewards of an abandoned plan's unrecorded rounds."""
        return self.act(
            "Rewards", "refund", (plan,), (plan,), 0, lambda: self.written("Rewards", "RewardRefunded", plan)
        )

    def terms(self, plan: bytes) -> Terms:
        """A plan's terms. Raises: TransactionReverted with UnknownPlan."""
        return Terms.from_tuple(self.ask("PlanRegistry", "terms", plan)[0])

    def exists(self, plan: bytes) -> bool:
        """Whether a plan is registered here."""
        return bool(self.ask("PlanRegistry", "exists", plan)[0])

    def root(self, plan: bytes, round: int) -> bytes:
        """The root a round was committed with; 32 zero bytes when it was not."""
        return bytes(self.ask("Rounds", "rootOf", plan, round)[0])

    def aggregate_hash(self, plan: bytes, round: int) -> bytes:
        """The hash of a round's aggregate, which votes are about; 32 zero bytes before it is recorded."""
        return bytes(self.ask("Rounds", "aggregateHash", plan, round)[0])

    def members(self, plan: bytes) -> tuple[Member, ...]:
        """The allow-list as it was put on the chain, checked against the plan's root.

        Raises: ChainError when it was not, or not by an ordinary transaction; ProofRejected when it is another list.
        """
        for event in self.find("Membership", "MembersPublished", plan):
            payload = self.chain.payload(event.transaction)
            _plan, rows = artifact("Membership").interface.decode_call("publishMembers", payload)
            members = tuple(Member(checksum_address(a), identity, samples) for a, identity, samples in rows)
            if members_tree(members).root != self.terms(plan).members_root:
                raise ProofRejected("the members in the transaction are not those of the plan")
            return members
        raise ChainError("the plan's members were not put on the chain")

    def committed_count(self, plan: bytes, round: int) -> int:
        """How many leaves a committed round has. Raises: ChainError when it is not committed."""
        for event in self.find("Rounds", "RoundCommitted", plan, word(round)):
            return int(getattr(event, "count"))  # noqa: B009
        raise ChainError(f"round {round} is not committed")


def members_tree(members: Sequence[Member]) -> MerkleTree:
    """The tree over a plan's allow-list, in the order given."""
    return MerkleTree([member_leaf(m) for m in members])


def bitmap(positions: Sequence[int]) -> list[int]:
    """Positions as 256-bit words: bit i of word j stands for position 256 j + i. Raises: ParameterError on a repeat."""
    if len(set(positions)) != len(positions) or any(p < 0 for p in positions):
        raise ParameterError("positions of included leaves are distinct and not negative")
    words = [0] * (max(positions, default=-1) // 256 + 1)
    for p in positions:
        words[p // 256] |= 1 << p % 256
    return words


def _bytes32(value: bytes, what: str) -> bytes:
    if len(value) != 32:
        raise ParameterError(f"{what} is 32 bytes, got {len(value)}")
    return value
