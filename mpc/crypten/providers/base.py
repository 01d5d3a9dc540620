"""What a provider is: a source of items behind the five questions CrypTen asks."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

from mpc.crypten.communicator import RoundCommunicator
from mpc.crypten.compat import load
from mpc.crypten.items import Bilinear, Item, Kind
from mpc.prg import Stream
from mpc.runtime.types import Protocol
from mpc.wire import Words

load()

from crypten.cuda import CUDALongTensor  # noqa: E402
from crypten.mpc.primitives import ArithmeticSharedTensor, BinarySharedTensor  # noqa: E402
from crypten.mpc.provider.provider import TupleProvider  # noqa: E402

__all__ = ["CorrelatedProvider", "Setup", "Shares", "Source"]

Shares: TypeAlias = list[Words]
"""One party's shares of an item: the random parts, then what they determine."""


class Source(ABC):
    """Makes items; all parties ask for the same ones in the same order.

    `trust` is a sentence for a receipt. `spare` bounds how many elements are made beyond those asked for.
    """

    trust: str
    spare: int = 0

    @abstractmethod
    def make(self, item: Item | Bilinear) -> Protocol[Shares]:
        """This party's shares of an item."""

    def is_stocked(self, kind: Kind) -> bool:
        """Whether items of this kind may be made ahead and used for anything."""
        return True

    def end(self) -> Protocol[None]:
        """Nothing more will be asked for."""
        yield from ()


Setup: TypeAlias = Callable[[int, tuple[int, ...], Stream], Protocol[Source]]
"""`(me, parties, randomness)` -> a protocol that ends with a source: what a provider is chosen by."""


class CorrelatedProvider(TupleProvider):  # type: ignore[misc]
    """CrypTen's provider in front of a source."""

    NAME = "eppml"

    def __init__(self, source: Source, communicator: RoundCommunicator) -> None:
        super().__init__()
        self.source = source
        self._communicator = communicator
        self._stock: dict[Kind, Shares] = {}
        self._made = 0

    def _take(self, kind: Kind, count: int) -> Shares:
        """`count` elements from the stock, which is filled up first if it holds fewer."""
        if not self.source.is_stocked(kind):
            return self._make(Item(kind, count))
        stock = self._stock.get(kind)
        missing = count - (0 if stock is None else len(stock[0]))
        if missing > 0:
            # as many again as were ever used, so that a long run asks seldom and a short one wastes little
            fresh = self._make(Item(kind, missing + min(self._made, self.source.spare)))
            stock = (
                fresh if stock is None else [np.concatenate(pair) for pair in zip(stock, fresh, strict=True)]
            )
            self._made += missing
        assert stock is not None
        self._stock[kind] = [part[count:] for part in stock]
        return [part[:count] for part in stock]

    def _make(self, item: Item | Bilinear) -> Shares:
        self._communicator.count_triples(item.size)
        shares: Shares = self._communicator.drive(self.source.make(item))
        return shares

    # --- CrypTen's five questions

    def generate_additive_triple(
        self, size0: torch.Size, size1: torch.Size, op: str, device: Any = None, *args: Any, **kwargs: Any
    ) -> tuple[Any, Any, Any]:
        """a, b and op(a, b)."""
        if op == "mul" and size0 == size1:
            shares = [part.reshape(size0) for part in self._take(Kind.PRODUCT, size0.numel())]
        else:
            options = tuple(sorted((name, _plain(value)) for name, value in kwargs.items()))
            shares = self._make(Bilinear(op, tuple(size0), tuple(size1), options))
        a, b, c = (_arithmetic(part, device) for part in shares)
        return a, b, c

    def square(self, size: torch.Size, device: Any = None) -> tuple[Any, Any]:
        """r and r * r."""
        r, squares = (
            _arithmetic(part.reshape(size), device) for part in self._take(Kind.SQUARE, size.numel())
        )
        return r, squares

    def generate_binary_triple(
        self, size0: torch.Size, size1: torch.Size, device: Any = None
    ) -> tuple[Any, Any, Any]:
        """a, b and a & b. CrypTen always asks for equal sizes."""
        size = np.broadcast_shapes(tuple(size0), tuple(size1))
        a, b, c = (_binary(part.reshape(size), device) for part in self._take(Kind.AND, math.prod(size)))
        return a, b, c

    def wrap_rng(self, size: torch.Size, device: Any = None) -> tuple[Any, Any]:
        """r, and the number of times its shares wrap around."""
        r, theta = (_arithmetic(part.reshape(size), device) for part in self._take(Kind.WRAP, size.numel()))
        return r, theta

    def B2A_rng(self, size: torch.Size, device: Any = None) -> tuple[Any, Any]:
        """A random bit, shared under addition and under exclusive or."""
        bits, numbers = (part.reshape(size) for part in self._take(Kind.BIT, size.numel()))
        return _arithmetic(numbers, device), _binary(bits, device)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, (list, tuple)) else value


def _tensor(words: Words, device: Any) -> Any:
    # a copy: CrypTen writes into the shares it is handed
    tensor = torch.from_numpy(np.array(words, dtype=np.uint64).view(np.int64))
    return (
        tensor if device is None or torch.device(device).type == "cpu" else CUDALongTensor(tensor.to(device))
    )


def _arithmetic(words: Words, device: Any) -> Any:
    return ArithmeticSharedTensor.from_shares(_tensor(words, device), precision=0)


def _binary(words: Words, device: Any) -> Any:
    return BinarySharedTensor.from_shares(_tensor(words, device))
