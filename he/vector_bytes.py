"""Encrypted vectors as canonical bytes: a header that says everything, then ciphertexts of fixed width."""

import struct
from math import prod

from gmpy2 import mpz

from he.ciphertexts import check_ciphertexts
from he.errors import CodecMismatch, KeyMismatch
from he.keys import PublicKey
from he.layout import merged
from he.packing import Packing
from he.vector import EncryptedVector
from he.wire import Reader, Writer
from mpc.codec import Codec
from mpc.errors import DecodeError, ParameterError

__all__ = ["vector_from_bytes", "vector_to_bytes"]

MAGIC = b"EPPML encrypted vector 1\n"
MAX_DIMENSIONS = 8


def vector_to_bytes(vector: EncryptedVector) -> bytes:
    """The one encoding of `vector`, as it is; `EncryptedVector.to_bytes` re-randomises first."""
    writer = Writer(MAGIC).raw(vector.public.fingerprint).number(len(vector.shape), 1)
    for length in vector.shape:
        writer.number(length, 8)
    writer.number(len(vector.segments))
    for length in vector.segments:
        writer.number(length, 8)
    writer.number(vector.packing.width).number(vector.packing.slots).integer(vector.bound)
    writer.number(vector.max_contributions, 8).number(vector.contributions, 8).number(vector.weight, 8)
    codec = vector.codec
    writer.number(codec is not None, 1)
    if codec is not None:
        writer.raw(struct.pack(">d", codec.clip)).number(codec.bits, 1)
        writer.number(codec.max_clients, 8).number(codec.max_weight, 8)
    size = vector.public.ciphertext_bytes
    return writer.raw(b"".join(int(c).to_bytes(size, "big") for c in vector.ciphertexts)).done()


def vector_from_bytes(data: bytes, public: PublicKey, codec: Codec | None = None) -> EncryptedVector:
    """Decode and check a peer's vector.

    Raises: DecodeError; KeyMismatch; CodecMismatch when `codec` is given and the sender used another;
        InvalidCiphertext; TrivialCiphertext.
    """
    reader = Reader(data, MAGIC)
    if reader.raw(32) != public.fingerprint:
        raise KeyMismatch("the vector was encrypted under another key")
    shape = tuple(reader.number(8) for _ in range(reader.number(1, MAX_DIMENSIONS + 1)))
    segments = tuple(reader.number(8) for _ in range(reader.number(4, len(data))))
    width, slots, bound = reader.number(4, public.bits), reader.number(4, public.bits), int(reader.integer())
    max_contributions, contributions, weight = reader.number(8), reader.number(8), reader.number(8)
    try:
        used = _codec(reader, width) if reader.number(1, 2) else None
        packing = Packing(width, slots)
        if merged(segments, slots) != segments or prod(shape) != sum(segments):
            raise DecodeError("the segments do not make the shape")
        count, size = sum(map(packing.ciphertexts, segments)), public.ciphertext_bytes
        body = reader.raw(count * size)  # raises before anything is allocated for a count that is a lie
        reader.end()
        ciphertexts = tuple(
            mpz(int.from_bytes(body[at : at + size], "big")) for at in range(0, len(body), size)
        )
        if used is not None and not (
            used.max_clients == max_contributions
            and contributions <= weight <= contributions * used.max_weight
        ):
            raise DecodeError("the codec contradicts the header")
        vector = EncryptedVector(
            public,
            ciphertexts,
            shape,
            segments,
            packing,
            bound,
            max_contributions,
            used,
            contributions,
            weight,
        )
    except ParameterError as error:
        raise DecodeError(f"no vector has this header: {error}") from None
    if codec is not None and used != codec.for_modulus(1 << width):
        raise CodecMismatch(f"the sender used {used}, expected {codec}")
    check_ciphertexts(public, ciphertexts, refuse_trivial=True)
    return vector


def _codec(reader: Reader, width: int) -> Codec:
    (clip,) = struct.unpack(">d", reader.raw(8))
    bits, max_clients, max_weight = reader.number(1), reader.number(8), reader.number(8)
    return Codec(clip, bits, max_clients, max_weight, 1 << width)
