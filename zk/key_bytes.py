"""A commit-and-prove verifying key as canonical bytes, for block storage and for auditors.

    magic and version | number of challenges 1 | circuit 32 | Groth16 key | number of groups 4 | groups
    Groth16 key: alpha, beta, gamma, delta, number of IC points 8, IC points
    group: length of its name 1, name, number of bases 8, bases, eta, sigma

Points are uncompressed big-endian. Decoding checks every point and the key as a whole.
"""

from mpc.errors import DecodeError
from zk.commit_prove import CommitmentKey, VerifierKey
from zk.curve import G1, G1_BYTES, G2, G2_BYTES, decode_g1, decode_g2
from zk.groth16 import VerifyingKey
from zk.limbs import g1_array, g1_points

__all__ = ["MAGIC", "decode_verifier_key", "encode_verifier_key"]

MAGIC = b"EPPMLVK\x01"
_MAX_GROUPS = 8


def encode_verifier_key(key: VerifierKey) -> bytes:
    """The one encoding of a key."""
    parts = [
        MAGIC,
        bytes([key.challenges]),
        key.circuit,
        key.base.to_bytes(),
        len(key.groups).to_bytes(4, "big"),
    ]
    for group in key.groups:
        name = group.name.encode()
        bases = b"".join(point.to_bytes() for point in g1_points(group.bases))
        parts += [bytes([len(name)]), name, len(group.bases).to_bytes(8, "big"), bases]
        parts += [group.eta.to_bytes(), group.sigma_g2.to_bytes()]
    return b"".join(parts)


def decode_verifier_key(data: bytes) -> VerifierKey:
    """The key that `data` encodes, checked.

    Raises: DecodeError for another version, a length that does not fit, or a point or key that `check` refuses.
    """
    reader = _Reader(data)
    if reader.take(len(MAGIC)) != MAGIC:
        raise DecodeError("not a verifying key of version 1")
    challenges, circuit = reader.take(1)[0], reader.take(32)
    alpha, beta, gamma, delta = reader.g1(), reader.g2(), reader.g2(), reader.g2()
    base = VerifyingKey(alpha, beta, gamma, delta, tuple(reader.points(reader.number(8))))
    count = reader.number(4)
    if count > _MAX_GROUPS:
        raise DecodeError(f"a verifying key has at most {_MAX_GROUPS} groups, not {count}")
    groups = []
    for _ in range(count):
        name = reader.take(reader.take(1)[0])
        if not name.isalnum():
            raise DecodeError("a group's name is letters and digits")
        bases = g1_array(reader.points(reader.number(8)))
        groups.append(CommitmentKey(name.decode("ascii"), bases, reader.g1(), reader.g2()))
    reader.end()
    key = VerifierKey(base, tuple(groups), challenges, circuit)
    key.check()
    return key


class _Reader:
    """Takes fields off bytes and never allocates more than is there."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def take(self, size: int) -> bytes:
        piece = self._data[self._place : self._place + size]
        if len(piece) != size:
            raise DecodeError("a verifying key is cut short")
        self._place += size
        return piece

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def g1(self) -> G1:
        return decode_g1(self.take(G1_BYTES))

    def g2(self) -> G2:
        return decode_g2(self.take(G2_BYTES))

    def points(self, count: int) -> list[G1]:
        if count > (len(self._data) - self._place) // G1_BYTES:
            raise DecodeError(f"a verifying key announces {count} points and does not hold them")
        return [self.g1() for _ in range(count)]

    def end(self) -> None:
        if self._place != len(self._data):
            raise DecodeError("a verifying key has bytes behind its end")
