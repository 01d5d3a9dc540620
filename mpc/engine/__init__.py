"""Sharing schemes that protocols run on.

    base        Engine: inputs, adopt, reveal, multiply, dot, matmul, square, conjoin, bits <-> numbers
    additive    Additive: any number of parties, Beaver triples from a `mpc.triples` source
    replicated  Replicated: three parties, honest majority, no triples

All is over Z_2^64; for shares with a MAC see `mpc.spdz`.
"""

from mpc.engine.additive import Additive
from mpc.engine.base import Engine, Share, as_words
from mpc.engine.replicated import Replicated

__all__ = ["Additive", "Engine", "Replicated", "Share", "as_words"]
