"""Updates shared among servers: sums are exact, rules leave out whom they should, and who misbehaves changes no sum."""

import dataclasses
from collections.abc import Callable, Generator, Mapping
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from chain_adapter.eip712 import Domain
from chain_adapter.merkle import Member
from fl.aggregate.contribution import Contribution
from fl.aggregate.shares import SharesAggregation, audit_statements
from fl.member import MemberSecrets
from fl.plan import Aggregation, Contracts, Plan, Robustness, Terms
from fl.robust import ConeTest
from fl.robust.base import Memory
from fl.scores import Scored
from fl.setting import COORDINATOR, Committee, RoundSetting
from fl.shared.form import Form, read_parts, split
from fl.shared.servers import server_round, servers_of
from fl.shared.statement import Statement
from fl.sums import Sum, SumCall, receive_from
from mpc.errors import DecodeError, EppmlError, ParameterError, ProtocolError
from mpc.prg import Stream
from mpc.protocols.directions import as_directions
from mpc.runtime import Inbox, Network, Outbox, Protocol, RunResult, run_local
from mpc.secagg import PublicIdentity
from zk.commit_prove import VerifierKey
from zk.field import R
from zk.statements import NormBound

CLIENTS, DIM = 8, 24
EVERYBODY = tuple(range(1, CLIENTS + 1))
ADDRESS = "0x" + "0" * 40
CALL = SumCall(0, 0, EVERYBODY, bytes(32))
Change = Callable[[int, int, bytes], bytes | None]
RULES = [(rule, servers) for rule in ("none", "norm", "cone") for servers in (2, 3)]


@dataclasses.dataclass(frozen=True)
class Given:
    values: NDArray[np.int64]
    blinding: list[int]


SECRETS = {party: MemberSecrets(bytes([party]) * 32) for party in range(1, CLIENTS + 4)}
ROOT = np.random.default_rng(3).normal(size=(4, DIM))


def setting_of(rule: str, servers: int) -> RoundSetting:
    members = {i: Member(SECRETS[i].address, SECRETS[i].identity.public().raw, 10) for i in EVERYBODY}
    count = servers + (rule == "cone" and servers == 2)
    identities = [SECRETS[CLIENTS + 1 + k].identity.public() for k in range(count)]
    terms = Terms(
        "shared",
        "digits",
        CLIENTS,
        1,
        aggregation=Aggregation("shares", servers=servers),
        robustness=Robustness(rule),
    )
    plan = Plan(
        terms=terms,
        members=tuple(members.values()),
        dataset_sha256="",
        records=10,
        verifying_key="",
        parameters=DIM,
        initial_model="",
        contracts=Contracts(1, ADDRESS),
        committee=tuple(identity.raw.hex() for identity in identities),
    )
    committee = Committee(None, tuple(PublicIdentity(identity.raw) for identity in identities))
    statement, domain = NormBound(dim=DIM, bits=16), Domain(1, ADDRESS)
    return RoundSetting(
        plan,
        plan.hash,
        0,
        statement,
        cast(VerifierKey, None),
        domain,
        members,
        committee,
        directions=as_directions(ROOT),
    )


def honest() -> dict[int, NDArray[np.int64]]:
    """Updates inside the cone of the root's directions, and noise beside it."""
    rng = np.random.default_rng(11)
    mixes = rng.random((CLIENTS, len(ROOT))) @ ROOT + 0.5 * rng.normal(size=(CLIENTS, DIM))
    rows = np.rint(mixes / np.linalg.norm(mixes, axis=1, keepdims=True) * 12_000).astype(np.int64)
    return dict(zip(EVERYBODY, rows, strict=True))


def changed(honest: Protocol[Any], change: Change) -> Protocol[Any]:
    outbox, number = next(honest), 1
    while True:
        sent = {to: change(number, to, data) for to, data in outbox.items()}
        inbox = yield {to: data for to, data in sent.items() if data is not None}
        try:
            outbox, number = honest.send(inbox), number + 1
        except StopIteration as stop:
            return stop.value


def everyone(
    setting: RoundSetting,
    updates: dict[int, NDArray[np.int64]],
    calls: tuple[SumCall, ...] = (CALL,),
    secrets: dict[int, MemberSecrets] = SECRETS,
    past: Mapping[int, Mapping[int, Scored]] | None = None,
) -> dict[int, Protocol[Any]]:
    """The coordinator calls for sums one after the other; its result is a list of sums, or of what went wrong.

    `past` is what each server remembers.
    """
    chunks = setting.statement.chunks

    def coordinator() -> Generator[Outbox, Inbox, list[Sum | ProtocolError]]:
        results: list[Sum | ProtocolError] = []
        for call in calls:
            yield dict.fromkeys([*call.group, *setting.committee_parties], call.to_bytes())
            try:
                results.append((yield from SharesAggregation().coordinator(setting, call)))
            except ProtocolError as error:
                results.append(error)
        yield dict.fromkeys([*EVERYBODY, *setting.committee_parties], SumCall(0).to_bytes())
        return results

    def client(index: int) -> Generator[Outbox, Inbox, None]:
        mine = Given(updates[index], [(index * 7 + k) % R for k in range(chunks)])
        while (call := SumCall.from_bytes((yield from receive_from(COORDINATOR)))).group:
            if index in call.group:
                mode = SharesAggregation()
                yield from mode.client(setting, index, secrets[index], call, cast(Contribution, mine))

    parties: dict[int, Protocol[Any]] = {COORDINATOR: coordinator()}
    parties |= {index: client(index) for index in updates}
    for p in setting.committee_parties:
        parties[p] = server_round(dataclasses.replace(setting, past=(past or {}).get(p, {})), p, secrets[p])
    return parties


def play(
    setting: RoundSetting,
    updates: dict[int, NDArray[np.int64]],
    *,
    corrupt: dict[int, Change] | None = None,
    network: Network | None = None,
    calls: tuple[SumCall, ...] = (CALL,),
    secrets: dict[int, MemberSecrets] = SECRETS,
    past: Mapping[int, Mapping[int, Scored]] | None = None,
) -> RunResult:
    parties = everyone(setting, updates, calls, secrets, past)
    for party, change in (corrupt or {}).items():
        parties[party] = changed(parties[party], change)
    return run_local(parties, network=network, record=True)


def the_sum(result: RunResult) -> Sum:
    (only,) = result.results[COORDINATOR]
    assert isinstance(only, Sum), only
    return only


def the_error(result: RunResult) -> str:
    (only,) = result.results[COORDINATOR]
    assert isinstance(only, ProtocolError)
    return str(only)


@pytest.mark.parametrize(("rule", "servers"), RULES)
def test_the_sum_is_exact_over_everybody_and_its_evidence_is_the_sum_again(rule: str, servers: int) -> None:
    setting, updates = setting_of(rule, servers), honest()
    got = the_sum(play(setting, updates))
    assert got.included == EVERYBODY
    np.testing.assert_array_equal(got.total, sum(updates.values()))
    assert got.blinding == [sum(i * 7 + k for i in EVERYBODY) % R for k in range(setting.statement.chunks)]
    again = audit_statements(setting, CALL, got.evidence)
    assert (again.included, again.blinding) == (got.included, got.blinding)
    np.testing.assert_array_equal(again.total, got.total)


@pytest.mark.parametrize(("rule", "servers"), RULES)
def test_a_changed_statement_is_no_evidence(rule: str, servers: int) -> None:
    setting = setting_of(rule, servers)
    evidence = bytearray(the_sum(play(setting, honest())).evidence)
    evidence[len(evidence) // 2] ^= 1
    with pytest.raises(EppmlError):
        audit_statements(setting, CALL, bytes(evidence))
    with pytest.raises(EppmlError):
        audit_statements(
            setting, SumCall(0, 0, EVERYBODY, bytes([1]) * 32), the_sum(play(setting, honest())).evidence
        )


@pytest.mark.parametrize("servers", [2, 3])
def test_an_update_beyond_its_bound_is_left_out_and_the_reason_is_signed(servers: int) -> None:
    setting, updates = setting_of("norm", servers), honest()
    updates[3] = np.full(DIM, 32_000, dtype=np.int64)
    got = the_sum(play(setting, updates))
    assert got.included == (1, 2, 4, 5, 6, 7, 8)
    np.testing.assert_array_equal(got.total, sum(v for i, v in updates.items() if i != 3))
    assert b"longer than the plan allows" in got.evidence


@pytest.mark.parametrize("servers", [2, 3])
def test_the_cone_test_on_shares_agrees_with_the_plain_rule(servers: int) -> None:
    setting, updates = setting_of("cone", servers), honest()
    updates[2] = -updates[2]
    updates[5] = 8 * updates[5]
    rows, directions = np.stack([updates[i] for i in EVERYBODY]).astype(np.float64), as_directions(ROOT)
    exact = directions.astype(np.float64)
    plain = ConeTest().judge(rows @ exact.T, exact @ exact.T, (rows**2).sum(axis=1), Memory.fresh(CLIENTS))
    got = the_sum(play(setting, updates))
    assert got.included == tuple(np.flatnonzero(plain.accepted) + 1) == (1, 3, 4, 6, 7, 8)


def test_a_client_with_false_squares_is_named_and_costs_nobody_else() -> None:
    setting, updates = setting_of("norm", 2), honest()
    first = servers_of(setting)[0]

    def lie(number: int, to: int, data: bytes) -> bytes:
        # the seed of the first server's share of everything, so that nothing fits any more
        return bytes([data[0] ^ 1]) + data[1:] if to == first else data

    got = the_sum(play(setting, updates, corrupt={4: lie}))
    assert got.included == (1, 2, 3, 5, 6, 7, 8)
    assert b"not the squares" in got.evidence


@pytest.mark.parametrize(("rule", "servers"), RULES)
def test_clients_that_are_silent_malformed_or_gone_are_left_out(rule: str, servers: int) -> None:
    setting, updates = setting_of(rule, servers), honest()
    second = servers_of(setting)[1]
    corrupt: dict[int, Change] = {
        1: lambda number, to, data: data[:-1],
        2: lambda number, to, data: None if to == second else data,
    }
    got = the_sum(play(setting, updates, corrupt=corrupt, network=Network(vanish={6: 1})))
    assert set(got.included) <= {3, 4, 5, 7, 8} and len(got.included) >= 4
    np.testing.assert_array_equal(got.total, sum(updates[i] for i in got.included))


def test_unequal_copies_of_a_part_are_noticed() -> None:
    setting, updates = setting_of("norm", 3), honest()
    third = servers_of(setting)[2]

    def twist(number: int, to: int, data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1]) if to == third else data

    assert the_sum(play(setting, updates, corrupt={7: twist})).included == (1, 2, 3, 4, 5, 6, 8)


@pytest.mark.parametrize(("rule", "servers"), RULES)
@pytest.mark.parametrize("place", [0, 1])
def test_a_server_that_dies_ends_the_sum_and_not_the_round(rule: str, servers: int, place: int) -> None:
    setting = setting_of(rule, servers)
    dead = servers_of(setting)[place]
    result = play(setting, honest(), network=Network(vanish={dead: 3}))
    assert str(dead) in the_error(result)
    assert set(result.results) == {COORDINATOR, *EVERYBODY, *setting.committee_parties} - {dead}


@pytest.mark.parametrize(("rule", "servers"), RULES)
def test_garbage_from_a_server_is_refused(rule: str, servers: int) -> None:
    setting = setting_of(rule, servers)
    bad = servers_of(setting)[0]
    result = play(setting, honest(), corrupt={bad: lambda number, to, data: b"garbage"})
    assert str(bad) in the_error(result)
    assert COORDINATOR not in result.errors


def test_a_dealer_that_sends_nothing_is_named() -> None:
    setting = setting_of("cone", 2)
    dealer = setting.committee_parties[-1]
    result = play(setting, honest(), corrupt={dealer: lambda number, to, data: None})
    assert f"party {dealer}" in the_error(result)


def test_a_server_that_lies_about_its_sum_contradicts_its_neighbour() -> None:
    """Two parts each: the copy tells. Where servers hold one part each only the commitments tell that something is wrong."""
    for rule, told in (("norm", True), ("none", False)):
        setting, updates = setting_of(rule, 3), honest()
        liar = servers_of(setting)[1]
        result = play(
            setting,
            updates,
            corrupt={liar: _one_more(setting, liar, Form.REPLICATED if told else Form.NARROW)},
        )
        if told:
            assert "one of them lies" in the_error(result)
        else:
            assert the_sum(result).total[0] == sum(updates.values())[0] + 1


def _one_more(setting: RoundSetting, liar: int, form: Form) -> Change:
    """The liar's statement, signed again with one more in the first coordinate."""
    session = CALL.session(setting.plan_hash, 0)

    def change(number: int, to: int, data: bytes) -> bytes:
        if to != COORDINATOR:
            return data
        chunks, identity = setting.statement.chunks, setting.identities[liar]
        said = Statement.read(data, form, DIM, chunks, session, identity)
        words = said.words.copy()
        words[0] += words.dtype.type(1)
        return dataclasses.replace(said, words=words).sign(form, session, SECRETS[liar].identity)

    return change


def test_masks_are_not_used_again_on_other_updates() -> None:
    """The same call twice, as after a crash, once without a client: what is opened about it must not be its update."""
    setting, updates = setting_of("cone", 2), honest()
    first, second = servers_of(setting)
    opened = []
    for gone in ({}, {4: 1}):
        result = play(setting, updates, network=Network(vanish=gone))
        longest = max((m.data for m in result.view(second) if m.sender == first), key=len)
        opened.append(np.frombuffer(longest, dtype="<u8"))
    same = play(setting, updates)
    again = max((m.data for m in same.view(second) if m.sender == first), key=len)
    assert np.array_equal(np.frombuffer(again, dtype="<u8"), opened[0])
    assert np.count_nonzero(opened[0] == opened[1]) < 3


def test_servers_refuse_small_sums_second_sums_and_different_calls() -> None:
    setting, updates = setting_of("none", 2), honest()
    few = SumCall(0, 0, (1, 2), bytes(32))
    other = SumCall(0, 0, (1, 2, 3, 4), bytes(32))
    outcome = play(setting, updates, calls=(few, CALL, other)).results[COORDINATOR]
    assert [isinstance(entry, Sum) for entry in outcome] == [False, True, False]
    for rule in ("none", "norm", "cone"):
        whole = setting_of(rule, 2)
        fewer = dataclasses.replace(whole, members={i: whole.members[i] for i in EVERYBODY[:-1]})
        assert "do not take part" in the_error(play(fewer, updates))
    first, second = servers_of(setting)

    def two_faced(number: int, to: int, data: bytes) -> bytes:
        if to != second or not SumCall.from_bytes(data).group:
            return data
        return SumCall(0, 0, EVERYBODY[:-1], bytes(32)).to_bytes()

    result = play(setting, updates, corrupt={COORDINATOR: two_faced})
    assert "different sums" in the_error(result)


def test_a_line_of_a_search_is_summed_whole_or_not_at_all() -> None:
    setting, updates = setting_of("none", 2), honest()
    fine = the_sum(play(setting, updates))
    assert fine.included == EVERYBODY
    lines = _lines(setting)
    calls = (CALL, SumCall(1, 0, lines[0], bytes(32)), SumCall(1, 1, lines[1], bytes(32)))
    absent = lines[1][0]
    silent: Change = lambda number, to, data: None if number > 4 else data  # noqa: E731
    outcome = play(setting, updates, calls=calls, corrupt={absent: silent}).results[COORDINATOR]
    assert isinstance(outcome[1], Sum) and outcome[1].included == lines[0]
    assert not isinstance(outcome[2], Sum)


def _lines(setting: RoundSetting) -> list[tuple[int, ...]]:
    from fl.sums import CallJudge

    judge = CallJudge(setting.plan.terms.aggregation.min_clients)
    judge.admit(CALL)
    judge.settle(EVERYBODY)
    lines = judge.lines(0)
    assert lines is not None
    return lines[0]


@pytest.mark.parametrize("form", list(Form))
def test_parts_add_up_and_every_other_spelling_is_refused(form: Form) -> None:
    servers = (11, 12, 13) if form is Form.REPLICATED else (11, 12)
    values, blinding = np.array([5, -7, 0, 32_767, -32_767]), [R - 1, 3]
    sent = split(form, values, blinding, servers, Stream(bytes(32), b"test"))
    parts = {
        place: read_parts(form, 1, sent[server], place, len(servers), 5, 2)
        for place, server in enumerate(servers)
    }
    assert all(parts.values())
    words = form.total([parts[place][0].words for place in parts])  # type: ignore[index]
    np.testing.assert_array_equal(form.signed(words), values)
    for place, server in enumerate(servers):
        data = sent[server]
        for wrong in (b"", data[:-1], data + b"\0", b"\xff" * (len(data) if len(data) > 64 else 0)):
            assert read_parts(form, 1, wrong, place, len(servers), 5, 2) is None


def test_a_round_that_needs_directions_says_so() -> None:
    setting = dataclasses.replace(setting_of("cone", 3), directions=None)
    assert "root set" in the_error(play(setting, honest()))
    with pytest.raises((DecodeError, ParameterError)):
        Statement.read(b"", Form.WIDE, 3, 1, bytes(32), SECRETS[1].identity.public())


def test_codec_overflow_is_refused_before_anything_is_shared() -> None:
    from mpc.errors import CodecError

    terms = dataclasses.replace(setting_of("none", 2).plan.terms, clients=100_000)
    terms = dataclasses.replace(terms, update=dataclasses.replace(terms.update, bits=24))
    plan = dataclasses.replace(setting_of("none", 2).plan, terms=terms)
    with pytest.raises(CodecError, match="bits are missing"):
        plan.codec()


@pytest.mark.parametrize(("rule", "servers"), [("none", 2), ("norm", 2), ("norm", 3)])
def test_what_a_server_sees_does_not_tell_one_update_from_another(rule: str, servers: int) -> None:
    """A classifier trained on recorded views is at chance; on the updates themselves it is not."""
    from sklearn.linear_model import LogisticRegression

    setting = setting_of(rule, servers)
    low = {i: np.zeros(DIM, dtype=np.int64) for i in EVERYBODY}
    high = {i: np.full(DIM, 4_000, dtype=np.int64) for i in EVERYBODY}
    watched = servers_of(setting)[0]
    views, labels = [], []
    for trial in range(40):
        secrets = {p: MemberSecrets(bytes([p, trial]) + bytes(30)) for p in SECRETS}
        identities = [secrets[p].identity.public() for p in setting.committee_parties]
        fresh = dataclasses.replace(setting, committee=Committee(None, tuple(identities)))
        for label, updates in enumerate((low, high)):
            result = play(fresh, updates, secrets=secrets)
            the_sum(result)
            # what opens the rule's result tells the rule's result; everything before it must not
            seen = [m.data for m in result.view(watched) if m.sender != COORDINATOR]
            kept = seen[: CLIENTS + (servers - 1) * (3 if rule == "norm" else 1)]
            words = np.frombuffer(b"".join(d[: len(d) // 8 * 8] for d in kept), dtype="<u8")[:64]
            bits = ((words[:, None] >> np.arange(64, dtype=np.uint64)) & np.uint64(1)).mean(axis=0)
            views.append(bits)
            labels.append(label)
    matrix, target = np.array(views), np.array(labels)
    half = len(target) // 2
    guess = LogisticRegression().fit(matrix[:half], target[:half]).score(matrix[half:], target[half:])
    assert 0.25 < guess < 0.75
