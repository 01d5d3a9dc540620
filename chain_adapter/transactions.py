"""Signed transactions as bytes: encode, sign, decode and recover who sent them.

Legacy (with the chain id of EIP-155) and EIP-1559 transactions, one canonical spelling each.
Source: EIP-155, EIP-1559, EIP-2 (low s), EIP-2718.
"""

from dataclasses import dataclass
from typing import Any

from chain_adapter._extras import require
from chain_adapter.hashing import keccak256
from mpc.errors import DecodeError, ParameterError

__all__ = ["SECP256K1_ORDER", "Fees", "Transaction", "decode_transaction", "sign_transaction"]

SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
DYNAMIC_FEE = 2


@dataclass(frozen=True, slots=True)
class Fees:
    """What a transaction offers a unit of gas (EIP-1559).

    Units: wei per gas; `priority` goes to the block's proposer, `cap` bounds base fee and priority together.
    """

    cap: int
    priority: int

    def __post_init__(self) -> None:
        if not 0 <= self.priority <= self.cap:
            raise ParameterError(f"fees need 0 <= priority <= cap, got {self.priority} and {self.cap}")


@dataclass(frozen=True, slots=True)
class Transaction:
    """One signed transaction, decoded; `to` is None when it creates a contract."""

    kind: int
    chain_id: int
    nonce: int
    fees: Fees
    gas: int
    to: str | None
    value: int
    data: bytes
    sender: str
    hash: bytes
    raw: bytes


def sign_transaction(
    private_key: Any,
    *,
    chain_id: int,
    nonce: int,
    fees: Fees,
    gas: int,
    to: str | None,
    value: int,
    data: bytes,
) -> bytes:
    """The raw bytes of an EIP-1559 transaction signed with an `eth_keys` private key."""
    target = b"" if to is None else bytes.fromhex(to[2:])
    fields = [chain_id, nonce, fees.priority, fees.cap, gas, target, value, data, []]
    rlp = require("rlp")
    signature = private_key.sign_msg_hash(keccak256(bytes([DYNAMIC_FEE]), rlp.encode(fields)))
    return bytes([DYNAMIC_FEE]) + bytes(rlp.encode([*fields, signature.v, signature.r, signature.s]))


def decode_transaction(raw: bytes) -> Transaction:
    """Decode a signed transaction and recover its sender.

    Raises: DecodeError when the bytes are not the canonical encoding of a signed legacy or EIP-1559 transaction.
    """
    rlp = require("rlp")
    if not raw:
        raise DecodeError("a transaction of no bytes")
    typed = raw[0] < 0x80
    if typed and raw[0] != DYNAMIC_FEE:
        raise DecodeError(f"transactions of type {raw[0]} are not accepted, only legacy and EIP-1559 ones")
    try:
        fields = rlp.decode(raw[1:] if typed else raw, strict=True)
    except rlp.DecodingError as error:
        raise DecodeError(f"not a transaction: {error}") from error
    if not isinstance(fields, list) or len(fields) != (12 if typed else 9):
        raise DecodeError("not a transaction: wrong number of fields")
    return _dynamic(raw, fields, rlp) if typed else _legacy(raw, fields, rlp)


def _dynamic(raw: bytes, fields: list[Any], rlp: Any) -> Transaction:
    if fields[8] != []:
        raise DecodeError("access lists are not accepted")
    numbers = [_integer(fields[i]) for i in (0, 1, 2, 3, 4, 6, 9, 10, 11)]
    chain_id, nonce, priority, cap, gas, value, parity, r, s = numbers
    digest = keccak256(bytes([DYNAMIC_FEE]), rlp.encode(fields[:9]))
    if priority > cap:
        raise DecodeError("the priority fee is above the fee cap")
    return Transaction(
        DYNAMIC_FEE, chain_id, nonce, Fees(cap, priority), gas, _target(fields[5]), value, _bytes(fields[7]),
        _sender(digest, parity, r, s), keccak256(raw), raw,
    )  # fmt: skip


def _legacy(raw: bytes, fields: list[Any], rlp: Any) -> Transaction:
    nonce, price, gas, value, v, r, s = (_integer(fields[i]) for i in (0, 1, 2, 4, 6, 7, 8))
    if v < 35:
        raise DecodeError("a legacy transaction without a chain id (EIP-155) could be replayed on any chain")
    chain_id, parity = (v - 35) // 2, (v - 35) % 2
    digest = keccak256(rlp.encode([*fields[:6], chain_id, 0, 0]))
    return Transaction(
        0, chain_id, nonce, Fees(price, price), gas, _target(fields[3]), value, _bytes(fields[5]),
        _sender(digest, parity, r, s), keccak256(raw), raw,
    )  # fmt: skip


def _integer(field: Any) -> int:
    if not isinstance(field, bytes) or len(field) > 32 or field[:1] == b"\0":
        raise DecodeError("not a transaction: an integer is not in its shortest form")
    return int.from_bytes(field, "big")


def _bytes(field: Any) -> bytes:
    if not isinstance(field, bytes):
        raise DecodeError("not a transaction: a list where bytes belong")
    return field


def _target(field: Any) -> str | None:
    address = _bytes(field)
    if len(address) not in (0, 20):
        raise DecodeError("not a transaction: an address is 20 bytes")
    return require("eth_utils").to_checksum_address(address) if address else None


def _sender(digest: bytes, parity: int, r: int, s: int) -> str:
    if parity > 1 or not 0 < r < SECP256K1_ORDER or not 0 < s <= SECP256K1_ORDER // 2:
        raise DecodeError("the signature is not in its canonical (low s) form")
    keys = require("eth_keys").keys
    try:
        public = keys.Signature(vrs=(parity, r, s)).recover_public_key_from_msg_hash(digest)
    except Exception as error:  # eth_keys backends raise their own unrelated types here
        raise DecodeError("the signature recovers to no key") from error
    return str(public.to_checksum_address())
