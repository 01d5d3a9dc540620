"""The one message by which a client commits itself to an update: commitment, proof and signature.

Layout, all integers big-endian:
`EPU1 | plan 32 | round 8 | address 20 | samples 4 | length 4 | commitment and proof | signature 65`.
"""

import hashlib
import struct
from dataclasses import dataclass

from chain_adapter.addresses import checksum_address
from chain_adapter.eip712 import Update
from chain_adapter.merkle import update_digest, update_leaf
from mpc.errors import DecodeError
from zk.statements import UpdateProof

__all__ = ["SignedUpdate", "context"]

_MAGIC = b"EPU1"
_HEAD = struct.Struct(">4s32sQ20sII")
_MAX_PROOF = 1 << 20
_SIGNATURE = 65


def context(plan_hash: bytes, round_number: int, address: str) -> bytes:
    """What a proof is bound to: it is worth nothing in another plan, another round or for another client."""
    body = plan_hash + round_number.to_bytes(8, "big") + bytes.fromhex(address.removeprefix("0x"))
    return hashlib.sha256(b"eppml/update-context/1" + body).digest()


@dataclass(frozen=True, slots=True)
class SignedUpdate:
    """A client's signed commitment to its update and the proof that the update is well-formed."""

    plan: bytes
    round: int
    address: str
    samples: int
    proof: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        """What the ledger's leaf and the signature hold of commitment and proof. Raises: DecodeError."""
        parts = UpdateProof.from_bytes(self.proof)
        return update_digest(parts.commitment, parts.proof)

    @property
    def typed(self) -> Update:
        """The EIP-712 structure that the client signs."""
        return Update(
            plan=self.plan, round=self.round, client=self.address, samples=self.samples, digest=self.digest
        )

    @property
    def leaf(self) -> bytes:
        return update_leaf(self.typed)

    def to_bytes(self) -> bytes:
        address = bytes.fromhex(self.address.removeprefix("0x"))
        head = _HEAD.pack(_MAGIC, self.plan, self.round, address, self.samples, len(self.proof))
        return head + self.proof + self.signature

    @classmethod
    def from_bytes(cls, data: bytes) -> "SignedUpdate":
        """Raises: DecodeError unless `data` is exactly one message."""
        if len(data) < _HEAD.size:
            raise DecodeError("an update message is cut short")
        magic, plan, number, address, samples, length = _HEAD.unpack_from(data)
        if magic != _MAGIC or length > _MAX_PROOF or len(data) != _HEAD.size + length + _SIGNATURE:
            raise DecodeError("not an update message")
        proof, signature = data[_HEAD.size : _HEAD.size + length], data[_HEAD.size + length :]
        return cls(plan, number, checksum_address(address), samples, proof, signature)
