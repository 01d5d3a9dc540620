"""Products of encrypted vectors with plaintext integer matrices, one multi-exponentiation an output."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from he.layout import merged
from he.multi_exponent import multi_exponent
from he.vector import EncryptedVector
from mpc.errors import ParameterError

__all__ = ["matmul_left", "matmul_right"]


def _exponents(matrix: npt.NDArray[Any], inner: int, axis: int) -> list[list[int]]:
    """The matrix as rows of Python integers along `axis`, which must have length `inner`."""
    if matrix.dtype.kind not in "iuO" or matrix.ndim not in (1, 2):
        raise ParameterError(
            f"a plaintext factor is a vector or matrix of integers, not {matrix.ndim}-d {matrix.dtype}"
        )
    grid = matrix.reshape(1, -1) if matrix.ndim == 1 else matrix if axis == 1 else matrix.T
    if grid.shape[1] != inner:
        raise ParameterError(f"the shapes do not fit: {inner} encrypted rows, {grid.shape[1]} factors")
    return [[int(k) for k in row] for row in grid]


def _grown(vector: EncryptedVector, rows: list[list[int]]) -> EncryptedVector:
    """`vector` with the bound that the product will have; raises SlotOverflow before any work is done."""
    return replace(
        vector, bound=vector.bound * max((sum(map(abs, row)) for row in rows), default=0), fresh=False
    )


def matmul_left(matrix: npt.NDArray[Any], vector: EncryptedVector) -> EncryptedVector:
    """matrix @ vector; each row of `vector` must fill its own ciphertexts (`rows=True`, or `slots=1`).

    Shapes: [k, d] @ [d, ...] -> [k, ...]; [d] @ [d, ...] -> [...].
    Leakage: time depends on the matrix; re-randomise the result before it leaves (`to_bytes` does).
    Raises: ParameterError for shapes that do not fit; SlotOverflow.
    """
    if not vector.shape:
        raise ParameterError("a single encrypted value has no rows")
    inner, row = len(vector), prod(vector.shape[1:])
    rows = _exponents(matrix, inner, 1)
    width = vector.packing.ciphertexts(row)
    if len(vector.ciphertexts) != inner * width:
        raise ParameterError("rows share ciphertexts: encrypt with rows=True, or with slots=1")
    grown = _grown(vector, rows)
    columns = [vector.ciphertexts[j::width] for j in range(width)]
    out = [
        multi_exponent(column, powers, vector.public.n_squared, root=vector.public.n)
        for powers in rows
        for column in columns
    ]
    shape = vector.shape[1:] if matrix.ndim == 1 else (len(rows), *vector.shape[1:])
    segments = merged((row,) * len(rows), vector.packing.slots)
    return replace(grown, ciphertexts=tuple(out), shape=shape, segments=segments)


def matmul_right(vector: EncryptedVector, matrix: npt.NDArray[Any]) -> EncryptedVector:
    """vector @ matrix, for a vector with one value to a ciphertext.

    Shapes: [m, d] @ [d, k] -> [m, k]; [d] @ [d, k] -> [k]; [..., d] @ [d] -> [...].
    Leakage: as `matmul_left`.
    Raises: ParameterError for packed slots or shapes that do not fit; SlotOverflow.
    """
    if vector.packing.slots != 1:
        raise ParameterError(
            "slots share a ciphertext: encrypt with slots=1, or use matrix @ vector with rows=True"
        )
    if not vector.shape:
        raise ParameterError("a single encrypted value has no rows")
    inner = vector.shape[-1]
    columns = _exponents(matrix, inner, 0)
    grown = _grown(vector, columns)
    flat = vector.ciphertexts
    groups = [flat[at : at + inner] for at in range(0, len(flat), inner)] if inner else []
    out = [
        multi_exponent(group, powers, vector.public.n_squared, root=vector.public.n)
        for group in groups
        for powers in columns
    ]
    shape = vector.shape[:-1] + (() if matrix.ndim == 1 else (len(columns),))
    return replace(grown, ciphertexts=tuple(out), shape=shape, segments=merged((int(np.prod(shape)),), 1))
