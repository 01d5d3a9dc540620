"""Keys, proofs and public inputs as ark-groth16 serialises them, points compressed or (`ARKWORKS_RAW`) not.

    verifying key   alpha G1, beta G2, gamma G2, delta G2, number of points (8 bytes LE), IC points
    proof           A, B, C: 128 bytes, or 256 uncompressed
    publics         number (8 bytes LE), then 32 bytes LE each

Keys come back checked (`VerifyingKey.check`).

Source: ark-groth16 0.4, `data_structures.rs`.
"""

from collections.abc import Sequence

from mpc.errors import DecodeError
from zk.curve import R
from zk.formats.compressed import ARKWORKS, Points
from zk.formats.iden3 import Cursor
from zk.formats.named import named
from zk.groth16 import Proof, VerifyingKey

__all__ = [
    "decode_proof",
    "decode_publics",
    "decode_verifying_key",
    "encode_proof",
    "encode_publics",
    "encode_verifying_key",
]


def _count(cursor: Cursor, size: int) -> int:
    count = cursor.u64()
    if count * size != len(cursor.view) - cursor.at:
        raise DecodeError(
            f"{cursor.what}: {count} elements announced, {len(cursor.view) - cursor.at} bytes left"
        )
    return count


def decode_verifying_key(data: bytes, points: Points = ARKWORKS) -> VerifyingKey:
    """The key these bytes spell.

    Raises: DecodeError for anything but one canonical, sound key.
    """
    cursor = Cursor(memoryview(data), "arkworks key")
    with named("arkworks key"):
        alpha = points.decode_g1(bytes(cursor.take(points.g1_bytes)))
        beta, gamma, delta = (points.decode_g2(bytes(cursor.take(points.g2_bytes))) for _ in range(3))
        count = _count(cursor, points.g1_bytes)
        ic = tuple(points.decode_g1(bytes(cursor.take(points.g1_bytes))) for _ in range(count))
    key = VerifyingKey(alpha_g1=alpha, beta_g2=beta, gamma_g2=gamma, delta_g2=delta, ic=ic)
    key.check()
    return key


def encode_verifying_key(key: VerifyingKey, points: Points = ARKWORKS) -> bytes:
    """The bytes `decode_verifying_key` and ark-groth16 read."""
    parts = [points.encode_g1(key.alpha_g1)]
    parts += [points.encode_g2(point) for point in (key.beta_g2, key.gamma_g2, key.delta_g2)]
    parts += [len(key.ic).to_bytes(8, "little"), *(points.encode_g1(point) for point in key.ic)]
    return b"".join(parts)


def decode_proof(data: bytes, points: Points = ARKWORKS) -> Proof:
    """The proof of these bytes.

    Raises: DecodeError for anything but three canonical, finite points of the right groups.
    """
    cursor = Cursor(memoryview(data), "arkworks proof")
    with named("arkworks proof"):
        a = points.decode_g1(bytes(cursor.take(points.g1_bytes)))
        b = points.decode_g2(bytes(cursor.take(points.g2_bytes)))
        c = points.decode_g1(bytes(cursor.take(points.g1_bytes)))
    cursor.finish()
    return Proof(a, b, c)


def encode_proof(proof: Proof, points: Points = ARKWORKS) -> bytes:
    """128 bytes, or 256 uncompressed."""
    return points.encode_g1(proof.a) + points.encode_g2(proof.b) + points.encode_g1(proof.c)


def decode_publics(data: bytes) -> list[int]:
    """The public inputs these bytes spell.

    Raises: DecodeError for a count that does not match the length, or elements >= R.
    """
    cursor = Cursor(memoryview(data), "arkworks public inputs")
    return [cursor.number(R, f"public input {i}") for i in range(_count(cursor, 32))]


def encode_publics(publics: Sequence[int]) -> bytes:
    """The bytes `decode_publics` reads."""
    return len(publics).to_bytes(8, "little") + b"".join(value.to_bytes(32, "little") for value in publics)
