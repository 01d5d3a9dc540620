"""Secure aggregation among honest clients, some of which vanish."""

import numpy as np
import pytest
from secagg_cases import Case

from mpc.errors import NotEnoughParties, ParameterError, PartyTimeout
from mpc.prg import Stream
from mpc.runtime import Network
from mpc.secagg import Parameters, client, parameters

STEPS = {1: "advertise", 3: "share", 5: "mask"}


@pytest.mark.parametrize("n", [3, 4, 5, 8, 20])
def test_everyone_stays(n: int) -> None:
    case = Case(n=n, dropout=0.0)
    result = case.run()
    case.check(result.results[0], case.keys)
    assert not result.errors and not result.results[0].dropped and not result.results[0].faulty
    assert all(result.results[i].included == tuple(case.keys) for i in case.keys)


@pytest.mark.parametrize("first_silent_round", range(1, 10))
def test_clients_vanish_at_any_moment(first_silent_round: int) -> None:
    case = Case(n=10, dropout=0.2)
    result = case.run(network=Network(vanish={3: first_silent_round, 7: first_silent_round}))
    aggregate = result.results[0]
    gone = {3, 7} if first_silent_round <= 5 else set()
    case.check(aggregate, set(case.keys) - gone)
    step = STEPS.get(first_silent_round, STEPS.get(first_silent_round + 1))
    assert aggregate.dropped == {i: f"silent at step {step!r}" for i in gone}
    assert not aggregate.faulty


def test_clients_vanish_one_at_each_step() -> None:
    case = Case(n=20, dropout=0.3)
    result = case.run(network=Network(vanish={2: 1, 4: 3, 6: 5, 8: 7, 10: 9}))
    case.check(result.results[0], set(case.keys) - {2, 4, 6})


def test_a_lost_message_drops_its_sender_and_tells_it() -> None:
    case = Case(n=8)
    lost = Network(drop=lambda number, sender, receiver: (number, sender) == (5, 4))
    result = case.run(network=lost)
    case.check(result.results[0], set(case.keys) - {4})
    assert isinstance(result.errors[4], PartyTimeout) and result.errors[4].party == 0


def test_a_sparse_graph_sums_exactly_with_dropouts() -> None:
    n = 40
    params = Parameters(tuple(range(1, n + 1)), 12, 7, dim=30, field_dim=1, session=b"sparse", quorum=21)
    case = Case(n=n, dim=30, field_dim=1, params=params)
    result = case.run(network=Network(vanish={3: 3, 9: 5, 11: 5, 20: 7, 33: 9}))
    case.check(result.results[0], set(case.keys) - {3, 9, 11})
    assert all(len(result.results[i].masked_with) < n - 3 for i in (1, 2, 4))


@pytest.mark.parametrize("modulus", [2**8, 2**13, 2**24, 2**31, 2**32, 2**40, 2**64])
def test_any_power_of_two_up_to_64_bits(modulus: int) -> None:
    case = Case(n=5, modulus=modulus)
    case.check(case.run().results[0], case.keys)


@pytest.mark.parametrize(("dim", "field_dim"), [(0, 3), (3, 0), (1, 1)])
def test_either_domain_alone(dim: int, field_dim: int) -> None:
    case = Case(n=4, dim=dim, field_dim=field_dim)
    case.check(case.run().results[0], case.keys)


def test_too_few_survivors_reveal_nothing() -> None:
    case = Case(n=10)
    result = case.run(network=Network(vanish={i: 5 for i in range(1, 6)}))
    assert isinstance(result.errors[0], NotEnoughParties)
    assert "silent at step 'mask'" in str(result.errors[0])
    assert all(isinstance(result.errors[i], PartyTimeout) for i in range(6, 11))


def test_a_run_repeats_bit_for_bit_and_sessions_differ() -> None:
    def masked(session: bytes) -> list[bytes]:
        return [m.data for m in Case(n=4, session=session).run(record=True).messages]

    assert masked(b"a") == masked(b"a") != masked(b"b")


def test_one_stream_serves_many_sessions_without_repeating_a_key() -> None:
    stream = Stream(bytes(32), b"a client's only stream")
    adverts = []
    for session in (b"1", b"2"):
        case = Case(n=3, session=session, dropout=0.0)
        adverts.append(next(case.client(1, randomness=stream))[0])
    assert adverts[0][:32] != adverts[1][:32] and adverts[0][32:64] != adverts[1][32:64]


def test_parallel_unmasking_gives_the_same_sum() -> None:
    from mpc.runtime import run_local
    from mpc.secagg import server

    case = Case(n=10)
    parties = {i: case.client(i) for i in case.keys} | {0: server(case.params, case.identities, workers=3)}
    case.check(run_local(parties, network=Network(vanish={3: 5})).results[0], set(case.keys) - {3})


def test_inputs_that_do_not_fit_are_refused_before_anything_is_sent() -> None:
    case = Case(n=4)
    for changed in (
        {"values": np.zeros(49, np.int64)},
        {"values": np.zeros(50)},
        {"field_values": [1]},
        {"me": 9},
        {"identity": case.keys[2]},
        {"identities": {1: case.identities[1]}},
    ):
        with pytest.raises(ParameterError):
            case.client(1, **changed)


def test_without_a_stream_the_operating_system_is_asked() -> None:
    case = Case(n=3, dropout=0.0)
    adverts = [
        next(client(1, case.params, case.keys[1], case.identities, case.values[1], case.field_values[1]))[0]
        for _ in range(2)
    ]
    assert adverts[0] != adverts[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"clients": (1,)},
        {"clients": (2, 1, 3)},
        {"clients": (0, 1, 2)},
        {"degree": 3},
        {"threshold": 0},
        {"threshold": 3},
        {"dim": 0},
        {"dim": -1},
        {"modulus": 10},
        {"modulus": 2**65},
        {"min_clients": 1},
        {"min_clients": 4},
        {"quorum": 4},
        {"field": 2},
    ],
)
def test_parameters_without_meaning(changed: dict[str, object]) -> None:
    good: dict[str, object] = {"clients": (1, 2, 3), "degree": 2, "threshold": 2, "dim": 1}
    Parameters(**good)  # type: ignore[arg-type]
    with pytest.raises(ParameterError):
        Parameters(**{**good, **changed})  # type: ignore[arg-type]


def test_small_groups_get_the_complete_graph_and_say_what_holds() -> None:
    for n in range(4, 33):
        params = parameters(range(1, n + 1), corrupt=0.2, dropout=0.1, dim=1)
        assert params.degree == n - 1 and params.degree - params.threshold >= (1 if n > 4 else 0)
        assert "every client shares with all" in params.justification
        if 2 * params.threshold <= params.degree + -(-n // 5):
            assert "WEAKER THAN ASKED" in params.justification
        else:
            assert "unconditional" in params.justification
    with pytest.raises(ParameterError):
        parameters([1, 2], corrupt=0.0, dropout=0.0, dim=1)
