"""Sealed messages between members: the content in storage, its CID and who it is for on the chain.

Leakage: who writes to whom, when, and how long the message is.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from chain_adapter.addresses import address_bytes
from chain_adapter.contract_set import word
from chain_adapter.deployment import Deployment
from chain_adapter.events import MessagePosted
from chain_adapter.receipts import Receipt
from chain_adapter.storage.sealed import MailKey, open_sealed, seal
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["Mailbox", "Message"]


class Store(Protocol):
    """What a mailbox needs of a block store."""

    def put(self, data: bytes) -> str: ...

    def get(self, cid: str) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was opened; the chain vouches for who sent it."""

    sender: str
    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Letters to and from the deployment's signer, kept in a block store both ends can read."""

    deployment: Deployment
    store: Store

    def publish_key(self, key: MailKey) -> Receipt:
        """Announce the key that others seal messages with."""
        d, me = self.deployment, self.deployment.account().address
        return d.act(
            "Mailbox", "publishKey", (me, key.public), (key.public,), 0,
            lambda: d.written("Mailbox", "KeyPublished", word(me)) if self.key_of(me) == key.public else None,
        )  # fmt: skip

    def key_of(self, account: str) -> bytes:
        """The key an account announced; 32 zero bytes when it did not."""
        return bytes(self.deployment.ask("Mailbox", "keyOf", account)[0])

    def send(self, plan: bytes, to: str, data: bytes, randomness: Stream) -> Receipt:
        """Seal a message to a member and announce it.

        The same `randomness` seals to the same bytes, so that sending again after a crash sends one message.
        Raises: ParameterError when the member announced no key; TransactionReverted when one end is not in the plan.
        """
        d, me = self.deployment, self.deployment.account().address
        public = self.key_of(to)
        if public == bytes(32):
            raise ParameterError(f"{to} has announced no key to seal messages with")
        cid = self.store.put(seal(data, [public], _context(d, plan, me, to), randomness))
        return d.act(
            "Mailbox", "post", (plan, to, cid), (plan, to, cid), 0, lambda: self._posted(plan, to, me, cid)
        )

    def receive(self, plan: bytes, key: MailKey) -> Iterator[Message]:
        """Every message to the deployment's signer that this key opens, in the order they were announced.

        Raises: BlockMissing, BlockCorrupt, ProofRejected for a message that is not what its sender announced.
        """
        d, me = self.deployment, self.deployment.account().address
        for event in d.find("Mailbox", "MessagePosted", plan, word(me)):
            if isinstance(event, MessagePosted) and event.recipient_key == key.public:
                blob = self.store.get(event.cid)
                data = open_sealed(blob, key, _context(d, plan, event.sender, me))
                yield Message(event.sender, event.number, data)

    def _posted(self, plan: bytes, to: str, me: str, cid: str) -> Receipt | None:
        d = self.deployment
        for event in d.find("Mailbox", "MessagePosted", plan, word(to), word(me)):
            if isinstance(event, MessagePosted) and event.cid == cid:
                return d.chain.receipt(event.transaction)
        return None


def _context(deployment: Deployment, plan: bytes, sender: str, to: str) -> bytes:
    """Where a message belongs: it does not open as another member's, in another plan or deployment."""
    chain = deployment.chain.chain_id.to_bytes(32, "big")
    suite = address_bytes(deployment.suite)
    return b"EPPML mail" + chain + suite + plan + address_bytes(sender) + address_bytes(to)
