"""Any protocol through a relay that learns nothing: messages travel sealed from end to end.

    parties --sealed--> relay --sealed--> parties            two rounds of the network for one of the protocol

Parties hold each other's public keys beforehand; the relay holds none.

Leakage: to the relay, who sends to whom in which round and how long the messages are, which for the
    protocols of this package depends on shapes alone.
Assumes: X25519 and ChaCha20-Poly1305; `session` is never used twice with the same keys. A relay that changes,
    replays or swaps messages is named; one that withholds a message cannot be told from a silent sender.
"""

import hashlib
from collections.abc import Generator, Mapping
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mpc.errors import DecodeError, FaultyParty, ParameterError
from mpc.ot.edwards import Point
from mpc.prg import Stream
from mpc.runtime.bundles import bundle, unbundle
from mpc.runtime.certificates import Identity
from mpc.runtime.types import Inbox, Outbox, Protocol

__all__ = ["SealingKey", "relay", "sealing_public", "through_relay"]

T = TypeVar("T")


class SealingKey:
    """A party's secret X25519 key, by which peers seal messages for it."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != 32:
            raise ParameterError(f"a sealing key has 32 bytes, got {len(secret)}")
        self._key = X25519PrivateKey.from_private_bytes(secret)

    @classmethod
    def generate(cls, randomness: Stream) -> "SealingKey":
        """A fresh key."""
        return cls(randomness.bytes(32))

    @classmethod
    def from_identity(cls, identity: Identity) -> "SealingKey":
        """The sealing key that goes with a party's TLS identity, by the map between the two curves.

        Assumes: one scalar may both sign and agree on keys, as in libsodium's conversion of the same keys.
        Raises: ParameterError for an identity that is not Ed25519.
        """
        key = serialization.load_pem_private_key(identity.key, None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ParameterError("only an Ed25519 identity has a sealing key")
        return cls(hashlib.sha512(key.private_bytes_raw()).digest()[:32])

    def __repr__(self) -> str:
        return "SealingKey(<secret>)"

    @property
    def public(self) -> bytes:
        """What the peers need to know."""
        return self._key.public_key().public_bytes_raw()

    def channel(self, peer: bytes, session: bytes) -> ChaCha20Poly1305:
        """The cipher shared with the holder of `peer`, for one session.

        Raises: ParameterError for a public key that is none.
        """
        try:
            shared = self._key.exchange(X25519PublicKey.from_public_bytes(peer))
        except ValueError:
            raise ParameterError("a peer's sealing key is no X25519 key") from None
        ends = b"".join(sorted((self.public, peer)))
        return ChaCha20Poly1305(HKDF(SHA256(), 32, session, b"eppml/relay/1" + ends).derive(shared))


def sealing_public(certificate: bytes) -> bytes:
    """The public sealing key of the party with this certificate (PEM): whoever has the one has the other.

    Raises: ParameterError for a certificate that is not Ed25519, or whose key is no point of the curve.
    """
    key = x509.load_pem_x509_certificate(certificate).public_key()
    if not isinstance(key, Ed25519PublicKey):
        raise ParameterError("only an Ed25519 certificate has a sealing key")
    try:
        return Point.decode(key.public_bytes_raw()).montgomery
    except DecodeError as error:
        raise ParameterError(f"a certificate's key cannot be used: {error}") from None


def through_relay(
    me: int,
    protocol: Protocol[T],
    *,
    via: int,
    key: SealingKey,
    peers: Mapping[int, bytes],
    session: bytes,
) -> Generator[Outbox, Inbox, T]:
    """Run `protocol` as party `me` with every message sealed and sent by way of party `via`.

    Raises: FaultyParty naming the relay for a message that was not sealed by its sender for this round, and
        what the protocol raises.
    """
    channels = {index: key.channel(public, session) for index, public in peers.items() if index != me}
    number = 0
    try:
        outbox = next(protocol)
        while True:
            number += 1
            sealed = {
                receiver: channels[receiver].encrypt(_nonce(number, me), data, b"")
                for receiver, data in outbox.items()
            }
            yield {via: bundle(sealed)}
            inbox = yield {}
            outbox = protocol.send(_unseal(number, via, channels, inbox))
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        protocol.close()


def relay(parties: tuple[int, ...]) -> Generator[Outbox, Inbox, int]:
    """The relay: sort sealed messages by receiver, round after round, until nobody sends any more.

    Returns how many it carried. Raises: FaultyParty for a bundle that is none.
    """
    carried = 0
    while True:
        inbox = yield {}
        if not inbox:
            return carried
        sorted_out: dict[int, dict[int, bytes]] = {party: {} for party in parties}
        for sender, data in inbox.items():
            try:
                addressed = unbundle(data)
                if sender in addressed or not set(addressed) <= set(parties):
                    raise DecodeError("addresses nobody of this group")
            except DecodeError as error:
                raise FaultyParty(sender, f"its bundle cannot be carried: {error}") from None
            for receiver, sealed in addressed.items():
                sorted_out[receiver][sender] = sealed
                carried += 1
        yield {party: bundle(sealed) for party, sealed in sorted_out.items() if party in inbox}


def _unseal(number: int, via: int, channels: Mapping[int, ChaCha20Poly1305], inbox: Inbox) -> Inbox:
    if via not in inbox:
        raise FaultyParty(via, "the relay brought nothing")
    try:
        brought = unbundle(inbox[via])
    except DecodeError as error:
        raise FaultyParty(via, f"its bundle cannot be read: {error}") from None
    opened = {}
    for sender, sealed in brought.items():
        try:
            opened[sender] = channels[sender].decrypt(_nonce(number, sender), sealed, b"")
        except (KeyError, InvalidTag):
            raise FaultyParty(via, f"brought a message that party {sender} did not seal for us") from None
    return opened


def _nonce(number: int, sender: int) -> bytes:
    """One key serves both directions and all rounds: the sender and the round keep them apart."""
    return sender.to_bytes(4, "big") + number.to_bytes(8, "big")
