"""The contracts of one deployment: what a round writes, each act once, and what anyone reads.

Every writing method has a business key (deployment, method, plan, round, client). It is looked up in the outbox, then
on the chain, and only then sent, so calling again after a crash, from this process or another, finds the first
transaction and returns its receipt.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chain_adapter.addresses import checksum_address, read_address
from chain_adapter.eip712 import Domain, Update
from chain_adapter.errors import ChainError, NotDeployed, TransactionReverted, WrongChain
from chain_adapter.events import Event
from chain_adapter.feed import read_event
from chain_adapter.hashing import keccak256
from chain_adapter.interface import artifact, installed
from chain_adapter.keys import Signer
from chain_adapter.ledger import Chain
from chain_adapter.merkle import Member, MerkleTree, Path, member_leaf
from chain_adapter.receipts import Receipt
from chain_adapter.storage.cid import Cid
from chain_adapter.terms import Terms
from mpc.errors import DecodeError, ParameterError

__all__ = ["Deployment", "attach", "deploy"]

FORMAT = "eppml-deployment-1"
NOTHING = bytes(32)


@dataclass(frozen=True, slots=True)
class Deployment:
    """Contracts by name on one chain, and the account that writes to them (None: reading only).

    Writing methods raise TransactionReverted with the contract's error, NotMined, ChainUnreachable; ParameterError
    when an argument cannot work or no signer is there.
    """

    chain: Chain
    suite: str
    addresses: Mapping[str, str]
    code_hashes: Mapping[str, bytes]
    block: int
    signer: Signer | None = None

    def acting_as(self, signer: Signer) -> "Deployment":
        """The same contracts, written to from another account."""
        return replace(self, signer=signer)

    @property
    def domain(self) -> Domain:
        """Where clients' signatures for this deployment are valid."""
        return Domain(self.chain.chain_id, self.addresses["Rounds"])

    def manifest(self) -> dict[str, Any]:
        """What another process needs to find and verify this deployment; plain JSON, nothing secret."""
        return {
            "format": FORMAT,
            "chain_id": self.chain.chain_id,
            "genesis": "0x" + self.chain.genesis.hex(),
            "block": self.block,
            "suite": self.suite,
            "contracts": {
                name: {"address": address, "code_hash": "0x" + self.code_hashes[name].hex()}
                for name, address in self.addresses.items()
            },
        }

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
            coordinator=self._account().address, rounds=rounds, min_clients=min_clients, member_count=len(listed),
            members_root=members_tree(listed).root if listed else NOTHING, key_hash=_bytes32(key_hash, "a key's hash"),
            reward_per_round=reward_per_round, **terms,
        )  # fmt: skip
        names = artifact("PlanRegistry").interface.components("register", 1)
        arguments = (_bytes32(plan, "a plan's hash"), wanted.to_tuple(names), plan_cid, members_cid)
        receipt = self._once(
            "PlanRegistry", "register", (plan,), arguments, wanted.deposit,
            lambda: self._written("PlanRegistry", "PlanRegistered", plan),
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
        return self._once(
            "Membership", "publishMembers", (plan,), (plan, rows), 0,
            lambda: self._written("Membership", "MembersPublished", plan),
        )  # fmt: skip

    def commit_round(self, plan: bytes, round: int, root: bytes, leaves_cid: str, count: int) -> Receipt:
        """Fix a round's updates: the root over their leaves. Once a round; another root is refused."""
        cid = Cid.parse(leaves_cid)

        def written() -> Receipt | None:
            found = self.root(plan, round)
            if found not in (NOTHING, root):
                raise TransactionReverted(f"commitRound {round}", "AlreadyCommitted", (found,))
            return self._written("Rounds", "RoundCommitted", plan, _word(round)) if found == root else None

        arguments = (plan, round, _bytes32(root, "a root"), count, cid.codec, cid.digest)
        return self._once("Rounds", "commitRound", (plan, round), arguments, 0, written)

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
        return self._once(
            "Rounds", "recordAggregate", (plan, round), arguments, 0,
            lambda: self._written("Rounds", "AggregateRecorded", plan, _word(round), content=content),
        )  # fmt: skip

    def skip_round(self, plan: bytes, round: int, record_cid: str) -> Receipt:
        """Close a round without a sum, instead of a root; its reward goes back when the plan ends."""
        return self._once(
            "Rounds", "skipRound", (plan, round), (plan, round, record_cid), 0,
            lambda: self._written(
                "Rounds", "RoundSkipped", plan, _word(round), content={"record_cid": record_cid}
            ),
        )  # fmt: skip

    def publish_leaves(self, plan: bytes, round: int, leaves: Sequence[bytes]) -> Receipt:
        """Put a round's leaves on the chain, where the contract checks them against the round's root."""
        return self._once(
            "Rounds", "publishLeaves", (plan, round), (plan, round, leaves), 0,
            lambda: self._written("Rounds", "LeavesPublished", plan, _word(round)),
        )  # fmt: skip

    def reject(self, plan: bytes, round: int, client: str, reason: int, evidence_cid: str) -> Receipt:
        """Name a client whose update is not in the sum, and why."""
        who = bytes(12) + bytes.fromhex(client[2:])
        return self._once(
            "Rounds", "reject", (plan, round, client), (plan, round, client, reason, evidence_cid), 0,
            lambda: self._written(
                "Rounds", "ClientRejected", plan, _word(round), who,
                content={"reason": reason, "evidence_cid": evidence_cid},
            ),
        )  # fmt: skip

    def commit_self(self, update: Update, update_cid: str) -> Receipt:
        """A client the coordinator ignores puts its update on the chain itself, before the round's root."""
        who = bytes(12) + bytes.fromhex(update.client[2:])
        arguments = (update.plan, update.round, update.samples, update.digest, update_cid)
        return self._once(
            "Rounds", "commitSelf", (update.plan, update.round, update.client), arguments, 0,
            lambda: self._written(
                "Rounds", "SelfCommitted", update.plan, _word(update.round), who,
                content={"samples": update.samples, "digest": update.digest, "update_cid": update_cid},
            ),
        )  # fmt: skip

    def claim(self, update: Update, path: Path) -> Receipt:
        """Pay a client its part of a round's reward, once; whoever sends this, the client is paid."""
        who = bytes(12) + bytes.fromhex(update.client[2:])
        arguments = (
            update.plan, update.round, update.client, update.samples, update.digest, path.index, path.siblings,
        )  # fmt: skip
        return self._once(
            "Rewards", "claim", (update.plan, update.round, update.client), arguments, 0,
            lambda: self._written("Rewards", "RewardClaimed", update.plan, _word(update.round), who),
        )  # fmt: skip

    def abandon(self, plan: bytes, round: int) -> Receipt:
        """Anyone ends a plan whose coordinator let a round's deadline pass: stakes are free, rewards go back."""
        return self._once(
            "Rounds", "abandon", (plan,), (plan, round), 0,
            lambda: self._written("Rounds", "PlanAbandoned", plan),
        )  # fmt: skip

    def refund(self, plan: bytes) -> Receipt:
        """The sponsor takes back the rewards of an abandoned plan's unrecorded rounds."""
        return self._once(
            "Rewards", "refund", (plan,), (plan,), 0, lambda: self._written("Rewards", "RewardRefunded", plan)
        )

    def terms(self, plan: bytes) -> Terms:
        """A plan's terms. Raises: TransactionReverted with UnknownPlan."""
        return Terms.from_tuple(self._ask("PlanRegistry", "terms", plan)[0])

    def exists(self, plan: bytes) -> bool:
        """Whether a plan is registered here."""
        return bool(self._ask("PlanRegistry", "exists", plan)[0])

    def root(self, plan: bytes, round: int) -> bytes:
        """The root a round was committed with; 32 zero bytes when it was not."""
        return bytes(self._ask("Rounds", "rootOf", plan, round)[0])

    def committed_count(self, plan: bytes, round: int) -> int:
        """How many leaves a committed round has. Raises: ChainError when it is not committed."""
        for event in self._events_of("Rounds", "RoundCommitted", plan, _word(round)):
            return int(getattr(event, "count"))  # noqa: B009
        raise ChainError(f"round {round} is not committed")

    def events(self, since: int | None = None) -> Iterator[Event]:
        """Every event from block `since` (the deployment's first block, unless given) to the head, in order."""
        names = {address.lower(): name for name, address in self.addresses.items()}
        head, _hash = self.chain.head()
        first = self.block if since is None else max(since, self.block)
        for log in self.chain.logs(list(self.addresses.values()), first, head):
            event = read_event(names[log.address.lower()], log)
            if event is not None:
                yield event

    def _account(self) -> Signer:
        if self.signer is None:
            raise ParameterError(
                "writing to the ledger needs a signer; this deployment was attached for reading"
            )
        return self.signer

    def _ask(self, contract: str, function: str, *arguments: Any) -> tuple[Any, ...]:
        interface = artifact(contract).interface
        answer = self.chain.call(self.addresses[contract], interface.encode(function, *arguments))
        return interface.decode(function, answer)

    def _once(
        self, contract: str, function: str, business: tuple[object, ...], arguments: Sequence[Any], value: int,
        written: Callable[[], Receipt | None],
    ) -> Receipt:  # fmt: skip
        sender = self.chain.sender(self._account())
        key = ":".join(
            [self.suite, function, *(b.hex() if isinstance(b, bytes) else str(b) for b in business)]
        )
        payload = artifact(contract).interface.encode(function, *arguments)
        known = sender.find(key)
        if known is not None and known.data == payload:
            return sender.wait(known)
        if (earlier := written()) is not None:
            return earlier
        try:
            return sender.send(key, self.addresses[contract], payload, value)
        except TransactionReverted:
            if (earlier := written()) is not None:  # somebody else did it between the look and the sending
                return earlier
            raise

    def _events_of(self, contract: str, event: str, *indexed: bytes) -> Iterator[Event]:
        topics = [artifact(contract).interface.topic(event), *indexed]
        head, _hash = self.chain.head()
        for log in self.chain.logs([self.addresses[contract]], self.block, head, topics):
            found = read_event(contract, log)
            if found is not None:
                yield found

    def _written(
        self, contract: str, event: str, *indexed: bytes, content: Mapping[str, object] | None = None
    ) -> Receipt | None:
        """The receipt of an act that is on the chain. Raises: ParameterError when it is there with other content."""
        for found in self._events_of(contract, event, *indexed):
            for name, value in (content or {}).items():
                if getattr(found, name) != value:
                    raise ParameterError(f"{event} is on the chain with another {name.replace('_', ' ')}")
            return self.chain.receipt(found.transaction)
        return None


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


def deploy(chain: Chain, signer: Signer, label: str) -> Deployment:
    """Create the suite and fill every name of it; steps that an earlier attempt finished are found, not repeated."""
    sender = chain.sender(signer)
    receipt = sender.send(f"deploy:{label}", None, artifact("Suite").bytecode)
    if receipt.contract is None:
        raise ChainError("the node's receipt for a contract creation names no contract")
    suite = read_address(receipt.contract)
    interface = artifact("Suite").interface
    addresses = {}
    for name in installed():
        addresses[name] = _suite_address(chain, suite, name)
        if not chain.code(addresses[name]):
            code = artifact(name).bytecode + _constructor(name, suite)
            sender.send(f"{suite}:deploy:{name}", suite, interface.encode("deploy", _name(name), code))
    hashes = {name: keccak256(_verified(chain, name, address)) for name, address in addresses.items()}
    return Deployment(chain, suite, addresses, hashes, receipt.block, signer)


def attach(chain: Chain, manifest: Mapping[str, Any], signer: Signer | None) -> Deployment:
    """Check a manifest against a chain, byte for byte of every contract's code."""
    try:
        if manifest["format"] != FORMAT:
            raise DecodeError(
                f"the manifest has format {manifest['format']!r}, this version reads {FORMAT!r}"
            )
        chain_id, genesis, block = int(manifest["chain_id"]), manifest["genesis"], int(manifest["block"])
        suite = read_address(manifest["suite"])
        rows = {
            n: (read_address(c["address"]), bytes.fromhex(c["code_hash"][2:]))
            for n, c in manifest["contracts"].items()
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(
            f"the deployment's manifest is malformed ({type(error).__name__}: {error})"
        ) from error
    if chain_id != chain.chain_id:
        raise WrongChain(f"the deployment is on chain {chain_id}, the node is on chain {chain.chain_id}")
    if genesis != "0x" + chain.genesis.hex():
        raise WrongChain(
            f"the deployment is on another chain with the same id {chain_id}: the first blocks differ"
        )
    if missing := set(installed()) - set(rows):
        raise NotDeployed(f"the deployment's manifest names no contract {min(missing)}")
    for name, (address, code_hash) in rows.items():
        if keccak256(_verified(chain, name, address)) != code_hash:
            raise NotDeployed(f"the code of {name} at {address} is not the code the manifest was written for")
        if _suite_address(chain, suite, name) != address:
            raise NotDeployed(f"{name} at {address} does not belong to the suite at {suite}")
    return Deployment(
        chain,
        suite,
        {n: a for n, (a, _h) in rows.items()},
        {n: h for n, (_a, h) in rows.items()},
        block,
        signer,
    )


def _verified(chain: Chain, name: str, address: str) -> bytes:
    code = chain.code(address)
    if not code:
        raise NotDeployed(f"there is no contract at {address}, where {name} should be")
    if not artifact(name).matches(code):
        raise NotDeployed(f"the contract at {address} is not this version's {name}")
    return code


def _suite_address(chain: Chain, suite: str, name: str) -> str:
    interface = artifact("Suite").interface
    return checksum_address(
        interface.decode("addressOf", chain.call(suite, interface.encode("addressOf", _name(name))))[0]
    )


def _constructor(name: str, suite: str) -> bytes:
    return b"" if name == "Groth16Verifier" else bytes(12) + bytes.fromhex(suite[2:])


def _name(name: str) -> bytes:
    return name.encode().ljust(32, b"\0")


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def _bytes32(value: bytes, what: str) -> bytes:
    if len(value) != 32:
        raise ParameterError(f"{what} is 32 bytes, got {len(value)}")
    return value
