"""Encrypted vectors and arrays: packed, bounded, and checked before anything can overflow."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz, powmod

from he.ciphertexts import check_ciphertexts
from he.errors import CodecMismatch, KeyMismatch, SlotOverflow, TooFewContributions, TooManyContributions
from he.keys import PrivateKey, PublicKey
from he.layout import as_integers, cut, pack_segments
from he.multi_exponent import batch_inverse, product
from he.packing import Packing
from he.paillier import Decryptor, Progress, encryptor
from he.randomizers import RandomizerPool
from he.workers import Workers
from mpc.codec import Codec
from mpc.errors import ParameterError
from mpc.prg import Stream

__all__ = ["EncryptedVector", "sum_vectors"]


@dataclass(frozen=True, slots=True, eq=False)
class EncryptedVector:
    """An array of any shape under one key, several values to a ciphertext.

    `segments` are runs of values that start at a ciphertext of their own. `bound` is the largest magnitude
    any slot can have; every operation computes the new bound first and raises SlotOverflow rather than run
    into the next slot. `contributions` and `weight` count what was summed. `fresh` says whether the
    ciphertexts were randomised since they were last computed with; `to_bytes` re-randomises those that were
    not, because c^k tells k to who knows c.

    Leakage: shape, packing, bound, contributions and weight are public.
    Assumes: decisional composite residuosity, and the exponent assumption recorded in the key.
    """

    public: PublicKey
    ciphertexts: tuple[mpz, ...]
    shape: tuple[int, ...]
    segments: tuple[int, ...]
    packing: Packing
    bound: int
    max_contributions: int
    codec: Codec | None = None
    contributions: int = 1
    weight: int = 1
    fresh: bool = True
    saturated: int = 0
    """Values of one's own that were cut to the clip; never sent."""

    # numpy hands `array @ vector` over to __rmatmul__ instead of looping over elements
    __array_ufunc__ = None

    def __post_init__(self) -> None:
        if sum(self.segments) != prod(self.shape) or min(self.shape + self.segments, default=0) < 0:
            raise ParameterError(
                f"segments of {sum(self.segments)} values do not make the shape {self.shape}"
            )
        if len(self.ciphertexts) != sum(map(self.packing.ciphertexts, self.segments)):
            raise ParameterError(f"{len(self.ciphertexts)} ciphertexts do not hold the shape {self.shape}")
        if self.packing.width * self.packing.slots >= self.public.bits:
            raise ParameterError("the slots do not fit the modulus")
        if self.bound > self.packing.limit:
            missing = self.bound.bit_length() + 1 - self.packing.width
            raise SlotOverflow(
                f"slots of {self.packing.width} bits could overflow: {missing} bits are missing", missing
            )
        if not 1 <= self.contributions <= self.max_contributions:
            raise TooManyContributions(
                f"{self.contributions} contributions, but the slots were proved for {self.max_contributions}"
            )

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 0

    @property
    def size(self) -> int:
        """How many values there are."""
        return prod(self.shape)

    # --- sums

    def _check_same(self, other: EncryptedVector) -> None:
        if self.public != other.public:
            raise KeyMismatch("the two vectors are encrypted under different keys")
        mine = (self.codec, self.packing, self.segments, self.shape, self.max_contributions)
        if mine != (other.codec, other.packing, other.segments, other.shape, other.max_contributions):
            raise CodecMismatch("the two vectors have different codecs, packings or shapes")

    def __add__(self, other: object) -> EncryptedVector:
        if not isinstance(other, EncryptedVector):
            return NotImplemented
        return sum_vectors([self, other])

    def __neg__(self) -> EncryptedVector:
        inverse = batch_inverse(self.ciphertexts, self.public.n_squared)
        return replace(self, ciphertexts=tuple(inverse), fresh=False)

    def __sub__(self, other: object) -> EncryptedVector:
        if not isinstance(other, EncryptedVector):
            return NotImplemented
        self._check_same(other)
        return self + -other

    def add_plain(self, values: npt.ArrayLike) -> EncryptedVector:
        """This vector plus known values: integers, or floats through the codec at full weight.

        Raises: SlotOverflow; ParameterError for a value that is not finite, or floats without a codec.
        """
        integers = np.broadcast_to(as_integers(values, self.codec), self.shape)
        bound = self.bound + max((abs(int(v)) for v in integers.reshape(-1)), default=0)
        result = replace(self, bound=bound, fresh=False)  # raises before anything is computed
        plain = pack_segments(integers.reshape(-1), self.segments, self.packing)
        n, n_squared = self.public.n, self.public.n_squared
        shifted = (c * (1 + m % n * n) % n_squared for c, m in zip(self.ciphertexts, plain, strict=True))
        return replace(result, ciphertexts=tuple(shifted))

    # --- products with integers

    def __mul__(self, factor: object) -> EncryptedVector:
        """This vector times an integer, or times an integer array when every value has its own ciphertext."""
        if isinstance(factor, np.ndarray | list | tuple):
            return self._times_array(np.asarray(factor))
        try:
            k = operator.index(factor)  # type: ignore[arg-type]  # numpy integers become Python integers here
        except TypeError:
            raise ParameterError(
                f"a vector is multiplied by integers, not by {type(factor).__name__}"
            ) from None
        result = replace(self, bound=self.bound * abs(k), fresh=False)
        n_squared = self.public.n_squared
        bases = self.ciphertexts if k >= 0 else batch_inverse(self.ciphertexts, n_squared)
        return replace(result, ciphertexts=tuple(powmod(c, abs(k), n_squared) for c in bases))

    __rmul__ = __mul__

    def _times_array(self, factors: npt.NDArray[Any]) -> EncryptedVector:
        if self.packing.slots != 1:
            raise ParameterError(
                "slots share a ciphertext: encrypt with slots=1 to multiply each value by its own"
            )
        exponents = [int(k) for k in np.broadcast_to(as_integers(factors, None), self.shape).reshape(-1)]
        result = replace(self, bound=self.bound * max(map(abs, exponents), default=0), fresh=False)
        pairs = zip(self.ciphertexts, exponents, strict=True)
        return replace(result, ciphertexts=tuple(powmod(c, k, self.public.n_squared) for c, k in pairs))

    def __matmul__(self, matrix: npt.ArrayLike) -> EncryptedVector:
        """Element-wise encrypted rows times a plaintext integer matrix or vector."""
        from he.matrix import matmul_right

        return matmul_right(self, np.asarray(matrix))

    def __rmatmul__(self, matrix: npt.ArrayLike) -> EncryptedVector:
        """A plaintext integer matrix or vector times this vector, whose rows may be packed."""
        from he.matrix import matmul_left

        return matmul_left(np.asarray(matrix), self)

    # --- shape

    def _starts(self) -> dict[int, int]:
        """Positions in the flat array at which a ciphertext begins, and which one."""
        starts, value, ciphertext = {}, 0, 0
        for segment in self.segments:
            for at in range(0, segment, self.packing.slots):
                starts[value + at] = ciphertext
                ciphertext += 1
            value += segment
        starts[value] = ciphertext
        return starts

    def __getitem__(self, key: int | slice) -> EncryptedVector:
        """Part of the first axis; the cut must lie between ciphertexts.

        Raises: ParameterError for a cut inside a ciphertext, or a step other than 1.
        """
        rows = prod(self.shape[1:])
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step != 1:
                raise ParameterError("a slice of an encrypted vector has step 1")
            if stop <= start:
                start = stop = 0
            shape = (stop - start, *self.shape[1:])
        else:
            index = operator.index(key)
            if not -len(self) <= index < len(self):
                raise IndexError(f"index {index} is out of range for {len(self)} rows")
            start, stop, shape = index % len(self), index % len(self) + 1, self.shape[1:]
        starts = self._starts()
        if start * rows not in starts or stop * rows not in starts:
            raise ParameterError(
                f"{self.packing.slots} values share a ciphertext: cut at multiples of that, or use slots=1"
            )
        first, last = starts[start * rows], starts[stop * rows]
        segments = cut(self.segments, start * rows, stop * rows)
        return replace(self, ciphertexts=self.ciphertexts[first:last], shape=shape, segments=segments)

    def reshape(self, *shape: int) -> EncryptedVector:
        """The same values in another shape."""
        return replace(self, shape=shape)

    # --- leaving and arriving

    def check(self, *, refuse_trivial: bool = False) -> None:
        """Raises: InvalidCiphertext or TrivialCiphertext, naming the positions."""
        check_ciphertexts(self.public, self.ciphertexts, refuse_trivial=refuse_trivial)

    def rerandomized(
        self,
        stream: Stream | None = None,
        *,
        key: PrivateKey | None = None,
        pool: RandomizerPool | None = None,
    ) -> EncryptedVector:
        """The same plaintexts in ciphertexts that cannot be linked to these."""
        stream = stream or Stream.from_os(b"rerandomize")
        if pool is not None:
            fresh = pool.take(self.public, len(self.ciphertexts))
        else:
            fresh = encryptor(key or self.public).randomizers(len(self.ciphertexts), stream)
        hidden = (c * y % self.public.n_squared for c, y in zip(self.ciphertexts, fresh, strict=True))
        return replace(self, ciphertexts=tuple(hidden), fresh=True)

    def to_bytes(self, stream: Stream | None = None, *, rerandomize: bool = True) -> bytes:
        """Canonical bytes; ciphertexts that were computed with are re-randomised first.

        With `rerandomize=False` a sum stays reproducible from its terms: right for a coordinator whose
        additions are public, wrong for anyone who multiplied by a secret.
        """
        from he.vector_bytes import vector_to_bytes

        return vector_to_bytes(self if self.fresh or not rerandomize else self.rerandomized(stream))

    @classmethod
    def from_bytes(cls, data: bytes, public: PublicKey, *, codec: Codec | None = None) -> EncryptedVector:
        """A vector from a peer, its ciphertexts checked; with `codec`, the sender must have used that one.

        Raises: DecodeError, KeyMismatch, CodecMismatch, InvalidCiphertext, TrivialCiphertext.
        """
        from he.vector_bytes import vector_from_bytes

        return vector_from_bytes(data, public, codec)

    # --- decryption

    def decrypt_integers(
        self,
        private: PrivateKey,
        *,
        min_contributions: int = 1,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> npt.NDArray[Any]:
        """The integers, int64 or Python integers beyond 62 bits.

        Raises: KeyMismatch; TooFewContributions; NotPacked when a slot was overrun by a dishonest sender.
        """
        if private.public != self.public:
            raise KeyMismatch("this private key does not belong to the vector's public key")
        if self.contributions < min_contributions:
            raise TooFewContributions(
                f"{self.contributions} contributions are not decrypted, {min_contributions} are needed"
            )
        plain = Decryptor(private).decrypt(self.ciphertexts, threads=threads, progress=progress)
        return self.unpack(plain)

    def unpack(self, plaintexts: Sequence[int]) -> npt.NDArray[Any]:
        """Plaintexts of these ciphertexts as integers in this vector's shape."""
        parts, at = [], 0
        for segment in self.segments:
            count = self.packing.ciphertexts(segment)
            parts.append(self.packing.unpack(plaintexts[at : at + count], segment))
            at += count
        flat = np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
        return flat.reshape(self.shape)

    def decode(self, integers: npt.NDArray[Any], *, mean: bool = False) -> npt.NDArray[np.float64]:
        """Decrypted integers as floats: the weighted sum, or with `mean` the weighted mean."""
        if self.codec is None:
            raise ParameterError("this vector holds integers: it has no codec to make floats with")
        scale = self.codec.clip * self.codec.max_weight / self.codec.limit
        return integers.astype(np.float64) * (scale / (self.weight if mean else 1))

    def decrypt(
        self,
        private: PrivateKey,
        *,
        mean: bool = False,
        min_contributions: int = 1,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> npt.NDArray[np.float64]:
        """The weighted sum as floats, or with `mean` the weighted mean.

        Raises: KeyMismatch; TooFewContributions; NotPacked; ParameterError without a codec.
        """
        if mean and self.weight < 1:
            raise ParameterError("a vector of weight zero has no mean")
        integers = self.decrypt_integers(
            private, min_contributions=min_contributions, threads=threads, progress=progress
        )
        return self.decode(integers, mean=mean)


def sum_vectors(vectors: Sequence[EncryptedVector], *, workers: Workers | None = None) -> EncryptedVector:
    """The sum of all; bounds, contributions and weights add up.

    Raises: ParameterError for no vector; KeyMismatch; CodecMismatch; SlotOverflow or TooManyContributions
        before anything is computed.
    """
    if not vectors:
        raise ParameterError("there is nothing to sum")
    first = vectors[0]
    for other in vectors[1:]:
        first._check_same(other)
    result = replace(
        first,
        bound=sum(v.bound for v in vectors),
        contributions=sum(v.contributions for v in vectors),
        weight=sum(v.weight for v in vectors),
        saturated=sum(v.saturated for v in vectors),
        fresh=False,
    )
    columns, n_squared = list(zip(*(v.ciphertexts for v in vectors), strict=True)), first.public.n_squared
    if workers is not None:
        return replace(result, ciphertexts=tuple(workers.products(columns, n_squared)))
    return replace(result, ciphertexts=tuple(product(column, n_squared) for column in columns))
