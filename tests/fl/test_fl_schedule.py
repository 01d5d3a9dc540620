"""Schedules: every party computes the same one from the terms, and it keeps the plan's promises."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.plan import Terms, load_terms
from fl.schedule import Membership, _history, membership, stale_weight, staleness, taking_part
from mpc.errors import ParameterError


def terms(clients: int = 40, seed: int = 1, **participation: float) -> Terms:
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
