"""Finding a liar by overlapping groups, and refusing groups that would corner one client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl.groups import grid, reveals_less_than
from fl.sums import CallJudge, SumCall
from mpc.errors import DecodeError, FaultyParty


@given(st.integers(9, 60), st.binary(min_size=32, max_size=32))
def test_every_line_is_strong_enough_and_rows_and_columns_each_hold_everybody(
    clients: int, seed: bytes
) -> None:
    lines = grid(range(1, clients + 1), 3, seed)
    assert lines is not None
    for groups in lines:
        assert min(map(len, groups)) >= 3
        assert sorted(client for group in groups for client in group) == list(range(1, clients + 1))


@given(st.integers(12, 60), st.binary(min_size=32, max_size=32))
def test_where_there_is_room_two_clients_share_at_most_one_line(clients: int, seed: bytes) -> None:
    lines = grid(range(1, clients + 1), 3, seed)
    assert lines is not None
    rows, columns = lines
    if len(rows) * len(columns) >= clients:
        assert all(len(set(row) & set(column)) <= 1 for row in rows for column in columns)


@pytest.mark.parametrize("clients", [9, 12, 13, 14, 15, 16, 17, 18, 19, 20, 30])
def test_a_cell_for_every_client_is_found_whenever_lines_stay_strong(clients: int) -> None:
    lines = grid(range(1, clients + 1), 3, bytes(32))
    assert lines is not None
    assert all(len(set(row) & set(column)) <= 1 for row in lines[0] for column in lines[1])


def test_too_few_clients_have_no_grid() -> None:
    assert grid(range(1, 6), 3, bytes(32)) is None


@given(st.integers(9, 30), st.binary(min_size=32, max_size=32))
def test_one_grid_beside_the_whole_sum_never_corners_fewer_than_min_clients(
    clients: int, seed: bytes
) -> None:
    lines = grid(range(1, clients + 1), 3, seed)
    assert lines is not None
    whole = tuple(range(1, clients + 1))
    assert not reveals_less_than(3, frozenset([whole, *lines[0], *lines[1]]))


def test_two_grids_of_nine_clients_would_determine_updates_and_are_seen_to() -> None:
    whole = tuple(range(1, 10))
    first, second = grid(whole, 3, bytes(32)), grid(whole, 3, b"\1" * 32)
    assert first is not None and second is not None
    assert reveals_less_than(3, frozenset([whole, *first[0], *first[1], *second[0], *second[1]]))


def test_a_sum_over_everybody_and_one_over_all_but_one_corner_that_one() -> None:
    whole = tuple(range(1, 10))
    assert reveals_less_than(2, frozenset([whole, whole[1:]]))


def test_a_client_refuses_the_coordinator_that_leaves_one_out() -> None:
    judge = CallJudge(min_clients=3)
    judge.admit(SumCall(0, 0, tuple(range(1, 10))))
    with pytest.raises(FaultyParty) as caught:
        judge.admit(SumCall(1, 0, tuple(range(2, 10))))
    assert caught.value.party == 0


def test_a_client_refuses_a_place_twice_and_a_group_that_is_too_small() -> None:
    judge = CallJudge(min_clients=3)
    judge.admit(SumCall(0, 0, (1, 2, 3, 4)))
    for call in (SumCall(0, 0, (1, 2, 3, 4)), SumCall(1, 0, (1, 2))):
        with pytest.raises(FaultyParty):
            judge.admit(call)
    with pytest.raises(FaultyParty):
        CallJudge(min_clients=3).admit(SumCall(0, 0, (1, 2)))


@given(st.lists(st.integers(0, 2**32 - 1), max_size=9), st.integers(0, 255), st.integers(0, 2**32 - 1))
def test_a_call_decodes_to_itself_or_is_refused(group: list[int], stage: int, place: int) -> None:
    call = SumCall(stage, place, tuple(group))
    if group == sorted(set(group)):
        assert SumCall.from_bytes(call.to_bytes()) == call
    else:
        with pytest.raises(DecodeError):
            SumCall.from_bytes(call.to_bytes())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_canonical_call_or_refused(data: bytes) -> None:
    try:
        call = SumCall.from_bytes(data)
    except DecodeError:
        return
    assert call.to_bytes() == data


def test_a_call_that_announces_billions_of_clients_is_refused_at_once() -> None:
    with pytest.raises(DecodeError):
        SumCall.from_bytes(b"\x00" + b"\xff" * 4 + b"\xff" * 4)
