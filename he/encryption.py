"""From numbers to encrypted vectors, and from several vectors to one."""

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import Any

import numpy.typing as npt

from he.errors import CodecMismatch, KeyMismatch
from he.keys import PrivateKey, PublicKey
from he.layout import as_integers, merged, pack_segments
from he.packing import Packing
from he.paillier import Progress, encryptor
from he.randomizers import RandomizerPool
from he.vector import EncryptedVector
from he.workers import Workers
from mpc.codec import Codec
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["concatenate", "encrypt", "encrypt_integers"]


def encrypt(
    key: PublicKey | PrivateKey,
    codec: Codec,
    values: npt.ArrayLike,
    *,
    weight: int = 1,
    headroom_bits: int = 0,
    slots: int | None = None,
    rows: bool = False,
    stream: Stream | None = None,
    pool: RandomizerPool | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> EncryptedVector:
    """Encrypt floats: clip, scale and round by `codec`, pack as densely as sums of `codec.max_clients` allow.

    `headroom_bits` leaves room for products; `slots=1` gives every value a ciphertext of its own; `rows`
    starts a new ciphertext with every index of the first axis. The private key encrypts about twice as fast.

    Raises: ParameterError for NaN or infinity, or a weight above the codec's. Values beyond the clip are cut
        and counted in `saturated`.
    """
    encoded = codec.encode(values, weight)
    vector = encrypt_integers(
        key,
        encoded.values,
        bound=codec.limit,
        max_contributions=codec.max_clients,
        headroom_bits=headroom_bits,
        slots=slots,
        rows=rows,
        stream=stream,
        pool=pool,
        workers=workers,
        progress=progress,
    )
    # the modulus is the slot's from here on: the codec proves once more that no sum wraps there
    proved = codec.for_modulus(1 << vector.packing.width)
    return replace(vector, codec=proved, weight=weight, saturated=encoded.saturated)


def encrypt_integers(
    key: PublicKey | PrivateKey,
    values: npt.ArrayLike,
    *,
    bound: int,
    max_contributions: int = 1,
    headroom_bits: int = 0,
    slots: int | None = None,
    rows: bool = False,
    stream: Stream | None = None,
    pool: RandomizerPool | None = None,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> EncryptedVector:
    """Encrypt integers of magnitude at most `bound`, for sums of at most `max_contributions` of them.

    Raises: ParameterError for a value above the bound, or slots that do not fit the modulus.
    """
    public = key.public if isinstance(key, PrivateKey) else key
    integers = as_integers(values, None)
    flat = integers.reshape(-1)
    if max((abs(int(v)) for v in (flat if flat.dtype == object else _extremes(flat))), default=0) > bound:
        raise ParameterError(f"a value exceeds the bound {bound}")
    if min(max_contributions, bound) < 1 or headroom_bits < 0:
        raise ParameterError("bound and max_contributions are at least 1, headroom_bits at least 0")
    packing = Packing.for_bound((bound * max_contributions) << headroom_bits, public.bits, slots)
    inner = prod(integers.shape[1:])
    segments = merged((inner,) * len(integers) if rows and integers.ndim else (flat.size,), packing.slots)
    plain = pack_segments(flat, segments, packing)
    if pool is not None:
        ciphertexts = encryptor(key).hide(plain, pool.take(public, len(plain)))
    elif workers is not None:
        ciphertexts = workers.encrypt(key, plain, stream, progress)
    else:
        ciphertexts = encryptor(key).encrypt(plain, stream, progress)
    return EncryptedVector(
        public, tuple(ciphertexts), integers.shape, segments, packing, bound, max_contributions
    )


def _extremes(flat: npt.NDArray[Any]) -> list[int]:
    # |min| of int64 overflows in numpy, not in Python
    return [int(flat.min()), int(flat.max())] if flat.size else []


def concatenate(vectors: Sequence[EncryptedVector]) -> EncryptedVector:
    """The vectors one after the other along the first axis.

    Raises: ParameterError for no vector; KeyMismatch; CodecMismatch, also for different contributions or
        weights.
    """
    if not vectors:
        raise ParameterError("there is nothing to concatenate")
    first = vectors[0]
    for other in vectors[1:]:
        if other.public != first.public:
            raise KeyMismatch("the vectors are encrypted under different keys")
        if (other.codec, other.packing, other.max_contributions, other.contributions, other.weight) != (
            first.codec,
            first.packing,
            first.max_contributions,
            first.contributions,
            first.weight,
        ) or other.shape[1:] != first.shape[1:]:
            raise CodecMismatch("the vectors have different codecs, packings, weights or row shapes")
    return replace(
        first,
        ciphertexts=tuple(c for v in vectors for c in v.ciphertexts),
        shape=(sum(len(v) for v in vectors), *first.shape[1:]),
        segments=merged([s for v in vectors for s in v.segments], first.packing.slots),
        bound=max(v.bound for v in vectors),
        fresh=all(v.fresh for v in vectors),
        saturated=sum(v.saturated for v in vectors),
    )
