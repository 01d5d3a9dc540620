"""Aggregation under a committee's key: honest runs, absences, and attacks from every side."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from he import KeyShare, ThresholdKey, TooFewContributions, combine, deal, partial_decrypt
from he.aggregate import (
    COORDINATOR,
    Outcome,
    Parameters,
    Record,
    audit,
    client,
    coordinator,
    make_upload,
    member,
)
from he.aggregate.messages import Upload, confirm, list_digest, signed_upload, summed, write_proposal
from he.paillier import encryptor
from mpc.errors import (
    DecodeError,
    FaultyParty,
    NotEnoughParties,
    ParameterError,
    ProofRejected,
    ProtocolError,
)
from mpc.prg import Stream
from mpc.runtime import Network, Protocol, run_local
from mpc.secagg import IdentityKey, PublicIdentity

DIM = 60
CLIENTS = (1, 2, 3, 4, 7)


@dataclass
class Setting:
    params: Parameters
    shares: tuple[KeyShare, ...]
    keys: dict[int, IdentityKey]
    identities: dict[int, PublicIdentity]
    inputs: dict[int, np.ndarray]
    residues: dict[int, list[int]]

    def parties(self, **changed: Any) -> dict[int, Protocol[Any]]:
        params = self.params
        out: dict[int, Protocol[Any]] = {COORDINATOR: coordinator(params, self.identities)}
        for i in params.clients:
            out[i] = client(i, params, self.keys[i], self.inputs[i], self.residues[i])
        for party in params.committee:
            out[party] = self.member(party)
        return out | {int(name[1:]): protocol for name, protocol in changed.items()}

    def member(self, party: int, answered: set[bytes] | None = None) -> Protocol[Any]:
        share = self.shares[self.params.committee.index(party)]
        seen = set() if answered is None else answered
        return member(party, self.params, share, self.keys[party], self.identities, answered=seen, threads=1)

    def upload(self, i: int) -> bytes:
        return make_upload(i, self.params, self.keys[i], self.inputs[i], self.residues[i])

    def total(self, included: tuple[int, ...]) -> list[int]:
        return sum(self.inputs[i] for i in included).tolist()  # type: ignore[union-attr, return-value]


@pytest.fixture
def setting(committee: tuple[ThresholdKey, tuple[KeyShare, ...]]) -> Setting:
    key, shares = committee
    params = Parameters(key, CLIENTS, DIM, bound=32767, field_dim=2, session=b"plan/3/1")
    stream = Stream(bytes(32), b"aggregate tests")
    keys = {i: IdentityKey.generate(stream.derive(i)) for i in (*CLIENTS, *params.committee)}
    rng = np.random.default_rng(1)
    inputs = {i: rng.integers(-32767, 32768, DIM) for i in CLIENTS}
    residues = {i: [stream.below(params.field), params.field - 1] for i in CLIENTS}
    return Setting(params, shares, keys, {i: k.public() for i, k in keys.items()}, inputs, residues)


def outcome(setting: Setting, network: Network | None = None, **changed: Any) -> Outcome:
    result = run_local(setting.parties(**changed), network=network)
    if COORDINATOR in result.errors:
        raise result.errors[COORDINATOR]
    outcome = result.results[COORDINATOR]
    assert isinstance(outcome, Outcome)
    return outcome


def check(setting: Setting, result: Outcome, included: tuple[int, ...]) -> None:
    aggregate, field = result.aggregate, setting.params.field
    assert aggregate.included == included
    assert aggregate.total.tolist() == setting.total(included)
    assert aggregate.field_total == [sum(setting.residues[i][j] for i in included) % field for j in (0, 1)]
    assert audit(Record.from_bytes(result.record.to_bytes()), setting.params, setting.identities) == included


def says(party: int, data: bytes) -> Protocol[None]:
    yield {party: data}


def test_everyone_honest(setting: Setting) -> None:
    run = run_local(setting.parties(), raise_errors=True)
    check(setting, run.results[COORDINATOR], CLIENTS)
    assert run.rounds == 4 and run.results[9] == CLIENTS
    assert run.results[COORDINATOR].aggregate.dropped == run.results[COORDINATOR].aggregate.faulty == {}
    # a client sends one message and nothing else; about 1.1 times its ciphertexts
    size = setting.params.ciphertexts * setting.params.key.public.ciphertext_bytes
    assert run.costs[1].messages == 1 and size < run.costs[1].bytes_sent < size + 1000


def test_parties_are_numbered_as_documented(setting: Setting) -> None:
    assert setting.params.committee == (8, 9, 10, 11, 12)
    assert setting.params.quorum == 4 and setting.params.tolerated == 2


@pytest.mark.parametrize("gone", [(1,), (2, 7)])
def test_clients_that_vanish_are_left_out(setting: Setting, gone: tuple[int, ...]) -> None:
    result = outcome(setting, Network(vanish=dict.fromkeys(gone, 1)))
    check(setting, result, tuple(i for i in CLIENTS if i not in gone))
    assert result.aggregate.dropped == dict.fromkeys(gone, "upload")


def test_too_few_clients_end_the_run(setting: Setting) -> None:
    with pytest.raises(TooFewContributions, match="2 good uploads"):
        outcome(setting, Network(vanish=dict.fromkeys((1, 2, 3), 1)))


@pytest.mark.parametrize("round", [1, 2, 3])
def test_one_member_may_be_absent(setting: Setting, round: int) -> None:
    result = outcome(setting, Network(vanish={10: round}))
    check(setting, result, CLIENTS)
    assert result.aggregate.dropped == {10: "partial decryption"}


def test_two_absent_members_stop_it_unless_the_quorum_is_lowered(setting: Setting) -> None:
    absent = Network(vanish={10: 1, 11: 1})
    with pytest.raises(NotEnoughParties, match="3 members confirmed, 4"):
        outcome(setting, absent)
    lower = replace(setting.params, quorum=3)
    assert lower.tolerated == 0
    check(replace(setting, params=lower), outcome(replace(setting, params=lower), absent), CLIENTS)


def test_a_quorum_below_a_majority_is_refused(setting: Setting) -> None:
    key, _ = deal(2, 5, min_contributions=2, bits=768, stream=Stream(bytes(32)), allow_insecure=True)
    # members 1 and 2 could decrypt one list, members 3 and 4 another, all of them honest
    with pytest.raises(ParameterError, match="majority"):
        replace(setting.params, key=key, quorum=2)
    assert replace(setting.params, key=key, quorum=3).tolerated == 0
    assert replace(setting.params, key=key, quorum=0).quorum == 4


def test_two_members_may_vanish_after_confirming(setting: Setting) -> None:
    check(setting, outcome(setting, Network(vanish={10: 4, 11: 4})), CLIENTS)


# --- dishonest clients


def bad_uploads(setting: Setting) -> Iterator[tuple[str, bytes]]:
    params, public = setting.params, setting.params.key.public
    good = setting.upload(2)
    yield "empty", b""
    yield "truncated", good[:-1]
    yield "too long", good + b"\0"
    yield "one bit", good[:300] + bytes([good[300] ^ 1]) + good[301:]
    yield "another's name", setting.upload(1)
    other = replace(params, session=b"plan/2/1")
    yield "replay", make_upload(2, other, setting.keys[2], setting.inputs[2], setting.residues[2])
    yield "stranger", make_upload(2, params, setting.keys[3], setting.inputs[2], setting.residues[2])
    upload = Upload.from_bytes(good, params)
    for name, c in (
        ("trivial", 1 + 7 * public.n),
        ("zero", 0),
        ("no unit", public.n),
        ("huge", public.n_squared),
    ):
        bad = replace(upload, ciphertexts=(c, *upload.ciphertexts[1:]))
        yield name, signed_upload(params, 2, setting.keys[2], bad).to_bytes(public)


def test_bad_uploads_are_named_and_left_out(setting: Setting) -> None:
    for name, data in bad_uploads(setting):
        result = outcome(setting, _2=says(COORDINATOR, data))
        check(setting, result, (1, 3, 4, 7))
        assert list(result.aggregate.faulty) == [2], name
        assert result.aggregate.dropped == {2: "upload"}


def test_a_copied_upload_would_show_the_copied_vector_and_is_refused(setting: Setting) -> None:
    params, public = setting.params, setting.params.key.public
    # the attack: clients 2, 3 and 4 work together and want to read client 1, whose vector 2 copies
    victim = Upload.from_bytes(setting.upload(1), params)
    others = [Upload.from_bytes(setting.upload(i), params) for i in (3, 4)]
    fresh = encryptor(public).randomizers(params.ciphertexts, Stream.from_os())
    copied = replace(
        victim,
        ciphertexts=tuple(c * y % public.n_squared for c, y in zip(victim.ciphertexts, fresh, strict=True)),
    )
    sums = summed(params, [victim, copied, *others])
    parts = [partial_decrypt(share, sums, contributions=3) for share in setting.shares[:3]]
    plain = params.packing.unpack(combine(params.key, sums, parts).plaintexts[:-1], DIM)
    assert ((plain - setting.inputs[3] - setting.inputs[4]) // 2 == setting.inputs[1]).all()
    # the defence: the copier signs it as its own, but cannot prove that it knows what is inside
    data = signed_upload(params, 2, setting.keys[2], copied).to_bytes(public)
    result = outcome(setting, _2=says(COORDINATOR, data))
    assert "knowledge" in result.aggregate.faulty[2] and result.aggregate.included == (1, 3, 4, 7)


def test_a_client_that_breaks_its_bound_ends_the_run(setting: Setting) -> None:
    params, public = setting.params, setting.params.key.public
    messages = [int(public.n // 3)] * params.ciphertexts
    from he.proofs import prove_plaintexts

    ciphertexts, openings = encryptor(public).encrypt_opened(messages, Stream.from_os())
    proof = prove_plaintexts(public, ciphertexts, messages, openings, context=params.client_context(2))
    data = signed_upload(params, 2, setting.keys[2], Upload(tuple(ciphertexts), proof, b"")).to_bytes(public)
    with pytest.raises(ProtocolError, match="broke its bound"):
        outcome(setting, _2=says(COORDINATOR, data))


def test_bad_inputs_are_refused_at_once(setting: Setting) -> None:
    params, key, x = setting.params, setting.keys[1], setting.inputs[1]
    cases: list[tuple[Callable[[], Any], str]] = [
        (lambda: client(5, params, key, x, [1, 2]), "not part"),
        (lambda: client(1, params, key, x[:-1], [1, 2]), "want 60"),
        (lambda: client(1, params, key, x * 1.0, [1, 2]), "integers"),
        (lambda: client(1, params, key, x + 40000, [1, 2]), "bound"),
        (lambda: client(1, params, key, x, [1]), "residues"),
        (lambda: client(1, params, key, x, [1, -2]), "residues"),
        (lambda: client(1, params, key, x, [1, params.field]), "residues"),
    ]
    for call, reason in cases:
        with pytest.raises(ParameterError, match=reason):
            call()
    assert isinstance(key.seed, bytes) and key.seed.hex()[:8] not in repr(key)


# --- a dishonest coordinator


def corrupt_coordinator(
    setting: Setting, proposals: dict[int, bytes], seen: dict[int, bytes]
) -> Protocol[Any]:
    yield {}
    yield proposals
    yield {}
    seen.update((yield {}))


def run_corrupt(
    setting: Setting, proposals: dict[int, bytes]
) -> tuple[dict[int, bytes], dict[int, Exception]]:
    seen: dict[int, bytes] = {}
    result = run_local(setting.parties(_0=corrupt_coordinator(setting, proposals, seen)))
    return seen, result.errors


def test_a_single_clients_vector_is_not_decrypted(setting: Setting) -> None:
    for chosen in ((1,), (1, 2)):
        proposal = write_proposal({i: setting.upload(i) for i in chosen})
        seen, errors = run_corrupt(setting, dict.fromkeys(setting.params.committee, proposal))
        assert not seen and all(isinstance(errors[p], TooFewContributions) for p in setting.params.committee)


def test_invented_clients_do_not_count(setting: Setting) -> None:
    params = setting.params
    # the coordinator knows everything but the clients' identity keys
    mine = IdentityKey.generate(Stream(bytes(32), b"coordinator"))
    zeros = np.zeros(DIM, dtype=np.int64)
    fake = {i: make_upload(i, params, mine, zeros, [0, 0]) for i in (2, 3)}
    proposal = write_proposal({1: setting.upload(1)} | fake)
    seen, errors = run_corrupt(setting, dict.fromkeys(params.committee, proposal))
    assert not seen
    for party in params.committee:
        error = errors[party]
        assert (
            isinstance(error, FaultyParty)
            and error.party == COORDINATOR
            and "client 2" not in str(error)[:10]
        )


def test_lists_that_are_no_lists_are_blamed_on_the_coordinator(setting: Setting) -> None:
    params = setting.params
    good = {i: setting.upload(i) for i in CLIENTS[:3]}
    twice = write_proposal(good)
    one = write_proposal({1: good[1]})[4:]
    cases = [
        b"",
        twice[:-1],
        twice + b"\0",
        (3).to_bytes(4, "big") + one * 3,  # client 1 three times
        write_proposal({**good, 5: good[1]}),  # no such client
        (2**32 - 1).to_bytes(4, "big") + one,
    ]
    for proposal in cases:
        seen, errors = run_corrupt(setting, dict.fromkeys(params.committee, proposal))
        assert not seen
        for party in params.committee:
            error = errors[party]
            assert isinstance(error, FaultyParty) and error.party == COORDINATOR


def test_silence_of_the_coordinator_is_named(setting: Setting) -> None:
    _, errors = run_corrupt(setting, {})
    assert all("proposed no list" in str(errors[p]) for p in setting.params.committee)


def test_two_lists_would_show_one_client_and_are_refused(setting: Setting) -> None:
    params, uploads = setting.params, {i: setting.upload(i) for i in CLIENTS}
    without = {i: uploads[i] for i in CLIENTS if i != 4}
    # the attack on members that do not talk to each other: two sums that differ by client 4
    totals = []
    for listed in (uploads, without):
        sums = summed(params, [Upload.from_bytes(data, params) for data in listed.values()])
        parts = [partial_decrypt(share, sums, contributions=3) for share in setting.shares[:3]]
        totals.append(params.packing.unpack(combine(params.key, sums, parts).plaintexts[:-1], DIM))
    assert (totals[0] - totals[1] == setting.inputs[4]).all()
    # the defence: however the members are split, neither list finds a quorum
    for split in range(1, 5):
        proposals = {
            party: write_proposal(uploads if i < split else without)
            for i, party in enumerate(params.committee)
        }
        seen, errors = run_corrupt(setting, proposals)
        accepted = {p for p in params.committee if p not in errors}
        assert len(accepted) in (0, 4) and len(seen) == len(accepted)
        assert all(isinstance(errors[p], NotEnoughParties) for p in errors if p in params.committee)


def test_two_corrupt_members_do_not_help_the_coordinator(setting: Setting) -> None:
    params, uploads = setting.params, {i: setting.upload(i) for i in CLIENTS}
    without = {i: uploads[i] for i in CLIENTS if i != 4}
    digests = [list_digest(params, listed) for listed in (uploads, without)]

    def two_faced(party: int) -> Protocol[None]:
        yield {}
        yield {}
        signatures = [confirm(params, setting.keys[party], digest) for digest in digests]
        yield {8: signatures[0], 9: signatures[1], 10: signatures[1]}

    proposals = {8: write_proposal(uploads), 9: write_proposal(without), 10: write_proposal(without)}
    seen: dict[int, bytes] = {}
    parties = setting.parties(
        _0=corrupt_coordinator(setting, proposals, seen), _11=two_faced(11), _12=two_faced(12)
    )
    run_local(parties)
    # the honest 9 and 10 found four for their list, 8 did not for the other: one list only
    assert set(seen) == {9, 10}


def test_a_member_answers_a_session_once(setting: Setting) -> None:
    answered: set[bytes] = set()
    first = run_local(setting.parties(_8=setting.member(8, answered)))
    assert 8 in first.results and setting.params.context in answered
    second = run_local(setting.parties(_8=setting.member(8, answered)))
    assert "answered before" in str(second.errors[8])


# --- dishonest members


def test_a_wrong_partial_decryption_is_named_and_left_out(setting: Setting) -> None:
    def wrong(party: int) -> Protocol[None]:
        honest = setting.member(party)
        outbox = next(honest)
        while True:
            inbox = yield outbox
            try:
                outbox = honest.send(inbox)
            except StopIteration:
                return
            if list(outbox) == [COORDINATOR] and len(outbox[COORDINATOR]) > 64:
                data = bytearray(outbox[COORDINATOR])
                data[-1] ^= 1
                outbox = {COORDINATOR: bytes(data)}

    result = outcome(setting, _9=wrong(9))
    check(setting, result, CLIENTS)
    assert list(result.aggregate.faulty) == [9] and 9 not in result.record.parts


def test_too_many_wrong_parts_blame_a_party_of_the_aggregation(setting: Setting) -> None:
    def silly(party: int) -> Protocol[None]:
        honest = setting.member(party)
        outbox = next(honest)
        for _ in range(3):
            inbox = yield outbox
            outbox = honest.send(inbox)
        data = outbox[COORDINATOR]
        yield {COORDINATOR: data[:-1] + bytes([data[-1] ^ 1])}

    with pytest.raises(FaultyParty) as caught:
        outcome(setting, _8=silly(8), _9=silly(9), _10=silly(10))
    assert caught.value.party == 8


def test_garbage_from_members_is_named(setting: Setting) -> None:
    def noisy(data: bytes) -> Protocol[None]:
        yield {}
        yield {}
        yield {party: data for party in (COORDINATOR, *setting.params.committee[1:])}
        yield {COORDINATOR: data}

    for data in (b"", b"\0" * 64, b"x" * 10_000):
        result = outcome(setting, _8=noisy(data))
        check(setting, result, CLIENTS)
        assert list(result.aggregate.faulty) == [8] and 8 not in result.record.confirmations


def test_a_member_needs_its_own_share_and_identity(setting: Setting) -> None:
    params, shares, keys, identities = setting.params, setting.shares, setting.keys, setting.identities
    for call in (
        lambda: member(8, params, shares[1], keys[8], identities, answered=set()),
        lambda: member(1, params, shares[0], keys[1], identities, answered=set()),
        lambda: member(8, params, shares[0], keys[9], identities, answered=set()),
        lambda: member(8, params, shares[0], keys[8], {8: identities[8]}, answered=set()),
        lambda: coordinator(params, {}),
    ):
        with pytest.raises(ParameterError):
            call()


# --- the audit


def test_the_audit_finds_every_change(setting: Setting) -> None:
    record = outcome(setting).record
    params, identities = setting.params, setting.identities

    def flipped(messages: Any, party: int, position: int) -> dict[int, bytes]:
        data = bytearray(messages[party])
        data[position] ^= 1
        return {**messages, party: bytes(data)}

    def without(messages: Any, *parties: int) -> dict[int, bytes]:
        return {party: data for party, data in messages.items() if party not in parties}

    cases: list[tuple[Record, type[Exception], str]] = [
        (replace(record, uploads=flipped(record.uploads, 3, 0)), FaultyParty, "party 3"),
        (replace(record, uploads=flipped(record.uploads, 3, -1)), FaultyParty, "party 3"),
        (replace(record, uploads=without(record.uploads, 3)), FaultyParty, "did not confirm"),
        (replace(record, uploads=without(record.uploads, 1, 2, 3)), TooFewContributions, "2 clients"),
        (replace(record, uploads={**record.uploads, 5: record.uploads[1]}), ProofRejected, "stranger"),
        (replace(record, confirmations=flipped(record.confirmations, 9, 5)), FaultyParty, "party 9"),
        (replace(record, confirmations={**record.confirmations, 1: b""}), FaultyParty, "party 1"),
        (replace(record, confirmations=without(record.confirmations, 8, 9)), NotEnoughParties, "3 members"),
        (replace(record, parts=flipped(record.parts, 10, -1)), FaultyParty, "party 10"),
        (replace(record, parts=flipped(record.parts, 10, 0)), FaultyParty, "bad partial"),
        (replace(record, parts={**record.parts, 8: record.parts[9]}), FaultyParty, "another member"),
        (replace(record, parts=without(record.parts, 8, 9, 10)), NotEnoughParties, "2 of 3"),
        (replace(record, total=(record.total[0] + 1, *record.total[1:])), ProofRejected, "totals"),
        (replace(record, field_total=(record.field_total[0] ^ 1, 5)), ProofRejected, "totals"),
        (replace(record, params=record.params + b"\0"), ProofRejected, "other parameters"),
    ]
    audit(record, params, identities)
    for bad, kind, reason in cases:
        with pytest.raises(kind, match=reason):
            audit(bad, params, identities)
    with pytest.raises(ProofRejected, match="other parameters"):
        audit(record, replace(params, session=b"plan/3/2"), identities)


def test_records_and_parameters_have_one_spelling(setting: Setting) -> None:
    record, params = outcome(setting).record, setting.params
    data = record.to_bytes()
    for bad in (data[:-1], data + b"\0", b"x" + data[1:], b""):
        with pytest.raises(DecodeError):
            Record.from_bytes(bad)
    again = Parameters.from_bytes(params.to_bytes(), allow_insecure=True)
    assert again == params and again.context == params.context
    for bad in (params.to_bytes()[:-1], params.to_bytes() + b"\0", params.to_bytes()[:-4] + bytes(4)):
        with pytest.raises(DecodeError):
            Parameters.from_bytes(bad, allow_insecure=True)


@pytest.mark.parametrize(
    "change",
    [
        {"clients": ()},
        {"clients": (1, 2)},
        {"clients": (2, 1, 3)},
        {"clients": (1, 1, 2)},
        {"clients": (0, 1, 2)},
        {"clients": (1, 2, 2**31)},
        {"dim": -1},
        {"dim": 0, "field_dim": 0},
        {"dim": 2**33},
        {"bound": 0},
        {"bound": 2**60},
        {"field": 2},
        {"quorum": 2},
        {"quorum": 6},
        {"committee": (8, 9, 10, 11)},
        {"committee": (7, 8, 9, 10, 11)},
        {"committee": (9, 8, 10, 11, 12)},
        {"committee": (0, 8, 9, 10, 11)},
        {"committee": (-1, 8, 9, 10, 11)},
        {"committee": (8, 9, 10, 11, 2**32)},
        {"field": 2**2000 + 1},
    ],
)
def test_parameters_that_cannot_work_are_refused(setting: Setting, change: dict[str, Any]) -> None:
    with pytest.raises(ParameterError):
        replace(setting.params, **change)
