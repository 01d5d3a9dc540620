"""How values lie in ciphertexts: segments that start at a ciphertext of their own, and integers of any
type."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gmpy2 import mpz

from he.packing import Packing
from mpc.codec import Codec
from mpc.errors import ParameterError

__all__ = ["as_integers", "cut", "merged", "pack_segments"]


def as_integers(values: npt.ArrayLike, codec: Codec | None) -> npt.NDArray[Any]:
    """`values` as an integer array, floats through the codec at full weight.

    Raises: ParameterError for floats without a codec, and for anything that is no number.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f" and not isinstance(values, np.ndarray):
        # numpy makes floats of integers on both sides of 2^63
        whole = np.array(values, dtype=object)
        array = whole if all(isinstance(v, int) for v in whole.reshape(-1)) else array
    if array.dtype.kind in "iu" or (
        array.dtype == object and all(isinstance(v, int) for v in array.reshape(-1))
    ):
        return array
    if codec is None or array.dtype.kind != "f":
        raise ParameterError(f"integers are wanted here, not {array.dtype}")
    return codec.encode(array, codec.max_weight).values


def pack_segments(flat: npt.NDArray[Any], segments: Sequence[int], packing: Packing) -> list[mpz]:
    """The plaintexts that hold `flat`, segment by segment."""
    plain, at = [], 0
    for segment in segments:
        plain += packing.pack(flat[at : at + segment], segment)
        at += segment
    return plain


def merged(segments: Sequence[int], slots: int) -> tuple[int, ...]:
    """The one way to write `segments`: a run that fills its ciphertexts is joined with the next."""
    out: list[int] = []
    for segment in segments:
        if not segment:
            continue
        if out and out[-1] % slots == 0:
            out[-1] += segment
        else:
            out.append(segment)
    return tuple(out)


def cut(segments: Sequence[int], start: int, stop: int) -> tuple[int, ...]:
    """The segments of the values from `start` to `stop`."""
    out, at = [], 0
    for segment in segments:
        if (size := min(stop, at + segment) - max(start, at)) > 0:
            out.append(size)
        at += segment
    return tuple(out)
