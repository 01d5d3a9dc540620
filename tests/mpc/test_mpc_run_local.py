"""The in-process network: delivery, silence after the end, blame, cost, and no endless run."""

import pytest

from mpc.errors import FaultyParty, ParameterError, ProtocolError
from mpc.runtime import Cost, Network, Outbox, Protocol, count_triples, run_local


def exchange(me: int, parties: range, rounds: int = 1, size: int = 8) -> Protocol[list[dict[int, bytes]]]:
    seen = []
    for number in range(rounds):
        seen.append((yield {i: bytes([me, number]) * (size // 2) for i in parties if i != me}))
    return seen


def silent(rounds: int) -> Protocol[list[dict[int, bytes]]]:
    seen = []
    for _ in range(rounds):
        seen.append((yield {}))
    return seen


def everyone(n: int, rounds: int = 1, size: int = 8) -> dict[int, Protocol[object]]:
    return {i: exchange(i, range(1, n + 1), rounds, size) for i in range(1, n + 1)}


def test_messages_of_one_round_arrive_together_and_nothing_else_does() -> None:
    result = run_local(everyone(3, rounds=2, size=2))
    assert result.results[2] == [{1: b"\x01\x00", 3: b"\x03\x00"}, {1: b"\x01\x01", 3: b"\x03\x01"}]
    assert result.errors == {}
    assert result.rounds == 2


def test_an_empty_outbox_still_receives() -> None:
    result = run_local({0: silent(1), 1: exchange(1, range(0, 2))})
    assert result.results == {0: [{1: b"\x01\x00" * 4}], 1: [{}]}


def test_a_finished_party_is_absent_and_messages_to_it_are_sent_and_lost() -> None:
    result = run_local({1: exchange(1, range(1, 3), rounds=3), 2: exchange(2, range(1, 3), rounds=1)})
    assert [set(inbox) for inbox in result.results[1]] == [{2}, set(), set()]
    assert (result.costs[1].messages, result.costs[1].bytes_sent) == (3, 24)
    assert (result.costs[2].messages, result.costs[2].bytes_received) == (1, 8)


def test_a_party_that_raises_ends_alone() -> None:
    def broken() -> Protocol[None]:
        yield {1: b"once"}
        raise FaultyParty(1, "said something impossible")

    result = run_local({1: exchange(1, range(1, 4), rounds=2), 2: broken(), 3: exchange(3, range(1, 4), 2)})
    assert isinstance(result.errors[2], FaultyParty)
    assert 2 not in result.results
    assert [set(inbox) for inbox in result.results[1]] == [{2, 3}, {3}]


def test_raise_errors_raises_the_partys_own_exception_and_closes_the_rest() -> None:
    closed = []

    def watched() -> Protocol[None]:
        try:
            while True:
                yield {}
        finally:
            closed.append(True)

    def broken() -> Protocol[None]:
        yield {}
        raise FaultyParty(1, "lied")

    with pytest.raises(FaultyParty, match="party 1: lied"):
        run_local({1: watched(), 2: broken()}, raise_errors=True)
    assert closed == [True]


@pytest.mark.parametrize(
    "outbox", [None, [b"x"], {2: "text"}, {2: bytearray(b"x")}, {9: b"x"}, {1: b"to myself"}, {True: b"x"}]
)
def test_a_malformed_outbox_ends_its_author_only(outbox: Outbox) -> None:
    def corrupt() -> Protocol[None]:
        yield outbox

    result = run_local({1: corrupt(), 2: exchange(2, range(1, 3))})
    assert isinstance(result.errors[1], ParameterError)
    assert result.results == {2: [{}]}


def test_a_vanished_party_sends_nothing_from_its_round_on_and_its_generator_is_closed() -> None:
    closed = []

    def mortal() -> Protocol[None]:
        try:
            for _ in range(9):
                yield {1: b"alive"}
        finally:
            closed.append(True)

    result = run_local(
        {1: exchange(1, range(1, 3), rounds=3), 2: mortal()}, network=Network(vanish={2: 2}), record=True
    )
    assert closed == [True]
    assert result.vanished == {2: 2}
    assert 2 not in result.results and 2 not in result.errors
    assert [set(inbox) for inbox in result.results[1]] == [{2}, set(), set()]
    assert [m.arrived for m in result.messages if m.receiver == 2] == [True, False, False]


def test_vanishing_in_round_one_means_never_having_been_there() -> None:
    result = run_local(everyone(3), network=Network(vanish={3: 1}))
    assert set(result.results) == {1, 2}
    assert result.results[1] == [{2: b"\x02\x00" * 4}]
    assert result.costs[3] == Cost()


def test_a_generator_that_refuses_to_close_changes_nothing() -> None:
    def stubborn() -> Protocol[None]:
        try:
            while True:
                yield {}
        except GeneratorExit:
            yield {2: b"one last word"}

    result = run_local({1: stubborn(), 2: exchange(2, range(1, 3), 2)}, network=Network(vanish={1: 2}))
    assert result.results == {2: [{}, {}]}


def test_a_drop_rule_loses_single_messages_which_still_cost_their_sender() -> None:
    network = Network(drop=lambda number, sender, receiver: (number, sender, receiver) == (2, 1, 2))
    result = run_local(everyone(3, rounds=3), network=network)
    assert [set(inbox) for inbox in result.results[2]] == [{1, 3}, {3}, {1, 3}]
    assert result.costs[1].bytes_sent == result.costs[3].bytes_sent == 48
    assert result.costs[2].bytes_received == 40


def test_a_run_never_loops_for_ever() -> None:
    def forever() -> Protocol[None]:
        while True:
            yield {}

    result = run_local({1: forever(), 2: exchange(2, range(1, 3))}, max_rounds=50)
    assert isinstance(result.errors[1], ProtocolError)
    assert "50 rounds" in str(result.errors[1])
    assert result.results == {2: [{}]}


def test_exactly_max_rounds_is_allowed() -> None:
    assert run_local(everyone(2, rounds=5), max_rounds=5).errors == {}


def test_costs_count_what_left_and_what_arrived() -> None:
    result = run_local(everyone(4, rounds=2, size=10))
    for cost in result.costs.values():
        assert (cost.rounds, cost.messages, cost.bytes_sent, cost.bytes_received) == (2, 6, 60, 60)


def test_triples_are_billed_to_the_party_that_consumed_them() -> None:
    def spender(count: int) -> Protocol[None]:
        count_triples(count)
        yield {}
        count_triples(count)

    result = run_local({1: spender(3), 2: spender(5)})
    assert {i: cost.triples for i, cost in result.costs.items()} == {1: 6, 2: 10}
    count_triples(7)  # outside a run there is nobody to bill, and nothing breaks


def test_latency_adds_up_by_rounds() -> None:
    result = run_local(everyone(3, rounds=4), network=Network(latency_s=10.0))
    for cost in result.costs.values():
        assert 40.0 <= cost.seconds < 40.5
        assert cost.compute_seconds < 0.5
    assert result.seconds < 40.5


def test_bandwidth_is_shared_by_the_messages_of_one_link() -> None:
    # 3 messages of 1000 bytes through an uplink of 8000 bit/s: the last byte leaves after 3 s.
    result = run_local(everyone(4, size=1000), network=Network(bandwidth_bps=8000.0))
    for cost in result.costs.values():
        assert 3.0 <= cost.seconds < 3.5


def test_a_servers_downlink_is_the_bottleneck_of_a_star() -> None:
    clients = {i: iter_once({0: bytes(1000)}) for i in range(1, 11)}
    result = run_local({0: silent(1), **clients}, network=Network(bandwidth_bps=8000.0))
    assert 10.0 <= result.costs[0].seconds < 10.5


def iter_once(outbox: Outbox) -> Protocol[None]:
    yield outbox


def test_a_recorded_run_shows_one_partys_view() -> None:
    result = run_local(everyone(3, size=2), record=True)
    assert [(m.round, m.sender, m.data) for m in result.view(1)] == [(1, 2, b"\x02\x00"), (1, 3, b"\x03\x00")]
    assert run_local(everyone(3)).messages == ()


def test_recorded_payloads_and_results_stay_out_of_the_repr() -> None:
    result = run_local({1: iter_once({2: b"secret!"}), 2: silent(1)}, record=True)
    assert "secret" not in repr(result) and "secret" not in repr(result.messages)


def test_a_run_needs_a_party() -> None:
    with pytest.raises(ParameterError):
        run_local({})


@pytest.mark.parametrize(
    "bad", [{"latency_s": -1.0}, {"latency_s": float("nan")}, {"bandwidth_bps": 0.0}, {"vanish": {1: 0}}]
)
def test_an_impossible_network_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        Network(**bad)  # type: ignore[arg-type]
