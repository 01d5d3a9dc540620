"""Correlated randomness that two parties make themselves, by oblivious transfer: nobody to trust.

Made for comparisons and small products: an AND of two words costs 4 KB, a product 3 KB, and a product of
matrices as many products as it has multiplications.

Leakage: nothing, to either party; to the network the amount.
Assumes: as `mpc.ot.correlated`.
"""

from collections.abc import Generator

import numpy as np

from mpc.bits import spread
from mpc.crypten.items import Bilinear, Item, Kind
from mpc.crypten.lowering import mixed_terms
from mpc.crypten.providers.base import Shares, Source
from mpc.errors import ParameterError
from mpc.ot.correlated import Pair, make, mixed, mixed_matrix
from mpc.ot.extension import Receiver, Sender
from mpc.prg import Stream
from mpc.runtime.types import Inbox, Outbox
from mpc.triples import Kind as Dealt
from mpc.triples import Request

__all__ = ["TransferSource", "transfer"]

_AT_ONCE = 2**14
"""Elements of one item made in the same rounds."""

_KINDS = {Kind.PRODUCT: Dealt.PRODUCT, Kind.SQUARE: Dealt.SQUARE, Kind.AND: Dealt.AND, Kind.BIT: Dealt.BIT}


class TransferSource(Source):
    """One end of the transfers."""

    trust = "nobody: the two parties make their own triples by oblivious transfer"
    spare = 2**10

    def __init__(self, pair: Pair, randomness: Stream) -> None:
        self._pair = pair
        self._randomness = randomness

    def make(self, item: Item | Bilinear) -> Generator[Outbox, Inbox, Shares]:
        """Four rounds or more.

        Raises: ParameterError for what two parties never need, or a convolution that is no matrix product.
        """
        if isinstance(item, Bilinear):
            return (yield from self._bilinear(item))
        if item.kind not in _KINDS:
            raise ParameterError("two parties truncate without correlated randomness")
        parts: list[Shares] = []
        for begin in range(0, item.count, _AT_ONCE):
            count = min(_AT_ONCE, item.count - begin)
            shares = yield from make(self._pair, Request(_KINDS[item.kind], (count,)), self._randomness)
            parts.append([spread(shares[0], count), shares[1]] if item.kind is Kind.BIT else list(shares))
        return [np.concatenate(part) for part in zip(*parts, strict=True)]

    def _bilinear(self, item: Bilinear) -> Generator[Outbox, Inbox, Shares]:
        left, right = (self._randomness.uint64(shape) for shape in item.free)
        terms = yield from mixed_terms(
            item,
            left,
            right,
            lambda a, b: mixed(self._pair, a, b),
            lambda a, b: mixed_matrix(self._pair, a, b),
        )
        return [left, right, item.apply(left, right) + terms]


def transfer(
    me: int, parties: tuple[int, ...], randomness: Stream
) -> Generator[Outbox, Inbox, TransferSource]:
    """The setup of two parties: 128 base transfers, three rounds.

    Raises: ParameterError unless there are two parties.
    """
    if len(parties) != 2 or me not in parties:
        raise ParameterError(f"oblivious transfer is between two parties, not {parties}")
    first = me == parties[0]
    role = Receiver if first else Sender
    end = yield from role.setup(parties[1] if first else parties[0], randomness)
    return TransferSource(Pair(end), randomness)
