"""Replicated 2-of-3 sharing: the secret is x1 + x2 + x3, and party i holds x_i and x_{i+1}.

Works in every domain; any two parties hold all three parts, any one of them two uniform ones. Products of
such sharings need no triples (see `mpc.protocols`).

Source: Araki, Furukawa, Lindell, Nof, Ohara, "High-throughput semi-honest secure three-party computation",
    CCS 2016.
"""

from collections.abc import Sequence

import numpy as np

from mpc.domain import Elements
from mpc.errors import FaultyParty, ProtocolError
from mpc.prg import Stream
from mpc.shares import Scheme, Share, check_together
from mpc.threshold import Threshold

__all__ = ["PARTIES", "THRESHOLD", "reconstruct", "share"]

PARTIES = 3
THRESHOLD = Threshold(needed=2, parties=PARTIES)


def _next(index: int) -> int:
    return index % PARTIES + 1


def share(secret: Elements, randomness: Stream) -> list[Share]:
    """Split `secret` among parties 1, 2 and 3.

    Leakage: none to one party.

    >>> from mpc.ring import RING64
    >>> reconstruct(share(RING64.elements([-9]), Stream(bytes(32)))[1:]).lifted().tolist()
    [-9]
    """
    domain = secret.domain
    first, second = (domain.random(secret.shape, randomness) for _ in range(2))
    third = domain.subtract(domain.subtract(secret.values, first), second)
    parts = {1: first, 2: second, 3: third}
    return [
        Share(
            Scheme.REPLICATED,
            THRESHOLD,
            i,
            secret.shape,
            Elements(domain, np.stack([parts[i], parts[_next(i)]])),
        )
        for i in parts
    ]


def reconstruct(shares: Sequence[Share]) -> Elements:
    """The secret, from two or three shares.

    Raises: NotEnoughParties below two; with three, FaultyParty when all copies but one party's agree, and
        ProtocolError when copies disagree and nobody can say whose is wrong.
    """
    ordered = check_together(shares, Scheme.REPLICATED)
    domain = ordered[0].domain
    copies: dict[int, dict[int, Elements]] = {1: {}, 2: {}, 3: {}}
    for s in ordered:
        copies[s.index][s.index] = s.values[0]
        copies[_next(s.index)][s.index] = s.values[1]
    wrong = [part for part, held in copies.items() if len({v.to_bytes() for v in held.values()}) == 2]
    if wrong:
        blamed = set.intersection(*({*copies[part]} for part in wrong))
        # one party with both of its parts wrong stands against two others that each agree with nobody else
        if len(ordered) == PARTIES and len(wrong) == 2 and len(blamed) == 1:
            raise FaultyParty(blamed.pop(), "its two parts both differ from the other parties' copies")
        raise ProtocolError(f"parties {sorted(copies[wrong[0]])} hold different copies of part {wrong[0]}")
    parts = [next(iter(held.values())).values for held in copies.values()]
    return Elements(domain, domain.sum(parts))
