"""The contracts of one deployment as a whole: asking them, acting once, reading what happened.

Every act has a business key (deployment, contract, function, plan, round, client). It is looked up in the outbox, then
on the chain, and only then sent, so doing it again after a crash, from this process or another, finds the first
transaction and returns its receipt.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from chain_adapter.eip712 import Domain
from chain_adapter.errors import TransactionReverted
from chain_adapter.events import Event
from chain_adapter.feed import Cursor, read_event, read_events
from chain_adapter.interface import artifact
from chain_adapter.keys import Signer
from chain_adapter.ledger import Chain
from chain_adapter.receipts import LogEntry, Receipt
from mpc.errors import ParameterError

__all__ = ["MANIFEST_FORMAT", "Contracts", "word"]

MANIFEST_FORMAT = "eppml-deployment-1"


@dataclass(frozen=True, slots=True)
class Contracts:
    """Contracts by name on one chain, and the account that writes to them (None: reading only)."""

    chain: Chain
    suite: str
    addresses: Mapping[str, str]
    code_hashes: Mapping[str, bytes]
    block: int
    signer: Signer | None = None

    def acting_as(self, signer: Signer) -> Self:
        """The same contracts, written to from another account."""
        return replace(self, signer=signer)

    @property
    def domain(self) -> Domain:
        """Where clients' signatures for this deployment are valid."""
        return Domain(self.chain.chain_id, self.addresses["Rounds"])

    def manifest(self) -> dict[str, Any]:
        """What another process needs to find and verify this deployment; plain JSON, nothing secret."""
        return {
            "format": MANIFEST_FORMAT,
            "chain_id": self.chain.chain_id,
            "genesis": "0x" + self.chain.genesis.hex(),
            "block": self.block,
            "suite": self.suite,
            "contracts": {
                name: {"address": address, "code_hash": "0x" + self.code_hashes[name].hex()}
                for name, address in self.addresses.items()
            },
        }

    def events(self, since: int | None = None) -> Iterator[Event]:
        """Every event from block `since` (the deployment's first block, unless given) to the head, in order."""
        start = self.block if since is None else max(since, self.block)
        return iter(self.poll(Cursor(start))[0])

    def poll(self, cursor: Cursor | None = None) -> tuple[list[Event], Cursor]:
        """What happened since the cursor, and the cursor for the next time; without one, everything.

        When blocks that were read are no longer on the chain, a `Rollback` comes first: what it names still stands, the
        later events are told again as they happened now.
        """
        names = {address: name for name, address in self.addresses.items()}
        return read_events(self.chain, names, cursor or Cursor(self.block))

    def read(self, log: LogEntry) -> Event | None:
        """The typed event in a log of one of these contracts. Raises: DecodeError."""
        name = next(n for n, address in self.addresses.items() if address.lower() == log.address.lower())
        return read_event(name, log)

    def account(self) -> Signer:
        """Who writes. Raises: ParameterError when nobody does."""
        if self.signer is None:
            raise ParameterError(
                "writing to the ledger needs a signer; this deployment was attached for reading"
            )
        return self.signer

    def ask(self, contract: str, function: str, *arguments: Any) -> tuple[Any, ...]:
        """A contract's answer, without sending anything. Raises: TransactionReverted."""
        interface = artifact(contract).interface
        answer = self.chain.call(self.addresses[contract], interface.encode(function, *arguments))
        return interface.decode(function, answer)

    def act(
        self, contract: str, function: str, business: tuple[object, ...], arguments: Sequence[Any], value: int,
        written: Callable[[], Receipt | None],
    ) -> Receipt:  # fmt: skip
        """Do something once: what `business` names is looked up in the outbox, then by `written`, and then sent.

        Raises: TransactionReverted, NotMined, ChainUnreachable; ParameterError when it was done with other content.
        """
        sender = self.chain.sender(self.account())
        parts = [b.hex() if isinstance(b, bytes) else str(b) for b in business]
        key = ":".join([self.suite, f"{contract}.{function}", *parts])
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

    def find(self, contract: str, event: str, *indexed: bytes) -> Iterator[Event]:
        """Events of one kind whose first indexed fields are these 32-byte words."""
        topics = [artifact(contract).interface.topic(event), *indexed]
        head, _hash = self.chain.head()
        for log in self.chain.logs([self.addresses[contract]], self.block, head, topics):
            found = read_event(contract, log)
            if found is not None:
                yield found

    def written(
        self, contract: str, event: str, *indexed: bytes, content: Mapping[str, object] | None = None
    ) -> Receipt | None:
        """The receipt of an act that is on the chain. Raises: ParameterError when it is there with other content."""
        for found in self.find(contract, event, *indexed):
            for name, value in (content or {}).items():
                if getattr(found, name) != value:
                    raise ParameterError(f"{event} is on the chain with another {name.replace('_', ' ')}")
            return self.chain.receipt(found.transaction)
        return None


def word(value: int | str) -> bytes:
    """A number or an address as the 32 bytes of an event's topic."""
    return value.to_bytes(32, "big") if isinstance(value, int) else bytes(12) + bytes.fromhex(value[2:])
