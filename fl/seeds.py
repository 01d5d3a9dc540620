"""Training randomness: public, reproducible, and never used for a secret.

Initial weights, shuffles, partitions and who drops out come from one seed tree per (purpose, round, client). Secrets
come from `mpc.prg.Stream`; this is the only module of the packages that touches numpy's generators.
"""

import hashlib

import numpy as np

__all__ = ["generator"]


def generator(seed: int, *path: int | str) -> np.random.Generator:
    """An independent generator for the node `path` of the tree grown from `seed`.

    >>> int(generator(1, "shuffle", 2, 3).integers(1000)) == int(generator(1, "shuffle", 2, 3).integers(1000))
    True
    """
    node = hashlib.sha256(repr((seed, *path)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(node, "big")))
