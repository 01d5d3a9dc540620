"""Base oblivious transfers from X25519: the sender gets pairs of keys, the receiver one of each pair.

    sender: A = aG                                       receiver: B_i = b_i G + c_i A
    keys H(a B_i) and H(a (B_i - A))                      key H(b_i A)

Leakage: the sender learns nothing of the choices c, the receiver nothing of the other key.
Assumes: the gap Diffie-Hellman problem on Curve25519 and SHA-256 as a random oracle. A is checked to have
    prime order, because a component in the cofactor would come back in B exactly when the choice is 1.
Source: Chou and Orlandi, "The simplest protocol for oblivious transfer", LATINCRYPT 2015.
"""

import hashlib
from collections.abc import Generator, Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from mpc.errors import DecodeError, FaultyParty
from mpc.ot.edwards import Point
from mpc.prg import Stream
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import receive

__all__ = ["receive_keys", "send_keys"]


def send_keys(
    peer: int, count: int, randomness: Stream
) -> Generator[Outbox, Inbox, list[tuple[bytes, bytes]]]:
    """The sender's side: `count` pairs of 32-byte keys. Two rounds.

    Raises: FaultyParty for anything but `count` points.
    """
    secret, a_point = _key_pair(randomness)
    a_bytes = a_point.encode()
    yield {peer: a_bytes}
    inbox = yield {}
    answer = receive(inbox, peer)
    if len(answer) != 32 * count:
        raise FaultyParty(peer, f"sent {len(answer)} bytes where {count} points are due")
    pairs = []
    for index in range(count):
        b_bytes = answer[32 * index : 32 * index + 32]
        try:
            b_point = Point.decode(b_bytes)
            shared = [_exchange(secret, point) for point in (b_point, b_point + -a_point)]
        except DecodeError as error:
            raise FaultyParty(peer, f"choice {index} is no point: {error}") from None
        pairs.append(
            (_key(index, 0, a_bytes, b_bytes, shared[0]), _key(index, 1, a_bytes, b_bytes, shared[1]))
        )
    return pairs


def receive_keys(
    peer: int, choices: Sequence[int], randomness: Stream
) -> Generator[Outbox, Inbox, list[bytes]]:
    """The receiver's side: for every choice 0 or 1 the key it stands for. Two rounds.

    Raises: FaultyParty unless the sender's point has prime order.
    """
    inbox = yield {}
    a_bytes = receive(inbox, peer)
    try:
        a_point = Point.decode(a_bytes)
    except DecodeError as error:
        raise FaultyParty(peer, f"its key is no point: {error}") from None
    if not a_point.in_prime_subgroup:
        raise FaultyParty(peer, "its key has a component of small order, which would reveal our choices")
    keys, points = [], []
    for index, choice in enumerate(choices):
        secret, own = _key_pair(randomness)
        # Both sums are made, so that the time does not tell the choice.
        b_bytes = (own.encode(), (own + a_point).encode())[choice]
        keys.append(_key(index, choice, a_bytes, b_bytes, _exchange(secret, a_point)))
        points.append(b_bytes)
    yield {peer: b"".join(points)}
    return keys


def _key_pair(randomness: Stream) -> tuple[X25519PrivateKey, Point]:
    """An X25519 key and its public point on the Edwards curve: Ed25519's scalar is clamped the same way."""
    seed = randomness.bytes(32)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return X25519PrivateKey.from_private_bytes(hashlib.sha512(seed).digest()[:32]), Point.decode(public)


def _exchange(secret: X25519PrivateKey, point: Point) -> bytes:
    """Raises: DecodeError for points of small order, whose multiples are known to everybody."""
    try:
        return secret.exchange(X25519PublicKey.from_public_bytes(point.montgomery))
    except ValueError:
        raise DecodeError("a point of small order") from None


def _key(index: int, choice: int, a_bytes: bytes, b_bytes: bytes, shared: bytes) -> bytes:
    prefix = b"eppml/ot/base/1" + index.to_bytes(4, "big") + bytes([choice])
    return hashlib.sha256(prefix + a_bytes + b_bytes + shared).digest()
