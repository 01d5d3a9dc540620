"""Updates shared among three servers: estimates are exact, and clients that cheat are left out and named."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mpc.errors import FaultyParty, NotEnoughParties, ParameterError
from mpc.prg import Stream
from mpc.protocols import Screened, aggregate_shares, share_update
from mpc.runtime import Network, Protocol, RunResult, run_local

SERVERS = (1, 2, 3)
CLIENTS = tuple(range(11, 18))
DIM, LIMIT = 30, 2**15
BOUND = DIM * 200**2
Change = Callable[[int, int, bytes], bytes | None]


def stream(*labels: bytes | int | str) -> Stream:
    return Stream(bytes(range(32)), b"three servers test").derive(*labels)


UPDATES = {c: stream("update", c).uint32(DIM).astype(np.int64) % 401 - 200 for c in CLIENTS}


def changed(honest: Protocol[Any], change: Change) -> Protocol[Any]:
    outbox, number = next(honest), 1
    while True:
        sent = {to: change(number, to, data) for to, data in outbox.items()}
        inbox = yield {to: data for to, data in sent.items() if data is not None}
        try:
            outbox, number = honest.send(inbox), number + 1
        except StopIteration as stop:
            return stop.value


def run(
    updates: dict[int, Any],
    corrupt: dict[int, Change] | None = None,
    network: Network | None = None,
    **options: Any,
) -> RunResult:
    settings: dict[str, Any] = {"limit": LIMIT, "bound_squared": BOUND, "min_clients": 3, **options}
    parties: dict[int, Protocol[Any]] = {
        me: aggregate_shares(me, SERVERS, CLIENTS, DIM, randomness=stream("server", me), **settings)
        for me in SERVERS
    }
    parties |= {c: share_update(SERVERS, values, stream("client", c)) for c, values in updates.items()}
    for party, change in (corrupt or {}).items():
        parties[party] = changed(parties[party], change)
    return run_local(parties, network=network, record=True)


def outcome(result: RunResult) -> Screened:
    one, two, three = (result.results[me] for me in SERVERS)
    for other in (two, three):
        np.testing.assert_array_equal(one.value, other.value)
        assert (one.included, one.rejected) == (other.included, other.rejected)
    assert isinstance(one, Screened)
    return one


def test_the_sum_is_exact_and_an_upload_is_two_seeds_and_two_words_a_coordinate() -> None:
    result = run(UPDATES)
    got = outcome(result)
    np.testing.assert_array_equal(got.value, sum(UPDATES.values()))
    assert got.included == CLIENTS and got.rejected == {}
    assert result.costs[11].bytes_sent == 4 * 32 + 2 * 8 * DIM


@pytest.mark.parametrize("dim", [1, 4])
def test_short_updates_and_one_as_long_as_a_seed(dim: int) -> None:
    parties: dict[int, Protocol[Any]] = {
        me: aggregate_shares(
            me, SERVERS, (11, 12), dim, limit=9, bound_squared=100, min_clients=2, randomness=stream("s", me)
        )
        for me in SERVERS
    }
    parties |= {c: share_update(SERVERS, np.arange(dim) - 2, stream("c", c)) for c in (11, 12)}
    np.testing.assert_array_equal(outcome(run_local(parties)).value, 2 * (np.arange(dim) - 2))


def test_median_and_trimmed_mean_of_those_who_passed() -> None:
    rows = np.stack(list(UPDATES.values()))
    np.testing.assert_array_equal(outcome(run(UPDATES, estimate="median")).value, np.median(rows, axis=0))
    trimmed = outcome(run(UPDATES, estimate="trimmed mean", trim=2)).value
    np.testing.assert_allclose(trimmed, np.sort(rows, axis=0)[2:-2].mean(axis=0), rtol=1e-15)


POISON = {
    "a long norm": np.full(DIM, 201),
    "one coordinate out of range": np.eye(1, DIM, 3, dtype=np.int64)[0] * (LIMIT + 1),
    "a norm that wraps to zero": np.eye(1, DIM, 3, dtype=np.int64)[0] * 2**32,
    "all there is": np.full(DIM, -(2**63)),
}


@pytest.mark.parametrize("kind", POISON)
def test_a_poisoned_update_is_left_out_and_its_client_named(kind: str) -> None:
    got = outcome(run({**UPDATES, 14: POISON[kind]}))
    assert got.included == tuple(c for c in CLIENTS if c != 14)
    assert "out of bounds" in got.rejected[14]
    np.testing.assert_array_equal(got.value, sum(UPDATES[c] for c in got.included))


def test_clients_that_vanish_are_left_out() -> None:
    got = outcome(run(UPDATES, network=Network(vanish={12: 1, 17: 1})))
    assert set(got.rejected) == {12, 17}
    np.testing.assert_array_equal(got.value, sum(UPDATES[c] for c in got.included))


@pytest.mark.parametrize("to", SERVERS)
@pytest.mark.parametrize("kind", ["silent", "short", "another seed or word"])
def test_a_client_that_tells_one_server_something_else_is_left_out_by_all(to: int, kind: str) -> None:
    """Attack first: with copies that differ, servers would multiply shares of no number at all."""

    def cheat(number: int, server: int, data: bytes) -> bytes | None:
        if server != to:
            return data
        return {"silent": None, "short": data[:-8], "another seed or word": bytes([data[0] ^ 1]) + data[1:]}[
            kind
        ]

    got = outcome(run(UPDATES, {13: cheat}))
    assert set(got.rejected) == {13} and "not the same" in got.rejected[13]
    np.testing.assert_array_equal(got.value, sum(UPDATES[c] for c in got.included))


def test_too_few_clients_reveal_nothing() -> None:
    two = {c: UPDATES[c] for c in CLIENTS[:2]}
    poisoned = {c: np.full(DIM, 10_000) if c > 12 else UPDATES[c] for c in CLIENTS}
    for result in (run(two), run(poisoned)):
        for error in result.errors.values():
            assert isinstance(error, NotEnoughParties)
        assert len(result.errors) == 3


def test_one_servers_view_does_not_depend_on_the_updates() -> None:
    """Chi-square on the bytes of all shares a server receives when every update is the same constant."""
    n = 4000
    parties: dict[int, Protocol[Any]] = {
        me: aggregate_shares(
            me, SERVERS, CLIENTS, n, limit=9, bound_squared=10**6, min_clients=7, randomness=stream("v", me)
        )
        for me in SERVERS
    }
    parties |= {c: share_update(SERVERS, np.full(n, 7), stream("view", c)) for c in CLIENTS}
    result = run_local(parties, record=True)
    for server in SERVERS:
        seen = b"".join(m.data for m in result.view(server) if m.sender in CLIENTS)
        counts = np.bincount(np.frombuffer(seen, dtype=np.uint8), minlength=256)
        expected = len(seen) / 256
        assert float(((counts - expected) ** 2 / expected).sum()) < 330.5  # 255 degrees, p = 0.001


@pytest.mark.parametrize("fault", [None, b"", b"\2" * 7])
def test_a_server_that_sends_something_malformed_is_blamed(fault: bytes | None) -> None:
    rounds = run(UPDATES).rounds
    for at in range(2, rounds + 1):

        def spoil(number: int, to: int, data: bytes, at: int = at) -> bytes | None:
            return fault if number == at else data

        result = run(UPDATES, {2: spoil})
        spoke_to = {m.receiver for m in run(UPDATES).messages if (m.round, m.sender) == (at, 2)}
        for honest in spoke_to:
            error = result.errors[honest]
            assert isinstance(error, FaultyParty) and error.party == 2, (at, error)


def test_updates_and_settings_that_cannot_work_are_refused() -> None:
    for values in (np.zeros((2, 2), dtype=np.int64), [0.5], []):
        with pytest.raises(ParameterError):
            next(share_update(SERVERS, values, stream("bad")))
    for options in ({"min_clients": 0}, {"estimate": "mode"}):
        errors = run({}, **options).errors
        assert set(errors) == set(SERVERS)
        assert all(isinstance(error, ParameterError) for error in errors.values())
