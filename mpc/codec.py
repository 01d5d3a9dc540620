"""Floats as bounded integers whose sums provably cannot wrap.

    float --clip, scale, round--> integer in [-limit, limit] --sum, mod modulus--> weighted mean

The same codec serves a ring (2^32, 2^64), a prime field, a slot of a packed ciphertext (2^slot_bits) and a
circuit: in each of them a signed sum is recovered from its residue exactly when max_clients * limit <=
(modulus - 1) / 2.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from mpc.errors import CodecError, DecodeError, ParameterError
from mpc.prg import Stream

__all__ = ["Codec", "Encoded"]

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def _array(integers: npt.ArrayLike | Iterable[int]) -> npt.NDArray[Any]:
    if isinstance(integers, np.ndarray):
        return integers
    items: Any = list(cast(Iterable[int], integers))
    # numpy would make floats of a list that mixes integers above and below 2^63
    wide = any(isinstance(v, int) and not -(1 << 63) <= v < 1 << 63 for v in items)
    return np.array(items, dtype=object if wide or not items else None)


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Encoded values, and how many of them had to be cut to the clip."""

    values: Int64s
    saturated: int


@dataclass(frozen=True, slots=True)
class Codec:
    """Fixed point with `bits` bits, sign included, for sums over at most `max_clients` clients.

    A client of weight w sends round(x * (w / max_weight) / clip * limit), so every coordinate fits `bits`
    bits whatever the weight, and the plain sum decodes to the weighted mean. Weights are public.

    Units: `clip` in the units of the data; one step of the code is clip / limit.
    Raises: CodecError with `missing_bits` when a sum of max_clients values could wrap mod `modulus`;
        ParameterError for arguments without meaning.

    >>> codec = Codec(clip=1.0, bits=16, max_clients=100)
    >>> codec.decode_sum(codec.encode(np.array([0.5, -2.0])).values, total_weight=1).round(3).tolist()
    [0.5, -1.0]
    """

    clip: float
    bits: int
    max_clients: int
    max_weight: int = 1
    modulus: int = 2**32

    def __post_init__(self) -> None:
        if not (isfinite(self.clip) and self.clip > 0):
            raise ParameterError(f"clip must be a positive number, got {self.clip}")
        # a float64 holds integers of 53 bits exactly; one of them pays for the rounding of the scaled value
        if not 2 <= self.bits <= 52:
            raise ParameterError(f"bits must be between 2 and 52, got {self.bits}")
        if self.max_clients < 1 or self.max_weight < 1:
            raise ParameterError(
                f"max_clients and max_weight must be at least 1, got {self.max_clients}, {self.max_weight}"
            )
        if self.modulus < 2:
            raise ParameterError(f"modulus must be at least 2, got {self.modulus}")
        span = 2 * self.max_sum + 1  # how many different sums there are
        if span > self.modulus:
            missing = (-(-span // self.modulus) - 1).bit_length()
            raise CodecError(
                f"{self.max_clients} values of {self.bits} bits can reach +-{self.max_sum}, which wraps in a "
                f"modulus of {self.modulus.bit_length()} bits: {missing} bits are missing",
                missing,
            )

    @property
    def limit(self) -> int:
        """The largest encoded magnitude."""
        return (1 << (self.bits - 1)) - 1

    @property
    def max_sum(self) -> int:
        """The largest magnitude a sum can reach."""
        return self.max_clients * self.limit

    @property
    def step(self) -> float:
        """The distance between two codes of a client of full weight, in the units of the data."""
        return self.clip / self.limit

    def for_modulus(self, modulus: int) -> "Codec":
        """The same codec for another ring, field or slot, proved anew.

        Raises: CodecError when a sum could wrap there.
        """
        return replace(self, modulus=modulus)

    def encode(self, values: npt.ArrayLike, weight: int = 1, rounding: Stream | None = None) -> Encoded:
        """Values as integers in [-limit, limit], to the nearest, or stochastically when `rounding` is given.

        Stochastic rounding goes up with the probability of the fraction, so its expectation is the exact
        value.

        Shapes: any -> the same.
        Raises: ParameterError for a value that is not finite, or a weight outside [1, max_weight].
        """
        if not 1 <= weight <= self.max_weight:
            raise ParameterError(f"weight must be between 1 and {self.max_weight}, got {weight}")
        scaled = np.array(values, dtype=np.float64)
        if scaled.size:
            low, high = float(scaled.min()), float(scaled.max())
            # a NaN anywhere makes the minimum NaN
            if not (isfinite(low) and isfinite(high)):
                raise ParameterError("values must be finite: found NaN or infinity")
            if low < -self.clip or high > self.clip:
                saturated = int(np.count_nonzero(np.abs(scaled) > self.clip))
                np.clip(scaled, -self.clip, self.clip, out=scaled)
            else:
                saturated = 0
        else:
            saturated = 0
        # dividing by the clip first keeps a subnormal or a huge clip from overflowing the product
        scaled /= self.clip
        scaled *= self.limit * (weight / self.max_weight)
        if rounding is None:
            np.rint(scaled, out=scaled)
        else:
            # adding the draw to the value would round once more: the fraction is compared instead, exactly
            down = np.floor(scaled)
            scaled -= down
            down += rounding.unit(scaled.shape) < scaled
            scaled = down
        return Encoded(scaled.astype(np.int64), saturated)

    def residues(self, values: npt.ArrayLike) -> npt.NDArray[Any]:
        """Signed integers as residues mod `modulus`: uint32 or uint64 where they fit, Python integers beyond.

        Shapes: any -> the same.
        """
        signed = np.asarray(values)
        if self.modulus > 1 << 64:
            out = np.empty(signed.shape, dtype=object)
            out.reshape(-1)[:] = [int(v) % self.modulus for v in signed.reshape(-1)]
            return out
        wide = signed.astype(np.int64)
        if self.modulus == 1 << 32:
            return wide.astype(np.uint32)
        residues = wide.astype(np.uint64)
        if self.modulus < 1 << 64:
            residues[wide < 0] += np.uint64(self.modulus)
        return residues

    def lift(self, residues: npt.ArrayLike | Iterable[int]) -> npt.NDArray[Any]:
        """Residues, or integers that are signed already, as the signed sums they stand for.

        Shapes: any -> the same, int64 (or Python integers where a sum can exceed 63 bits).
        Raises: DecodeError for a sum that no `max_clients` encoded values can have.
        """
        given = _array(residues)
        if given.dtype.kind not in "iuO":
            raise DecodeError(f"a sum of codes is an integer, got {given.dtype}")
        signed: npt.NDArray[Any]
        if given.dtype.kind == "O" or self.modulus > 1 << 64 or self.max_sum >= 1 << 63:
            half = (self.modulus - 1) // 2
            signed = np.empty(given.shape, dtype=object)
            signed.reshape(-1)[:] = [v - self.modulus if v > half else v for v in map(int, given.reshape(-1))]
            worst = max((abs(v) for v in signed.reshape(-1)), default=0)
            if self.max_sum < 1 << 63 and worst <= self.max_sum:
                signed = signed.astype(np.int64)
        else:
            # the signed sum is the residue mod 2^64 read as two's complement once the modulus is taken off
            signed = given.astype(np.uint64).view(np.int64)
            if self.modulus < 1 << 64:
                above = given > (self.modulus - 1) // 2
                signed = np.where(
                    above, (given.astype(np.uint64) - np.uint64(self.modulus)).view(np.int64), signed
                )
            worst = max(-int(signed.min()), int(signed.max())) if signed.size else 0
        if worst > self.max_sum:
            raise DecodeError(f"a sum of magnitude {worst} is more than {self.max_clients} clients can make")
        return signed

    def decode_sum(self, total: npt.ArrayLike | Iterable[int], total_weight: int) -> Floats:
        """The weighted mean that a sum of encoded values stands for.

        Shapes: any -> the same.
        Raises: DecodeError for a sum that no honest run can produce; ParameterError for a weight below 1.
        """
        if total_weight < 1:
            raise ParameterError(f"the total weight must be at least 1, got {total_weight}")
        mean: Floats = self.lift(total).astype(np.float64)
        # the clip comes last: divided by the limit it could be too small for a float
        mean *= self.max_weight / (self.limit * total_weight)
        mean *= self.clip
        return mean
