"""Spreading a training set over clients.

iid         equal parts at random
dirichlet   each class's samples in shares drawn from Dirichlet(alpha): label skew and size skew together
shards      `classes` classes a client, parts of nearly equal size: label skew alone
size-skew   random parts whose sizes are log-normal with deviation `skew`: size skew alone

Source: Dirichlet: Hsu, Qi, Brown, "Measuring the effects of non-identical data distribution" (2019). Shards: McMahan
et al., "Communication-efficient learning of deep networks from decentralized data" (2017), section 3. Log-normal
sizes: Li et al., "Federated optimization in heterogeneous networks" (2020), appendix C.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fl.plan import Partition
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["split"]

Indices = NDArray[np.int64]

_TRIES = 1000


def split(labels: Indices, clients: int, partition: Partition, seed: int, batch: int) -> list[Indices]:
    """Indices of the training samples of each client; every client gets at least one sample, every sample one client.

    Where sizes are drawn, a client gets at least a batch, or half an equal part if that is less.

    Shapes: labels [samples]; the result has `clients` arrays whose lengths add up to `samples`.
    Raises: ParameterError when a client would be left without samples, saying why.
    """
    if clients > len(labels):
        raise ParameterError(f"{clients} clients are more than the {len(labels)} training samples")
    rng = generator(seed, "partition", partition.kind)
    smallest = min(batch, len(labels) // (2 * clients))
    parts = _KINDS[partition.kind](labels, clients, partition, rng, smallest)
    return [np.sort(part) for part in parts]


def _iid(
    labels: Indices, clients: int, partition: Partition, rng: np.random.Generator, smallest: int
) -> list[Indices]:
    return np.array_split(rng.permutation(len(labels)), clients)


def _dirichlet(
    labels: Indices, clients: int, partition: Partition, rng: np.random.Generator, smallest: int
) -> list[Indices]:
    """Draw class shares until every client has `smallest` samples, as the source does; else top up from the largest."""
    parts: list[list[Indices]] = []
    for _ in range(_TRIES):
        parts = [[] for _ in range(clients)]
        for label in np.unique(labels):
            members = rng.permutation(np.flatnonzero(labels == label))
            shares = rng.dirichlet(np.full(clients, partition.alpha))
            cuts = (np.cumsum(shares)[:-1] * len(members)).astype(np.int64)
            for client, part in enumerate(np.split(members, cuts)):
                parts[client].append(part)
        if min(sum(map(len, part)) for part in parts) >= max(smallest, 1):
            break
    merged = [np.concatenate(part) for part in parts]
    for client, part in enumerate(merged):
        if len(part) == 0:
            donor = max(range(clients), key=lambda other: len(merged[other]))
            merged[client], merged[donor] = merged[donor][-1:], merged[donor][:-1]
    return merged


def _shards(
    labels: Indices, clients: int, partition: Partition, rng: np.random.Generator, smallest: int
) -> list[Indices]:
    """Cut every class into shards and deal each client `classes` of them, all of different classes.

    The source cuts the sorted samples without regard to where a class ends, so that a client may hold one class more
    or fewer; here the cuts respect the classes and "`classes` classes a client" is exact.
    """
    present, counts = np.unique(labels, return_counts=True)
    wanted = partition.classes
    if not 1 <= wanted <= len(present):
        raise ParameterError(
            f"partition.classes must be 1 to the {len(present)} classes there are, got {wanted}"
        )
    if clients * wanted < len(present):
        raise ParameterError(
            f"{clients} clients with {wanted} classes each cannot hold all {len(present)} classes:"
            " raise clients or partition.classes"
        )
    shares = _apportion(counts.astype(np.float64), clients * wanted, lowest=1, highest=clients)
    if (short := shares > counts).any():
        label = int(np.argmax(short))
        raise ParameterError(
            f"{clients} clients with {wanted} classes each need {shares[label]} shards of class {present[label]},"
            f" which has {counts[label]} samples: a client would be left with none; lower clients or partition.classes"
        )
    shards: list[Indices] = []
    for label, pieces in zip(present, shares, strict=True):
        shards += np.array_split(rng.permutation(np.flatnonzero(labels == label)), pieces)
    hands = _deal(np.repeat(np.arange(len(present)), shares), clients, rng)
    return [np.concatenate([shards[shard] for shard in hand]) for hand in hands]


def _deal(classes: Indices, clients: int, rng: np.random.Generator) -> Indices:
    """Deal shards at random, then swap until no client has two of one class.

    No class has more shards than there are clients, so whenever a client has two of a class, another has none of it.
    That one can give a shard of a class the first lacks, or one of two of its own: either way there are fewer doubles.

    Shapes: classes [shards] is each shard's class; the result [clients, shards // clients] holds shards.
    """
    hands: Indices = rng.permutation(len(classes)).reshape(clients, -1)
    for hand in hands:
        while doubles := _doubles(classes[hand]):
            others = np.flatnonzero((classes[hands] != classes[hand[doubles[0]]]).all(axis=1))
            other = hands[others[rng.integers(len(others))]]
            slots = np.flatnonzero(~np.isin(classes[other], classes[hand]))
            slot = slots[0] if len(slots) else _doubles(classes[other])[0]
            hand[doubles[0]], other[slot] = other[slot], hand[doubles[0]]
    return hands


def _doubles(held: Indices) -> list[int]:
    """Places whose class occurs at an earlier place as well."""
    return [place for place in range(1, len(held)) if held[place] in held[:place]]


def _size_skew(
    labels: Indices, clients: int, partition: Partition, rng: np.random.Generator, smallest: int
) -> list[Indices]:
    """Random parts with sizes proportional to exp(skew * N(0, 1)); skew 0 makes them equal."""
    weights = np.exp(partition.skew * rng.standard_normal(clients))
    sizes = _apportion(weights, len(labels), lowest=max(smallest, 1), highest=len(labels))
    return np.split(rng.permutation(len(labels)), np.cumsum(sizes)[:-1])


def _apportion(weights: NDArray[np.float64], total: int, lowest: int, highest: int) -> Indices:
    """Whole numbers in [lowest, highest] with the sum `total`, as proportional to `weights` as that allows.

    Everybody starts at `lowest`; what is left goes to those furthest below their share, first in whole numbers, then
    to the largest remainders.
    """
    sizes = np.full(len(weights), lowest, dtype=np.int64)
    while (left := total - int(sizes.sum())) > 0:
        free = np.flatnonzero(sizes < highest)
        target = np.zeros(len(weights))
        target[free] = weights[free] / weights[free].sum() * (total - sizes[sizes >= highest].sum())
        missing = np.maximum(target - sizes, 0)
        if (whole := np.floor(missing * min(1.0, left / missing.sum())).astype(np.int64)).any():
            sizes = np.minimum(sizes + whole, highest)
            continue
        order = free[np.argsort(-missing[free], kind="stable")][:left]
        sizes[order] += 1
    return sizes


class _Split(Protocol):
    def __call__(
        self, labels: Indices, clients: int, partition: Partition, rng: np.random.Generator, smallest: int, /
    ) -> list[Indices]: ...


_KINDS: dict[str, _Split] = {
    "dirichlet": _dirichlet,
    "iid": _iid,
    "shards": _shards,
    "size-skew": _size_skew,
}
