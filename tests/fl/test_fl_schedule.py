"""Schedules: every party computes the same one from the terms, and it keeps the plan's promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.plan import Terms, load_terms
from fl.plan.absences import Absence, parse_absences
from fl.schedule import (
    Membership,
    _history,
    membership,
    require_members,
    stale_weight,
    staleness,
    taking_part,
)
from mpc.errors import ParameterError


def terms(clients: int = 40, seed: int = 1, **participation: float | str) -> Terms:
    overrides = {f"participation.{name}": value for name, value in participation.items()}
    return load_terms("digits", {"clients": clients, "seed": seed, "rounds": 60, **overrides})


participations = st.fixed_dictionaries(
    {
        "fraction": st.floats(0.3, 1),
        "churn": st.floats(0, 0.9),
        "staleness": st.integers(0, 5),
    }
)


@settings(deadline=None, max_examples=40)
@given(participations, st.integers(10, 60), st.integers(0, 9), st.integers(0, 30))
def test_a_schedule_is_a_function_of_the_terms(
    participation: dict[str, float], clients: int, seed: int, number: int
) -> None:
    """The same whether rounds are asked for in order or by an auditor who starts in the middle."""
    plan = terms(clients, seed, **participation)
    first = [(membership(plan, r), taking_part(plan, r)) for r in range(number + 1)]
    _history.cache_clear()
    assert (membership(plan, number), taking_part(plan, number)) == first[-1]
    assert membership(plan, 0) == first[0][0]
    for r, (there, training) in enumerate(first):
        assert set(training) <= set(there.members) <= set(range(1, clients + 1))
        assert list(training) == sorted(set(training))
        assert len(training) >= plan.aggregation.min_clients
        assert all(0 <= staleness(plan, r, client) <= min(r, 5) for client in training)


def test_without_churn_nothing_changes() -> None:
    plan = terms()
    assert membership(plan, 0) == membership(plan, 50) == Membership(0, tuple(range(1, 41)))
    assert taking_part(plan, 3) == tuple(range(1, 41))
    assert staleness(plan, 9, 4) == 0


def test_epochs_count_changes_of_the_member_set() -> None:
    plan = terms(clients=12, churn=0.02)
    history = [membership(plan, number) for number in range(60)]
    assert history[0].epoch == 0
    changes = 0
    for before, after in zip(history, history[1:], strict=False):
        changed = after.members != before.members
        changes += changed
        assert after.epoch - before.epoch == changed
    assert 0 < changes < 59


def test_members_join_leave_and_come_back() -> None:
    plan = terms(clients=60, churn=0.1)
    there = np.array([[client in membership(plan, r).members for client in range(1, 61)] for r in range(60)])
    late = ~there[0] & there.any(axis=0)
    left = there[0] & ~there.all(axis=0)
    back = left & there[-1]
    assert late.sum() >= 3 and left.sum() >= 30 and back.sum() >= 20
    # in the long run churn / (churn + 1/2) are away
    assert abs((~there).mean() - 0.1 / 0.6) < 0.03


def test_there_are_always_enough_members() -> None:
    plan = terms(clients=5, churn=0.9)
    sizes = {len(membership(plan, number).members) for number in range(100)}
    assert min(sizes) == plan.aggregation.min_clients and max(sizes) > min(sizes)


def test_sampling_takes_the_fraction_and_everybody_in_turn() -> None:
    plan = terms(fraction=0.25)
    rounds = [taking_part(plan, number) for number in range(60)]
    assert {len(part) for part in rounds} == {10}
    counts = np.bincount(np.concatenate(rounds), minlength=41)[1:]
    assert counts.min() >= 5 and counts.max() <= 28


def test_staleness_covers_its_range_and_weighs_less() -> None:
    plan = terms(staleness=3)
    ages = [staleness(plan, 20, client) for client in range(1, 41)]
    assert set(ages) == {0, 1, 2, 3}
    assert [staleness(plan, 0, client) for client in range(1, 41)] == [0] * 40
    assert [stale_weight(plan, age) for age in (0, 3)] == [1, 0.5]
    assert stale_weight(terms(staleness=3, staleness_exponent=0), 3) == 1


def test_a_digest_pins_epoch_members_and_plan() -> None:
    identities = [bytes([client]) * 32 for client in range(1, 6)]
    some = Membership(2, (1, 3, 5))
    digests = {
        some.digest(b"a" * 32, identities),
        some.digest(b"b" * 32, identities),
        Membership(3, (1, 3, 5)).digest(b"a" * 32, identities),
        Membership(2, (1, 3)).digest(b"a" * 32, identities),
        Membership(2, (1, 2, 5)).digest(b"a" * 32, identities),
    }
    assert len(digests) == 5
    assert some.digest(b"a" * 32, identities) in digests
    with pytest.raises(ParameterError, match="same length"):
        some.digest(b"a" * 32, [*identities, b"short"])


def test_rounds_count_from_zero() -> None:
    with pytest.raises(ParameterError, match="count from 0"):
        membership(terms(), -1)


def test_absences_are_read_as_they_are_written() -> None:
    assert parse_absences("3:2-5, 7:4-,7:1") == (Absence(3, 2, 5), Absence(7, 4, None), Absence(7, 1, 1))
    assert parse_absences("") == parse_absences("  ") == ()
    assert [n for n in range(8) if Absence(3, 2, 5).covers(n)] == [2, 3, 4, 5]
    assert [n for n in range(8) if Absence(3, 6, None).covers(n)] == [6, 7]


@pytest.mark.parametrize(
    "text",
    [
        "3",
        "3:",
        "3:-5",
        "3:2-5;",
        "3:2-5,",
        ",",
        "a:1-2",
        "3:2--5",
        "-3:2-5",
        "3:1.5",
        "\u0663:2-5",
        "3:2-5 7:4-",
    ]
    + ["9999999:1", "3:1-" + "9" * 5000],
)
def test_absences_that_cannot_be_read_are_named(text: str) -> None:
    with pytest.raises(ParameterError, match=r"participation\.absences wants CLIENT:FIRST-LAST"):
        terms(absences=text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("3:5-2", "3:5-2 ends before it begins"),
        ("41:0-2", "names client 41, and there are clients 1 to 40"),
        ("0:0-2", "names client 0"),
        ("3:60-", "client 3 is away from round 60 on, and the rounds are 0 to 59"),
    ],
)
def test_absences_of_nobody_or_never_are_refused(text: str, reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        terms(absences=text)


def test_named_members_are_away_when_the_plan_says_so() -> None:
    plan = terms(clients=5, absences="2:1-2, 4:2-, 2:5")
    require_members(plan)
    there = [membership(plan, number) for number in range(7)]
    assert [m.members for m in there] == [
        (1, 2, 3, 4, 5),
        (1, 3, 4, 5),
        (1, 3, 5),
        (1, 2, 3, 5),
        (1, 2, 3, 5),
        (1, 3, 5),
        (1, 2, 3, 5),
    ]
    assert [m.epoch for m in there] == [0, 1, 2, 3, 3, 4, 5]
    assert [taking_part(plan, number) for number in range(7)] == [m.members for m in there]


@settings(deadline=None, max_examples=25)
@given(st.floats(0, 0.9), st.integers(0, 9), st.integers(0, 30))
def test_away_is_who_is_away_by_churn_or_by_name(churn: float, seed: int, number: int) -> None:
    by_chance = membership(terms(20, seed, churn=churn), number).members
    plan = terms(20, seed, churn=churn, absences="5:3-12, 6:0-, 7:9-")
    gone = {client for client, away in ((5, 3 <= number <= 12), (6, True), (7, number >= 9)) if away}
    expected = tuple(client for client in by_chance if client not in gone)
    assert membership(plan, number).members == expected
    sets = [membership(plan, r).members for r in range(number + 1)]
    assert membership(plan, number).epoch == sum(a != b for a, b in zip(sets, sets[1:], strict=False))
    _history.cache_clear()
    assert membership(plan, number).members == expected


def test_a_round_with_too_few_members_is_refused() -> None:
    with pytest.raises(ParameterError, match="leaves 2 of 5 members in round 4, and .* asks for 3"):
        require_members(terms(clients=5, absences="1:4-6, 2:3-, 3:4"))
    with pytest.raises(ParameterError, match="leaves 0 of 5 members in round 9"):
        require_members(terms(clients=5, absences=", ".join(f"{client}:9" for client in range(1, 6))))
    with pytest.raises(ParameterError, match=r"together with participation\.churn, leaves \d of 6 members"):
        require_members(terms(clients=6, churn=0.5, absences="1:1-, 2:1-"))
    require_members(terms(clients=5, churn=0.5))
