"""Keys, proofs and public witnesses as gnark writes them: `WriteTo`, or with `GNARK_RAW` `WriteRawTo`.

    verifying key   alpha G1, beta G1, beta G2, gamma G2, delta G1, delta G2, number of points (4 bytes BE), IC points;
                    since 0.8 also the commitment lists, both empty for a circuit that makes no commitment
    proof           A, B, C: 128 bytes; since 0.8 also no commitments (4 bytes) and an empty proof of knowledge (a point)
    public witness  publics, secrets (0), publics again: 4 bytes BE each; then 32 bytes BE each

Circuits that use gnark's commitment extension are refused: their proofs need more than the Groth16 equation.
Keys come back checked (`VerifyingKey.check`); beta and delta must be the same numbers in both groups.

Source: gnark, backend/groth16/bn254/marshal.go and backend/witness.
"""

from collections.abc import Sequence

from mpc.errors import DecodeError
from zk import backends
from zk.curve import G1, G1_GENERATOR, G2, G2_GENERATOR, R
from zk.formats.compressed import GNARK, Points
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

_NO_COMMITMENTS_KEY = bytes(8)


def _no_commitments_proof(points: Points) -> bytes:
    """No commitment, and infinity as their proof of knowledge: marked where compressed, all zeros where not."""
    return bytes(4) + (b"\x40" + bytes(31) if points.g1_bytes == 32 else bytes(64))


def _u32(cursor: Cursor) -> int:
    return int.from_bytes(cursor.take(4), "big")


def _tail(data: bytes, expected: bytes, what: str) -> None:
    if data not in (b"", expected):
        raise DecodeError(f"{what}: commitments or trailing bytes after the part that is read here")


def same_exponent(g1: G1, g2: G2) -> bool:
    """Whether both points are the same multiple of their generators: e(P, g2) == e(g1, Q)."""
    return backends.get().pairing_product_is_one([(g1, G2_GENERATOR), (-G1_GENERATOR, g2)])


def decode_verifying_key(data: bytes, points: Points = GNARK) -> VerifyingKey:
    """The key these bytes spell.

    Raises: DecodeError for anything but one canonical, sound key without commitments.
    """
    cursor = Cursor(memoryview(data), "gnark key")
    with named("gnark key"):
        alpha, beta_g1 = (points.decode_g1(bytes(cursor.take(points.g1_bytes))) for _ in range(2))
        beta, gamma = (points.decode_g2(bytes(cursor.take(points.g2_bytes))) for _ in range(2))
        delta_g1 = points.decode_g1(bytes(cursor.take(points.g1_bytes)))
        delta = points.decode_g2(bytes(cursor.take(points.g2_bytes)))
        listed = cursor.take(points.g1_bytes * _u32(cursor))
        ic = tuple(points.decode_g1(bytes(point)) for point in _split(listed, points.g1_bytes))
    _tail(bytes(cursor.view[cursor.at :]), _NO_COMMITMENTS_KEY, "gnark key")
    if not same_exponent(beta_g1, beta) or not same_exponent(delta_g1, delta):
        raise DecodeError("gnark key: beta or delta differs between the groups")
    key = VerifyingKey(alpha_g1=alpha, beta_g2=beta, gamma_g2=gamma, delta_g2=delta, ic=ic)
    key.check()
    return key


def _split(view: memoryview, size: int) -> list[memoryview]:
    return [view[i : i + size] for i in range(0, len(view), size)]


def encode_verifying_key(key: VerifyingKey, *, beta_g1: G1, delta_g1: G1, points: Points = GNARK) -> bytes:
    """The bytes gnark 0.8 and later read; the two points of G1 are in a proving key only."""
    g1, g2 = points.encode_g1, points.encode_g2
    parts = [g1(key.alpha_g1), g1(beta_g1), g2(key.beta_g2), g2(key.gamma_g2), g1(delta_g1), g2(key.delta_g2)]
    parts += [len(key.ic).to_bytes(4, "big"), *map(g1, key.ic), _NO_COMMITMENTS_KEY]
    return b"".join(parts)


def decode_proof(data: bytes, points: Points = GNARK) -> Proof:
    """The proof these bytes spell.

    Raises: DecodeError for anything but three canonical, finite points of the right groups and no commitments.
    """
    cursor = Cursor(memoryview(data), "gnark proof")
    with named("gnark proof"):
        a = points.decode_g1(bytes(cursor.take(points.g1_bytes)))
        b = points.decode_g2(bytes(cursor.take(points.g2_bytes)))
        c = points.decode_g1(bytes(cursor.take(points.g1_bytes)))
    _tail(bytes(cursor.view[cursor.at :]), _no_commitments_proof(points), "gnark proof")
    return Proof(a, b, c)


def encode_proof(proof: Proof, points: Points = GNARK) -> bytes:
    """The bytes gnark 0.8 and later read: 164, or 324 uncompressed."""
    parts = [points.encode_g1(proof.a), points.encode_g2(proof.b), points.encode_g1(proof.c)]
    return b"".join(parts) + _no_commitments_proof(points)


def decode_publics(data: bytes) -> list[int]:
    """The public inputs of a public witness.

    Raises: DecodeError for secrets in it, counts that do not match the length, or elements >= R.
    """
    cursor = Cursor(memoryview(data), "gnark witness")
    publics, secrets, length = _u32(cursor), _u32(cursor), _u32(cursor)
    if secrets or publics != length:
        raise DecodeError("gnark witness: not a public witness")
    values = [int.from_bytes(word, "big") for word in _split(cursor.take(32 * publics), 32)]
    cursor.finish()
    if any(value >= R for value in values):
        raise DecodeError("gnark witness: element not reduced modulo the group order")
    return values


def encode_publics(publics: Sequence[int]) -> bytes:
    """The public witness `decode_publics` and gnark read."""
    n = len(publics).to_bytes(4, "big")
    return n + bytes(4) + n + b"".join(value.to_bytes(32, "big") for value in publics)
