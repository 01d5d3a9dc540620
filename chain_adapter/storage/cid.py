"""Content identifiers: version 1, SHA2-256, raw or dag-pb content, one spelling each.

Source: the CIDv1 specification (multiformats/cid).
"""

import hashlib
from base64 import b32decode, b32encode
from binascii import Error as Base32Error
from dataclasses import dataclass

from mpc.errors import DecodeError, ParameterError

__all__ = ["DAG_PB", "RAW", "Cid"]

RAW, DAG_PB, SHA2_256 = 0x55, 0x70, 0x12


@dataclass(frozen=True, slots=True)
class Cid:
    """A CIDv1 over SHA2-256: a codec and a digest.

    >>> str(Cid.parse("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku").codec)
    '85'
    """

    codec: int
    digest: bytes

    def __post_init__(self) -> None:
        if self.codec not in (RAW, DAG_PB) or len(self.digest) != 32:
            raise ParameterError("a CID here is raw or dag-pb over a 32-byte SHA2-256 digest")

    @property
    def raw(self) -> bytes:
        return bytes([1, self.codec, SHA2_256, 32]) + self.digest

    def __str__(self) -> str:
        return "b" + b32encode(self.raw).decode().lower().rstrip("=")

    @classmethod
    def of_block(cls, codec: int, block: bytes) -> "Cid":
        return cls(codec, hashlib.sha256(block).digest())

    @classmethod
    def from_raw(cls, raw: bytes) -> "Cid":
        """Raises: DecodeError unless these are the 36 bytes of such a CID."""
        if len(raw) != 36 or raw[0] != 1 or raw[1] not in (RAW, DAG_PB) or raw[2:4] != bytes([SHA2_256, 32]):
            raise DecodeError("not a CIDv1 of raw or dag-pb content over SHA2-256")
        return cls(raw[1], raw[4:])

    @classmethod
    def parse(cls, text: str) -> "Cid":
        """Raises: DecodeError unless `text` is the one base32 spelling of a CIDv1, raw or dag-pb, SHA2-256."""
        if len(text) != 59 or not text.isascii() or text[0] != "b" or text != text.lower():
            raise DecodeError(f"{text[:80]!r} is not a CID (b and 58 characters of lower-case base32)")
        try:
            raw = b32decode(text[1:].upper() + "=" * (-len(text[1:]) % 8))
        except Base32Error as error:
            raise DecodeError(f"{text!r} is not a CID: not base32") from error
        cid = cls.from_raw(raw)
        if str(cid) != text:
            raise DecodeError(f"{text} is not the canonical spelling of a CID")
        return cid
