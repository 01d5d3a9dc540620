"""Seeds of 32 bytes between every two parties, under X25519 and ChaCha20-Poly1305.

    round 1   everybody's public key to everybody
    round 2   from i to j, sealed with their key: the seed that i drew for the two of them

CrypTen sends 64-bit seeds in the clear instead. The keys here are as fresh as the run, so a recording of it
stays closed when a party's long-term identity leaks; who a public key belongs to is what the network says,
which is why the network has to be authenticated.

Leakage: nothing to anybody but the two ends of a seed.
Assumes: the gap Diffie-Hellman problem on Curve25519; messages arrive from whom they seem to.
"""

from collections.abc import Generator
from hashlib import sha256
from hmac import digest as hmac_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from mpc.errors import DecodeError, FaultyParty
from mpc.prg import KEY_BYTES, Stream
from mpc.runtime.types import Inbox, Outbox
from mpc.secagg.keys import AgreementKey
from mpc.wire import receive

__all__ = ["Seeds", "agree"]

# a key seals one message in each direction, so the nonce may be constant
_NONCE = bytes(12)


class Seeds:
    """What one party shares with every other: a seed it drew, and one the other drew."""

    __slots__ = ("_drawn", "_public", "_received")

    def __init__(self, drawn: dict[int, bytes], received: dict[int, bytes], public: bytes) -> None:
        self._drawn, self._received, self._public = drawn, received, public

    def __repr__(self) -> str:
        return "Seeds(<secret>)"

    def to(self, party: int, label: str) -> Stream:
        """The stream that `party` knows as `from_` us."""
        return Stream(self._drawn[party], b"eppml/crypten").derive(label)

    def from_(self, party: int, label: str) -> Stream:
        """The stream that `party` knows as `to` us."""
        return Stream(self._received[party], b"eppml/crypten").derive(label)

    def public(self, label: str) -> Stream:
        """A stream everybody in the run has: repeatable between them, and no secret."""
        return Stream(self._public, b"eppml/crypten/public").derive(label)


def agree(me: int, everybody: tuple[int, ...], randomness: Stream) -> Generator[Outbox, Inbox, Seeds]:
    """Seeds with everybody else. Two rounds.

    Raises: FaultyParty for a key that is none, or a seed that was not sealed for us.
    """
    others = [party for party in everybody if party != me]
    key = AgreementKey(randomness.bytes(KEY_BYTES))
    inbox = yield dict.fromkeys(others, key.public)
    publics = {party: receive(inbox, party) for party in others} | {me: key.public}
    # both ends see the same keys, or nothing that is sealed opens
    context = sha256(
        b"".join(party.to_bytes(4, "big") + publics[party] for party in sorted(publics))
    ).digest()
    shared: dict[int, bytes] = {}
    for party in others:
        try:
            if len(publics[party]) != KEY_BYTES:
                raise DecodeError("not a public key")
            shared[party] = key.agree(publics[party])
        except DecodeError as error:
            raise FaultyParty(party, str(error)) from None
    drawn = {party: randomness.bytes(KEY_BYTES) for party in others}
    inbox = yield {
        party: _cipher(shared[party], context, me, party).encrypt(_NONCE, seed, context)
        for party, seed in drawn.items()
    }
    received: dict[int, bytes] = {}
    for party in others:
        try:
            received[party] = _cipher(shared[party], context, party, me).decrypt(
                _NONCE, receive(inbox, party), context
            )
        except InvalidTag:
            raise FaultyParty(party, "the seed it sent does not decrypt") from None
        if len(received[party]) != KEY_BYTES:
            raise FaultyParty(party, f"sent a seed of {len(received[party])} bytes")
    return Seeds(drawn, received, context)


def _cipher(shared: bytes, context: bytes, sender: int, receiver: int) -> ChaCha20Poly1305:
    ends = sender.to_bytes(4, "big") + receiver.to_bytes(4, "big")
    return ChaCha20Poly1305(hmac_digest(shared, b"eppml/crypten/seed/1" + context + ends, sha256))
