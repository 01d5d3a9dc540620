"""The coordinator's judgement about sums that do not match."""

from fl.round import Opened, judge_sums


def opened(stage: int, matches: bool, *included: int) -> Opened:
    return Opened(stage, included, included, matches)


def test_a_liar_stands_where_a_failing_row_meets_a_failing_column() -> None:
    sums = [
        opened(0, False, *range(1, 10)),
        *(opened(1, ok, *row) for ok, row in ((True, (1, 2, 3)), (False, (4, 5, 6)), (True, (7, 8, 9)))),
        *(
            opened(2, ok, *column)
            for ok, column in ((True, (1, 4, 7)), (False, (2, 5, 8)), (True, (3, 6, 9)))
        ),
    ]
    assert judge_sums(sums) == ({5}, {5})


def test_two_liars_of_one_grid_put_two_others_under_suspicion_and_nobody_is_convicted() -> None:
    rows = ((True, (1, 2, 3)), (False, (4, 5, 6)), (False, (7, 8, 9)))
    columns = ((True, (1, 4, 7)), (False, (2, 5, 8)), (False, (3, 6, 9)))
    sums = [opened(0, False, *range(1, 10))]
    sums += [opened(1, ok, *row) for ok, row in rows] + [opened(2, ok, *column) for ok, column in columns]
    suspects, convicted = judge_sums(sums)
    assert suspects == {5, 6, 8, 9} and not convicted


def test_a_client_that_dropped_out_of_its_lines_is_no_suspect() -> None:
    """Client 9 is in no line that was opened: not cleared, and nothing speaks against it."""
    rows = ((True, (1, 2, 3)), (False, (4, 5, 6)))
    columns = ((True, (1, 4)), (False, (2, 5)), (True, (3, 6)))
    sums = [opened(0, False, *range(1, 10))]
    sums += [opened(1, ok, *row) for ok, row in rows] + [opened(2, ok, *column) for ok, column in columns]
    assert judge_sums(sums) == ({5}, {5})


def test_a_liar_that_behaves_when_it_is_searched_for_is_not_named() -> None:
    sums = [opened(0, False, *range(1, 10)), opened(1, True, *range(1, 6)), opened(1, True, *range(6, 10))]
    assert judge_sums(sums) == (set(), set())
