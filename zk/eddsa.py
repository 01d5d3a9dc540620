"""EdDSA over BabyJubJub as circomlib defines it: a signature a circom circuit checks in some 4,000 rows.

    A = s B, R = r B, S = r + h s      with h = H(R, A, message) and H Poseidon, MiMC or the Pedersen hash

Keys expand and nonces derive through BLAKE-512, so a signature is a function of key and message. Keys, signatures
and their bytes equal those of circomlibjs on the same inputs.

Source: Bernstein, Duif, Lange, Schwabe, Yang 2011 (EdDSA); circomlib's `eddsaposeidon.circom` and its siblings.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk.babyjubjub import BASE8, BASE8_TABLE, IDENTITY, L, P, Point, multi_scalar
from zk.blake import blake512
from zk.mimc import mimc7_hash, mimc_sponge
from zk.pedersen_hash import circom_pedersen
from zk.poseidon import poseidon

__all__ = ["SCHEMES", "Signature", "SigningKey", "is_valid", "verify"]

SEED_BYTES = 32
SIGNATURE_BYTES = 64
Message: TypeAlias = int | bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """R and S; another pair may sign the same message under the same key, so it is no nullifier.

    Raises: DecodeError for S >= L.
    """

    r: Point
    s: int

    def __post_init__(self) -> None:
        if type(self.s) is not int or not 0 <= self.s < L:
            raise DecodeError("S of a signature must be a whole number below the group order")

    def to_bytes(self) -> bytes:
        """64 bytes, as circomlibjs packs a signature."""
        return self.r.to_circom() + self.s.to_bytes(32, "little")

    @classmethod
    def from_bytes(cls, data: bytes) -> "Signature":
        """The signature of these bytes.

        Raises: DecodeError unless they are the one canonical encoding of a point and a number below L.
        """
        if len(data) != SIGNATURE_BYTES:
            raise DecodeError(f"a signature has {SIGNATURE_BYTES} bytes, got {len(data)}")
        return cls(Point.from_circom(data[:32]), int.from_bytes(data[32:], "little"))


def _element(message: Message) -> int:
    if type(message) is not int or not 0 <= message < P:
        raise ParameterError("this scheme signs a field element: a whole number below P")
    return message


def _of_elements(hash_elements: Callable[[list[int]], int]) -> Callable[[Point, Point, Message], int]:
    def challenge(r: Point, public: Point, message: Message) -> int:
        return hash_elements([r.x, r.y, public.x, public.y, _element(message)])

    return challenge


def _of_bytes(r: Point, public: Point, message: Message) -> int:
    if not isinstance(message, bytes):
        raise ParameterError("the Pedersen scheme signs bytes")
    hashed = circom_pedersen(r.to_circom() + public.to_circom() + message)
    return int.from_bytes(hashed.to_circom(), "little")


_CHALLENGES: dict[str, Callable[[Point, Point, Message], int]] = {
    "poseidon": _of_elements(poseidon),
    "mimc7": _of_elements(mimc7_hash),
    "mimcsponge": _of_elements(lambda values: mimc_sponge(values)[0]),
    "pedersen": _of_bytes,
}
SCHEMES = tuple(_CHALLENGES)


def _challenge(scheme: str, r: Point, public: Point, message: Message) -> int:
    if scheme not in _CHALLENGES:
        raise ParameterError(f"no scheme is called {scheme!r}; there are {', '.join(SCHEMES)}")
    return _CHALLENGES[scheme](r, public, message)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """32 secret bytes.

    Raises: ParameterError for another length.
    """

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != SEED_BYTES:
            raise ParameterError(f"a signing key has {SEED_BYTES} bytes, got {len(self.seed)}")

    @classmethod
    def generate(cls, stream: Stream) -> "SigningKey":
        """A fresh key."""
        return cls(stream.bytes(SEED_BYTES))

    def _expanded(self) -> tuple[int, bytes]:
        digest = bytearray(blake512(self.seed))
        digest[0] &= 0xF8
        digest[31] = digest[31] & 0x7F | 0x40
        return int.from_bytes(digest[:32], "little"), bytes(digest[32:])

    @property
    def scalar(self) -> int:
        """The number k with A = k BASE8, which a circuit takes as its secret."""
        return self._expanded()[0] >> 3

    @property
    def public(self) -> Point:
        """A, the public key."""
        return BASE8_TABLE.times(self.scalar)

    def sign(self, message: Message, scheme: str = "poseidon") -> Signature:
        """Sign a field element, or bytes with the scheme "pedersen".

        Raises: ParameterError for an unknown scheme or a message it does not take.

        >>> key = SigningKey(bytes(32)); is_valid(key.public, 7, key.sign(7))
        True
        """
        secret, prefix = self._expanded()
        body = message if isinstance(message, bytes) else _element(message).to_bytes(32, "little")
        nonce = int.from_bytes(blake512(prefix + body), "little") % L
        r, public = BASE8_TABLE.times(nonce), self.public
        return Signature(r, (nonce + _challenge(scheme, r, public, message) * secret) % L)


def is_valid(public: Point, message: Message, signature: Signature, scheme: str = "poseidon") -> bool:
    """Whether `signature` signs `message`; keys of small order sign nothing here.

    Raises: ParameterError for an unknown scheme or a message it does not take.
    """
    h = _challenge(scheme, signature.r, public, message)
    if public == IDENTITY or not public.in_subgroup():
        return False
    return multi_scalar([(BASE8, signature.s), (public, -8 * h)]) == signature.r


def verify(public: Point, message: Message, signature: Signature, scheme: str = "poseidon") -> None:
    """Check a signature.

    Raises: ProofRejected unless it signs `message`; ParameterError as `is_valid`.
    """
    if not is_valid(public, message, signature, scheme):
        raise ProofRejected("the signature does not fit key and message")
