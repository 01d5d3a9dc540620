"""A coordinator that lies, against real clients: it must never come to hold the update of one of them."""

from collections.abc import Callable, Generator, Sequence
from importlib import import_module
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from chain_adapter.eip712 import Domain
from chain_adapter.merkle import Member
from fl.aggregate.secagg import SecureAggregation, sum_parameters
from fl.client import Prepared, client_round
from fl.groups import Group
from fl.member import MemberSecrets
from fl.plan import Contracts, Plan, Terms
from fl.setting import COORDINATOR, RoundSetting
from fl.sums import CallJudge, SumCall
from fl.update import SignedUpdate
from mpc.errors import FaultyParty, NotEnoughParties, ParameterError, ProtocolError
from mpc.runtime import Inbox, Outbox, Protocol, RunResult, run_local
from zk.commit_prove import VerifierKey
from zk.statements import NormBound

CLIENTS, DIM, VICTIM = 9, 3, 9
EVERYBODY = tuple(range(1, CLIENTS + 1))
ADDRESS = "0x" + "0" * 40
Attack = Callable[[RoundSetting], Generator[Outbox, Inbox, list[NDArray[np.int64] | None]]]


@pytest.fixture
def secrets() -> dict[int, MemberSecrets]:
    return {index: MemberSecrets(bytes([index]) * 32) for index in EVERYBODY}


@pytest.fixture
def setting(secrets: dict[int, MemberSecrets]) -> RoundSetting:
    members = {i: Member(s.address, s.identity.public().raw, 10) for i, s in secrets.items()}
    plan = Plan(
        terms=Terms("attack", "digits", CLIENTS, 1),
        members=tuple(members.values()),
        dataset_sha256="",
        records=10,
        verifying_key="",
        parameters=DIM,
        initial_model="",
        contracts=Contracts(1, ADDRESS),
    )
    statement, domain = NormBound(dim=DIM, bits=16), Domain(1, ADDRESS)
    # clients do not look at the verifying key in this part of a round
    return RoundSetting(plan, plan.hash, 0, statement, cast(VerifierKey, None), domain, members)


def update(index: int) -> NDArray[np.int64]:
    return np.array([index, 1000 + index, -index * index], dtype=np.int64)


def play(setting: RoundSetting, secrets: dict[int, MemberSecrets], attack: Attack) -> RunResult:
    parties: dict[int, Protocol[Any]] = {COORDINATOR: attack(setting)}
    for index in EVERYBODY:
        signed = SignedUpdate(setting.plan_hash, 0, setting.members[index].address, 10, b"", bytes(65))
        prepared = Prepared(signed, update(index), [index] * setting.statement.chunks)
        parties[index] = client_round(setting, index, secrets[index], prepared)
    return run_local(parties)


def take(
    setting: RoundSetting, call: SumCall, absent: Sequence[int] = ()
) -> Generator[Outbox, Inbox, NDArray[np.int64] | None]:
    """Call for a sum and behave as if those `absent` had not answered; None when the clients do not let it happen."""
    yield dict.fromkeys(call.group, call.to_bytes())
    protocol = SecureAggregation().coordinator(setting, call)
    try:
        outbox = next(protocol)
        while True:
            inbox = yield outbox
            outbox = protocol.send({i: data for i, data in inbox.items() if i not in absent})
    except StopIteration as ended:
        total: NDArray[np.int64] = ended.value.total
        return total
    except ProtocolError:
        return None


def attack_with(*calls: tuple[SumCall, Sequence[int]]) -> Attack:
    def coordinator(
        setting: RoundSetting,
    ) -> Generator[Outbox, Inbox, list[NDArray[np.int64] | None]]:
        yield {}
        sums = []
        for call, absent in calls:
            sums.append((yield from take(setting, call, absent)))
        yield dict.fromkeys(EVERYBODY, SumCall(0).to_bytes())
        return sums

    return coordinator


# everybody, then two halves that each look harmless to those who are called, and leave the victim out
HALVES = attack_with(
    (SumCall(0, 0, EVERYBODY), ()), (SumCall(1, 0, (1, 2, 3, 4)), ()), (SumCall(1, 1, (5, 6, 7, 8)), ())
)


def test_two_halves_that_leave_one_out_would_give_its_update(
    setting: RoundSetting, secrets: dict[int, MemberSecrets], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the judge is there for: without it this attack works."""
    monkeypatch.setattr(CallJudge, "admit", lambda self, call: None)
    whole, first, second = play(setting, secrets, HALVES).results[COORDINATOR]
    assert np.array_equal(whole - first - second, update(VICTIM))


def test_two_halves_that_leave_one_out_are_refused(
    setting: RoundSetting, secrets: dict[int, MemberSecrets]
) -> None:
    result = play(setting, secrets, HALVES)
    whole, first, second = result.results[COORDINATOR]
    assert np.array_equal(whole, sum(map(update, EVERYBODY))) and first is None and second is None
    refused = {
        i: e for i, e in result.errors.items() if isinstance(e, FaultyParty) and e.party == COORDINATOR
    }
    assert set(refused) == set(EVERYBODY) - {VICTIM}


def lines_of(setting: RoundSetting, included: Group = EVERYBODY) -> tuple[list[Group], list[Group]]:
    judge = CallJudge(setting.plan.terms.aggregation.min_clients)
    judge.admit(SumCall(0, 0, EVERYBODY))
    judge.settle(included)
    lines = judge.lines(0)
    assert lines is not None
    return lines


@pytest.mark.parametrize("stage", [0, 1])
def test_the_same_clients_again_without_one_are_refused(
    setting: RoundSetting, secrets: dict[int, MemberSecrets], stage: int
) -> None:
    attack = attack_with((SumCall(0, 0, EVERYBODY), ()), (SumCall(stage, 1, EVERYBODY), (VICTIM,)))
    whole, again = play(setting, secrets, attack).results[COORDINATOR]
    assert whole is not None and again is None


def test_lines_are_opened_whole_or_not_at_all(
    setting: RoundSetting, secrets: dict[int, MemberSecrets], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that add up to everybody but one give away that one, also when it "dropped out" of its row."""
    attacker = import_module("mpc.secagg.server")._Server
    monkeypatch.setattr(attacker, "enough", lambda *_: None)
    calls = [(SumCall(1, place, row), (VICTIM,)) for place, row in enumerate(lines_of(setting)[0])]
    attack = attack_with((SumCall(0, 0, EVERYBODY), ()), *calls)
    whole, *rows = play(setting, secrets, attack).results[COORDINATOR]
    assert whole is not None
    for (call, _), row in zip(calls, rows, strict=True):
        rest = sum(update(client) for client in call.group if client != VICTIM)
        assert np.array_equal(row, rest) == (VICTIM not in call.group)


def test_honest_lines_are_opened(setting: RoundSetting, secrets: dict[int, MemberSecrets]) -> None:
    rows, columns = lines_of(setting)
    calls = [
        (SumCall(stage, place, group), ())
        for stage, groups in ((1, rows), (2, columns))
        for place, group in enumerate(groups)
    ]
    whole, *sums = play(setting, secrets, attack_with((SumCall(0, 0, EVERYBODY), ()), *calls)).results[
        COORDINATOR
    ]
    for (call, _), total in zip(calls, sums, strict=True):
        assert np.array_equal(total, sum(map(update, call.group)))


def test_another_seed_for_some_lines_is_refused(
    setting: RoundSetting, secrets: dict[int, MemberSecrets]
) -> None:
    judge = CallJudge(3)
    judge.admit(SumCall(0, 0, EVERYBODY, b"\1" * 32))
    judge.settle(EVERYBODY)
    lines = judge.lines(0)
    assert lines is not None
    attack = attack_with((SumCall(0, 0, EVERYBODY), ()), (SumCall(1, 0, lines[0][0], b"\1" * 32), ()))
    assert play(setting, secrets, attack).results[COORDINATOR][1] is None


def test_lines_lay_out_those_who_were_in_the_sum_not_those_who_were_called(
    setting: RoundSetting, secrets: dict[int, MemberSecrets]
) -> None:
    """Client 9 dropped out of the sum: rows that bring it back would give its update away."""
    calls = [(SumCall(1, place, row), ()) for place, row in enumerate(lines_of(setting)[0])]
    attack = attack_with((SumCall(0, 0, EVERYBODY), (VICTIM,)), *calls)
    whole, *rows = play(setting, secrets, attack).results[COORDINATOR]
    assert whole is not None and rows == [None] * len(rows)


@pytest.mark.parametrize("garbage", [b"", b"\xff" * 60, bytes(500)])
def test_garbage_is_the_coordinators_fault(
    setting: RoundSetting, secrets: dict[int, MemberSecrets], garbage: bytes
) -> None:
    def coordinator(_: RoundSetting) -> Generator[Outbox, Inbox, list[NDArray[np.int64] | None]]:
        yield {}
        yield dict.fromkeys(EVERYBODY, garbage)
        return []

    errors = play(setting, secrets, coordinator).errors
    assert set(errors) == set(EVERYBODY)
    assert all(isinstance(e, FaultyParty) and e.party == COORDINATOR for e in errors.values())


def test_a_line_must_hold_all_of_its_group(setting: RoundSetting) -> None:
    terms = setting.plan.terms.aggregation
    chosen = sum_parameters((1, 2, 3, 4), terms, DIM, 1, bytes(32), whole=True)
    assert chosen.min_clients == 4
    with pytest.raises((NotEnoughParties, ParameterError)):
        sum_parameters((1, 2), terms, DIM, 1, bytes(32), whole=True)
