"""Addresses: 20 bytes, written as 0x and 40 hexadecimal digits, mixed case carrying a checksum. Source: EIP-55."""

from typing import Any

from chain_adapter._extras import require
from mpc.errors import DecodeError, ParameterError

__all__ = ["NOBODY", "address_bytes", "checksum_address", "read_address"]

NOBODY = "0x" + "00" * 20


def address_bytes(address: str) -> bytes:
    """The 20 bytes of an address.

    Raises: ParameterError when it is none, or when its mixed case carries the wrong checksum.

    >>> len(address_bytes("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"))
    20
    """
    digits = address[2:]
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if not address.startswith("0x") or len(raw) != 20 or len(digits) != 40:
        raise ParameterError(f"{address[:80]!r} is not an address (0x and 40 hexadecimal digits)")
    if digits not in (digits.lower(), digits.upper()) and checksum_address(raw) != address:
        raise ParameterError(f"the checksum of the address {address} is wrong: a digit was mistyped")
    return raw


def checksum_address(address: str | bytes) -> str:
    """The one spelling of an address that everything here compares by."""
    return str(require("eth_utils").to_checksum_address(address))


def read_address(text: Any) -> str:
    """An address from outside, in its checksummed spelling. Raises: DecodeError."""
    if not isinstance(text, str):
        raise DecodeError(f"{str(text)[:80]!r} is not an address")
    try:
        return checksum_address(address_bytes(text))
    except ParameterError as error:
        raise DecodeError(str(error)) from error
