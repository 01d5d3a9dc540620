"""Long lists of field elements with few different values, as the matrices of circuits are: convert each value once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.field import R, to_signed
from zk.limbs import Limbs

__all__ = ["distinct_integers", "distinct_limbs"]

_SMALL = 1 << 31


def distinct_integers(rows: Limbs, factor: int) -> NDArray[Any]:
    """Each 256-bit number times `factor` mod R, nearest to zero; machine integers where all are small.

    Shapes: rows (n, 4), least significant limb first, not in Montgomery form; result (n,).
    """
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    data = np.ascontiguousarray(distinct, dtype="<u8").tobytes()
    numbers = [int.from_bytes(data[i : i + 32], "little") for i in range(0, len(data), 32)]
    signed = [to_signed(number * factor % R) for number in numbers]
    small = max(map(abs, signed)) < _SMALL
    table = np.array(signed, dtype=np.int64 if small else object)
    return table[np.asarray(inverse).reshape(-1)]


def distinct_limbs(values: NDArray[Any], factor: int) -> Limbs:
    """The inverse of `distinct_integers`: each value times `factor` mod R, as 256-bit numbers.

    Shapes: values (n,), result (n, 4).
    """
    table: dict[int, bytes] = {}
    plain = values.tolist()
    for value in plain:
        if value not in table:
            table[value] = (value * factor % R).to_bytes(32, "little")
    data = b"".join([table[value] for value in plain])
    return np.frombuffer(data, dtype="<u8").reshape(-1, 4)
