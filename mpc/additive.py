"""Additive sharing: shares that sum to the secret; all of them are needed.

Works in every domain. The fastest scheme there is, and the one masks belong to.
"""

from collections.abc import Sequence

from mpc.domain import Elements
from mpc.prg import Stream
from mpc.shares import Scheme, Share, check_together
from mpc.threshold import Threshold

__all__ = ["reconstruct", "share", "zero_shares"]


def share(secret: Elements, parties: int, randomness: Stream) -> list[Share]:
    """Split `secret` among `parties`.

    Leakage: none to fewer than all parties.

    >>> from mpc.ring import RING32
    >>> reconstruct(share(RING32.elements([7, -1]), 3, Stream(bytes(32)))).lifted().tolist()
    [7, -1]
    """
    threshold = Threshold(parties, parties)
    domain = secret.domain
    masks = [Elements(domain, domain.random(secret.shape, randomness)) for _ in range(parties - 1)]
    last = secret
    for mask in masks:
        last = last - mask
    return [
        Share(Scheme.ADDITIVE, threshold, i, secret.shape, values)
        for i, values in enumerate([*masks, last], start=1)
    ]


def reconstruct(shares: Sequence[Share]) -> Elements:
    """The secret.

    Raises: NotEnoughParties unless every share is there; ParameterError for shares that do not belong
        together.
    """
    ordered = check_together(shares, Scheme.ADDITIVE)
    return Elements(ordered[0].domain, ordered[0].domain.sum([s.values.values for s in ordered]))


def zero_shares(like: Elements, parties: int, randomness: Stream) -> list[Share]:
    """A fresh sharing of zeros of the shape and domain of `like`: added to a sharing, it hides where that
    came from."""
    return share(Elements(like.domain, like.domain.zeros(like.shape)), parties, randomness)
