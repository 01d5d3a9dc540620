"""Masks: keystreams added to a vector over the ring and to a vector over the field at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mpc.errors import ParameterError
from mpc.prg import Stream, add_streams
from mpc.secagg.parameters import Parameters

__all__ = ["Accumulator", "check_vector"]


class Accumulator:
    """A running sum over both domains, to which vectors and masks are added in any order.

    >>> params = Parameters((1, 2, 3), 2, 2, dim=2, field_dim=1, field=97)
    >>> total = Accumulator(params)
    >>> total.add_masks([(bytes(32), 1)])
    >>> total.add_vector(np.array([1, -1]), [5])
    >>> total.add_masks([(bytes(32), -1)])
    >>> total.signed().tolist(), total.field
    ([1, -1], [5])
    """

    __slots__ = ("_params", "field", "ring")

    def __init__(self, params: Parameters) -> None:
        self._params = params
        self.ring: npt.NDArray[Any] = np.zeros(
            params.dim, dtype=np.uint32 if params.modulus <= 1 << 32 else np.uint64
        )
        self.field: list[int] = [0] * params.field_dim

    def add_vector(self, ring: npt.NDArray[Any], field: Sequence[int]) -> None:
        """Add integers, signed or reduced.

        Raises: ParameterError for wrong lengths or a type that is not an integer.
        """
        check_vector(self._params, ring, field)
        self.ring += ring.astype(self.ring.dtype, copy=False)
        self.field = [(a + b) % self._params.field for a, b in zip(self.field, field, strict=True)]

    def add_masks(self, masks: Sequence[tuple[bytes, int]]) -> None:
        """Add (sign 1) or take away (sign -1) the masks that the keys expand to."""
        p = self._params.field
        add_streams(self.ring, [(Stream(key, b"secagg ring mask"), sign) for key, sign in masks])
        if self.field:
            for key, sign in masks:
                mask = Stream(key, b"secagg field mask").integers_below(p, len(self.field))
                self.field = [a + sign * b for a, b in zip(self.field, mask, strict=True)]
            self.field = [v % p for v in self.field]

    def add(self, other: "Accumulator") -> None:
        """Add another sum."""
        self.add_vector(other.ring, other.field)

    def reduced(self) -> npt.NDArray[Any]:
        """The ring part as residues below the modulus."""
        bits = 8 * self.ring.itemsize
        if self._params.modulus == 1 << bits:
            return self.ring
        low: npt.NDArray[Any] = self.ring & self.ring.dtype.type(self._params.modulus - 1)
        return low

    def signed(self) -> npt.NDArray[np.int64]:
        """The ring part as the signed integers of smallest magnitude."""
        if self._params.modulus == 1 << 64:
            return self.ring.view(np.int64).copy()
        half = self._params.modulus // 2
        signed = self.reduced().astype(np.int64)
        signed[signed >= half] -= self._params.modulus
        return signed


def check_vector(params: Parameters, ring: npt.NDArray[Any], field: Sequence[int]) -> None:
    """Raises: ParameterError unless the vectors have the lengths and types that are summed."""
    if ring.shape != (params.dim,) or ring.dtype.kind not in "iu" or len(field) != params.field_dim:
        raise ParameterError(
            f"want {params.dim} integers and {params.field_dim} field elements, "
            f"got {ring.dtype} of shape {ring.shape} and {len(field)}"
        )
