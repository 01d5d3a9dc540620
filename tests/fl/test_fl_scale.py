"""Sums in shards: who is with whom, what may be opened, what is lost with a shard."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from fl.scale import (
    LostShard,
    Parties,
    Shard,
    ShardRules,
    SyntheticClients,
    make_shards,
    shards_of,
    sum_shards,
)
from fl.scale.hierarchy import add_shards, corrupt_in_a_shard, sum_shard
from mpc.errors import NotEnoughParties, ParameterError
from mpc.runtime import Network
from mpc.secagg.bounds import bits_of, hypergeometric_tail

RULES = ShardRules(size=6, min_clients=3, corrupt=0.0, dropout=0.2)
DIM = 9


def shards(clients: int, rules: ShardRules = RULES, session: bytes = b"s") -> tuple[Shard, ...]:
    return make_shards(range(1, clients + 1), rules, dim=DIM, field_dim=1, session=session, beacon=bytes(32))


def people(drop: float = 0.0) -> SyntheticClients:
    return SyntheticClients(bytes(32), seed=5, round=2, drop=drop, dim=DIM)


def plain_sum(clients: SyntheticClients, members: Sequence[int]) -> NDArray[np.int64]:
    return np.sum(list(clients.updates(members).values()), axis=0)


@given(st.integers(3, 300), st.integers(3, 60), st.binary(min_size=32, max_size=32))
def test_shards_split_the_clients_and_none_is_small(clients: int, size: int, beacon: bytes) -> None:
    found = shards_of(range(1, clients + 1), size, beacon)
    assert sorted(i for shard in found for i in shard) == list(range(1, clients + 1))
    assert min(map(len, found)) >= min(size, clients)
    assert max(map(len, found)) - min(map(len, found)) <= 1
    assert found == shards_of(range(clients, 0, -1), size, beacon)


def test_another_beacon_draws_other_shards() -> None:
    assert shards_of(range(100), 10, bytes(32)) != shards_of(range(100), 10, bytes([1] * 32))


def test_the_worst_shard_is_worse_than_the_population() -> None:
    """The bound is the smallest that holds, and a tenth of everybody can be four tenths of some shard."""
    for bits in (20, 40, 60):
        worst = corrupt_in_a_shard(10_000, 1_000, 100, 100, bits)
        assert bits_of(hypergeometric_tail(10_000, 1_000, 100, worst + 1), 100) >= bits
        assert bits_of(hypergeometric_tail(10_000, 1_000, 100, worst), 100) < bits
    assert corrupt_in_a_shard(10_000, 1_000, 100, 100, 40) == 39
    assert corrupt_in_a_shard(10, 2, 5, 2, 200) == 2
    assert corrupt_in_a_shard(10, 0, 5, 2, 40) == 0


def test_a_shard_expects_the_worst_and_hides_among_two_more() -> None:
    rules = ShardRules(size=100, min_clients=10, corrupt=0.1, dropout=0.1)
    (first, *_) = make_shards(range(1, 1001), rules, dim=1, session=b"", beacon=bytes(32))
    assert first.parameters.min_clients == 2 + corrupt_in_a_shard(1000, 100, 100, 10, 41)
    assert "WEAKER" not in first.parameters.justification
    demanding = make_shards(
        range(1, 1001), replace(rules, min_clients=80), dim=1, session=b"", beacon=bytes(32)
    )
    assert {shard.parameters.min_clients for shard in demanding} == {80}


def test_shards_that_could_open_nothing_are_refused() -> None:
    with pytest.raises(ParameterError, match="make shards larger"):
        make_shards(range(1, 1001), ShardRules(size=10, corrupt=0.2), dim=1, session=b"", beacon=bytes(32))
    with pytest.raises(ParameterError, match="could be opened"):
        make_shards(
            range(1, 101),
            ShardRules(size=10, min_clients=10, corrupt=0),
            dim=1,
            session=b"",
            beacon=bytes(32),
        )
    for bad in ({"size": 2}, {"size": 5, "min_clients": 6}, {"corrupt": 0.5}, {"dropout": -0.1}):
        with pytest.raises(ParameterError):
            ShardRules(**bad)  # type: ignore[arg-type]


def test_every_session_and_shard_masks_anew() -> None:
    contexts = {shard.parameters.context for s in (b"a", b"b") for shard in shards(18, session=s)}
    assert len(contexts) == 6


def test_the_sum_is_exact() -> None:
    clients = people()
    done = sum_shards(shards(20), clients)
    assert done.included == tuple(range(1, 21)) and not done.lost
    assert (done.total == plain_sum(clients, done.included)).all()
    assert done.receipt()["smallest_sum"] == 6 and done.receipt()["shards"] == 3
    assert all(shard.total.size == 0 for shard in done.shards)


def test_who_vanishes_is_left_out() -> None:
    clients = people(drop=0.1)
    done = sum_shards(shards(40), clients)
    assert 0 < len(done.included) < 40
    assert (done.total == plain_sum(clients, done.included)).all()
    gone = {client for shard in done.shards for client in shard.dropped} | {
        client for shard in done.lost for client in shard.clients
    }
    assert gone == set(range(1, 41)) - set(done.included)


@dataclass(frozen=True)
class Silent(SyntheticClients):
    """All but one client of shard 1 are silent."""

    def parties(self, shard: Shard) -> Parties:
        parties = super().parties(shard)
        if shard.number != 1:
            return parties
        return replace(parties, network=Network(vanish=dict.fromkeys(shard.clients[1:], 1)))


def test_a_shard_below_its_minimum_opens_nothing_and_the_others_go_on() -> None:
    clients = Silent(bytes(32), seed=5, round=2, drop=0.0, dim=DIM)
    found = shards(20)
    done = sum_shards(found, clients)
    (lost,) = done.lost
    assert lost.number == 1 and lost.clients == found[1].clients
    assert "1 clients left" in lost.reason
    assert (done.total == plain_sum(clients, done.included)).all()
    assert set(done.included) == set(range(1, 21)) - set(lost.clients)
    assert done.receipt()["lost"] == [{"shard": 1, "clients": len(lost.clients), "reason": lost.reason}]


def test_nothing_is_left_of_a_round_without_shards() -> None:
    with pytest.raises(NotEnoughParties, match="shard 0: because"):
        add_shards(97, [LostShard(0, (1, 2), "because")])


def test_blindings_are_added_in_their_field() -> None:
    found = shards(12)
    outcomes = [sum_shard(shard, people()) for shard in found]
    done = add_shards(found[0].parameters.field, outcomes)
    prime = found[0].parameters.field
    assert done.field_total == [
        sum(o.field_total[0] for o in outcomes if not isinstance(o, LostShard)) % prime
    ]


def test_a_client_of_another_shard_cannot_be_slipped_in() -> None:
    """A client recomputes its shard; what it signs is bound to exactly those members."""
    honest, lying = shards(18), shards(18)
    moved = honest[0].clients[1:] + honest[1].clients[:1]
    forged = Shard(0, replace(lying[0].parameters, clients=tuple(sorted(moved))))
    assert forged.parameters.context != honest[0].parameters.context


def test_importing_it_is_light() -> None:
    code = "import fl.scale, sys; print([m for m in ('torch', 'ray', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
