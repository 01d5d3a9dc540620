"""Showing the chain a fault: whoever committed it is slashed, whoever showed it is paid.

Evidence is sealed first: a hash of it under a bond, and the evidence itself in a later block, so that copying a
pending challenge gains nothing. The salt is derived from the challenger's own signature: secret, and the same after a
crash, so that a challenge cut off between its two steps goes on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chain_adapter._extras import require
from chain_adapter.contract_set import word
from chain_adapter.deployment import Deployment, bitmap
from chain_adapter.eip712 import Update
from chain_adapter.errors import TransactionReverted
from chain_adapter.events import AggregateRecorded, Sealed
from chain_adapter.hashing import keccak256
from chain_adapter.interface import artifact
from chain_adapter.merkle import Member, MerkleTree, Path
from chain_adapter.receipts import Receipt
from mpc.errors import ParameterError

__all__ = ["Disputes", "OpenLeaf", "SignedUpdate"]


SEAL_TIMEOUT, SEAL_POLL = 120.0, 0.5  # seconds


@dataclass(frozen=True, slots=True)
class SignedUpdate:
    """What a client said, and that it said so."""

    update: Update
    signature: bytes

    @property
    def leaf(self) -> tuple[bytes, int, str, int, bytes]:
        u = self.update
        return (u.plan, u.round, u.client, u.samples, u.digest)


@dataclass(frozen=True, slots=True)
class OpenLeaf:
    """A leaf as a dispute about a sum shows it: the commitment, and the Keccak-256 of the proof."""

    client: str
    samples: int
    proof_hash: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True)
class Disputes:
    """Challenges by the deployment's signer. Each costs the plan's bond, which comes back when it is right."""

    deployment: Deployment

    def challenge_proof(
        self, signed: SignedUpdate, path: Path, commitment: bytes, proof: bytes, chunk: int, key: str
    ) -> Receipt:
        """A committed update whose proof does not verify: its client and the coordinator are slashed.

        `commitment` and `proof` are the update's bytes, `chunk` the part that fails, `key` the address of the key's blob.
        """
        u = signed.update
        arguments = (signed.leaf, path.index, path.siblings, signed.signature, commitment, proof, chunk, key)
        return self._challenge("challengeProof", u.plan, (u.plan, u.round, u.client, chunk), arguments)

    def challenge_signatures(self, first: SignedUpdate, second: SignedUpdate) -> Receipt:
        """One client, one round, two different updates signed: it is slashed."""
        u, other = first.update, second.update
        if (u.plan, u.round, u.client) != (other.plan, other.round, other.client):
            raise ParameterError("two signatures are a fault only of one client in one round")
        arguments = (first.leaf, first.signature, other.samples, other.digest, second.signature)
        return self._challenge("challengeSignatures", u.plan, (u.plan, u.round, u.client), arguments)

    def challenge_twice(self, first: Update, first_path: Path, second: Update, second_path: Path) -> Receipt:
        """A root that holds one client twice: the coordinator is slashed."""
        leaf = (first.plan, first.round, first.client, first.samples, first.digest)
        arguments = (
            leaf, first_path.index, first_path.siblings, second.samples, second.digest, second_path.index,
            second_path.siblings,
        )  # fmt: skip
        return self._challenge(
            "challengeTwice", first.plan, (first.plan, first.round, first.client), arguments
        )

    def challenge_sum(self, aggregate: AggregateRecorded, leaves: Sequence[OpenLeaf]) -> Receipt:
        """A recorded sum that is not the sum of the round's commitments: the coordinator is slashed.

        `leaves` are all of the round's, in order.
        """
        a = aggregate
        record = (
            a.model_digest,
            a.total_samples,
            bitmap(a.included),
            a.commitment_sum,
            a.model_cid,
            a.record_cid,
        )
        shown = [(leaf.client, leaf.samples, leaf.proof_hash, leaf.commitment) for leaf in leaves]
        return self._challenge("challengeSum", a.plan, (a.plan, a.round), (a.plan, a.round, record, shown))

    def question(self, update: Update, path: Path) -> Receipt:
        """Make the coordinator show the client's signature for a leaf of its root, in half the challenge time."""
        leaf = (update.plan, update.round, update.client, update.samples, update.digest)
        d, bond = self.deployment, self.deployment.terms(update.plan).bond
        return d.act(
            "Disputes", "question", (update.plan, update.round, update.client, path.index),
            (leaf, path.index, path.siblings), bond, lambda: None,
        )  # fmt: skip

    def justify(self, signed: SignedUpdate, member: Member, members: MerkleTree, position: int) -> Receipt:
        """The coordinator's answer to a question: the client's signature and its place in the allow-list."""
        u, path = signed.update, members.path(position)
        arguments = (
            signed.leaf,
            signed.signature,
            member.identity,
            member.samples,
            path.index,
            path.siblings,
        )
        business = (u.plan, u.round, u.client)
        return self.deployment.act("Disputes", "justify", business, arguments, 0, lambda: None)

    def convict(self, update: Update) -> Receipt:
        """A question that was not answered in time: the coordinator is slashed."""
        leaf = (update.plan, update.round, update.client, update.samples, update.digest)
        business = (update.plan, update.round, update.client)
        return self.deployment.act("Disputes", "convict", business, (leaf,), 0, lambda: None)

    def _challenge(
        self, function: str, plan: bytes, business: tuple[object, ...], arguments: tuple[Any, ...]
    ) -> Receipt:
        d, me = self.deployment, self.deployment.account()
        kinds = artifact("Disputes").interface.kinds(function)[1:]
        evidence = bytes(require("eth_abi.abi").encode(kinds, arguments))
        label = keccak256(b"EPPML salt", d.suite.encode(), function.encode(), evidence)
        salt = keccak256(me.sign_digest(label))
        seal = keccak256(word(me.address), salt, keccak256(evidence))
        bond = d.terms(plan).bond
        d.act("Disputes", "sealEvidence", (seal,), (seal,), bond, lambda: self._sealed(me.address, seal))
        deadline = time.monotonic() + SEAL_TIMEOUT
        while True:
            try:
                return d.act("Disputes", function, business, (salt, *arguments), 0, lambda: None)
            except TransactionReverted as error:
                # a node may reckon with the seal's own block, and evidence counts only in a later one
                if error.error != "SealTooFresh" or time.monotonic() > deadline:
                    raise
            time.sleep(SEAL_POLL)

    def _sealed(self, challenger: str, seal: bytes) -> Receipt | None:
        for event in self.deployment.find("Disputes", "Sealed", word(challenger)):
            if isinstance(event, Sealed) and event.seal == seal:
                return self.deployment.chain.receipt(event.transaction)
        return None
