"""Less-than on shared numbers: the sign bit of a difference, by a carry tree over bit planes.

Every AND works on 64 numbers at once, so one 64-bit comparison costs about 190 AND bits in 7 levels.

Leakage: nothing; `reveal_less_than` reveals the answers. Assumptions are the engine's.
Source: Brent and Kung, "A regular layout for parallel adders", 1982 (the carry operator).
"""

from collections.abc import Generator

import numpy as np

from mpc.engine import Engine, Share, as_words
from mpc.errors import ParameterError
from mpc.runtime.types import Inbox, Outbox

__all__ = ["less_than", "reveal_less_than", "signs"]


def less_than(engine: Engine, x: Share, y: Share, bits: int = 64) -> Generator[Outbox, Inbox, Share]:
    """Shared 1 where x < y as signed numbers, else shared 0.

    Shapes: x, y [n] -> [n].
    Assumes: |x - y| < 2^(bits - 1) everywhere; smaller `bits` cost fewer rounds and bytes.
    Raises: ParameterError unless 2 <= bits <= 64 and shapes agree.
    """
    shape = engine.shape(x)
    if shape != engine.shape(y) or len(shape) != 1:
        raise ParameterError(f"compare two vectors of one length, not {shape} and {engine.shape(y)}")
    return (yield from engine.number((yield from signs(engine, x - y, bits)), shape[0]))


def signs(engine: Engine, x: Share, bits: int = 64) -> Generator[Outbox, Inbox, Share]:
    """Bit `bits - 1` of every number, 64 in a shared word: the sign, of numbers that fit.

    Shapes: x [n] -> [ceil(n / 64)].
    Raises: ParameterError unless 2 <= bits <= 64.
    """
    if not 2 <= bits <= 64:
        raise ParameterError(f"numbers of 2 to 64 bits can be compared, not of {bits}")
    generate, propagate = yield from engine.summands(x, bits)
    top = bits - 1
    carry = yield from _carry(engine, generate[..., :top, :], propagate[..., :top, :])
    sign: Share = propagate[..., top, :] ^ carry
    return sign


def _carry(engine: Engine, generate: Share, propagate: Share) -> Generator[Outbox, Inbox, Share]:
    """The carry out of planes, lowest first: neighbours merge until one is left."""
    while generate.shape[-2] > 1:
        pairs = generate.shape[-2] // 2
        odd = generate.shape[-2] % 2
        # The lowest plane may be left over: nothing comes in below it, so it merges in the next level.
        low_g, high_g = generate[..., odd::2, :], generate[..., odd + 1 :: 2, :]
        low_p, high_p = propagate[..., odd::2, :], propagate[..., odd + 1 :: 2, :]
        both = yield from engine.conjoin(
            np.concatenate([high_p, high_p], axis=-2), np.concatenate([low_g, low_p], axis=-2)
        )
        merged_g, merged_p = high_g ^ both[..., :pairs, :], both[..., pairs:, :]
        generate = np.concatenate([generate[..., :odd, :], merged_g], axis=-2)
        propagate = np.concatenate([propagate[..., :odd, :], merged_p], axis=-2)
    return generate[..., 0, :]


def reveal_less_than(
    engine: Engine, values: object, owners: tuple[int, int], length: int, bits: int = 64
) -> Generator[Outbox, Inbox, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Where the first owner's numbers are below the second's, revealed; other parties pass None.

    Leakage: the answers, to all parties.
    """
    mine = as_words(values) if engine.me in owners else None
    shares = yield from engine.inputs(mine, {owner: (length,) for owner in owners})
    answer = yield from less_than(engine, shares[owners[0]], shares[owners[1]], bits)
    revealed = yield from engine.reveal(answer)
    return revealed.astype(np.bool_)
