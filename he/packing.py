"""Many small signed integers in one plaintext: slots of fixed width, guard bits included.

The plaintext is sum_j v_j 2^(width j) over the integers, negative slots borrowing from the next; adding
plaintexts adds slots as long as every |v_j| < 2^(width - 1). Reading adds 2^(width - 1) to every slot first,
so no borrow is left.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from he.errors import NotPacked
from mpc.errors import ParameterError

__all__ = ["Packing"]

NUMPY_WIDTH = 62


@dataclass(frozen=True, slots=True)
class Packing:
    """`slots` slots of `width` bits in one plaintext.

    Raises: ParameterError unless width >= 2 and slots >= 1.

    >>> p = Packing(width=8, slots=3); p.unpack(p.pack([1, -2, 3, -4], 4), 4)
    array([ 1, -2,  3, -4])
    """

    width: int
    slots: int

    def __post_init__(self) -> None:
        if self.width < 2 or self.slots < 1:
            raise ParameterError(f"no packing has {self.slots} slots of {self.width} bits")

    @classmethod
    def for_bound(cls, bound: int, modulus_bits: int, slots: int | None = None) -> "Packing":
        """The densest packing whose slots hold every magnitude up to `bound`.

        Raises: ParameterError when not even one slot fits, or fewer than `slots`.
        """
        width = max(2, int(bound).bit_length() + 1)
        # a packed plaintext stays below 2^(width * slots - 1), which must stay below n / 2
        room = (modulus_bits - 1) // width
        if room < max(1, slots or 1):
            raise ParameterError(
                f"{slots or 1} slots of {width} bits do not fit a modulus of {modulus_bits} bits"
            )
        return cls(width, slots or room)

    @property
    def limit(self) -> int:
        """The largest magnitude a slot may have."""
        return (1 << (self.width - 1)) - 1

    def ciphertexts(self, values: int) -> int:
        """How many plaintexts `values` values take."""
        return -(-values // self.slots)

    @property
    def _offset(self) -> mpz:
        """2^(width - 1) in every slot."""
        ones = ((mpz(1) << (self.width * self.slots)) - 1) // ((mpz(1) << self.width) - 1)
        return ones << (self.width - 1)

    def pack(self, values: Sequence[int] | npt.NDArray[Any], count: int) -> list[mpz]:
        """Signed plaintexts for `count` values; the last one is filled up with zeros.

        Raises: ParameterError for a magnitude above `limit`.
        """
        total, limit = self.ciphertexts(count) * self.slots, self.limit
        if self.width > NUMPY_WIDTH:
            return self._pack_wide([int(v) for v in values], total)
        padded = np.zeros(total, dtype=np.int64)
        try:
            padded[:count] = np.asarray(values).astype(np.int64, casting="safe") if count else 0
        except (TypeError, OverflowError):
            integers = [int(v) for v in values]
            padded[:count] = [v if abs(v) <= limit else limit + 1 for v in integers]
        if total and max(-int(padded.min()), int(padded.max())) > limit:
            raise ParameterError(f"a value exceeds the {limit} that a slot of {self.width} bits holds")
        shifted = (padded + (1 << (self.width - 1))).astype("<u8")
        bits = np.unpackbits(shifted.view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")[
            :, : self.width
        ]
        rows = np.packbits(bits.reshape(-1, self.slots * self.width), axis=1, bitorder="little")
        offset = self._offset
        return [mpz(int.from_bytes(row.tobytes(), "little")) - offset for row in rows]

    def _pack_wide(self, values: list[int], total: int) -> list[mpz]:
        if any(abs(v) > self.limit for v in values):
            raise ParameterError(f"a value exceeds what a slot of {self.width} bits holds")
        values += [0] * (total - len(values))
        rows = (values[at : at + self.slots] for at in range(0, total, self.slots))
        return [mpz(sum(v << (self.width * j) for j, v in enumerate(row))) for row in rows]

    def unpack(self, plaintexts: Sequence[int], count: int) -> npt.NDArray[Any]:
        """The first `count` slots: int64, or Python integers for slots wider than 62 bits.

        Raises: NotPacked for a plaintext beyond what the slots can hold.
        """
        offset, span = self._offset, self.slots * self.width
        shifted = [mpz(m) + offset for m in plaintexts]
        if any(m < 0 or m.bit_length() > span for m in shifted):
            raise NotPacked("a plaintext is larger than its slots: it was not packed, or a slot ran over")
        half = 1 << (self.width - 1)
        if self.width > NUMPY_WIDTH:
            mask = (1 << self.width) - 1
            wide = [int(m >> (self.width * j) & mask) - half for m in shifted for j in range(self.slots)]
            out = np.empty(count, dtype=object)
            out[:] = wide[:count]
            return out
        size = (span + 7) // 8
        raw = np.frombuffer(b"".join(int(m).to_bytes(size, "little") for m in shifted), dtype=np.uint8)
        bits = np.unpackbits(raw.reshape(-1, size), axis=1, bitorder="little")[:, :span].reshape(
            -1, self.width
        )
        wide_bits = np.zeros((len(bits), 64), dtype=np.uint8)
        wide_bits[:, : self.width] = bits
        values = np.packbits(wide_bits, axis=1, bitorder="little").view("<u8").reshape(-1).astype(np.int64)
        return (values - half)[:count]
