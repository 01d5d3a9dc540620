"""Keys on disk, one file for each circuit, named by its digest.

    magic and version, SHA-256 of the rest, length of the header, header (JSON), arrays at multiples of 64 bytes

Arrays are stored as the prover uses them and memory-mapped; one that is mostly points at infinity is stored without
them and expanded when read. A file appears under its name only when it is complete, and the first to appear stays: two
processes that start together end up with the same keys. The checksum finds damage, not malice: a key from elsewhere is
accepted by the digest of its `VerifierKey`, which belongs in a plan.
"""

import json
import mmap
import os
import tempfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from mpc.errors import DecodeError
from mpc.json_text import read_json
from mpc.prg import Stream
from zk.backends.base import Backend, Limbs
from zk.circuit import Program
from zk.commit_prove import Keys, assemble
from zk.curve import decode_g1, decode_g2
from zk.keys import ProvingKey
from zk.linear import Linear
from zk.r1cs import R1CS
from zk.setup import GroupKeys, with_consistency_rows

__all__ = ["Provable", "load", "load_or_create", "path_for", "save"]

_MAGIC = b"EPPMLKEY\x01"
_ALIGN = 64
_MAX_HEADER = 1 << 20
_POINTS = ("alpha_g1", "beta_g1", "beta_g2", "gamma_g2", "delta_g1", "delta_g2")
_ARRAYS = {"a": 8, "b1": 8, "b2": 16, "c": 8, "h": 8}


class Provable(Protocol):
    """What a statement must offer for its keys to be cached."""

    def digest(self) -> bytes: ...
    def circuit(self) -> tuple[R1CS, Program]: ...
    def setup(
        self,
        stream: Stream,
        *,
        unsafe_single_party: bool,
        backend: Backend | None = None,
        threads: int | None = None,
    ) -> Keys: ...


def path_for(statement: Provable, directory: Path | str) -> Path:
    """Where the keys of a statement are kept."""
    return Path(directory) / f"{statement.digest().hex()}.zkkey"


def load_or_create(
    statement: Provable,
    directory: Path | str,
    *,
    unsafe_single_party: bool = False,
    stream: Stream | None = None,
    backend: Backend | None = None,
    threads: int | None = None,
) -> Keys:
    """The keys of a statement: from the directory, or from a setup by this process that is then kept there.

    Raises: InsecureError if there are none yet and `unsafe_single_party` is not set; DecodeError for a damaged file.
    """
    path = path_for(statement, directory)
    if not path.exists():
        randomness = stream or Stream.from_os(b"zk setup")
        keys = statement.setup(
            randomness, unsafe_single_party=unsafe_single_party, backend=backend, threads=threads
        )
        save(path, keys)
    return load(path, statement)


def save(path: Path, keys: Keys) -> None:
    """Write keys, unless a file of this name is there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".zkkey-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_encode(keys))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(name, path)
        except FileExistsError:
            return
        except OSError:
            # a file system without hard links: here a race could leave the later file, never half a file
            if not path.exists():
                os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _encode(keys: Keys) -> bytes:
    pk, base = keys.pk, keys.pk.base
    arrays = {name: getattr(base, name) for name in _ARRAYS}
    for i, group in enumerate(pk.groups):
        arrays |= {f"{i}.bases": group.bases, f"{i}.pok_bases": group.pok_bases}
    blobs, table, at = [], {}, 0
    for name, array in arrays.items():
        present = array.any(axis=1)
        sparse = bool(present.mean() < 0.75) if len(array) else False
        parts = [np.packbits(present).tobytes(), array[present].tobytes()] if sparse else [array.tobytes()]
        table[name] = {"rows": len(array), "sparse": sparse, "at": at, "sizes": [len(p) for p in parts]}
        for part in parts:
            blobs.append(part + bytes(-len(part) % _ALIGN))
            at += len(blobs[-1])
    header = {
        "circuit": pk.verifier.circuit.hex(),
        "challenges": pk.verifier.challenges,
        "points": {name: getattr(base, name).to_bytes().hex() for name in _POINTS},
        "ic": [p.to_bytes().hex() for p in base.ic],
        "groups": [
            [g.name, *(p.to_bytes().hex() for p in (g.eta, g.eta_delta, g.pok_eta, g.sigma_g2))]
            for g in pk.groups
        ],
        "arrays": table,
    }
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    start = len(_MAGIC) + 32 + 8
    body = len(text).to_bytes(8, "big") + text + bytes(-(start + len(text)) % _ALIGN) + b"".join(blobs)
    return _MAGIC + sha256(body).digest() + body


def load(path: Path, statement: Provable) -> Keys:
    """Read the keys of a statement; large arrays stay in the file.

    Raises: DecodeError if the file is damaged or holds the keys of another circuit.
    """
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError as error:
            raise DecodeError(f"{path.name} is empty") from error
    start = len(_MAGIC) + 32
    if len(data) < start + 8 or data[: len(_MAGIC)] != _MAGIC:
        raise DecodeError(f"{path.name} is not a key file of version 1")
    if sha256(memoryview(data)[start:]).digest() != data[len(_MAGIC) : start]:
        raise DecodeError(f"{path.name} is damaged: its checksum does not fit; delete it to make new keys")
    size = int.from_bytes(data[start : start + 8], "big")
    if size > min(_MAX_HEADER, len(data)):
        raise DecodeError(f"{path.name} has a header of {size} bytes")
    r1cs, program = statement.circuit()
    first = start + 8 + size
    try:
        header = read_json(data[start + 8 : first], max_bytes=_MAX_HEADER)
        if header.get("circuit") != r1cs.digest.hex() or header.get("challenges") != program.challenges:
            raise DecodeError("the keys of another circuit or version; delete it to make new keys")
        return _assemble(header, r1cs, memoryview(data)[first + -first % _ALIGN :])
    except DecodeError as error:
        raise DecodeError(f"{path.name}: {error}") from error
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise DecodeError(f"{path.name} has a malformed header: {error}") from error


def _rows(r1cs: R1CS) -> dict[str, int]:
    """How many rows each array of this circuit's keys has: never the file's word for it."""
    first_private = r1cs.groups[-1].stop if r1cs.groups else r1cs.n_public + 1
    rows = dict.fromkeys(("a", "b1", "b2"), r1cs.n_wires) | {
        "c": r1cs.n_wires - first_private,
        "h": r1cs.domain,
    }
    for i, group in enumerate(r1cs.groups):
        rows |= dict.fromkeys((f"{i}.bases", f"{i}.pok_bases"), group.stop - group.start)
    return rows


def _assemble(header: Mapping[str, Any], r1cs: R1CS, blob: memoryview) -> Keys:
    rows = _rows(r1cs)
    if set(header["arrays"]) != set(rows) or set(header["points"]) != set(_POINTS):
        raise DecodeError("arrays or points are missing, or there are others")
    if len(header["ic"]) != r1cs.n_public + 1 or len(header["groups"]) != len(r1cs.groups):
        raise DecodeError("another number of public inputs or commitments than the circuit's")
    arrays = {
        name: _array(entry, blob, rows[name], _ARRAYS.get(name, 8))
        for name, entry in header["arrays"].items()
    }
    points: dict[str, Any] = {}
    for name, text in header["points"].items():
        points[name] = (decode_g1 if name.endswith("g1") else decode_g2)(bytes.fromhex(text))
    points |= {name: arrays[name] for name in _ARRAYS}
    domain = r1cs.domain
    base = ProvingKey(
        n_public=r1cs.n_public,
        n_wires=r1cs.n_wires,
        domain=domain,
        ic=tuple(decode_g1(bytes.fromhex(text)) for text in header["ic"]),
        matrix_a=with_consistency_rows(r1cs.a, domain, r1cs.n_public + 1),
        matrix_b=Linear(domain, r1cs.b.rows, r1cs.b.wires, r1cs.b.coefficients),
        **points,
    )
    groups = []
    for i, (name, *texts) in enumerate(header["groups"]):
        eta, eta_delta, pok_eta = (decode_g1(bytes.fromhex(t)) for t in texts[:3])
        sigma = decode_g2(bytes.fromhex(texts[3]))
        groups.append(
            GroupKeys(name, arrays[f"{i}.bases"], eta, eta_delta, arrays[f"{i}.pok_bases"], pok_eta, sigma)
        )
    return assemble(base, groups, challenges=header["challenges"], circuit=r1cs.digest)


def _array(entry: Mapping[str, Any], blob: memoryview, rows: int, width: int) -> Limbs:
    at, sizes = entry["at"], entry["sizes"]
    if entry["rows"] != rows or not all(type(n) is int and 0 <= n <= len(blob) for n in (at, *sizes)):
        raise DecodeError(
            "an array with another number of rows than the circuit's, or beyond the end of the file"
        )
    if not entry["sparse"]:
        (size,) = sizes
        return np.frombuffer(blob[at : at + size], dtype=np.uint64).reshape(rows, width)
    mask, size = sizes
    packed = np.frombuffer(blob[at : at + mask], dtype=np.uint8)
    if len(packed) != -(-rows // 8):
        raise DecodeError("a sparse array with a mask of another length")
    present = np.unpackbits(packed, count=rows).astype(bool)
    at += mask + -mask % _ALIGN
    out = np.zeros((rows, width), dtype=np.uint64)
    out[present] = np.frombuffer(blob[at : at + size], dtype=np.uint64).reshape(-1, width)
    return out
