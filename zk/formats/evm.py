"""Proofs as an Ethereum verifier takes them: 32-byte words, and in Fq2 the imaginary half first (c1, c0).

`uint[2] a, uint[2][2] b, uint[2] c, uint[n] input`, with or without the selector of snarkjs's `verifyProof`, as bytes;
and the text `snarkjs zkey export soliditycalldata` prints, which is the same lists in hexadecimal.
"""

from collections.abc import Sequence

from mpc.errors import DecodeError
from zk.curve import G1_BYTES, G2_BYTES, Q, R, decode_g1, decode_g2, parse_g1, parse_g2
from zk.formats.named import named
from zk.formats.snarkjs import MAX_PUBLICS
from zk.formats.strict_json import hexadecimal, items, parse
from zk.groth16 import Proof
from zk.keccak import keccak256

__all__ = ["decode_calldata", "decode_calldata_text", "encode_calldata", "encode_calldata_text", "selector"]

_PROOF_BYTES = 2 * G1_BYTES + G2_BYTES


def selector(n_publics: int) -> bytes:
    """The four bytes that call snarkjs's `verifyProof` for a circuit of `n_publics` public inputs.

    >>> selector(1).hex()
    '43753b4d'
    """
    signature = f"verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[{n_publics}])"
    return keccak256(signature.encode("ascii"))[:4]


def encode_calldata(proof: Proof, publics: Sequence[int], *, call: bool = False) -> bytes:
    """The words of a proof and its public inputs; behind the selector with `call`."""
    words = proof.a.to_bytes() + proof.b.to_bytes() + proof.c.to_bytes()
    words += b"".join(value.to_bytes(32, "big") for value in publics)
    return selector(len(publics)) + words if call else words


def decode_calldata(data: bytes) -> tuple[Proof, list[int]]:
    """The proof and public inputs of calldata, with or without the selector.

    Raises: DecodeError for another selector or length, unreduced words, or points that are not in their group.
    """
    head, body = data[: len(data) % 32], data[len(data) % 32 :]
    count = (len(body) - _PROOF_BYTES) // 32
    if not 0 <= count <= MAX_PUBLICS:
        raise DecodeError(f"{len(data)} bytes are not a proof and its public inputs")
    if head and head != selector(count):
        raise DecodeError("not a call of verifyProof with this many public inputs")
    with named("calldata"):
        a, b, c = body[:64], body[64:192], body[192:256]
        proof = Proof(a=decode_g1(a), b=decode_g2(b), c=decode_g1(c))
    publics = [int.from_bytes(body[i : i + 32], "big") for i in range(_PROOF_BYTES, len(body), 32)]
    if any(value >= R for value in publics):
        raise DecodeError("calldata: public input not reduced modulo the group order")
    return proof, publics


def decode_calldata_text(text: bytes) -> tuple[Proof, list[int]]:
    """The proof and public inputs of what `snarkjs zkey export soliditycalldata` prints.

    Raises: DecodeError for anything but canonical words and points of the right groups.
    """
    a, b, c, inputs = items(parse(b"[" + text + b"]"), "calldata", 4)
    with named("calldata"):
        ax, ay = (hexadecimal(word, Q, "a") for word in items(a, "a", 2))
        (bx1, bx0), (by1, by0) = (
            (hexadecimal(w, Q, "b") for w in items(p, "b", 2)) for p in items(b, "b", 2)
        )
        cx, cy = (hexadecimal(word, Q, "c") for word in items(c, "c", 2))
        proof = Proof(a=parse_g1(ax, ay), b=parse_g2((bx0, bx1), (by0, by1)), c=parse_g1(cx, cy))
    if len(items(inputs, "public inputs")) > MAX_PUBLICS:
        raise DecodeError(f"{len(inputs)} public inputs, at most {MAX_PUBLICS} are read")
    return proof, [hexadecimal(word, R, f"public input {i}") for i, word in enumerate(inputs)]


def encode_calldata_text(proof: Proof, publics: Sequence[int]) -> bytes:
    """What `snarkjs zkey export soliditycalldata` prints for this proof."""

    def words(*values: int) -> str:
        return "[" + ", ".join(f'"0x{value:064x}"' for value in values) + "]"

    (x0, x1), (y0, y1) = proof.b
    inputs = ",".join(f'"0x{value:064x}"' for value in publics)
    text = f"{words(*proof.a)},[{words(x1, x0)},{words(y1, y0)}],{words(*proof.c)},[{inputs}]"
    return text.encode("ascii")
