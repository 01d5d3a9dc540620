"""Compression that secure aggregation can carry.

Masked vectors can only be added where they line up, so every client must send the same coordinates, and nobody may
choose them by looking at its own update: that choice would be visible. The index set is therefore a function of what
is public already, and what a client does not send it keeps and adds to its next update.

indices    which coordinates travel in a round: agreed top-k, or random by the public seed
sparse     an algorithm whose clients send only those; Deep Gradient Compression's momentum correction
quantized  an algorithm whose clients round to a coarse grid at random and keep the error
leftovers  which algorithms a client can hold something back from

Fewer bits a coordinate is what the codec's `bits` are for; the ring of the masks does not shrink with them, the proofs
do. On a grid of as few bits the codec rounds nothing further, so that what few bits round away is sent later and not
lost.
"""

from fl.compression.indices import KINDS, agreed_indices
from fl.compression.quantized import Quantized, quantize
from fl.compression.sparse import Sparse, compress

__all__ = ["KINDS", "Quantized", "Sparse", "agreed_indices", "compress", "quantize"]
