"""Correlated randomness: what an additive protocol consumes, and a dealer that hands it out.

A `Recipe` is the list of what a protocol will ask for. It depends on shapes and never on data, so a dry run
with a `Recorder` writes it down; a source then serves exactly that list.

    Recipe --deal--> Allotment per party (a 32-byte seed; for the last party corrections too) --> Source

Source: Beaver, "Efficient multiparty protocols using circuit randomization", CRYPTO 1991; Escudero et al.,
"Improved primitives for MPC over mixed arithmetic-binary circuits", CRYPTO 2020 (masks and bits).
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol, TypeAlias

import numpy as np

from mpc.bits import spread
from mpc.errors import DecodeError, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.ring_product import ring_product
from mpc.runtime.meter import count_triples
from mpc.wire import Words, pack

__all__ = [
    "Allotment",
    "DealtSource",
    "Kind",
    "Recipe",
    "Recorder",
    "Request",
    "Source",
    "StoredSource",
    "deal",
    "recipe_of",
]

Shape: TypeAlias = tuple[int, ...]


class Kind(IntEnum):
    """A kind of correlated randomness over Z_2^64; bits are words under exclusive or."""

    PRODUCT = 1  # a, b, a * b element by element
    SQUARE = 2  # a, a * a
    DOT = 3  # a, b, and the inner products along the last axis; the shape is (rows, n)
    MATRIX = 4  # A, B, A @ B; the shape is (rows, inner, columns)
    AND = 5  # words a, b, a & b
    MASK = 6  # r, and the same numbers as shared bits
    BIT = 7  # words of random bits, and each bit as a number: [n] numbers in ceil(n / 64) words


@dataclass(frozen=True, slots=True)
class Request:
    """One item: a kind and a shape."""

    kind: Kind
    shape: Shape

    @property
    def size(self) -> int:
        """How many multiplications this item stands for (AND counts words)."""
        return math.prod(self.shape)


Recipe: TypeAlias = tuple[Request, ...]


class Source(Protocol):
    """Where one party takes its shares of correlated randomness from; `trust` is a sentence for a receipt."""

    trust: str

    def take(self, request: Request) -> tuple[Words, ...]:
        """This party's shares of the next item, which must be the one asked for."""


@dataclass(slots=True)
class Recorder:
    """A source of zeros, which are valid shares of everything, that remembers what was asked for.

    It protects nothing: dry runs on made-up inputs only.
    """

    requests: list[Request] = field(default_factory=list)
    trust: str = "none: a dry run on zeros"

    def take(self, request: Request) -> tuple[Words, ...]:
        """Zeros of the right shapes."""
        self.requests.append(request)
        free, bound = _shapes(request)
        return tuple(np.zeros(shape, dtype=np.uint64) for shape, _ in (*free, *bound))

    @property
    def recipe(self) -> Recipe:
        """Everything asked for so far."""
        return tuple(self.requests)


class StoredSource:
    """A source of shares that lie ready, such as those made by oblivious transfer; each is used once.

    Raises: ProtocolError when a protocol asks for something else than the recipe says.
    """

    trust = "nobody: the two parties made the triples by oblivious transfer"

    def __init__(self, recipe: Recipe, shares: Iterator[tuple[Words, ...]]) -> None:
        self._recipe = iter(recipe)
        self._shares = shares

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<secret>)"

    def take(self, request: Request) -> tuple[Words, ...]:
        """The next item of the recipe."""
        due = next(self._recipe, None)
        if due != request:
            raise ProtocolError(f"the protocol wants {request}, the recipe has {due or 'nothing'} next")
        count_triples(request.size)
        return next(self._shares)


class DealtSource(StoredSource):
    """A source that expands a dealer's allotment as it goes."""

    trust = "a dealer knows every mask, and must collude with no party"

    def __init__(self, allotment: "Allotment") -> None:
        super().__init__(allotment.recipe, allotment.shares())


@dataclass(frozen=True, slots=True)
class Allotment:
    """What a dealer sends one party: a seed, and for the party that has to make ends meet the corrections."""

    recipe: Recipe
    seed: bytes = field(repr=False)
    corrections: Words | None = field(default=None, repr=False)

    def shares(self) -> Iterator[tuple[Words, ...]]:
        """This party's shares, item by item."""
        stream, used = Stream(self.seed, b"allotment"), 0
        for number, request in enumerate(self.recipe):
            free, bound = _draw(stream, number, request)
            if self.corrections is not None:
                for index, array in enumerate(bound):
                    part = self.corrections[used : used + array.size]
                    bound[index] = part.reshape(array.shape)
                    used += array.size
            yield (*free, *bound)

    def to_bytes(self) -> bytes:
        """The seed, then the corrections; the recipe is known to both sides."""
        return self.seed + (b"" if self.corrections is None else pack(self.corrections))

    @classmethod
    def from_bytes(cls, data: bytes, recipe: Recipe, *, last: bool) -> "Allotment":
        """Read what `to_bytes` wrote for the last party, or for another.

        Raises: DecodeError for any other length than the recipe's.
        """
        size = sum(math.prod(shape) for request in recipe for shape, _ in _shapes(request)[1]) if last else 0
        if len(data) != 32 + 8 * size:
            raise DecodeError(f"an allotment of this recipe has {32 + 8 * size} bytes, got {len(data)}")
        corrections = np.frombuffer(data[32:], dtype="<u8").astype(np.uint64) if last else None
        return cls(recipe, data[:32], corrections)


def deal(recipe: Recipe, parties: Sequence[int], randomness: Stream) -> dict[int, Allotment]:
    """Correlated randomness for `parties` from a dealer.

    Leakage: the dealer knows every mask. Whoever sees its seeds and the messages of a run sees all inputs.
    Assumes: the dealer is honest and colludes with nobody; it takes no part in the run itself.
    Raises: ParameterError for fewer than two parties.
    """
    if len(set(parties)) != len(parties) or len(parties) < 2:
        raise ParameterError("a dealer needs at least two different parties")
    seeds = {party: randomness.bytes(32) for party in parties}
    streams = {party: Stream(seed, b"allotment") for party, seed in seeds.items()}
    *_, last = parties
    corrections: list[Words] = []
    for number, request in enumerate(recipe):
        drawn = {party: _draw(stream, number, request) for party, stream in streams.items()}
        free_groups, bound_groups = _shapes(request)
        totals = [
            _total([drawn[party][0][index] for party in parties], binary)
            for index, (_, binary) in enumerate(free_groups)
        ]
        values = zip(_correlate(request, totals), bound_groups, strict=True)
        for index, (value, (_, binary)) in enumerate(values):
            others = _total([drawn[party][1][index] for party in parties if party != last], binary)
            corrections.append((value ^ others if binary else value - others).ravel())
    joined = np.concatenate(corrections) if corrections else np.zeros(0, dtype=np.uint64)
    return {
        party: Allotment(recipe, seed, joined if party == last else None) for party, seed in seeds.items()
    }


def recipe_of(dry_run: Callable[[Recorder], object]) -> Recipe:
    """What a protocol will ask for: `dry_run` runs it once over a recorder and inputs of the right shape."""
    recorder = Recorder()
    dry_run(recorder)
    return recorder.recipe


_Groups: TypeAlias = list[tuple[Shape, bool]]
"""Shapes of the parts of an item, and whether they are shared by exclusive or."""


def _shapes(request: Request) -> tuple[_Groups, _Groups]:
    """The parts that are random on their own, and those they determine."""
    shape = request.shape
    match request.kind:
        case Kind.PRODUCT:
            return [(shape, False), (shape, False)], [(shape, False)]
        case Kind.SQUARE:
            return [(shape, False)], [(shape, False)]
        case Kind.DOT:
            return [(shape, False), (shape, False)], [(shape[:-1], False)]
        case Kind.MATRIX:
            rows, inner, columns = shape
            return [((rows, inner), False), ((inner, columns), False)], [((rows, columns), False)]
        case Kind.AND:
            return [(shape, True), (shape, True)], [(shape, True)]
        case Kind.MASK:
            return [(shape, False)], [(shape, True)]
        case Kind.BIT:
            return [((-(-shape[0] // 64),), True)], [(shape, False)]


def _correlate(request: Request, free: list[Words]) -> list[Words]:
    """The determined parts in the clear."""
    match request.kind:
        case Kind.PRODUCT:
            return [free[0] * free[1]]
        case Kind.SQUARE:
            return [free[0] * free[0]]
        case Kind.DOT:
            return [(free[0] * free[1]).sum(axis=-1, dtype=np.uint64)]
        case Kind.MATRIX:
            return [ring_product(free[0], free[1])]
        case Kind.AND:
            return [free[0] & free[1]]
        case Kind.MASK:
            return [free[0].copy()]
        case Kind.BIT:
            return [spread(free[0], request.shape[0])]


def _draw(stream: Stream, number: int, request: Request) -> tuple[list[Words], list[Words]]:
    """One party's own random shares of item `number`: the same on the dealer's side and the party's."""
    item = stream.derive(number, int(request.kind), *request.shape)
    free, bound = _shapes(request)
    return [item.uint64(shape) for shape, _ in free], [item.uint64(shape) for shape, _ in bound]


def _total(shares: list[Words], binary: bool) -> Words:
    total = shares[0].copy()
    for share in shares[1:]:
        if binary:
            total ^= share
        else:
            total += share
    return total
