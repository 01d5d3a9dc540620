"""Thousands of clients: secure aggregation in shards, and engines that spread the work.

hierarchy   shards, one secure aggregation each, their sums added
clients     simulated clients that exist only while their shard is summed
training    such clients that train (needs torch)
executor    where actors run: one interface, and threads and processes of this machine
actors      the actor server: coordinator, selectors, master aggregator, aggregators
ray_engine  Ray behind the same interface, and clients trained as Ray tasks (needs the extra `ray`)
peak        how much memory a process took
choose      what `--engine local|ray` stands for

Importing this package imports neither torch nor Ray.
"""

from fl.scale.actors import ActorServer, RoundReport, RoundTask
from fl.scale.choose import ENGINES, open_engine, open_executor
from fl.scale.clients import SimulatedClients, SyntheticClients
from fl.scale.executor import ActorLost, Executor, LocalExecutor
from fl.scale.hierarchy import (
    Beacon,
    Clients,
    HierarchicalSum,
    LostShard,
    Parties,
    Shard,
    ShardRules,
    ShardSum,
    SimulatedBeacon,
    make_shards,
    shards_of,
    sum_shards,
)

__all__ = [
    "ENGINES",
    "ActorLost",
    "ActorServer",
    "Beacon",
    "Clients",
    "Executor",
    "HierarchicalSum",
    "LocalExecutor",
    "LostShard",
    "Parties",
    "RoundReport",
    "RoundTask",
    "Shard",
    "ShardRules",
    "ShardSum",
    "SimulatedBeacon",
    "SimulatedClients",
    "SyntheticClients",
    "make_shards",
    "open_engine",
    "open_executor",
    "shards_of",
    "sum_shards",
]
