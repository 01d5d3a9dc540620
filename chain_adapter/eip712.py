"""Typed signatures: what a client signs about its update, readable in a wallet, valid in one place only.

The domain carries the chain id and the address of the `Rounds` contract, the struct the plan and the round: a
signature replayed on another chain, deployment, plan or round recovers to another address.
Source: EIP-712; EIP-2 and OpenZeppelin's ECDSA for the canonical form (low s, v in {27, 28}, 65 bytes).
"""

from dataclasses import dataclass
from typing import Protocol

from chain_adapter._extras import require
from chain_adapter.addresses import address_bytes, checksum_address
from chain_adapter.hashing import keccak256
from chain_adapter.transactions import SECP256K1_ORDER
from mpc.errors import DecodeError, ParameterError, ProofRejected

__all__ = [
    "Domain",
    "Update",
    "checksum_address",
    "domain",
    "recover_update",
    "sign_update",
    "update_hash",
    "verify_update",
]

DOMAIN_TYPE = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
UPDATE_TYPE = b"Update(bytes32 plan,uint64 round,address client,uint32 samples,bytes32 digest)"
NAME, VERSION = b"EPPML", b"1"


class DigestSigner(Protocol):
    """What signing needs of a signer."""

    def sign_digest(self, digest: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature is valid: one contract on one chain."""

    chain_id: int
    verifying_contract: str

    def __post_init__(self) -> None:
        if not 0 < self.chain_id < 2**256:
            raise ParameterError("a chain id is a positive number below 2**256")
        address_bytes(self.verifying_contract)

    def separator(self) -> bytes:
        """The 32 bytes `EIP712.domainSeparator()` of the contract answers."""
        return keccak256(
            keccak256(DOMAIN_TYPE), keccak256(NAME), keccak256(VERSION), self.chain_id.to_bytes(32, "big"),
            bytes(12) + address_bytes(self.verifying_contract),
        )  # fmt: skip


def domain(chain_id: int, verifying_contract: str) -> Domain:
    """The domain of a deployment: name "EPPML", version "1", its chain and its `Rounds` contract."""
    return Domain(chain_id, verifying_contract)


@dataclass(frozen=True, slots=True)
class Update:
    """What a client says: in this round of this plan my update has this digest and stands for so many samples.

    Shapes: plan and digest are 32 bytes. Raises: ParameterError when a field does not fit its Solidity type.
    """

    plan: bytes
    round: int
    client: str
    samples: int
    digest: bytes

    def __post_init__(self) -> None:
        if len(self.plan) != 32 or len(self.digest) != 32:
            raise ParameterError("plan and digest are 32 bytes each")
        if not 0 <= self.round < 2**64 or not 0 <= self.samples < 2**32:
            raise ParameterError("a round is below 2**64 and a sample count below 2**32, neither negative")
        address_bytes(self.client)

    def encode(self) -> bytes:
        """`abi.encode(plan, round, client, samples, digest)`: 160 bytes."""
        return (
            self.plan + self.round.to_bytes(32, "big") + bytes(12) + address_bytes(self.client)
            + self.samples.to_bytes(32, "big") + self.digest
        )  # fmt: skip


def update_hash(domain: Domain, update: Update) -> bytes:
    """The 32 bytes a client signs."""
    return keccak256(b"\x19\x01", domain.separator(), keccak256(keccak256(UPDATE_TYPE), update.encode()))


def sign_update(signer: DigestSigner, domain: Domain, update: Update) -> bytes:
    """The client's signature: 65 bytes r || s || v."""
    return signer.sign_digest(update_hash(domain, update))


def recover_update(domain: Domain, update: Update, signature: bytes) -> str:
    """The address that signed; compare it with `update.client`, or call `verify_update`.

    Raises: DecodeError unless the signature is 65 bytes, s low, v 27 or 28, and recovers to a key.
    """
    return recover_digest(update_hash(domain, update), signature)


def recover_digest(digest: bytes, signature: bytes) -> str:
    """The address whose key signed `digest`. Raises: DecodeError as `recover_update`."""
    if len(signature) != 65:
        raise DecodeError(f"a signature is 65 bytes, got {len(signature)}")
    r, s, v = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:64], "big"), signature[64]
    if v not in (27, 28):
        raise DecodeError(f"the last byte of a signature is 27 or 28, got {v}")
    if not 0 < r < SECP256K1_ORDER or not 0 < s <= SECP256K1_ORDER // 2:
        raise DecodeError("the signature is not in its canonical form: r in [1, order), s in the lower half")
    keys = require("eth_keys").keys
    try:
        public = keys.Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest)
    except Exception as error:  # eth_keys backends raise their own unrelated types here
        raise DecodeError("the signature recovers to no key") from error
    return str(public.to_checksum_address())


def verify_update(domain: Domain, update: Update, signature: bytes) -> None:
    """Check that `update.client` itself signed this update for this deployment.

    Raises: ProofRejected when another key signed; DecodeError when the signature is malformed.
    """
    found = recover_update(domain, update, signature)
    if address_bytes(found) != address_bytes(update.client):
        raise ProofRejected(f"the update of {update.client} is signed by {found}")
