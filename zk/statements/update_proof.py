"""The bytes of a proof about an update: the additive commitment apart from the rest, one encoding only."""

from dataclasses import dataclass

from mpc.errors import DecodeError
from zk.commit_prove import CommittedProof
from zk.curve import G1_BYTES, G2_BYTES, decode_g1, decode_g2

__all__ = ["SCALAR_BYTES", "UpdateProof", "chunk_bytes", "decode_chunk", "encode_chunk"]

SCALAR_BYTES = 32
_MAGIC = b"EPZU\x01"
_LENGTH_BYTES = 4


@dataclass(frozen=True, slots=True)
class UpdateProof:
    """A commitment to an update (64 bytes a chunk) and the proof that it is well-formed; empty where none is given.

    Proofs can be re-randomised by anyone: a nullifier is the hash of plan, round and client, never of these bytes.
    """

    commitment: bytes
    proof: bytes

    def to_bytes(self) -> bytes:
        """The one encoding."""
        return _MAGIC + len(self.commitment).to_bytes(_LENGTH_BYTES, "big") + self.commitment + self.proof

    @classmethod
    def from_bytes(cls, data: bytes) -> "UpdateProof":
        """The proof these bytes encode; its points are checked when it is verified.

        Raises: DecodeError for another magic or version, or a length that does not fit.
        """
        head = len(_MAGIC) + _LENGTH_BYTES
        if data[: len(_MAGIC)] != _MAGIC:
            raise DecodeError("not an update proof of version 1")
        size = int.from_bytes(data[len(_MAGIC) : head], "big")
        if len(data) < head or size == 0 or size % G1_BYTES or len(data) < head + size:
            raise DecodeError(f"an update proof of {len(data)} bytes cannot hold a commitment of {size}")
        return cls(bytes(data[head : head + size]), bytes(data[head + size :]))


def chunk_bytes(n_groups: int) -> int:
    """The size of one chunk's proof without its first commitment."""
    return (n_groups - 1) * G1_BYTES + G1_BYTES + G2_BYTES + G1_BYTES + G1_BYTES


def encode_chunk(proof: CommittedProof, apart: int = 0) -> bytes:
    """All of one chunk's proof but the commitment number `apart`."""
    others = [d.to_bytes() for i, d in enumerate(proof.commitments) if i != apart]
    return b"".join(
        [*others, proof.a.to_bytes(), proof.b.to_bytes(), proof.c.to_bytes(), proof.pok.to_bytes()]
    )


def decode_chunk(commitment: bytes, data: bytes, n_groups: int, apart: int = 0) -> CommittedProof:
    """One chunk's proof, with the commitment number `apart` given by itself.

    Raises: DecodeError for a wrong length, a point that is not canonical, off its curve or infinity. The order of B is
        tested when the proof is verified.
    """
    if len(data) != chunk_bytes(n_groups):
        raise DecodeError(f"want {chunk_bytes(n_groups)} bytes of proof, got {len(data)}")
    at = (n_groups - 1) * G1_BYTES
    commitments = [decode_g1(data[i : i + G1_BYTES]) for i in range(0, at, G1_BYTES)]
    commitments.insert(apart, decode_g1(commitment))
    a = decode_g1(data[at : at + G1_BYTES])
    b = decode_g2(data[at + G1_BYTES : at + G1_BYTES + G2_BYTES], subgroup=False)
    at += G1_BYTES + G2_BYTES
    c, pok = decode_g1(data[at : at + G1_BYTES]), decode_g1(data[at + G1_BYTES :])
    return CommittedProof(tuple(commitments), a, b, c, pok)
