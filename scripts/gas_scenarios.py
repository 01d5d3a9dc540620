"""The transactions that `gas_table` measures: one plan after another on one deployment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from anvil_node import Node
from gas_proofs import PlainProof, UpdateProofs

from chain_adapter.eip712 import Domain, Update, recover_digest, sign_update
from chain_adapter.groth16_calldata import KeyBlob
from chain_adapter.hashing import keccak256
from chain_adapter.interface import CONTRACTS, artifact
from chain_adapter.keys import LocalSigner
from chain_adapter.merkle import Member, MerkleTree, member_leaf, update_digest, update_leaf
from chain_adapter.terms import Terms

__all__ = ["measure"]

COORDINATOR = "0x" + "c0" * 20
STRANGER = "0x" + "5a" * 20
SIZES = (10, 100, 1000)
CID = "bafybeib7ib7ug3wvv6nlqg2cxgcgkgyx5nzmdijdqtppdmnrw26kbe6rmy"
DIGEST = keccak256(b"somewhere")
NOTHING = bytes(32)


@dataclass
class Bench:
    """A deployment and the table that grows while transactions are sent to it."""

    node: Node
    addresses: dict[str, str]
    table: dict[str, int]

    def send(
        self, label: str, sender: str, contract: str, function: str, *arguments: Any, value: int = 0
    ) -> dict[str, Any]:
        """One transaction; its gas goes into the table under a label unless that is empty."""
        data = artifact(contract).interface.encode(function, *arguments)
        receipt = self.node.send(sender, self.addresses[contract], data, value)
        if label:
            self.table[label] = int(receipt["gasUsed"], 16)
        return receipt

    def domain(self) -> Domain:
        """Where the clients' signatures count."""
        return Domain(int(self.node.request("eth_chainId"), 16), self.addresses["Rounds"])

    def ask(self, contract: str, function: str, *arguments: Any) -> Any:
        """What a view answers."""
        interface = artifact(contract).interface
        answer = self.node.call(self.addresses[contract], interface.encode(function, *arguments))
        return interface.decode(function, answer)[0]


@dataclass(frozen=True)
class Client:
    """A member with a key."""

    signer: LocalSigner
    samples: int

    @property
    def address(self) -> str:
        return self.signer.address

    @property
    def member(self) -> Member:
        return Member(self.address, keccak256(self.address.encode()), self.samples)


def measure(node: Node) -> dict[str, int]:
    """Gas by what it was spent on."""
    for account in (COORDINATOR, STRANGER):
        node.fund(account)
    bench = Bench(node, {}, {})
    _deploy(bench)
    clients = [Client(_signer(i), 10 + i % 7) for i in range(max(SIZES))]
    for size in SIZES:
        _rounds(bench, clients[:size], f"{size} clients")
    _edges(bench, clients[:10])
    _proofs(bench)
    _disputes(bench, clients[:10])
    _sum_dispute(bench, clients[:100])
    _stakes(bench, clients[:10])
    _services(bench, clients[:10])
    return bench.table


def _deploy(bench: Bench) -> None:
    node = bench.node
    receipt = node.send(COORDINATOR, None, artifact("Suite").bytecode)
    bench.addresses["Suite"] = receipt["contractAddress"]
    bench.table["deploy / Suite"] = int(receipt["gasUsed"], 16)
    for name in CONTRACTS:
        word = name.encode().ljust(32, b"\0")
        suite = bytes(12) + bytes.fromhex(bench.addresses["Suite"][2:])
        code = artifact(name).bytecode + (b"" if name == "Groth16Verifier" else suite)
        bench.send(f"deploy / {name}", COORDINATOR, "Suite", "deploy", word, code)
        bench.addresses[name] = bench.ask("Suite", "addressOf", word)


def _rounds(bench: Bench, clients: Sequence[Client], size: str) -> None:
    """One round in every commitment scheme, its record and its claims."""
    plan = keccak256(b"plan " + size.encode())
    _register(bench, plan, clients, rounds=3, label=f"PlanRegistry.register / {size}")
    members = [(c.address, c.member.identity, c.samples) for c in clients]
    bench.send(
        f"Membership.publishMembers / {size}", COORDINATOR, "Membership", "publishMembers", plan, members
    )
    leaves = [update_leaf(_update(plan, 0, c)) for c in clients]
    root = f"a round's updates: one root / {size}"
    tree = _commit(bench, plan, 0, leaves, root)
    bench.send("", STRANGER, "Rounds", "publishLeaves", plan, 0, leaves)
    published = _last_gas(bench, "Rounds", "publishLeaves", plan, 0, leaves)
    bench.table[f"a round's updates: root and leaves in calldata / {size}"] = bench.table[root] + published
    _record(bench, plan, 0, clients, f"Rounds.recordAggregate / {size}")
    both = bench.table[root] + bench.table[f"Rounds.recordAggregate / {size}"]
    bench.table[f"a whole round: root and record / {size}"] = both
    chosen = (
        {"": 0, ", first leaves": 1, ", beyond leaf 128": 200}
        if len(clients) > 256
        else {"": len(clients) // 2}
    )
    for what, index in chosen.items():
        _claim(bench, plan, clients, tree, index, f"Rewards.claim / {size}{what}")
    one = _self_commit(bench, plan, clients[0])
    bench.table[f"a round's updates: one transaction each / {size}"] = one * len(clients)


def _edges(bench: Bench, clients: Sequence[Client]) -> None:
    """What a round needs when not everything goes well."""
    plan = keccak256(b"edges")
    _register(bench, plan, clients, rounds=4, round_seconds=1000, claim_seconds=10)
    bench.table["Rounds.commitSelf / one client"] = _self_commit(bench, plan, clients[1], 1)
    bench.send("Rounds.reject", COORDINATOR, "Rounds", "reject", plan, 0, clients[2].address, 1, CID)
    leaves = [update_leaf(_update(plan, 0, c)) for c in clients]
    tree = _commit(bench, plan, 0, leaves)
    _record(bench, plan, 0, clients)
    _claim(bench, plan, clients, tree, 0, "")
    bench.send("Rounds.skipRound", COORDINATOR, "Rounds", "skipRound", plan, 1, CID)
    bench.node.pass_time(20)
    bench.send("Rewards.sweep", COORDINATOR, "Rewards", "sweep", plan, 0)
    bench.node.pass_time(4000)
    bench.send("Rounds.abandon", STRANGER, "Rounds", "abandon", plan, 2)
    bench.send("Rewards.refund", COORDINATOR, "Rewards", "refund", plan)


def _proofs(bench: Bench) -> None:
    """Verification by itself: plain, and with one and two commitments."""
    plain = PlainProof.make()
    key = _deploy_key(bench, plain.key, "deploy / key of 3 inputs")
    words = [int.from_bytes(plain.proof[i : i + 32], "big") for i in range(0, 256, 32)]
    bench.send(
        "Groth16Verifier.verify / 3 inputs", STRANGER, "Groth16Verifier", "verify", key, words, plain.publics
    )
    for commitments in (1, 2):
        for unit_gamma in (False, True):
            made = PlainProof.make(commitments=commitments, unit_gamma=unit_gamma)
            key = _deploy_key(bench, made.key)
            label = f"Groth16Verifier.verifyCommitted / {commitments} commitment{'s' if commitments > 1 else ''}, 3 inputs"
            label += ", gamma is the generator" if unit_gamma else ""
            arguments = (key, made.publics, made.commitments, made.proof)
            bench.send(label, STRANGER, "Groth16Verifier", "verifyCommitted", *arguments)


def _staked(bench: Bench, plan: bytes, clients: Sequence[Client], **terms: Any) -> None:
    _register(
        bench, plan, clients, member_stake=10**18, coordinator_stake=10**18, challenge_seconds=1000,
        unbonding_seconds=2000, challenger_share=5000, bond=10**17, **terms,
    )  # fmt: skip


def _bad_proof(
    bench: Bench, clients: Sequence[Client], made: UpdateProofs, what: str, seal: str = ""
) -> None:
    """The proof of client 1 in the leaf of client 0."""
    plan = keccak256(b"bad proof " + what.encode())
    key = _deploy_key(bench, made.key, f"deploy / key of a bounded update, {what}")
    _staked(bench, plan, clients, key_hash=made.key.key_hash, l2_bound=made.bound, max_weight=1)
    _join(bench, plan, clients, clients[0])
    commitment, proof = made.prove(plan, 0, clients[1].address)
    cheat = replace(_update(plan, 0, clients[0]), digest=update_digest(commitment, proof))
    updates = [cheat, *(_update(plan, 0, c) for c in clients[1:])]
    path = _commit(bench, plan, 0, [update_leaf(u) for u in updates]).path(0)
    signature = sign_update(clients[0].signer, bench.domain(), cheat)
    evidence = (_leaf(cheat), path.index, path.siblings, signature, commitment, proof, 0, key)
    _challenge(bench, "challengeProof", evidence, f"Disputes.challengeProof / {what}", seal=seal)


def _disputes(bench: Bench, clients: Sequence[Client]) -> None:
    """A challenged proof, two signatures, a client twice, a questioned leaf."""
    _bad_proof(bench, clients, UpdateProofs.make(), "by bits", seal="Disputes.sealEvidence")
    _bad_proof(bench, clients, UpdateProofs.make(lookup=True), "by lookup")
    plans = [keccak256(b"dispute %d" % i) for i in range(4)]
    domain = bench.domain()
    for plan in plans:
        _staked(bench, plan, clients)
    _join(bench, plans[1], clients, clients[0])

    one, two = (replace(_update(plans[1], 0, clients[0]), digest=keccak256(b"%d" % i)) for i in range(2))
    signatures = [sign_update(clients[0].signer, domain, u) for u in (one, two)]
    evidence = (_leaf(one), signatures[0], two.samples, two.digest, signatures[1])
    _challenge(bench, "challengeSignatures", evidence, "Disputes.challengeSignatures")

    updates = [replace(_update(plans[2], 0, clients[0]), digest=keccak256(b"%d" % i)) for i in range(8)]
    tree = _commit(bench, plans[2], 0, [update_leaf(u) for u in updates])
    evidence = (
        _leaf(updates[0]), 0, tree.path(0).siblings, updates[7].samples, updates[7].digest, 7, tree.path(7).siblings,
    )  # fmt: skip
    _challenge(bench, "challengeTwice", evidence, "Disputes.challengeTwice")

    updates = [_update(plans[3], 0, c) for c in clients]
    tree = _commit(bench, plans[3], 0, [update_leaf(u) for u in updates])
    members = MerkleTree([member_leaf(c.member) for c in clients])
    for i, label in ((0, "Disputes.question"), (1, "")):
        arguments = (_leaf(updates[i]), i, tree.path(i).siblings)
        bench.send(label, STRANGER, "Disputes", "question", *arguments, value=10**17)
    signature = sign_update(clients[0].signer, domain, updates[0])
    listed = (clients[0].member.identity, clients[0].samples, 0, members.path(0).siblings)
    bench.send("Disputes.justify", COORDINATOR, "Disputes", "justify", _leaf(updates[0]), signature, *listed)
    bench.node.pass_time(600)
    bench.send("Disputes.convict", STRANGER, "Disputes", "convict", _leaf(updates[1]))


def _sum_dispute(bench: Bench, clients: Sequence[Client]) -> None:
    """A record that is not the sum of the commitments."""
    made = UpdateProofs.make()
    plan = keccak256(b"sum")
    _register(bench, plan, clients, coordinator_stake=10**18, challenge_seconds=1000, challenger_share=5000)
    commitment, proof = made.prove(plan, 0, clients[0].address)
    digest = update_digest(commitment, proof)
    updates = [replace(_update(plan, 0, c), digest=digest) for c in clients]
    _commit(bench, plan, 0, [update_leaf(u) for u in updates])
    aggregate = _aggregate(clients)
    _record(bench, plan, 0, clients)
    opened = [(c.address, c.samples, keccak256(proof), commitment) for c in clients]
    _challenge(
        bench,
        "challengeSum",
        (plan, 0, aggregate, opened),
        f"Disputes.challengeSum / {len(clients)} clients",
        bond=0,
    )


def _stakes(bench: Bench, clients: Sequence[Client]) -> None:
    """Members and validators with stakes."""
    plan = keccak256(b"stakes")
    _register(
        bench,
        plan,
        clients,
        member_stake=10**18,
        unbonding_seconds=100_000,
        coordinator_stake=10**18,
        rounds=1,
    )
    node = bench.node
    _join(bench, plan, clients, clients[0], "Membership.joinListed")
    bench.send("Validators.join", STRANGER, "Validators", "join", plan, 10**18, value=10**18)
    bench.send("", clients[1].address, "Validators", "join", plan, 10**18, value=10**18)
    leaves = [update_leaf(_update(plan, 0, c)) for c in clients]
    _commit(bench, plan, 0, leaves)
    _record(bench, plan, 0, clients)
    node.pass_time(10)
    record = bench.ask("Rounds", "aggregateHash", plan, 0)
    bench.send("Validators.attest / first", STRANGER, "Validators", "attest", plan, 0, record, True)
    hashed = bench.ask("Validators", "attestationHash", plan, 0, record, True)
    signature = clients[1].signer.sign_digest(hashed)
    assert recover_digest(hashed, signature) == clients[1].address
    bench.send(
        "Validators.attestSigned", STRANGER, "Validators", "attestSigned", plan, 0, record, True,
        clients[1].address, signature,
    )  # fmt: skip
    member = clients[0].address
    bench.send("Membership.startLeaving", member, "Membership", "startLeaving", plan)
    bench.send("Validators.startLeaving", STRANGER, "Validators", "startLeaving", plan)
    node.pass_time(100_001)
    bench.send("Membership.withdraw", member, "Membership", "withdraw", plan)
    bench.send("Membership.withdrawCoordinator", STRANGER, "Membership", "withdrawCoordinator", plan)
    bench.send("Validators.withdraw", STRANGER, "Validators", "withdraw", plan)


def _services(bench: Bench, clients: Sequence[Client]) -> None:
    """Inference and the mailbox."""
    plan = keccak256(b"services")
    _register(bench, plan, clients)
    ask: Callable[[str, int], Any] = lambda label, deadline: bench.send(  # noqa: E731
        label,
        STRANGER,
        "Inference",
        "request",
        plan,
        COORDINATOR,
        DIGEST,
        DIGEST,
        NOTHING,
        deadline,
        CID,
        value=10**15,
    )
    now = int(bench.node.request("eth_getBlockByNumber", "latest", False)["timestamp"], 16)
    ask("Inference.request", now + 1000)
    ask("", now + 1000)
    bench.send("Inference.answer", COORDINATOR, "Inference", "answer", 0, DIGEST, CID, STRANGER, b"")
    bench.node.pass_time(2000)
    bench.send("Inference.refund", STRANGER, "Inference", "refund", 1)
    _join(bench, plan, clients, clients[0])
    bench.send("Mailbox.publishKey", clients[0].address, "Mailbox", "publishKey", DIGEST)
    bench.send("Mailbox.post / first", COORDINATOR, "Mailbox", "post", plan, clients[0].address, CID)
    bench.send("Mailbox.post", COORDINATOR, "Mailbox", "post", plan, clients[0].address, CID)


def _signer(i: int) -> LocalSigner:
    return LocalSigner(keccak256(b"gas table client %d" % i))


def _update(plan: bytes, number: int, client: Client) -> Update:
    return Update(plan, number, client.address, client.samples, keccak256(b"update", client.address.encode()))


def _leaf(update: Update) -> tuple[Any, ...]:
    return (update.plan, update.round, update.client, update.samples, update.digest)


def _register(bench: Bench, plan: bytes, clients: Sequence[Client], label: str = "", **terms: Any) -> None:
    root = MerkleTree([member_leaf(c.member) for c in clients]).root
    fixed: dict[str, Any] = {
        "coordinator": COORDINATOR, "rounds": 2, "min_clients": 2, "member_count": len(clients), "members_root": root,
        "key_hash": NOTHING, "reward_per_round": 10**18,
    }  # fmt: skip
    wanted = Terms(**(fixed | {"round_seconds": 1000} | terms))
    names = artifact("PlanRegistry").interface.components("register", 1)
    bench.send(
        label,
        COORDINATOR,
        "PlanRegistry",
        "register",
        plan,
        wanted.to_tuple(names),
        CID,
        CID,
        value=wanted.deposit,
    )


def _join(bench: Bench, plan: bytes, clients: Sequence[Client], client: Client, label: str = "") -> None:
    bench.node.fund(client.address)
    members = MerkleTree([member_leaf(c.member) for c in clients])
    path = members.path(list(clients).index(client))
    _coordinator, _token, stake, *_rest = artifact("PlanRegistry").interface.decode(
        "stakeTerms",
        bench.node.call(
            bench.addresses["PlanRegistry"], artifact("PlanRegistry").interface.encode("stakeTerms", plan)
        ),
    )
    bench.send(
        label, client.address, "Membership", "joinListed", plan, client.member.identity, client.samples, path.index,
        path.siblings, value=stake,
    )  # fmt: skip


def _commit(bench: Bench, plan: bytes, number: int, leaves: Sequence[bytes], label: str = "") -> MerkleTree:
    tree = MerkleTree(leaves)
    bench.send(
        label, COORDINATOR, "Rounds", "commitRound", plan, number, tree.root, len(leaves), 0x70, DIGEST
    )
    return tree


def _aggregate(clients: Sequence[Client]) -> tuple[Any, ...]:
    words = [0] * (-(-len(clients) // 256))
    for i in range(len(clients)):
        words[i // 256] |= 1 << i % 256
    point = (1).to_bytes(32, "big") + (2).to_bytes(32, "big")
    return (DIGEST, sum(c.samples for c in clients), words, point, CID, CID)


def _record(bench: Bench, plan: bytes, number: int, clients: Sequence[Client], label: str = "") -> None:
    bench.send(label, COORDINATOR, "Rounds", "recordAggregate", plan, number, _aggregate(clients))


def _claim(
    bench: Bench, plan: bytes, clients: Sequence[Client], tree: MerkleTree, index: int, label: str
) -> None:
    update, path = _update(plan, 0, clients[index]), tree.path(index)
    bench.node.fund(update.client)
    arguments = (plan, 0, update.client, update.samples, update.digest, path.index, path.siblings)
    bench.send(label, update.client, "Rewards", "claim", *arguments)


def _self_commit(bench: Bench, plan: bytes, client: Client, number: int = 1) -> int:
    bench.node.fund(client.address)
    update = _update(plan, number, client)
    receipt = bench.send(
        "", client.address, "Rounds", "commitSelf", plan, number, update.samples, update.digest, CID
    )
    return int(receipt["gasUsed"], 16)


def _last_gas(bench: Bench, contract: str, function: str, *arguments: Any) -> int:
    return int(bench.send("", STRANGER, contract, function, *arguments)["gasUsed"], 16)


def _challenge(
    bench: Bench, function: str, evidence: tuple[Any, ...], label: str, *, seal: str = "", bond: int = 10**17
) -> None:
    salt = keccak256(label.encode())
    encoded = artifact("Disputes").interface.encode(function, salt, *evidence)[4:]
    text = _without_salt(encoded, function)
    name = bench.ask("Disputes", "sealOf", STRANGER, salt, text)
    bench.send(seal, STRANGER, "Disputes", "sealEvidence", name, value=bond)
    bench.send(label, STRANGER, "Disputes", function, salt, *evidence)


def _without_salt(encoded: bytes, function: str) -> bytes:
    """abi.encode of the arguments after the first one: heads that are offsets shrink by the word that goes."""
    entry = artifact("Disputes").interface.functions[function]
    codec = __import__("eth_abi").abi
    return bytes(codec.encode(entry.inputs[1:], codec.decode(entry.inputs, encoded)[1:]))


def _deploy_key(bench: Bench, key: KeyBlob, label: str = "") -> str:
    receipt = bench.node.send(STRANGER, None, key.creation_code)
    if label:
        bench.table[label] = int(receipt["gasUsed"], 16)
    return str(receipt["contractAddress"])
