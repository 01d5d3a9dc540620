"""Keys as JSON, and private keys in encrypted files."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from gmpy2 import mpz

from he.errors import WrongPassphrase
from he.keys import PrivateKey, PublicKey
from he.threshold import KeyShare
from he.wire import MAX_INTEGER_BYTES, Reader, Writer, json_object
from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream

__all__ = [
    "load_key_share",
    "load_private_key",
    "private_key_from_json",
    "private_key_to_json",
    "public_key_from_json",
    "public_key_to_json",
    "save_private_key",
]

PUBLIC_KIND = "eppml-paillier-public-1"
PRIVATE_KIND = "eppml-paillier-private-1"
FILE_MAGIC = b"EPPML paillier key file 1\n"
WORK_FACTORS = range(14, 21)
"""log2 of scrypt's cost that a file may ask for: 16 MiB to 1 GiB of memory."""
MAX_JSON = 8 * MAX_INTEGER_BYTES
MAX_FILE = 1 << 20


def public_key_to_json(key: PublicKey) -> str:
    """The one JSON text of a public key: sorted names, no spaces, hexadecimal numbers."""
    return _canonical(_public_fields(key))


def public_key_from_json(text: str, *, allow_insecure: bool = False) -> PublicKey:
    """Raises: DecodeError for any other spelling; InvalidKey or InsecureError for a bad key."""
    fields = _parse(text, PUBLIC_KIND, {"exponent_bits", "h", "kind", "n"})
    key = _public_from(fields, allow_insecure)
    if public_key_to_json(key) != text:
        raise DecodeError("this is not the canonical JSON of that key")
    return key


def private_key_to_json(key: PrivateKey) -> str:
    """The one JSON text of a private key, in the clear: for other programs, never for storage."""
    fields = _public_fields(key.public) | {"kind": PRIVATE_KIND, "p": _hex(key.p), "q": _hex(key.q)}
    return _canonical(fields)


def private_key_from_json(text: str, *, allow_insecure: bool = False) -> PrivateKey:
    """Raises: DecodeError for any other spelling; InvalidKey or InsecureError for a bad key."""
    fields = _parse(text, PRIVATE_KIND, {"exponent_bits", "h", "kind", "n", "p", "q"})
    key = PrivateKey(_public_from(fields, allow_insecure), _number(fields, "p"), _number(fields, "q"))
    if private_key_to_json(key) != text or key.p >= key.q:
        raise DecodeError("this is not the canonical JSON of that key")
    return key


def _public_fields(key: PublicKey) -> dict[str, Any]:
    return {"kind": PUBLIC_KIND, "n": _hex(key.n), "h": _hex(key.h), "exponent_bits": key.exponent_bits}


def _public_from(fields: dict[str, Any], allow_insecure: bool) -> PublicKey:
    exponent_bits = fields["exponent_bits"]
    if type(exponent_bits) is not int or exponent_bits < 0:
        raise DecodeError("exponent_bits is not a number of bits")
    return PublicKey(_number(fields, "n"), _number(fields, "h"), exponent_bits, allow_insecure)


def _hex(value: int) -> str:
    return format(int(value), "x")


def _number(fields: dict[str, Any], name: str) -> mpz:
    text = fields[name]
    if not isinstance(text, str) or not text or not set(text) <= set("0123456789abcdef"):
        raise DecodeError(f"{name} is not a hexadecimal number")
    return mpz(text, 16)


def _canonical(fields: dict[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"))


def _parse(text: str, kind: str, names: set[str]) -> dict[str, Any]:
    fields = json_object(text, MAX_JSON)
    if set(fields) != names or fields["kind"] != kind:
        raise DecodeError(f"this is not a key of the kind {kind}")
    return fields


def _file_key(passphrase: str, salt: bytes, work_factor: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=1 << work_factor, r=8, p=1).derive(passphrase.encode())


def save_private_key(
    path: Path | str,
    key: PrivateKey | KeyShare,
    passphrase: str,
    *,
    work_factor: int = 17,
    stream: Stream | None = None,
) -> None:
    """Write a private key, or a member's key share, under `passphrase`.

    scrypt and ChaCha20-Poly1305, mode 0600, by an atomic rename.

    Units: `work_factor` is log2 of scrypt's N (17: 128 MiB of memory).
    Raises: ParameterError for an empty passphrase or a work factor outside 14..20.
    """
    if not passphrase or work_factor not in WORK_FACTORS:
        raise ParameterError("a key file wants a passphrase, and a work factor from 14 to 20")
    stream = stream or Stream.from_os(b"paillier key file")
    salt, nonce = stream.bytes(16), stream.bytes(12)
    header = Writer(FILE_MAGIC).number(work_factor, 1).raw(salt).raw(nonce).done()
    body = ChaCha20Poly1305(_file_key(passphrase, salt, work_factor)).encrypt(nonce, key.to_bytes(), header)
    path = Path(path)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(header + body)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_private_key(path: Path | str, passphrase: str, *, allow_insecure: bool = False) -> PrivateKey:
    """Raises: WrongPassphrase when the file does not open; DecodeError when it holds no private key."""
    return PrivateKey.from_bytes(_opened(path, passphrase), allow_insecure=allow_insecure)


def load_key_share(path: Path | str, passphrase: str, *, allow_insecure: bool = False) -> KeyShare:
    """Raises: WrongPassphrase when the file does not open; DecodeError when it holds no key share."""
    return KeyShare.from_bytes(_opened(path, passphrase), allow_insecure=allow_insecure)


def _opened(path: Path | str, passphrase: str) -> bytes:
    data = Path(path).read_bytes()
    if len(data) > MAX_FILE:
        raise DecodeError(f"a key file of {len(data)} bytes")
    reader = Reader(data, FILE_MAGIC)
    work_factor, salt, nonce = reader.number(1), reader.raw(16), reader.raw(12)
    if work_factor not in WORK_FACTORS:
        raise DecodeError(f"a work factor of {work_factor} is outside 14..20")
    split = len(FILE_MAGIC) + 29
    cipher = ChaCha20Poly1305(_file_key(passphrase, salt, work_factor))
    try:
        return cipher.decrypt(nonce, data[split:], data[:split])
    except InvalidTag:
        raise WrongPassphrase("another passphrase, or a damaged file") from None
