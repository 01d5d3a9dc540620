"""Loading a key, a proof or public inputs without saying which tool wrote them.

Text is told apart by the keys it has, a `.zkey` by its magic, other bytes by trying the decoders: each accepts one
spelling only, and bytes that two of them accept are refused as ambiguous, never guessed at.
"""

import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from mpc.errors import DecodeError
from zk import key_bytes
from zk.commit_prove import CommittedProof, VerifierKey
from zk.formats import arkworks, committed, evm, gnark, snarkjs, zkey, zokrates
from zk.formats.strict_json import parse
from zk.formats.uncompressed import ARKWORKS_RAW, GNARK_RAW
from zk.groth16 import Proof, VerifyingKey

__all__ = [
    "Source",
    "load_any_key",
    "load_committed_proof",
    "load_proof",
    "load_publics",
    "load_verifying_key",
]

Source: TypeAlias = str | os.PathLike[str] | bytes
T = TypeVar("T")
RAW_PROOF_BYTES = 256
MAX_SMALL_FILE = 64 * 2**20
_BLANKS = b" \t\r\n"


def _fetch(source: Source) -> bytes | Path:
    """The bytes of a source, or its path if it is a `.zkey` on disk, which is mapped and not read.

    A pipe is read once and to a limit, as its size is not known before.
    """
    if isinstance(source, bytes):
        return source
    path = Path(source)
    try:
        with path.open("rb") as file:
            head = file.read(len(zkey.MAGIC))
            if head == zkey.MAGIC and path.is_file():
                return path
            data = head + file.read(MAX_SMALL_FILE)
    except OSError as error:
        raise DecodeError(f"cannot read {path}: {error.strerror}") from None
    if len(data) > MAX_SMALL_FILE:
        raise DecodeError(f"{path.name} is longer than the {MAX_SMALL_FILE} bytes that are read")
    return data


def _read(source: Source) -> bytes:
    data = _fetch(source)
    if isinstance(data, Path):
        raise DecodeError(f"{data.name} is a .zkey, which holds keys only")
    return data


def _is_text(data: bytes) -> bool:
    """Whether these bytes are text that starts as JSON does: a point can start with a brace, but not be UTF-8 throughout."""
    if data.lstrip(_BLANKS)[:1] not in (b"{", b"[", b'"'):
        return False
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _is_calldata_text(data: bytes) -> bool:
    return (
        _is_text(data)
        and data.lstrip(_BLANKS)[:1] == b"["
        and b"],[[" in bytes(b for b in data[:2000] if b not in _BLANKS)
    )


def _only_one(data: bytes, decoders: Mapping[str, Callable[[bytes], T]], what: str) -> T:
    found, reasons = {}, []
    for name, decode in decoders.items():
        try:
            found[name] = decode(data)
        except DecodeError as error:
            reasons.append(f"not {name} ({error})")
    if len(found) > 1:
        raise DecodeError(f"these bytes are a {what} in more than one format: {', '.join(found)}")
    if not found:
        raise DecodeError(f"no {what} in {len(data)} bytes: {'; '.join(reasons)}")
    return found.popitem()[1]


def _document(data: bytes, mark: str, what: str) -> tuple[object, bool]:
    document = parse(data)
    if not isinstance(document, dict):
        raise DecodeError(f"a {what} is a JSON object, got {type(document).__name__}")
    return document, mark in document


def load_verifying_key(source: Source) -> VerifyingKey:
    """The key in a file or in bytes: snarkjs or ZoKrates JSON, `.zkey`, arkworks or gnark compressed bytes.

    Raises: DecodeError for a file that cannot be read, is malformed, or holds an unsound key.
    """
    return _verifying_key(_fetch(source))


def _verifying_key(data: bytes | Path) -> VerifyingKey:
    if isinstance(data, Path) or data[: len(zkey.MAGIC)] == zkey.MAGIC:
        return zkey.read_verifying_key(data)
    if _is_text(data):
        document, from_zokrates = _document(data, "scheme", "verification key")
        return zokrates.verifying_key_of(document) if from_zokrates else snarkjs.verifying_key_of(document)
    decoders: dict[str, Callable[[bytes], VerifyingKey]] = {
        "arkworks": arkworks.decode_verifying_key,
        "uncompressed arkworks": partial(arkworks.decode_verifying_key, points=ARKWORKS_RAW),
        "gnark": gnark.decode_verifying_key,
        "uncompressed gnark": partial(gnark.decode_verifying_key, points=GNARK_RAW),
    }
    return _only_one(data, decoders, "verification key")


def load_any_key(source: Source) -> VerifyingKey | VerifierKey:
    """As `load_verifying_key`, or the key of a commit-and-prove statement.

    Raises: DecodeError for a file that cannot be read, is malformed, or holds an unsound key.
    """
    data = _fetch(source)
    if isinstance(data, bytes):
        if data[: len(key_bytes.MAGIC)] == key_bytes.MAGIC:
            return key_bytes.decode_verifier_key(data)
        if _is_text(data) and isinstance(document := parse(data), dict) and "format" in document:
            return committed.verifier_key_of(document)
    return _verifying_key(data)


def load_committed_proof(source: Source) -> CommittedProof:
    """The proof of a commit-and-prove statement.

    Raises: DecodeError for a file that cannot be read or is not one proof.
    """
    return committed.decode_proof(_read(source))


def _gnark_raw_proof(data: bytes) -> Proof:
    """Without the empty list of commitments at its end it is calldata without public inputs, and read as that."""
    if len(data) == RAW_PROOF_BYTES:
        raise DecodeError("words of an Ethereum call")
    return gnark.decode_proof(data, GNARK_RAW)


def load_proof(source: Source) -> Proof:
    """The proof in a file or in bytes: snarkjs or ZoKrates JSON, arkworks or gnark compressed bytes, EVM calldata.

    Raises: DecodeError for a file that cannot be read or is not one proof.
    """
    data = _read(source)
    if _is_calldata_text(data):
        return evm.decode_calldata_text(data)[0]
    if _is_text(data):
        document, from_zokrates = _document(data, "scheme", "proof")
        return zokrates.proof_of(document) if from_zokrates else snarkjs.proof_of(document)
    decoders: dict[str, Callable[[bytes], Proof]] = {
        "arkworks": arkworks.decode_proof,
        "uncompressed arkworks": partial(arkworks.decode_proof, points=ARKWORKS_RAW),
        "gnark": gnark.decode_proof,
        "uncompressed gnark": _gnark_raw_proof,
        "calldata": lambda body: evm.decode_calldata(body)[0],
    }
    return _only_one(data, decoders, "proof")


def load_publics(source: Source) -> list[int]:
    """The public inputs in a file or in bytes: snarkjs JSON, a ZoKrates proof, arkworks or gnark bytes, EVM calldata.

    Raises: DecodeError for a file that cannot be read or holds no canonical list of field elements.
    """
    data = _read(source)
    if _is_calldata_text(data):
        return evm.decode_calldata_text(data)[1]
    if _is_text(data):
        document = parse(data)
        from_zokrates = isinstance(document, dict)
        return zokrates.publics_of(document) if from_zokrates else snarkjs.publics_of(document)
    decoders: dict[str, Callable[[bytes], list[int]]] = {
        "arkworks": arkworks.decode_publics,
        "gnark": gnark.decode_publics,
        "calldata": lambda body: evm.decode_calldata(body)[1],
    }
    return _only_one(data, decoders, "list of public inputs")
