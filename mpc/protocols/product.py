"""The product of secret factors, each known to one party: the a * b * c example.

Leakage: the product, to all parties. Assumptions are the engine's.
"""

from collections.abc import Generator

import numpy as np

from mpc.engine import Engine, as_words
from mpc.runtime.types import Inbox, Outbox

__all__ = ["product"]


def product(engine: Engine, factor: int) -> Generator[Outbox, Inbox, int]:
    """The product of all parties' factors; ceil(log2 n) multiplications deep.

    Units: integers; exact when the product is below 2^63 in absolute value.
    """
    shares = yield from engine.inputs(as_words([factor]), {party: (1,) for party in engine.parties})
    factors = [shares[party] for party in engine.parties]
    while len(factors) > 1:
        half = len(factors) // 2
        left, right = (
            np.concatenate(factors[:half], axis=-1),
            np.concatenate(factors[half : 2 * half], axis=-1),
        )
        products = yield from engine.multiply(left, right)
        factors = [products[..., i : i + 1] for i in range(half)] + factors[2 * half :]
    revealed = yield from engine.reveal(factors[0])
    return int(revealed.astype(np.int64)[0])
