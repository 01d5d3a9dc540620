"""Inner product, matrix product and squared norm of shared vectors, on any engine.

    every owner's vector --inputs--> shares --dot, matmul, squared_lengths--> shares --reveal--> the result

Leakage: the result, to all parties; lengths are public. Assumptions are the engine's.
"""

from collections.abc import Generator, Mapping

import numpy as np

from mpc.engine import Engine, as_words
from mpc.errors import ParameterError
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words

__all__ = ["inner_product", "matrix_product", "squared_norm"]


def inner_product(
    engine: Engine, vectors: Mapping[int, object], lengths: Mapping[int, int]
) -> Generator[Outbox, Inbox, int]:
    """The inner product of two parties' vectors. Three rounds.

    `vectors` holds this party's own vector under its number and nothing else; `lengths` names the two owners.

    Units: integers; the result is exact when it is below 2^63 in absolute value.
    Raises: ParameterError unless there are two owners with vectors of one length.
    """
    if len(lengths) != 2 or len(set(lengths.values())) != 1:
        raise ParameterError("an inner product is of two vectors of one length")
    shares = yield from engine.inputs(
        _own(engine, vectors), {owner: (length,) for owner, length in lengths.items()}
    )
    left, right = (engine.reshape(shares[owner], (1, lengths[owner])) for owner in sorted(lengths))
    product = yield from engine.dot(left, right)
    revealed = yield from engine.reveal(product)
    return int(revealed.astype(np.int64)[0])


def matrix_product(
    engine: Engine, matrices: Mapping[int, object], shapes: Mapping[int, tuple[int, int]]
) -> Generator[Outbox, Inbox, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """The product of two parties' matrices, the one of the lower-numbered owner on the left. Three rounds.

    Shapes: [n, k] times [k, m] -> [n, m], int64.
    Raises: ParameterError unless there are two owners whose matrices fit.
    """
    if len(shapes) != 2:
        raise ParameterError("a matrix product is of two matrices")
    left, right = sorted(shapes)
    if shapes[left][1] != shapes[right][0]:
        raise ParameterError(f"matrices of {shapes[left]} and {shapes[right]} do not fit")
    shares = yield from engine.inputs(_own(engine, matrices), shapes)
    product = yield from engine.matmul(shares[left], shares[right])
    revealed = yield from engine.reveal(product)
    return revealed.astype(np.int64)


def squared_norm(engine: Engine, vector: object, owner: int, length: int) -> Generator[Outbox, Inbox, int]:
    """The squared Euclidean norm of the owner's vector, which the others pass None for. Three rounds.

    Units: integers; exact when the norm's square is below 2^63.
    """
    own = {engine.me: vector} if engine.me == owner else {}
    shares = yield from engine.inputs(_own(engine, own), {owner: (length,)})
    row = engine.reshape(shares[owner], (1, length))
    length_squared = yield from engine.squared_lengths(row)
    revealed = yield from engine.reveal(length_squared)
    return int(revealed.astype(np.int64)[0])


def _own(engine: Engine, values: Mapping[int, object]) -> Words | None:
    """This party's input as words; others' inputs have no business here.

    Raises: ParameterError when another party's values are handed in.
    """
    if set(values) - {engine.me}:
        raise ParameterError("hand in your own input only")
    return as_words(values[engine.me]) if engine.me in values else None
