"""Keccak-256, the hash of every EVM chain (padding 0x01: not the SHA3-256 of the standard library)."""

from functools import cache
from typing import Any

from chain_adapter._extras import require

__all__ = ["keccak256"]


@cache
def _implementation() -> Any:
    return require("eth_hash.auto").keccak


def keccak256(*parts: bytes) -> bytes:
    """The 32-byte Keccak-256 digest of the parts written one after another.

    >>> keccak256(b"").hex()[:16]
    'c5d2460186f7233c'
    """
    digest = _implementation()(b"".join(parts))
    return bytes(digest)
