"""EdDSA over BabyJubJub as ZoKrates' standard library checks it (`ecc/verifyEddsa`): challenges by SHA-256.

    A = k B, R = r B, S = r + h k      with h = SHA-256(R.x, A.x, message), r = SHA-256(k, message)

Signatures equal those of zokrates-pycrypto on the same inputs. The standard's S is reduced modulo 8 L, and R may
be any point of the curve, so one message has several valid signatures: they are no nullifiers.

Source: zokrates-pycrypto 0.3, `eddsa.py`; after Bernstein, Duif, Lange, Schwabe, Yang 2011.
"""

from dataclasses import dataclass, field
from hashlib import sha256

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk.babyjubjub import IDENTITY, ORDER, FixedBase, L, P, Point, multi_scalar

__all__ = ["BASE", "Signature", "SigningKey", "is_valid", "verify"]

BASE = Point(
    16540640123574156134436876038791482806971768689494387082833631921987005038935,
    20819045374670962167435360035096875258406992893633759881276124905556507972311,
)
_BASE_TABLE = FixedBase(BASE)


@dataclass(frozen=True, slots=True)
class Signature:
    """R and S.

    Raises: DecodeError for S >= 8 L.
    """

    r: Point
    s: int

    def __post_init__(self) -> None:
        if type(self.s) is not int or not 0 <= self.s < ORDER:
            raise DecodeError("S of a signature must be a whole number below the order of the curve")


def _hash(*parts: int | bytes) -> int:
    data = b"".join(part if isinstance(part, bytes) else part.to_bytes(32, "big") for part in parts)
    return int.from_bytes(sha256(data).digest(), "big")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret number below P.

    Raises: ParameterError for zero, negative or too large numbers.
    """

    scalar: int = field(repr=False)

    def __post_init__(self) -> None:
        if type(self.scalar) is not int or not 0 < self.scalar < P:
            raise ParameterError("a signing key is a whole number between 1 and P - 1")

    @classmethod
    def generate(cls, stream: Stream) -> "SigningKey":
        """A fresh key."""
        return cls(1 + stream.below(L - 1))

    @property
    def public(self) -> Point:
        """A, the public key."""
        return _BASE_TABLE.times(self.scalar)

    def sign(self, message: bytes) -> Signature:
        """Sign bytes (ZoKrates' circuit takes 64 of them).

        >>> key = SigningKey(5); is_valid(key.public, bytes(64), key.sign(bytes(64)))
        True
        """
        nonce = _hash(self.scalar, message)
        r = _BASE_TABLE.times(nonce)
        return Signature(r, (nonce + self.scalar * _hash(r.x, self.public.x, message)) % ORDER)


def is_valid(public: Point, message: bytes, signature: Signature) -> bool:
    """Whether `signature` signs `message`; keys of small order sign nothing here."""
    if public == IDENTITY or not public.in_subgroup():
        return False
    h = _hash(signature.r.x, public.x, message)
    return multi_scalar([(BASE, signature.s), (public, -h)]) == signature.r


def verify(public: Point, message: bytes, signature: Signature) -> None:
    """Check a signature.

    Raises: ProofRejected unless it signs `message`.
    """
    if not is_valid(public, message, signature):
        raise ProofRejected("the signature does not fit key and message")
