"""What clients and server say to each other, as canonical bytes.

    step      from    message     holds
    advertise client  Advert      public keys and a commitment to the own mask's seed, signed
    keys      server  Roster      the adverts of everyone who spoke
    share     client  Dealing     for every drawn neighbour, encrypted shares and commitments to them, signed
    deal      server  Delivery    who dealt, and the shares meant for this client
    mask      client  Masked      the masked vector, and the dealers whose shares do not open
    survive   server  Survivors   whose masked vectors arrived
    confirm   client  (64 bytes)  a signature on the survivors
    agree     server  Agreement   everyone's signatures
    reveal    client  Reveal      one share for each dealer: of its mask's seed, or of its key

Every list is sorted by strictly increasing index, every length follows from the parameters, and a decoder
accepts the one encoding that the encoder makes.

Raises: DecodeError, in every `from_bytes`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from mpc.errors import DecodeError
from mpc.secagg.identity import SIGNATURE_BYTES
from mpc.secagg.parameters import Parameters

__all__ = [
    "Advert",
    "Agreement",
    "Dealing",
    "Delivery",
    "Masked",
    "Reveal",
    "Roster",
    "Sealed",
    "Survivors",
    "decode_indices",
    "encode_indices",
]

# a view is cut without copying, which matters for a masked vector
Bytes = TypeVar("Bytes", bytes, memoryview)

INDEX = 4
HASH = 32
SHARE = 32
SEALED = 2 * SHARE + 16


def encode_indices(indices: Iterable[int]) -> bytes:
    """A counted list of increasing indices."""
    items = sorted(indices)
    return len(items).to_bytes(INDEX, "big") + b"".join(i.to_bytes(INDEX, "big") for i in items)


def decode_indices(data: Bytes, allowed: int) -> tuple[tuple[int, ...], Bytes]:
    """The list at the start of `data`, of at most `allowed` indices, and what follows it."""
    count = int.from_bytes(data[:INDEX], "big")
    end = INDEX * (count + 1)
    if len(data) < INDEX or count > allowed or len(data) < end:
        raise DecodeError(f"a list of {count} indices is too long here")
    indices = tuple(int.from_bytes(data[i : i + INDEX], "big") for i in range(INDEX, end, INDEX))
    if any(a >= b for a, b in zip(indices, indices[1:], strict=False)):
        raise DecodeError("indices must increase")
    return indices, data[end:]


def _records(data: bytes, allowed: int, size: int) -> dict[int, bytes]:
    """A whole message that is a counted list of indices and then one record of `size` bytes for each."""
    indices, rest = decode_indices(data, allowed)
    if len(rest) != size * len(indices):
        raise DecodeError(f"want {size} bytes for each of {len(indices)} entries, got {len(rest)} in all")
    return {i: rest[at * size : (at + 1) * size] for at, i in enumerate(indices)}


def _with_records(records: Mapping[int, bytes]) -> bytes:
    return encode_indices(records) + b"".join(records[i] for i in sorted(records))


@dataclass(frozen=True, slots=True)
class Advert:
    """The keys of one client: `channel` carries shares, `mask` makes pairwise masks, `seed` commits to the
    own mask."""

    channel: bytes
    mask: bytes
    seed: bytes
    signature: bytes

    SIZE = 3 * 32 + SIGNATURE_BYTES
    PURPOSE = "advertise"

    def body(self, client: int) -> bytes:
        """What is signed."""
        return client.to_bytes(INDEX, "big") + self.channel + self.mask + self.seed

    def to_bytes(self) -> bytes:
        return self.channel + self.mask + self.seed + self.signature

    @classmethod
    def from_bytes(cls, data: bytes) -> "Advert":
        if len(data) != cls.SIZE:
            raise DecodeError(f"an advert has {cls.SIZE} bytes, got {len(data)}")
        return cls(data[:32], data[32:64], data[64:96], data[96:])


@dataclass(frozen=True, slots=True)
class Roster:
    """The adverts of everyone who takes part."""

    adverts: Mapping[int, Advert]

    def to_bytes(self) -> bytes:
        return _with_records({i: a.to_bytes() for i, a in self.adverts.items()})

    @classmethod
    def from_bytes(cls, data: bytes, params: Parameters) -> "Roster":
        records = _records(data, len(params.clients), Advert.SIZE)
        return cls({i: Advert.from_bytes(r) for i, r in records.items()})


@dataclass(frozen=True, slots=True)
class Sealed:
    """Two shares for one holder: encrypted to it, with commitments that the server can check a revealed one
    against."""

    ciphertext: bytes = field(repr=False)
    seed_commitment: bytes
    key_commitment: bytes

    SIZE = SEALED + 2 * HASH

    def to_bytes(self) -> bytes:
        return self.ciphertext + self.seed_commitment + self.key_commitment

    @classmethod
    def from_bytes(cls, data: bytes) -> "Sealed":
        if len(data) != cls.SIZE:
            raise DecodeError(f"a sealed share has {cls.SIZE} bytes, got {len(data)}")
        return cls(data[:SEALED], data[SEALED : SEALED + HASH], data[SEALED + HASH :])


@dataclass(frozen=True, slots=True)
class Dealing:
    """One client's shares for the neighbours it drew."""

    shares: Mapping[int, Sealed]
    signature: bytes

    PURPOSE = "share"

    def body(self) -> bytes:
        """What is signed."""
        return _with_records({i: s.to_bytes() for i, s in self.shares.items()})

    def to_bytes(self) -> bytes:
        return self.signature + self.body()

    @classmethod
    def from_bytes(cls, data: bytes, params: Parameters) -> "Dealing":
        if len(data) < SIGNATURE_BYTES:
            raise DecodeError("a dealing starts with a signature")
        records = _records(data[SIGNATURE_BYTES:], params.degree, Sealed.SIZE)
        return cls({i: Sealed.from_bytes(r) for i, r in records.items()}, data[:SIGNATURE_BYTES])


@dataclass(frozen=True, slots=True)
class Delivery:
    """Everyone who dealt, and what they dealt to one client."""

    dealers: tuple[int, ...]
    shares: Mapping[int, Sealed]

    def to_bytes(self) -> bytes:
        return encode_indices(self.dealers) + _with_records({i: s.to_bytes() for i, s in self.shares.items()})

    @classmethod
    def from_bytes(cls, data: bytes, params: Parameters) -> "Delivery":
        dealers, rest = decode_indices(data, len(params.clients))
        records = _records(rest, len(params.clients), Sealed.SIZE)
        return cls(dealers, {i: Sealed.from_bytes(r) for i, r in records.items()})


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """One client's masked vector, and the dealers it accuses of shares that do not open.

    `ring` holds residues mod the modulus as uint32 or uint64, `field` residues mod the field.
    """

    accused: tuple[int, ...]
    ring: npt.NDArray[Any] = field(repr=False)
    field: Sequence[int] = field(repr=False)

    def to_bytes(self, params: Parameters) -> bytes:
        words = np.ascontiguousarray(self.ring.astype(self.ring.dtype.newbyteorder("<"), copy=False))
        if params.word_bytes != words.itemsize:
            octets = words.view(np.uint8).reshape(-1, words.itemsize)[:, : params.word_bytes]
            words = np.ascontiguousarray(octets)
        tail = b"".join(v.to_bytes(params.field_bytes, "little") for v in self.field)
        view: Any = words.reshape(-1)
        return b"".join([encode_indices(self.accused), memoryview(view).cast("B"), tail])

    @classmethod
    def from_bytes(cls, data: bytes, params: Parameters) -> "Masked":
        accused, rest = decode_indices(memoryview(data), len(params.clients))
        size, split = params.field_bytes, params.dim * params.word_bytes
        if len(rest) != split + params.field_dim * size:
            raise DecodeError(
                f"a masked vector has {split + params.field_dim * size} bytes, got {len(rest)}: wrong length"
            )
        word = np.dtype("<u4") if params.modulus <= 1 << 32 else np.dtype("<u8")
        if params.word_bytes == word.itemsize:
            ring = np.frombuffer(rest, dtype=word, count=params.dim)
        else:
            padded = np.zeros((params.dim, word.itemsize), dtype=np.uint8)
            given = np.frombuffer(rest, np.uint8, split).reshape(-1, params.word_bytes)
            padded[:, : params.word_bytes] = given
            ring = padded.view(word).reshape(-1)
        if params.modulus not in (1 << 32, 1 << 64) and ring.size and int(ring.max()) >= params.modulus:
            raise DecodeError("a masked coordinate is not reduced")
        scalars = [int.from_bytes(rest[i : i + size], "little") for i in range(split, len(rest), size)]
        if any(v >= params.field for v in scalars):
            raise DecodeError("a masked field element is not reduced")
        return cls(accused, ring, scalars)


@dataclass(frozen=True, slots=True)
class Survivors:
    """The clients whose masked vectors arrived."""

    clients: tuple[int, ...]

    PURPOSE = "confirm"

    def to_bytes(self) -> bytes:
        return encode_indices(self.clients)

    @classmethod
    def from_bytes(cls, data: bytes, params: Parameters) -> "Survivors":
        clients, rest = decode_indices(data, len(params.clients))
        if rest:
            raise DecodeError(f"{len(rest)} bytes too many")
        return cls(clients)


@dataclass(frozen=True, slots=True)
class Agreement:
    """Signatures on one list of survivors."""

    signatures: Mapping[int, bytes]

    def to_bytes(self) -> bytes:
        return _with_records(self.signatures)

    @classmethod
    def from_bytes(cls, data: bytes, params: Parameters) -> "Agreement":
        return cls(_records(data, len(params.clients), SIGNATURE_BYTES))


@dataclass(frozen=True, slots=True)
class Reveal:
    """One share for each dealer: of its mask's seed if it survived, of its mask key if it did not."""

    seeds: Mapping[int, int] = field(repr=False)
    keys: Mapping[int, int] = field(repr=False)

    def to_bytes(self) -> bytes:
        return b"".join(
            _with_records({i: s.to_bytes(SHARE, "big") for i, s in shares.items()})
            for shares in (self.seeds, self.keys)
        )

    @classmethod
    def from_bytes(cls, data: bytes, params: Parameters) -> "Reveal":
        count = int.from_bytes(data[:INDEX], "big")
        split = INDEX + count * (INDEX + SHARE)
        parts = (
            _records(data[:split], len(params.clients), SHARE),
            _records(data[split:], len(params.clients), SHARE),
        )
        if set(parts[0]) & set(parts[1]):
            raise DecodeError("both secrets of one client")
        seeds, keys = ({i: int.from_bytes(r, "big") for i, r in part.items()} for part in parts)
        return cls(seeds, keys)
