"""Noise in shares: enough in the smallest sum, within the bounds that the plan computes, refused where it cannot be."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fl.privacy import (
    Budget,
    BudgetExceeded,
    Noise,
    NoiseOverflow,
    PrivacyTerms,
    add_noise,
    check,
    noisy_l2_bound,
    resolve,
)
from fl.privacy import noise as noise_module
from mpc.codec import Codec
from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream

CODEC = Codec(clip=80.0, bits=24, max_clients=100)
RECORD = PrivacyTerms(kind="record", epsilon=2.9, l2_clip=1.0, malicious=0.2, noise_multiplier=10.14)
CLIENT = PrivacyTerms(kind="client", epsilon=2.9, l2_clip=1.0, malicious=0.2, noise_multiplier=10.14)


def noise(terms: PrivacyTerms = RECORD, **changes: Any) -> Noise:
    settings = {"codec": CODEC, "clients": 100, "min_clients": 90, "dim": 650, "records": 600}
    settings["l2_clip"] = 30.0 if terms.kind == "record" else terms.l2_clip
    return Noise.of(terms, **(settings | changes))


@pytest.mark.parametrize("mechanism", ["discrete-gaussian", "skellam"])
@pytest.mark.parametrize("terms", [RECORD, CLIENT])
def test_the_smallest_sum_holds_all_the_noise_that_was_promised(terms: PrivacyTerms, mechanism: str) -> None:
    made = noise(replace(terms, mechanism=mechanism, epsilon=3.3))
    assert made.shares == 90 - 20
    promised = (Fraction(terms.noise_multiplier) * made.sensitivity) ** 2
    assert promised <= made.shares * made.variance <= promised * Fraction(1_000_001, 1_000_000)
    assert made.spent(50) <= 3.3
    assert made.room + made.reach == CODEC.limit


def test_a_sum_of_shares_has_the_variance_and_the_model_sees_it_in_its_own_units() -> None:
    made = noise()
    total = sum(made.add(np.zeros(650, dtype=np.int64), Stream(bytes(32)).derive(c))[0] for c in range(100))
    deviation = np.std(CODEC.decode_sum(np.asarray(total), total_weight=1))
    # all hundred add theirs: sqrt(100 / 70) of the noise that the smallest sum would have
    expected = 10.14 * (made.sensitivity * CODEC.step) * math.sqrt(100 / 70)
    assert deviation == pytest.approx(expected, rel=6 / math.sqrt(2 * 650))


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, int]:
    dim = draw(st.integers(1, 40))
    bits = draw(st.integers(8, 24))
    seed = draw(st.integers(0, 2**32))
    words = Stream(seed.to_bytes(32, "big")).unit((2, dim)) * 2 - 1
    step = words[1] / np.linalg.norm(words[1])
    return words[0] * draw(st.floats(0, 60)), step * draw(st.floats(0, 1)), bits


@settings(max_examples=300, deadline=None)
@given(neighbours())
def test_no_two_neighbours_are_further_apart_than_the_sensitivity(
    pair: tuple[np.ndarray, np.ndarray, int],
) -> None:
    base, step, bits = pair
    codec = Codec(clip=16.0, bits=bits, max_clients=100)
    dim, clip = len(base), Fraction(1) * codec.limit / 16
    with_record, without = codec.encode(base + step).values, codec.encode(base).values
    apart = math.sqrt(sum(int(v) ** 2 for v in with_record - without))
    assert apart <= noise_module._sensitivity(RECORD, clip, dim, 600)
    alone = codec.encode(step).values
    assert np.linalg.norm(alone) <= noise_module._sensitivity(CLIENT, clip, dim, 1)
    other = codec.encode(-step).values
    replaced = replace(CLIENT, neighbours="replace-one")
    assert np.linalg.norm(alone - other) <= noise_module._sensitivity(replaced, clip, dim, 1)


def test_replacing_costs_twice_what_removing_costs() -> None:
    removed, replaced = noise(), noise(replace(RECORD, neighbours="replace-one"))
    assert replaced.sensitivity == pytest.approx(2 * removed.sensitivity, rel=1e-3)
    assert replaced.release.sensitivity == replaced.sensitivity


@pytest.mark.parametrize("mechanism", ["discrete-gaussian", "skellam"])
def test_the_norm_bound_is_above_the_noise_but_not_far(mechanism: str) -> None:
    made = noise(replace(RECORD, mechanism=mechanism, epsilon=3.3), dim=20_000)
    norms = [np.linalg.norm(made.draw(Stream(bytes(32)).derive(c)).astype(float)) for c in range(20)]
    assert 0.9 * made.noise_bound < min(norms) and max(norms) < made.noise_bound
    made.verify_bound(made.l2_bound)
    with pytest.raises(ParameterError, match="lies under value and noise"):
        made.verify_bound(made.l2_bound - 1)


def test_values_are_kept_off_the_edge_and_counted() -> None:
    made = noise(l2_clip=100.0)
    values = np.zeros(650, dtype=np.int64)
    values[3], values[5] = made.room + 10, -made.room - 1
    noisy, clamped = made.add(values, Stream(bytes(32)))
    assert clamped == 2 and np.abs(noisy).max() <= made.limit
    clean, _ = made.add(np.zeros_like(values), Stream(bytes(32)))
    assert (noisy - clean)[3] == made.room and (noisy - clean)[5] == -made.room


def test_values_that_were_not_clipped_are_refused() -> None:
    made = noise(CLIENT)
    values = np.zeros(650, dtype=np.int64)
    values[0] = made.value_bound + 10
    with pytest.raises(ParameterError, match="clip before adding noise"):
        made.add(values, Stream(bytes(32)))
    with pytest.raises(ParameterError, match="650 int64"):
        made.add(np.zeros(649, dtype=np.int64), Stream(bytes(32)))


def test_noise_beyond_its_bound_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made, calls = noise(), []

    def huge(stream: Stream, variance: int, n: int) -> np.ndarray:
        calls.append(n)
        return np.full(n, made.reach, dtype=np.int64)

    monkeypatch.setattr(noise_module, "discrete_gaussian", huge)
    with pytest.raises(NoiseOverflow, match="sits the round out"):
        made.add(np.zeros(650, dtype=np.int64), Stream(bytes(32)))
    assert calls == [650]


def test_the_integers_are_the_same_everywhere() -> None:
    """Pinned: a plan's bound must not move between machines or releases; the first three are checked by hand."""
    made = noise(dim=15_370)
    assert (made.sensitivity, made.variance, made.value_bound) == (105_043, 16_207_353_445, 3_145_790)
    assert (made.reach, made.noise_bound) == (1_907_851, 17_176_220)
    settings: dict[str, Any] = {"codec": CODEC, "clients": 100, "min_clients": 90, "l2_clip": 30.0}
    values = np.zeros(15_370, dtype=np.int64)
    alone = add_noise(values, RECORD, stream=Stream(bytes(32)), records=600, **settings)
    assert np.array_equal(alone, made.add(values, Stream(bytes(32)))[0])
    assert noisy_l2_bound(RECORD, dim=15_370, records=600, **settings) == made.l2_bound


@pytest.mark.parametrize(
    ("terms", "changes", "reason"),
    [
        (PrivacyTerms(), {}, "there is no noise"),
        (replace(RECORD, noise_multiplier=0.0), {}, "resolve the privacy terms"),
        (CLIENT, {"l2_clip": 2.0}, "must equal update.l2_clip"),
        (RECORD, {"min_clients": 50}, "above half of the 100 clients"),
        (replace(RECORD, malicious=0.49), {"clients": 3, "min_clients": 2}, "noise of up to"),
        (RECORD, {"codec": Codec(64.0, 6, 100)}, "update.bits must be larger"),
        (
            replace(RECORD, noise_multiplier=1e-3),
            {"codec": Codec(64.0, 12, 100), "dim": 4},
            "outside 16 .* update.bits must be larger",
        ),
        (RECORD, {"codec": Codec(20.0, 24, 100)}, "update.clip 20 must be at least about"),
    ],
)
def test_plans_that_cannot_keep_their_promise_are_refused(
    terms: PrivacyTerms, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ParameterError, match=reason):
        noise(terms, **changes)


def test_the_suggested_clip_is_accepted() -> None:
    with pytest.raises(ParameterError) as refused:
        noise(codec=Codec(20.0, 24, 100))
    suggested = float(str(refused.value).split("at least about ")[1])
    noise(codec=Codec(suggested, 24, 100))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"kind": "everyone"}, "privacy.kind must be one of"),
        ({"kind": "record", "mechanism": "laplace", "epsilon": 1.0, "l2_clip": 1.0}, "privacy.mechanism"),
        ({"kind": "record", "neighbours": "all", "epsilon": 1.0, "l2_clip": 1.0}, "privacy.neighbours"),
        ({"epsilon": 1.0}, "say whether"),
        ({"kind": "client", "epsilon": 1.0}, "epsilon 1 needs a clip"),
        ({"kind": "client", "l2_clip": 1.0}, "privacy.epsilon must be above 0"),
        ({"kind": "client", "l2_clip": 1.0, "epsilon": 100.0}, "at most 64"),
        ({"kind": "client", "l2_clip": 1.0, "epsilon": 1.0, "delta": 0.5}, "privacy.delta"),
        ({"kind": "client", "l2_clip": 1.0, "epsilon": 1.0, "malicious": 0.5}, "privacy.malicious"),
        ({"kind": "client", "l2_clip": 1.0, "epsilon": 1.0, "noise_multiplier": -1.0}, "noise_multiplier"),
        ({"kind": "client", "l2_clip": 1.0, "epsilon": math.nan}, "privacy.epsilon"),
    ],
)
def test_terms_out_of_range_are_refused(fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(ParameterError, match=reason):
        PrivacyTerms(**fields)


def test_what_the_accounting_does_not_cover_is_refused() -> None:
    fine = {"algorithm": "dp-fedsgd", "compression": "none", "rule": "norm"}
    RECORD.verify_learning(**fine)
    CLIENT.verify_learning(algorithm="scaffold", compression="top-k", rule="none")
    PrivacyTerms().verify_learning(algorithm="fedavg", compression="none", rule="cone")
    for terms, change in (
        (RECORD, {"algorithm": "fedavg"}),
        (RECORD, {"compression": "random-k"}),
        (CLIENT, {"rule": "cone"}),
    ):
        with pytest.raises(ParameterError, match="bounds what one record|does not account"):
            terms.verify_learning(**(fine | change))


# --- budgets

PLAN = "ab" * 32


def test_a_client_spends_its_promise_and_not_a_round_more() -> None:
    terms = resolve(replace(CLIENT, noise_multiplier=0.0, epsilon=1.5), 5)
    made, budget = noise(terms), Budget(PLAN, 7)
    for round in range(5):
        budget = budget.spend(made, round, bytes([round]))
        # saved and loaded again, as after a crash; the same message is the same release
        budget = Budget.from_bytes(budget.to_bytes())
        assert budget.spend(made, round, bytes([round])) is budget
    assert budget.guarantee(made).epsilon <= 1.5 and len(budget.releases) == 5
    with pytest.raises(BudgetExceeded, match="has spent epsilon 1.500 of 1.5 in 5 releases"):
        budget.spend(made, 5, b"one more")
    with pytest.raises(BudgetExceeded):
        budget.spend(made, 4, b"another message in a round that was played")


def test_an_auditor_comes_to_the_same_epsilon() -> None:
    terms = resolve(replace(CLIENT, noise_multiplier=0.0, epsilon=1.5), 5)
    made = noise(terms)
    assert check(made, range(5)) == made.guarantee(5)
    assert check(made, []).epsilon == 0
    with pytest.raises(BudgetExceeded, match="6 rounds costs epsilon"):
        check(made, range(6))
    with pytest.raises(ParameterError, match="twice"):
        check(made, [1, 1])


def test_a_guarantee_says_everything_in_a_line() -> None:
    line = noise().guarantee(50).line
    for part in ("epsilon 2.89", "delta 1e-05", "one record", "zero-out", "50 x discrete-gaussian", "pld"):
        assert part in line
    assert "70 of 100 clients" in line and "no amplification" in line and "\n" not in line
    assert "the coordinator" in noise().guarantee(50, "plain").trust


@given(st.binary(max_size=200))
def test_any_bytes_are_a_canonical_budget_or_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Budget.from_bytes(data)


@given(
    st.lists(st.tuples(st.integers(0, 1000), st.binary(min_size=32, max_size=32)), unique=True, max_size=5)
)
def test_budgets_survive_storage(releases: list[tuple[int, bytes]]) -> None:
    budget = Budget(PLAN, 3, tuple((round, digest.hex()) for round, digest in releases))
    data = budget.to_bytes()
    assert Budget.from_bytes(data) == budget
    for bad in (
        data + b" ",
        data.replace(b'"client":3', b'"client":"3"'),
        data.replace(b"budget-1", b"budget-2"),
    ):
        with pytest.raises(DecodeError):
            Budget.from_bytes(bad)
