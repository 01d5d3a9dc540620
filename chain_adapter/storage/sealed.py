"""Files that only named members can open, as one blob that can be stored under a CID anywhere.

The file is encrypted once under a fresh key; that key is wrapped for each member by X25519 with an ephemeral key,
HKDF-SHA256 and ChaCha20-Poly1305. Every wrap and the body carry the whole header and the context as associated data:
a blob cut apart, joined with another, or shown in another plan does not open.

    "EPPML sealed v1" | 1 byte count | 32 bytes ephemeral key | count x (32 bytes recipient, 48 bytes wrapped key) | body

Leakage: the recipients' public keys, their number and the file's length. Assumes: a member's key is not shared; there
is no forward secrecy for recipients, and the sender is not authenticated (who posted the CID is).
Source: RFC 7748, RFC 5869, RFC 8439; the shape is that of HPKE's base mode (RFC 9180) with many recipients.
"""

from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream

__all__ = ["MailKey", "open_sealed", "seal"]

MAGIC = b"EPPML sealed v1"
KEY, TAG = 32, 16
SLOT = KEY + KEY + TAG
MOST = 255
NONCE = bytes(12)  # each key encrypts exactly one thing


class MailKey:
    """A member's X25519 key for receiving.

    >>> MailKey(bytes(31) + b"\\x01")
    MailKey(public=fd33...)
    """

    __slots__ = ("_private", "public")

    def __init__(self, private: bytes) -> None:
        if len(private) != KEY:
            raise ParameterError("a mail key is 32 bytes")
        self._private = X25519PrivateKey.from_private_bytes(private)
        self.public: bytes = self._private.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"MailKey(public={self.public.hex()[:4]}...)"

    def __reduce__(self) -> str:
        raise TypeError("a mail key is not pickled: its secret would travel with it")

    @classmethod
    def generate(cls, stream: Stream) -> "MailKey":
        return cls(stream.bytes(KEY))

    def shared(self, other: bytes) -> bytes:
        """The 32 bytes this key and the owner of `other` have in common. Raises: DecodeError for a degenerate key."""
        try:
            return self._private.exchange(X25519PublicKey.from_public_bytes(other))
        except ValueError as error:
            raise DecodeError(
                "a public mail key of small order, which anyone shares a secret with"
            ) from error


def seal(data: bytes, recipients: Sequence[bytes], context: bytes, randomness: Stream) -> bytes:
    """Encrypt `data` to the owners of the 32-byte public keys, valid in `context` only.

    Raises: ParameterError unless there are 1 to 255 distinct recipients with usable keys.
    """
    if not 1 <= len(recipients) <= MOST or len(set(recipients)) != len(recipients):
        raise ParameterError(f"a file is sealed to 1 to {MOST} distinct members, got {len(recipients)}")
    if any(len(key) != KEY for key in recipients):
        raise ParameterError("a member's public mail key is 32 bytes")
    ephemeral = MailKey.generate(randomness.derive(b"ephemeral"))
    content_key = randomness.derive(b"content").bytes(KEY)
    head = MAGIC + bytes([len(recipients)]) + ephemeral.public
    slots = b""
    for public in recipients:
        try:
            shared = ephemeral.shared(public)
        except DecodeError as error:
            raise ParameterError(str(error)) from error
        wrapping = ChaCha20Poly1305(_wrapping_key(shared, ephemeral.public, public, context))
        slots += public + wrapping.encrypt(NONCE, content_key, head)
    body = ChaCha20Poly1305(content_key).encrypt(NONCE, data, head + slots + context)
    return head + slots + body


def open_sealed(blob: bytes, key: MailKey, context: bytes) -> bytes:
    """Decrypt a blob with one recipient's key.

    Raises: DecodeError when it is no sealed file; ProofRejected when it is not for this key or context, or was changed.
    """
    fixed = len(MAGIC) + 1 + KEY
    if len(blob) < fixed or blob[: len(MAGIC)] != MAGIC or blob[len(MAGIC)] == 0:
        raise DecodeError("not a sealed file")
    count = blob[len(MAGIC)]
    end = fixed + count * SLOT
    if len(blob) < end + TAG:
        raise DecodeError("a sealed file that is cut off")
    head, slots, body = blob[:fixed], blob[fixed:end], blob[end:]
    for start in range(0, len(slots), SLOT):
        if slots[start : start + KEY] == key.public:
            shared = key.shared(head[-KEY:])
            wrapping = ChaCha20Poly1305(_wrapping_key(shared, head[-KEY:], key.public, context))
            try:
                content_key = wrapping.decrypt(NONCE, slots[start + KEY : start + SLOT], head)
                return ChaCha20Poly1305(content_key).decrypt(NONCE, body, head + slots + context)
            except InvalidTag as error:
                raise ProofRejected("the sealed file was changed, or is of another plan") from error
    raise ProofRejected("the sealed file is not for this key")


def _wrapping_key(shared: bytes, ephemeral: bytes, recipient: bytes, context: bytes) -> bytes:
    info = b"EPPML wrap" + ephemeral + recipient + len(context).to_bytes(4, "big") + context
    return HKDF(algorithm=SHA256(), length=KEY, salt=None, info=info).derive(shared)
