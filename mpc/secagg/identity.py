"""Long-term identities: Ed25519 keys that sign what a party says in one run."""

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mpc.errors import DecodeError, ProofRejected
from mpc.prg import Stream, encode_labels

__all__ = ["SIGNATURE_BYTES", "IdentityKey", "PublicIdentity"]

SIGNATURE_BYTES = 64
KEY_BYTES = 32


def _message(purpose: str, context: bytes, body: bytes) -> bytes:
    return b"EPPML secagg v1" + encode_labels((purpose, context, body))


@dataclass(frozen=True, slots=True)
class PublicIdentity:
    """The public half: 32 raw bytes.

    Raises: DecodeError for another length.
    """

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise DecodeError(f"a public identity has {KEY_BYTES} bytes, got {len(self.raw)}")

    def verify(self, signature: bytes, purpose: str, context: bytes, body: bytes) -> None:
        """Raises: ProofRejected unless `signature` is this identity's over purpose, context and body."""
        if not self.is_valid(signature, purpose, context, body):
            raise ProofRejected(f"the signature on {purpose!r} is not by {self.raw.hex()[:16]}")

    def is_valid(self, signature: bytes, purpose: str, context: bytes, body: bytes) -> bool:
        """Whether `signature` is this identity's over purpose, context and body."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, _message(purpose, context, body))
        except (InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class IdentityKey:
    """The private half; it never appears in a repr.

    >>> key = IdentityKey.generate(Stream(bytes(32)))
    >>> key.public().is_valid(key.sign("greeting", b"session", b"hello"), "greeting", b"session", b"hello")
    True
    """

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != KEY_BYTES:
            raise DecodeError(f"an identity seed has {KEY_BYTES} bytes, got {len(self.seed)}")

    @classmethod
    def generate(cls, stream: Stream) -> "IdentityKey":
        """A fresh identity."""
        return cls(stream.bytes(KEY_BYTES))

    def public(self) -> PublicIdentity:
        """What others know this identity by."""
        key = Ed25519PrivateKey.from_private_bytes(self.seed).public_key()
        return PublicIdentity(key.public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, purpose: str, context: bytes, body: bytes) -> bytes:
        """An Ed25519 signature over purpose, context and body, none of which can stand in for another."""
        return Ed25519PrivateKey.from_private_bytes(self.seed).sign(_message(purpose, context, body))
