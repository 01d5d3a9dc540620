"""Sharing schemes that protocols run on.

base        Engine: inputs, reveal, multiply, dot, matmul, square, conjoin, and bits <-> numbers
additive    Additive: any number of parties, Beaver triples from a `mpc.triples` source
replicated  Replicated: three parties, honest majority, no triples
"""

from mpc.engine.additive import Additive
from mpc.engine.base import Engine, Share, as_words
from mpc.engine.replicated import Replicated

__all__ = ["Additive", "Engine", "Replicated", "Share", "as_words"]
