"""The secrets of one client in one run, and what two clients derive from each other's public keys."""

from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mpc.errors import DecodeError
from mpc.prg import Stream, encode_labels
from mpc.secagg.messages import SHARE, Sealed
from mpc.shamir import KEY_FIELD

__all__ = [
    "AgreementKey",
    "RunKeys",
    "commit_seed",
    "commit_share",
    "is_seed",
    "is_share",
    "open_sealed",
    "own_mask_key",
    "pair_mask_key",
    "seal",
]

# every channel key encrypts exactly one message, so the nonce may be constant
_NONCE = bytes(12)


@dataclass(frozen=True, slots=True)
class RunKeys:
    """Two X25519 keys and the own mask's seed; `mask` and `seed` are shared, so both are elements of
    KEY_FIELD."""

    channel: bytes = field(repr=False)
    mask: bytes = field(repr=False)
    seed: bytes = field(repr=False)

    @classmethod
    def generate(cls, stream: Stream) -> "RunKeys":
        """Fresh keys for one run."""
        mask, seed = (v.to_bytes(32, "big") for v in stream.integers_below(KEY_FIELD, 2))
        return cls(stream.bytes(32), mask, seed)


class AgreementKey:
    """An X25519 key pair, loaded once for many agreements."""

    __slots__ = ("_key", "public")

    def __init__(self, private: bytes) -> None:
        self._key = X25519PrivateKey.from_private_bytes(private)
        self.public = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def __repr__(self) -> str:
        return f"AgreementKey(public={self.public.hex()})"

    def agree(self, public: bytes) -> bytes:
        """The 32-byte secret that two key pairs agree on.

        Raises: DecodeError for a public key of low order, which would make the secret known to everyone.
        """
        try:
            return self._key.exchange(X25519PublicKey.from_public_bytes(public))
        except ValueError:
            raise DecodeError("not a usable X25519 public key") from None


def _channel(shared: bytes, context: bytes, dealer: int, holder: int) -> ChaCha20Poly1305:
    ends = dealer.to_bytes(4, "big") + holder.to_bytes(4, "big")
    return ChaCha20Poly1305(hmac_digest(shared, b"EPPML secagg channel" + context + ends, sha256))


def seal(shared: bytes, context: bytes, dealer: int, holder: int, seed_share: int, key_share: int) -> Sealed:
    """Encrypt two shares to their holder and commit to each."""
    plain = seed_share.to_bytes(SHARE, "big") + key_share.to_bytes(SHARE, "big")
    return Sealed(
        _channel(shared, context, dealer, holder).encrypt(_NONCE, plain, context),
        commit_share(context, dealer, holder, "seed", seed_share),
        commit_share(context, dealer, holder, "key", key_share),
    )


def open_sealed(shared: bytes, context: bytes, dealer: int, holder: int, sealed: Sealed) -> tuple[int, int]:
    """The two shares.

    Raises: DecodeError when the ciphertext is not the dealer's, or the shares do not open their commitments.
    """
    try:
        plain = _channel(shared, context, dealer, holder).decrypt(_NONCE, sealed.ciphertext, context)
    except InvalidTag:
        raise DecodeError("the shares do not decrypt") from None
    seed_share, key_share = int.from_bytes(plain[:SHARE], "big"), int.from_bytes(plain[SHARE:], "big")
    if not is_share(sealed.seed_commitment, context, dealer, holder, "seed", seed_share):
        raise DecodeError("the share of the seed does not open its commitment")
    if not is_share(sealed.key_commitment, context, dealer, holder, "key", key_share):
        raise DecodeError("the share of the key does not open its commitment")
    return seed_share, key_share


def own_mask_key(context: bytes, client: int, seed: bytes) -> bytes:
    """What a client's own mask is expanded from."""
    return hmac_digest(seed, b"EPPML secagg own mask" + context + client.to_bytes(4, "big"), sha256)


def pair_mask_key(context: bytes, a: int, b: int, shared: bytes) -> bytes:
    """What the mask of two clients is expanded from, the same for both.

    Their indices are in it: a client that advertises another's public key would otherwise agree on the same
    mask with a third one, and could make the two masks of an honest client cancel.
    """
    ends = min(a, b).to_bytes(4, "big") + max(a, b).to_bytes(4, "big")
    return hmac_digest(shared, b"EPPML secagg pair mask" + context + ends, sha256)


def commit_share(context: bytes, dealer: int, holder: int, kind: str, share: int) -> bytes:
    """A hash of one share: hiding, because a share is uniform to whoever may not know it."""
    # every part has a fixed length, so no two shares are hashed alike
    ends = dealer.to_bytes(4, "big") + holder.to_bytes(4, "big")
    domain = b"EPPML secagg share " + (b"s" if kind == "seed" else b"k")
    return sha256(domain + context + ends + share.to_bytes(SHARE, "big")).digest()


def is_share(commitment: bytes, context: bytes, dealer: int, holder: int, kind: str, share: int) -> bool:
    """Whether `share` is reduced and opens the commitment."""
    return share < KEY_FIELD and compare_digest(
        commit_share(context, dealer, holder, kind, share), commitment
    )


def commit_seed(context: bytes, client: int, seed: bytes) -> bytes:
    """A hash of the own mask's seed, so that a wrong reconstruction is noticed."""
    return sha256(b"EPPML secagg seed" + encode_labels((context, client, seed))).digest()


def is_seed(commitment: bytes, context: bytes, client: int, seed: bytes) -> bool:
    """Whether `seed` opens the commitment."""
    return compare_digest(commit_seed(context, client, seed), commitment)
