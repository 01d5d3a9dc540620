"""Who shares with whom: every client draws its own neighbours, so that nobody else can choose them for it.

A server, or clients it controls, could otherwise try seeds until an honest client is surrounded. Two clients
mask with each other when either drew the other.

Source: Bell, Bonawitz, Gascon, Lepoint, Raykova, "Secure single-server aggregation with (poly)logarithmic
overhead", CCS 2020, section 4 (the malicious setting).
"""

from collections.abc import Collection, Mapping

from mpc.errors import NotEnoughParties
from mpc.prg import Stream
from mpc.secagg.parameters import Parameters

__all__ = ["draw_neighbours", "mask_sign", "masking_pairs"]


def draw_neighbours(
    me: int, present: Collection[int], params: Parameters, randomness: Stream
) -> tuple[int, ...]:
    """The clients that `me` shares its secrets with: `degree` of those present, or all when there are not
    more.

    Raises: NotEnoughParties when fewer than `threshold` others are present.
    """
    others = sorted(set(present) - {me})
    if len(others) < params.threshold:
        raise NotEnoughParties(f"{len(others)} other clients are present, {params.threshold} are needed")
    order = randomness.permutation(len(others))
    return tuple(sorted(others[i] for i in order[: params.degree]))


def masking_pairs(drawn: Mapping[int, Collection[int]]) -> dict[int, set[int]]:
    """With whom each of the clients in `drawn` masks, from who drew whom."""
    pairs: dict[int, set[int]] = {i: set() for i in drawn}
    for i, neighbours in drawn.items():
        for j in neighbours:
            if j in pairs:
                pairs[i].add(j)
                pairs[j].add(i)
    return pairs


def mask_sign(me: int, peer: int) -> int:
    """Which of the two ends adds the pairwise mask (1) and which takes it away (-1)."""
    return 1 if me < peer else -1
