"""Keys, proofs and public inputs as ark-groth16 serialises them, points compressed.

    verifying key   alpha G1, beta G2, gamma G2, delta G2, number of points (8 bytes LE), IC points
    proof           A, B, C: 128 bytes
    publics         number (8 bytes LE), then 32 bytes LE each

Keys come back checked (`VerifyingKey.check`).

Source: ark-groth16 0.4, `data_structures.rs`.
"""

from collections.abc import Sequence

from mpc.errors import DecodeError
from zk.curve import R
from zk.formats.compressed import ARKWORKS as POINTS
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


def _count(cursor: Cursor) -> int:
    count = cursor.u64()
    if count * 32 != len(cursor.view) - cursor.at:
        raise DecodeError(
            f"{cursor.what}: {count} elements announced, {len(cursor.view) - cursor.at} bytes left"
        )
    return count


def decode_verifying_key(data: bytes) -> VerifyingKey:
    """The key these bytes spell.

    Raises: DecodeError for anything but one canonical, sound key.
    """
    cursor = Cursor(memoryview(data), "arkworks key")
    with named("arkworks key"):
        key = VerifyingKey(
            alpha_g1=POINTS.decode_g1(bytes(cursor.take(32))),
            beta_g2=POINTS.decode_g2(bytes(cursor.take(64))),
            gamma_g2=POINTS.decode_g2(bytes(cursor.take(64))),
            delta_g2=POINTS.decode_g2(bytes(cursor.take(64))),
            ic=tuple(POINTS.decode_g1(bytes(cursor.take(32))) for _ in range(_count(cursor))),
        )
    key.check()
    return key


def encode_verifying_key(key: VerifyingKey) -> bytes:
    """The bytes `decode_verifying_key` and ark-groth16 read."""
    parts = [POINTS.encode_g1(key.alpha_g1)]
    parts += [POINTS.encode_g2(point) for point in (key.beta_g2, key.gamma_g2, key.delta_g2)]
    parts += [len(key.ic).to_bytes(8, "little"), *(POINTS.encode_g1(point) for point in key.ic)]
    return b"".join(parts)


def decode_proof(data: bytes) -> Proof:
    """The proof of these 128 bytes.

    Raises: DecodeError for anything but three canonical, finite points of the right groups.
    """
    if len(data) != 128:
        raise DecodeError(f"an arkworks proof has 128 bytes, got {len(data)}")
    with named("arkworks proof"):
        a, b, c = data[:32], data[32:96], data[96:]
        return Proof(a=POINTS.decode_g1(a), b=POINTS.decode_g2(b), c=POINTS.decode_g1(c))


def encode_proof(proof: Proof) -> bytes:
    """128 bytes."""
    return POINTS.encode_g1(proof.a) + POINTS.encode_g2(proof.b) + POINTS.encode_g1(proof.c)


def decode_publics(data: bytes) -> list[int]:
    """The public inputs these bytes spell.

    Raises: DecodeError for a count that does not match the length, or elements >= R.
    """
    cursor = Cursor(memoryview(data), "arkworks public inputs")
    return [cursor.number(R, f"public input {i}") for i in range(_count(cursor))]


def encode_publics(publics: Sequence[int]) -> bytes:
    """The bytes `decode_publics` reads."""
    return len(publics).to_bytes(8, "little") + b"".join(value.to_bytes(32, "little") for value in publics)
