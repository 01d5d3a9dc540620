"""Sums over thousands: clients in shards, one secure aggregation a shard, the shards' sums added.

    clients --beacon--> shards of about 100 --mpc.secagg, one run each--> shard sums --added--> the sum

Who is with whom follows from a beacon that neither clients nor server chose, and every client works it out for itself:
a server that could place clients would put one honest client among its own. Corrupt clients then fall into shards by
chance, and a shard must expect more of them than the population has: `corrupt_in_a_shard` says how many.

Leakage: the sum of each shard, over at least `min_clients` clients of which at least two are honest, to that shard's
    aggregator and to the master, which one operator runs; who dropped out. Noise for differential privacy must be sized
    for a shard, not for the whole (docs/decisions/0072-shards-of-a-sum.md says why shards are not masked once more).
Assumes: the fractions of corrupt and dropping clients stay within the rules'; who is corrupt was settled before the
    beacon was known.
Source: Bonawitz et al., "Towards federated learning at scale: system design" (SysML 2019), section 6 (secure
    aggregation in groups of at least k).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import ceil, log2
from time import process_time
from typing import Any
from typing import Protocol as Interface

import numpy as np
from numpy.typing import NDArray

from fl.scale.peak import peak_mib
from mpc.errors import NotEnoughParties, ParameterError, ProtocolError
from mpc.prg import Stream, encode_labels
from mpc.runtime import Network, Protocol, run_local
from mpc.secagg import BN254_SCALAR_FIELD, Parameters, PublicIdentity, parameters, server
from mpc.secagg.bounds import bits_of, hypergeometric_tail

__all__ = [
    "Beacon",
    "Clients",
    "HierarchicalSum",
    "LostShard",
    "Parties",
    "Shard",
    "ShardRules",
    "ShardSum",
    "SimulatedBeacon",
    "add_shards",
    "corrupt_in_a_shard",
    "make_shards",
    "shards_of",
    "sum_shard",
    "sum_shards",
]

SERVER = 0


@dataclass(frozen=True, slots=True)
class ShardRules:
    """How large shards are and what is assumed of the whole population.

    A shard holds `size` clients or a few more; no sum is opened over fewer than `min_clients` of them. `corrupt` and
    `dropout` are fractions of all clients.

    Raises: ParameterError for values that cannot work.
    """

    size: int = 100
    min_clients: int = 3
    corrupt: float = 0.1
    dropout: float = 0.1
    security_bits: int = 40

    def __post_init__(self) -> None:
        if self.size < 3:
            raise ParameterError(f"a shard needs at least 3 clients, got {self.size}")
        if not 2 <= self.min_clients <= self.size:
            raise ParameterError(f"min_clients must be between 2 and {self.size}, got {self.min_clients}")
        if not (0 <= self.corrupt < 0.5 and 0 <= self.dropout < 0.5):
            raise ParameterError(
                f"corrupt and dropout are fractions below one half, got {self.corrupt}, {self.dropout}"
            )


class Beacon(Interface):
    """Where the draw of the shards comes from once it is settled who takes part."""

    def draw(self, session: bytes, clients: Sequence[int]) -> bytes:
        """32 bytes that nobody could know before `clients` were fixed for `session`: from a later block of a ledger,
        say, after a digest of the clients was written to it. A server that knows them earlier picks clients to suit.
        """


@dataclass(frozen=True, slots=True)
class SimulatedBeacon:
    """A beacon that repeats itself, for a machine that plays everybody.

    Assumes: nothing; whoever knows the seed knows the draw.
    """

    seed: int

    def draw(self, session: bytes, clients: Sequence[int]) -> bytes:
        return sha256(b"eppml/simulated beacon" + encode_labels((self.seed, session, *clients))).digest()


@dataclass(frozen=True, slots=True)
class Shard:
    """One group of clients and the parameters of its sum; `number` counts from 0."""

    number: int
    parameters: Parameters

    @property
    def clients(self) -> tuple[int, ...]:
        return self.parameters.clients


@dataclass(frozen=True, slots=True)
class Parties:
    """The clients of one shard, ready to run: who signs as whom, each client's side, and the network between them."""

    identities: Mapping[int, PublicIdentity]
    protocols: Mapping[int, Protocol[Any]] = field(repr=False)
    network: Network | None = None


class Clients(Interface):
    """Whoever plays the clients: asked for one shard at a time, so that only one shard's updates are in memory."""

    def parties(self, shard: Shard) -> Parties:
        """The clients of `shard`; one that is left out never speaks."""


@dataclass(frozen=True, slots=True)
class ShardSum:
    """The sum of one shard, who was in it, and what it cost.

    Units: bytes are those of the client that moved most. `client_seconds` (all clients of the shard together) and
        `server_seconds` are the parties' bills by the clock, `processor_seconds` what this simulation of all of them took,
        `peak_mib` the most memory that its process held so far.
    """

    number: int
    total: NDArray[np.int64] = field(repr=False)
    field_total: list[int] = field(repr=False)
    included: tuple[int, ...]
    dropped: dict[int, str]
    faulty: dict[int, str]
    client_seconds: float
    server_seconds: float
    processor_seconds: float
    bytes_sent: int
    bytes_received: int
    peak_mib: int


@dataclass(frozen=True, slots=True)
class LostShard:
    """A shard that is not in the sum, and why."""

    number: int
    clients: tuple[int, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class HierarchicalSum:
    """The sum over all shards that came through. `shards` is every such shard, without its sum.

    Shapes: total [dim] signed; field_total [field_dim] residues.
    """

    total: NDArray[np.int64] = field(repr=False)
    field_total: list[int] = field(repr=False)
    included: tuple[int, ...]
    shards: tuple[ShardSum, ...] = field(repr=False)
    lost: tuple[LostShard, ...]

    def receipt(self) -> dict[str, Any]:
        """What a privacy receipt says: who saw which sums."""
        smallest = min(len(shard.included) for shard in self.shards)
        return {
            "shards": len(self.shards),
            "clients": len(self.included),
            "smallest_sum": smallest,
            "leakage": f"the aggregators and the master saw {len(self.shards)} sums of {smallest} clients or more",
            "lost": [{"shard": s.number, "clients": len(s.clients), "reason": s.reason} for s in self.lost],
        }


def shards_of(clients: Iterable[int], size: int, beacon: bytes) -> tuple[tuple[int, ...], ...]:
    """The clients in shards of at least `size`, drawn by the beacon (32 bytes); all in one when there are too few.

    Everybody who knows the clients and the beacon finds the same shards. The beacon must be fixed after the clients
    are, by something that nobody here controls: the hash of a later block of the ledger, say.

    >>> [len(shard) for shard in shards_of(range(1, 24), 5, bytes(32))]
    [6, 6, 6, 5]
    """
    members = sorted(set(clients))
    order = Stream(beacon, b"eppml/shards").permutation(len(members))
    count = max(1, len(members) // size)
    return tuple(tuple(sorted(members[i] for i in order[first::count])) for first in range(count))


def corrupt_in_a_shard(clients: int, corrupt: int, size: int, shards: int, bits: float) -> int:
    """The most corrupt clients that any of `shards` shards of `size` holds, except with probability 2^-bits.

    Source: exact hypergeometric tail, union bound over the shards.

    >>> corrupt_in_a_shard(10_000, 1_000, 100, 100, 40)
    39
    """
    found = min(corrupt * size // clients, size)
    while (
        found < min(size, corrupt)
        and bits_of(hypergeometric_tail(clients, corrupt, size, found + 1), shards) < bits
    ):
        found += 1
    return found


def make_shards(
    clients: Iterable[int],
    rules: ShardRules,
    *,
    dim: int,
    field_dim: int = 0,
    modulus: int = 2**32,
    prime: int = BN254_SCALAR_FIELD,
    session: bytes,
    beacon: bytes,
) -> tuple[Shard, ...]:
    """Shards and the parameters of each one's sum; clients and server compute them alike.

    `session` names this sum and no other: a repeated round needs another one. A shard's sum is opened over at least
    `min_clients` clients, and over two more than may be corrupt in it.

    Raises: ParameterError when so many may be corrupt or drop out of one shard that nothing could be opened.
    """
    groups = shards_of(clients, rules.size, beacon)
    count, population = len(groups), sum(map(len, groups))
    bad = ceil(rules.corrupt * population - 1e-9)
    # half of what may fail is the draw of the shards, half is divided among the graphs inside them
    bits = rules.security_bits + 1
    shards = []
    for number, group in enumerate(groups):
        n = len(group)
        worst = corrupt_in_a_shard(population, bad, n, count, bits) if count > 1 else bad
        gone = ceil(rules.dropout * n - 1e-9)
        least = max(rules.min_clients, worst + 2)
        if worst + gone >= n or least > n - gone:
            raise ParameterError(
                f"of the {n} clients of a shard {worst} may be corrupt and {gone} may drop out, so no sum of {least} "
                f"could be opened: make shards larger"
            )
        shards.append(
            Shard(
                number,
                parameters(
                    group,
                    corrupt=worst / n,
                    dropout=rules.dropout,
                    security_bits=bits + ceil(log2(count)),
                    dim=dim,
                    field_dim=field_dim,
                    modulus=modulus,
                    field=prime,
                    session=sha256(b"eppml/shard/1" + encode_labels((session, number))).digest(),
                    min_clients=least,
                ),
            )
        )
    return tuple(shards)


def sum_shard(shard: Shard, clients: Clients) -> ShardSum | LostShard:
    """Run one shard's secure aggregation; a shard that cannot open its sum is lost, and says why."""
    clock = process_time()
    parties = clients.parties(shard)
    everyone: dict[int, Protocol[Any]] = {
        SERVER: server(shard.parameters, parties.identities),
        **parties.protocols,
    }
    result = run_local(everyone, network=parties.network)
    if SERVER in result.errors:
        error = result.errors[SERVER]
        if not isinstance(error, ProtocolError):
            raise error
        return LostShard(shard.number, shard.clients, str(error))
    aggregate = result.results[SERVER]
    costs = [cost for party, cost in result.costs.items() if party != SERVER]
    return ShardSum(
        number=shard.number,
        total=aggregate.total,
        field_total=aggregate.field_total,
        included=aggregate.included,
        dropped=aggregate.dropped,
        faulty=aggregate.faulty,
        client_seconds=sum(cost.compute_seconds for cost in costs),
        server_seconds=result.costs[SERVER].compute_seconds,
        processor_seconds=process_time() - clock,
        bytes_sent=max((cost.bytes_sent for cost in costs), default=0),
        bytes_received=max((cost.bytes_received for cost in costs), default=0),
        peak_mib=peak_mib(),
    )


def add_shards(prime: int, outcomes: Iterable[ShardSum | LostShard]) -> HierarchicalSum:
    """The master's part: integers are added as they are (each shard's sum is exact), field elements mod `prime`.

    Only one shard's sum is held beside the total.

    Raises: NotEnoughParties when every shard is lost.
    """
    total: NDArray[np.int64] | None = None
    field_total: list[int] = []
    shards, lost = [], []
    for outcome in outcomes:
        if isinstance(outcome, LostShard):
            lost.append(outcome)
            continue
        if total is None:
            total, field_total = np.zeros_like(outcome.total), [0] * len(outcome.field_total)
        total += outcome.total
        field_total = [(a + b) % prime for a, b in zip(field_total, outcome.field_total, strict=True)]
        shards.append(replace(outcome, total=np.zeros(0, dtype=np.int64), field_total=[]))
    lost.sort(key=lambda shard: shard.number)
    if total is None:
        raise NotEnoughParties(
            "every shard is lost: " + "; ".join(f"shard {s.number}: {s.reason}" for s in lost)
        )
    shards.sort(key=lambda shard: shard.number)
    included = tuple(sorted(client for shard in shards for client in shard.included))
    return HierarchicalSum(total, field_total, included, tuple(shards), tuple(lost))


def sum_shards(shards: Sequence[Shard], clients: Clients) -> HierarchicalSum:
    """All shards one after the other in this process: the plain twin of `fl.scale.actors`.

    Raises: NotEnoughParties when every shard is lost.
    """
    return add_shards(shards[0].parameters.field, (sum_shard(shard, clients) for shard in shards))
