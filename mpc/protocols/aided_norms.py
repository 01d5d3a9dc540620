"""The squared norms of many clients' vectors at once, with the square pairs that the clients dealt for themselves.

`mpc.client_aided` says how a pair is checked and used; here all clients share its five rounds and one coin, and a
client whose pairs are false is named and costs the others nothing.

Leakage: the squared norms, to the servers. Assumptions are those of `mpc.client_aided`.
"""

from collections.abc import Generator, Sequence

import numpy as np

from mpc import field61
from mpc.client_aided import Contribution
from mpc.coin import toss
from mpc.errors import FaultyParty, ParameterError
from mpc.prg import Stream
from mpc.runtime.meter import count_triples
from mpc.runtime.types import Inbox, Outbox
from mpc.wire import Words, pack, unpack

__all__ = ["verified_norms"]

_LOW = np.uint64((1 << 31) - 1)


def verified_norms(
    me: int, servers: tuple[int, ...], contributions: Sequence[Contribution], randomness: Stream
) -> Generator[Outbox, Inbox, dict[int, int | None]]:
    """Every client's squared norm, revealed to the servers; None where its squares are no squares. Five rounds.

    Units: as `client_aided.verified_squared_norm`.
    Raises: ParameterError for contributions of different lengths; FaultyParty for a server that sends something else.
    """
    if not contributions:
        return {}
    if len({len(c.values) for c in contributions}) != 1:
        raise ParameterError("contributions of different lengths are not checked together")
    others = tuple(server for server in servers if server != me)
    values, masks, squares, spare, spare_squares = (
        np.stack([getattr(c, part) for c in contributions])
        for part in ("values", "masks", "squares", "spare", "spare_squares")
    )
    count_triples(2 * values.size)
    # Only now: a client that knew the coin while it dealt could pass with any squares.
    coin = yield from toss(me, servers, randomness)
    t = 1 + coin.below(field61.P61 - 1)
    weights = coin.field61(values.shape[1])
    scaled = field61.multiply(masks, t)
    hidden = [field61.subtract(scaled, spare), field61.subtract(values, masks)]
    e, delta = yield from _open(others, np.stack(hidden))
    residues = field61.subtract(
        field61.subtract(field61.multiply(squares, t * t), spare_squares),
        field61.multiply(e, field61.add(scaled, spare)),
    )
    weighted = field61.multiply(residues, np.broadcast_to(weights, residues.shape))
    residue = yield from _open(others, _totals(weighted))
    doubled = field61.multiply(field61.add(delta, delta), masks)
    # Opened for the honest only: what a false pair hides is none of the servers' business.
    fine = residue == 0
    norms = yield from _open(others, _totals(field61.add(squares, doubled))[fine])
    public = _totals(field61.multiply(delta, delta))[fine]
    found = iter(field61.add(norms, public).tolist())
    return {c.client: int(next(found)) if good else None for c, good in zip(contributions, fine, strict=True)}


def _open(others: tuple[int, ...], share: Words) -> Generator[Outbox, Inbox, Words]:
    inbox = yield dict.fromkeys(others, pack(share))
    total = share
    for server in others:
        (theirs,) = unpack(inbox, server, share.shape)
        if theirs.size and int(theirs.max()) >= field61.P61:
            raise FaultyParty(server, "sent a word that is no field element")
        total = field61.add(total, theirs)
    return total


def _totals(rows: Words) -> Words:
    """The sum of every row in the field. Shapes: [n, d] -> [n]."""
    low = (rows & _LOW).sum(axis=-1, dtype=np.uint64)
    high = (rows >> np.uint64(31)).sum(axis=-1, dtype=np.uint64)
    sums = [(a + (b << 31)) % field61.P61 for a, b in zip(low.tolist(), high.tolist(), strict=True)]
    return np.array(sums, dtype=np.uint64)
