"""Secure aggregation in shards by the actor server: 200 clients on the bundled digits, in shards of fifty.

`fl.suite.scale` measures ten thousand clients in the same way.
"""

from functools import cache
from typing import Any

from fl.scale import LocalExecutor, ShardRules, SyntheticClients, make_shards, sum_shards
from fl.scale.hierarchy import sum_shard
from fl.suite.scale import ScaleCase, measure_scale

CLIENTS = 200
RULES = ShardRules(size=50, min_clients=20, corrupt=0.05, dropout=0.1)


@cache
def played(trained: bool) -> dict[str, Any]:
    return measure_scale(ScaleCase(CLIENTS, "digits", trained, RULES, processes=0))


class Round:
    """One round, everybody played by this process."""

    params = (["trained", "synthetic"],)
    param_names = ("updates",)
    timeout = 300

    def setup_cache(self) -> dict[str, dict[str, Any]]:
        return {name: played(name == "trained") for name in self.params[0]}

    def track_bytes_sent_a_client(self, rows: dict[str, dict[str, Any]], updates: str) -> int:
        return int(rows[updates]["bytes_sent"])

    def track_bytes_received_a_client(self, rows: dict[str, dict[str, Any]], updates: str) -> int:
        return int(rows[updates]["bytes_received"])

    def track_client_seconds(self, rows: dict[str, dict[str, Any]], updates: str) -> float:
        return float(rows[updates]["processor_ms_a_client"]) / 1e3

    def track_processor_seconds(self, rows: dict[str, dict[str, Any]], updates: str) -> float:
        return float(rows[updates]["processor_seconds"])


class Shards:
    """What grows with the number of clients: drawing the shards, and one shard's sum."""

    timeout = 300
    number = 1
    repeat = 3
    warmup_time = 0

    def setup(self) -> None:
        self.rules = ShardRules(size=100, min_clients=50, corrupt=0.1, dropout=0.1)
        self.shards = self._draw(10_000)
        self.clients = SyntheticClients(bytes(32), seed=1, round=0, drop=0.02, dim=7850)

    def _draw(self, clients: int) -> Any:
        return make_shards(
            range(1, clients + 1), self.rules, dim=7850, field_dim=1, session=b"bench", beacon=bytes(32)
        )

    def time_draw_shards_of_ten_thousand(self) -> None:
        self._draw(10_000)

    def time_one_shard_of_a_hundred(self) -> None:
        sum_shard(self.shards[0], self.clients)


class Memory:
    """Ten shards need no more memory than one."""

    params = (["one", "ten"],)
    param_names = ("shards",)
    timeout = 300

    def setup(self, shards: str) -> None:
        rules = ShardRules(size=20, min_clients=5, corrupt=0.0, dropout=0.1)
        count = 20 * (10 if shards == "ten" else 1)
        self.shards = make_shards(
            range(1, count + 1), rules, dim=7850, field_dim=1, session=b"bench", beacon=bytes(32)
        )

    def peakmem_sum(self, shards: str) -> None:
        sum_shards(self.shards, SyntheticClients(bytes(32), seed=1, round=0, drop=0.0, dim=7850))


class Actors:
    """Starting a process that computes."""

    timeout = 60
    number = 1
    repeat = 3
    warmup_time = 0

    def time_spawn_a_worker(self) -> None:
        with LocalExecutor(1) as executor:
            executor.spawn("worker", dict, worker=True).call("__len__").result()


Round.track_bytes_sent_a_client.unit = "bytes"  # type: ignore[attr-defined]
Round.track_bytes_received_a_client.unit = "bytes"  # type: ignore[attr-defined]
Round.track_client_seconds.unit = "seconds"  # type: ignore[attr-defined]
Round.track_processor_seconds.unit = "seconds"  # type: ignore[attr-defined]
