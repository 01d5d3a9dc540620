"""Attacks on secure aggregation: each runs the attacker's code, then shows who notices and what stays
hidden."""

from collections.abc import Callable, Generator
from typing import Any

import numpy as np
import pytest
from secagg_cases import Case

from mpc.errors import FaultyParty, NotEnoughParties, PartyTimeout
from mpc.prg import Stream
from mpc.runtime import Network
from mpc.secagg import IdentityKey, Parameters, server
from mpc.secagg.client import survivors_body
from mpc.secagg.keys import AgreementKey, RunKeys, commit_seed, own_mask_key, pair_mask_key
from mpc.secagg.masks import Accumulator
from mpc.secagg.messages import (
    Advert,
    Agreement,
    Dealing,
    Delivery,
    Masked,
    Reveal,
    Roster,
    Sealed,
    Survivors,
)
from mpc.shamir import reconstruct_secret

# what a client sends in each odd round, and what the server sends in each even one
ADVERT, ROSTER, DEALING, DELIVERY, MASKED, SURVIVORS, CONFIRM, AGREEMENT, REVEAL = range(1, 10)
Tamper = Callable[[dict[int, bytes]], dict[int, bytes]]


def tampered(honest: Generator[Any, Any, Any], changes: dict[int, Tamper]) -> Generator[Any, Any, Any]:
    """An honest party whose outbox of some rounds is changed on its way out."""
    number, outbox = 1, next(honest)
    while True:
        inbox = yield changes.get(number, lambda sent: sent)(outbox)
        number += 1
        try:
            outbox = honest.send(inbox)
        except StopIteration as stop:
            return stop.value


def lying_server(case: Case, changes: dict[int, Tamper]) -> Any:
    return case.run({0: tampered(server(case.params, case.identities), changes)})


def lying_client(case: Case, liar: int, changes: dict[int, Tamper], network: Network | None = None) -> Any:
    return case.run({liar: tampered(case.client(liar), changes)}, network=network)


# --- the server lies


def test_server_substitutes_a_key_to_read_the_shares() -> None:
    case = Case(n=6)
    mine = RunKeys.generate(Stream(bytes(32), b"server"))

    def swap(sent: dict[int, bytes]) -> dict[int, bytes]:
        def forged(data: bytes) -> bytes:
            adverts = dict(Roster.from_bytes(data, case.params).adverts)
            victim = adverts[2]
            adverts[2] = Advert(AgreementKey(mine.channel).public, victim.mask, victim.seed, victim.signature)
            return Roster(adverts).to_bytes()

        return {i: forged(data) if i != 2 else data for i, data in sent.items()}

    result = lying_server(case, {ROSTER: swap})
    for i in (1, 3, 4, 5, 6):
        assert isinstance(result.errors[i], FaultyParty) and result.errors[i].party == 0
        assert "did not sign" in str(result.errors[i])
    assert isinstance(result.errors[0], NotEnoughParties)


def test_server_tells_a_client_that_its_own_keys_are_others() -> None:
    case = Case(n=6)

    def swap(sent: dict[int, bytes]) -> dict[int, bytes]:
        adverts = dict(Roster.from_bytes(sent[1], case.params).adverts)
        adverts[1] = adverts[2]
        return {**sent, 1: Roster(adverts).to_bytes()}

    assert result_names_server(lying_server(case, {ROSTER: swap}).errors[1])


def result_names_server(error: Exception) -> bool:
    return isinstance(error, FaultyParty) and error.party == 0


def test_server_shows_different_rosters() -> None:
    # it hides client 6 from half of the others; what those deal no longer opens for the rest, or the reverse
    case = Case(n=8)

    def hide(sent: dict[int, bytes]) -> dict[int, bytes]:
        adverts = dict(Roster.from_bytes(sent[1], case.params).adverts)
        del adverts[6]
        return {i: Roster(adverts).to_bytes() if i in (1, 2, 3) else data for i, data in sent.items()}

    result = lying_server(case, {ROSTER: hide})
    assert 0 not in result.results
    assert not any(i in result.results for i in (1, 2, 3))


def split_survivors(case: Case, shown: dict[int, tuple[int, ...]]) -> Any:
    def lie(sent: dict[int, bytes]) -> dict[int, bytes]:
        return {i: Survivors(shown[i]).to_bytes() if i in shown else data for i, data in sent.items()}

    return lie


def test_server_shows_different_survivors_to_learn_both_secrets() -> None:
    # half the clients are to reveal shares of client 1's seed, the other half of its key
    case = Case(n=10)
    without = tuple(i for i in case.keys if i != 1)
    shown = {i: without for i in (6, 7, 8, 9, 10)}
    attacker = tampered(server(case.params, case.identities), {SURVIVORS: split_survivors(case, shown)})
    result = case.run({0: attacker}, record=True)
    revealed = [m.sender for m in result.messages if m.round == REVEAL and m.receiver == 0]
    assert revealed == []
    assert isinstance(result.errors[0], NotEnoughParties)


def split_view_attack(case: Case, colluders: set[int], told_gone: set[int]) -> Any:
    """Server and colluders read client 1's input: `told_gone` are told that it dropped out, the others that
    it did not.

    The quorum of the case is 1, so only the threshold stands in the way. Returns the input, or how many
    shares of each kind were had.
    """
    params = case.params
    without = tuple(i for i in case.keys if i != 1)
    clients = {i: case.client(i) for i in case.keys}
    outcome: dict[str, Any] = {}

    def attack() -> Generator[Any, Any, None]:
        inbox = yield {}
        adverts = {i: Advert.from_bytes(inbox[i]) for i in case.keys}
        yield dict.fromkeys(case.keys, Roster(adverts).to_bytes())
        inbox = yield {}
        dealings = {i: Dealing.from_bytes(inbox[i], params) for i in case.keys}
        dealt = {i: {j: d.shares[i] for j, d in dealings.items() if i in d.shares} for i in case.keys}
        yield {i: Delivery(tuple(case.keys), dealt[i]).to_bytes() for i in case.keys}
        inbox = yield {}
        masked = Masked.from_bytes(inbox[1], params)
        held = {i: clients[i].gi_frame.f_locals["state"].held[1] for i in colluders}
        lists = {i: without if i in told_gone else tuple(case.keys) for i in case.keys}
        yield {i: Survivors(lists[i]).to_bytes() for i in case.keys}
        signatures = yield {}
        yield {i: Agreement({i: signatures[i]}).to_bytes() for i in case.keys if i in signatures}
        inbox = yield {}
        seeds = {i: seed for i, (seed, _) in held.items()}
        keys = {i: key for i, (_, key) in held.items()}
        for i, data in inbox.items():
            reveal = Reveal.from_bytes(data, params)
            seeds |= {i: reveal.seeds[1]} if 1 in reveal.seeds else {}
            keys |= {i: reveal.keys[1]} if 1 in reveal.keys else {}
        outcome["shares"] = len(seeds), len(keys)
        if min(len(seeds), len(keys)) < params.threshold:
            return
        total = Accumulator(params)
        total.add_vector(masked.ring, masked.field)
        seed = reconstruct_secret(seeds, params.threshold).to_bytes(32, "big")
        total.add_masks([(own_mask_key(params.context, 1, seed), -1)])
        mask_key = AgreementKey(reconstruct_secret(keys, params.threshold).to_bytes(32, "big"))
        for j in without:
            shared = mask_key.agree(adverts[j].mask)
            total.add_masks([(pair_mask_key(params.context, 1, j, shared), -1)])
        outcome["input"] = total.signed()

    case.run({**clients, 0: attack()})
    return outcome


@pytest.mark.parametrize("c", [0, 1, 2, 3])
def test_colluders_at_the_bound_fail_and_a_threshold_one_lower_falls(c: int) -> None:
    """The threshold is what keeps both secrets of a client apart: 2 * threshold > degree + c.

    At that threshold no way to split the honest clients works; one below, an even split reads the input.
    """
    n = 10
    k, safe = n - 1, (n - 1 + c) // 2 + 1
    colluders = set(range(n - c + 1, n + 1))
    honest = [i for i in range(2, n + 1) if i not in colluders]
    members = tuple(range(1, n + 1))
    at_bound = Case(
        n=n, dim=8, field_dim=0, params=Parameters(members, k, safe, dim=8, quorum=1, session=b"s")
    )
    for told in range(len(honest) + 1):
        outcome = split_view_attack(at_bound, colluders, set(honest[:told]))
        assert "input" not in outcome and min(outcome["shares"]) < safe
    below = Parameters(members, k, (k + c) // 2, dim=8, quorum=1, session=b"s")
    weak = Case(n=n, dim=8, field_dim=0, params=below)
    outcome = split_view_attack(weak, colluders, set(honest[: len(honest) // 2]))
    assert (outcome["input"] == weak.values[1]).all()


def test_server_forges_a_confirmation() -> None:
    case = Case(n=6)

    def forge(sent: dict[int, bytes]) -> dict[int, bytes]:
        def changed(data: bytes) -> bytes:
            signatures = dict(Agreement.from_bytes(data, case.params).signatures)
            signatures[2] = bytes(64)
            return Agreement(signatures).to_bytes()

        return {i: changed(data) for i, data in sent.items()}

    result = lying_server(case, {AGREEMENT: forge})
    assert all(
        result_names_server(result.errors[i]) and "did not sign" in str(result.errors[i]) for i in case.keys
    )


def test_server_withholds_confirmations() -> None:
    case = Case(n=6)

    def few(sent: dict[int, bytes]) -> dict[int, bytes]:
        def cut(data: bytes) -> bytes:
            signatures = Agreement.from_bytes(data, case.params).signatures
            return Agreement(
                {i: signatures[i] for i in sorted(signatures)[: case.params.quorum - 1]}
            ).to_bytes()

        return {i: cut(data) for i, data in sent.items()}

    result = lying_server(case, {AGREEMENT: few})
    assert all(isinstance(result.errors[i], NotEnoughParties) for i in case.keys)


@pytest.mark.parametrize("survivors", [(1, 2), (2, 3, 4, 5, 6, 7, 8), (1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_server_shrinks_or_pads_the_survivors(survivors: tuple[int, ...]) -> None:
    # too small to hide in; without the client itself; with a client that never dealt
    case = Case(n=9)
    lie = split_survivors(case, {1: survivors})
    attacker = tampered(server(case.params, case.identities), {SURVIVORS: lie})
    result = case.run({0: attacker}, network=Network(vanish={9: 3}), record=True)
    assert isinstance(result.errors[1], (FaultyParty, NotEnoughParties))
    assert not any(m.sender == 1 and m.round >= CONFIRM for m in result.messages)


def test_server_asks_twice_with_another_survivor_set() -> None:
    # a client's generator has one answer in it: asked again, it is gone
    case = Case(n=6)

    def again(sent: dict[int, bytes]) -> dict[int, bytes]:
        return sent

    honest = tampered(server(case.params, case.identities), {AGREEMENT: again})

    def nosy() -> Generator[Any, Any, Any]:
        aggregate = yield from honest
        inbox = yield dict.fromkeys(case.keys, Survivors(tuple(range(1, 6))).to_bytes())
        late = yield {}
        return aggregate, inbox, late

    result = case.run({0: nosy()})
    aggregate, inbox, late = result.results[0]
    case.check(aggregate, case.keys)
    assert inbox == {} and late == {}


def test_server_replays_a_round() -> None:
    # everything the clients said in session 1 is played to the same clients in session 2
    first = Case(n=6, session=b"round 1")
    sent = [m for m in first.run(record=True).messages if m.sender == 0]
    second = Case(n=6, session=b"round 2")

    def replay() -> Generator[Any, Any, None]:
        for number in range(1, 10):
            yield {m.receiver: m.data for m in sent if m.round == number}

    result = second.run({0: replay()}, record=True)
    assert all(result_names_server(result.errors[i]) for i in second.keys)
    assert not any(m.sender in second.keys and m.round > ADVERT for m in result.messages)


def test_server_returns_a_share_to_its_dealer_or_from_a_stranger() -> None:
    case = Case(n=6)

    def to_dealer(sent: dict[int, bytes]) -> dict[int, bytes]:
        delivery = Delivery.from_bytes(sent[1], case.params)
        return {**sent, 1: Delivery(delivery.dealers, {**delivery.shares, 1: delivery.shares[2]}).to_bytes()}

    def stranger(sent: dict[int, bytes]) -> dict[int, bytes]:
        delivery = Delivery.from_bytes(sent[1], case.params)
        return {**sent, 1: Delivery((*delivery.dealers, 77), delivery.shares).to_bytes()}

    for lie in (to_dealer, stranger):
        assert result_names_server(lying_server(case, {DELIVERY: lie}).errors[1])


@pytest.mark.parametrize("number", [ROSTER, DELIVERY, SURVIVORS, AGREEMENT])
def test_server_sends_garbage(number: int) -> None:
    case = Case(n=5)
    result = lying_server(case, {number: lambda sent: dict.fromkeys(sent, b"\xff" * 11)})
    assert all(result_names_server(result.errors[i]) for i in case.keys)


def test_server_goes_silent() -> None:
    case = Case(n=4)
    result = case.run(network=Network(vanish={0: 4}))
    assert all(isinstance(result.errors[i], PartyTimeout) for i in case.keys)


# --- a client lies


def only(data: bytes) -> Tamper:
    return lambda sent: {0: data}


@pytest.mark.parametrize(
    ("number", "data", "reason"),
    [
        (ADVERT, b"", "bad keys"),
        (ADVERT, bytes(Advert.SIZE), "bad keys"),
        (ADVERT, bytes([9]) + bytes(31) + bytes([9]) + bytes(31 + 96), "not signed"),
        (DEALING, b"junk", "garbage shares"),
        (DEALING, bytes(64) + bytes(4), "may not draw"),
        (MASKED, b"", "too long"),
        (MASKED, bytes(4) + bytes(17), "wrong length"),
    ],
)
def test_a_client_sends_garbage_and_the_others_go_on(number: int, data: bytes, reason: str) -> None:
    case = Case(n=8)
    result = lying_client(case, 3, {number: only(data)})
    aggregate = result.results[0]
    case.check(aggregate, set(case.keys) - {3})
    assert reason in aggregate.faulty[3] and aggregate.dropped[3] == aggregate.faulty[3]
    assert set(aggregate.faulty) == {3}


def test_a_client_sends_another_field_element() -> None:
    case = Case(n=8)
    too_large = b"\xff" * (case.params.field_dim * case.params.field_bytes)
    result = lying_client(case, 3, {MASKED: lambda sent: {0: sent[0][: -len(too_large)] + too_large}})
    case.check(result.results[0], set(case.keys) - {3})
    assert "not reduced" in result.results[0].faulty[3]


def test_a_client_signs_for_another_session_or_as_another() -> None:
    case = Case(n=8)
    other = Case(n=8, session=b"round 7")
    result = case.run({3: other.client(3)})
    case.check(result.results[0], set(case.keys) - {3})
    assert "not signed by its identity for this session" in result.results[0].faulty[3]
    stranger = IdentityKey.generate(Stream(bytes(32), b"stranger"))
    pretended = {**case.identities, 3: stranger.public()}
    result = case.run({3: case.client(3, identity=stranger, identities=pretended)})
    case.check(result.results[0], set(case.keys) - {3})
    assert 3 in result.results[0].faulty


def resign(case: Case, liar: int, view: list[bytes], shares: dict[int, Sealed]) -> bytes:
    dealing = Dealing(shares, b"")
    signature = case.keys[liar].sign(Dealing.PURPOSE, view[0], dealing.body())
    return Dealing(shares, signature).to_bytes()


def dealing_liar(case: Case, liar: int, change: Callable[[dict[int, Sealed]], dict[int, Sealed]]) -> Any:
    """A client that deals other shares than it should, properly signed."""
    from mpc.secagg.client import run_view

    view: list[bytes] = []
    honest = case.client(liar)

    def run() -> Generator[Any, Any, Any]:
        outbox = next(honest)
        for number in range(1, 10):
            if number == DEALING:
                shares = dict(Dealing.from_bytes(outbox[0], case.params).shares)
                outbox = {0: resign(case, liar, view, change(shares))}
            inbox = yield outbox
            if number == ROSTER:
                view.append(run_view(case.params, inbox[0]))
            outbox = honest.send(inbox)

    return run()


def test_a_client_deals_one_share_that_does_not_open() -> None:
    case = Case(n=8)

    def spoil(shares: dict[int, Sealed]) -> dict[int, Sealed]:
        bad = shares[5]
        return {**shares, 5: Sealed(bytes(len(bad.ciphertext)), bad.seed_commitment, bad.key_commitment)}

    result = case.run({3: dealing_liar(case, 3, spoil)})
    aggregate = result.results[0]
    # the others' shares suffice: client 3 is in the sum, and both ends of the quarrel are named
    case.check(aggregate, case.keys)
    assert aggregate.disputed == ((5, 3),) and aggregate.faulty == {}
    assert result.results[5].accused == {3: "the shares do not decrypt"}


def test_a_client_deals_shares_that_do_not_open_to_so_many_that_nothing_can_be_undone() -> None:
    case = Case(n=8)

    def spoil(shares: dict[int, Sealed]) -> dict[int, Sealed]:
        return {
            i: Sealed(bytes(len(s.ciphertext)), s.seed_commitment, s.key_commitment)
            for i, s in shares.items()
        }

    result = case.run({3: dealing_liar(case, 3, spoil)})
    error = result.errors[0]
    assert isinstance(error, FaultyParty) and error.party == 3
    again = Case(n=7)  # the run is repeated without it
    again.check(again.run().results[0], again.keys)


def test_a_client_shares_another_seed_than_it_committed_to() -> None:
    case = Case(n=8)

    def other_commitment(sent: dict[int, bytes]) -> dict[int, bytes]:
        advert = Advert.from_bytes(sent[0])
        fake = commit_seed(case.params.context, 3, bytes(32))
        unsigned = Advert(advert.channel, advert.mask, fake, b"")
        signature = case.keys[3].sign(Advert.PURPOSE, case.params.context, unsigned.body(3))
        return {0: Advert(advert.channel, advert.mask, fake, signature).to_bytes()}

    honest = case.client(3)

    def run() -> Generator[Any, Any, Any]:
        outbox = next(honest)
        outbox = other_commitment(outbox)
        lie = outbox[0]
        for number in range(1, 10):
            inbox = yield outbox
            if number == ROSTER:
                # its own code would notice, so it is shown what it expects; the view must stay everyone's
                state = honest.gi_frame.f_locals["state"]
                state.advert = Advert.from_bytes(lie)
            outbox = honest.send(inbox)

    result = case.run({3: run()})
    assert isinstance(result.errors[0], FaultyParty) and result.errors[0].party == 3
    assert "do not fit together" in str(result.errors[0])


def test_a_client_reveals_garbage_shares_and_is_named() -> None:
    case = Case(n=8)

    def garbage(sent: dict[int, bytes]) -> dict[int, bytes]:
        reveal = Reveal.from_bytes(sent[0], case.params)
        return {0: Reveal({i: 5 for i in reveal.seeds}, reveal.keys).to_bytes()}

    result = lying_client(case, 3, {REVEAL: garbage})
    case.check(result.results[0], case.keys)
    assert "not the one it was dealt" in result.results[0].faulty[3]
    result = lying_client(case, 3, {REVEAL: only(b"\x00\x00\x00\x09")})
    case.check(result.results[0], case.keys)
    assert "garbage" in result.results[0].faulty[3]


def test_a_client_reveals_what_it_was_not_asked_for() -> None:
    case = Case(n=8)

    def both(sent: dict[int, bytes]) -> dict[int, bytes]:
        reveal = Reveal.from_bytes(sent[0], case.params)
        return {0: Reveal({}, reveal.seeds).to_bytes()}

    result = lying_client(case, 3, {REVEAL: both})
    case.check(result.results[0], case.keys)
    assert "not asked for" in result.results[0].faulty[3]


def test_a_client_confirms_other_survivors() -> None:
    case = Case(n=8)
    result = lying_client(case, 3, {CONFIRM: only(bytes(64))})
    case.check(result.results[0], case.keys)
    assert "did not sign the survivors" in result.results[0].faulty[3]
    result = lying_client(case, 3, {CONFIRM: only(b"short")})
    case.check(result.results[0], case.keys)


def test_a_client_accuses_one_that_sent_it_nothing() -> None:
    case = Case(n=8)

    def accuse(sent: dict[int, bytes]) -> dict[int, bytes]:
        return {0: (1).to_bytes(4, "big") + (77).to_bytes(4, "big") + sent[0][4:]}

    result = lying_client(case, 3, {MASKED: accuse})
    case.check(result.results[0], case.keys)
    assert "accuses client 77" in result.results[0].faulty[3]


def test_a_client_advertises_another_clients_key_to_cancel_a_mask() -> None:
    """Client 1 takes client 5's mask key for its own, so client 3 agrees on one secret with both, with
    opposite signs.

    Were the mask expanded from that secret alone, both of client 3's masks would vanish from its vector.
    """
    case = Case(n=6, dim=64, field_dim=0)
    context = case.params.context

    def copy_key(sent: dict[int, bytes]) -> dict[int, bytes]:
        advert = Advert.from_bytes(sent[0])
        victim = AgreementKey(
            RunKeys.generate(case.root.derive("client", 5, case.session).derive("keys", context)).mask
        )
        unsigned = Advert(advert.channel, victim.public, advert.seed, b"")
        signature = case.keys[1].sign(Advert.PURPOSE, context, unsigned.body(1))
        return {0: Advert(advert.channel, victim.public, advert.seed, signature).to_bytes()}

    honest = case.client(1)

    def run() -> Generator[Any, Any, Any]:
        outbox = copy_key(next(honest))
        honest.gi_frame.f_locals["state"].advert = Advert.from_bytes(outbox[0])
        for _ in range(9):
            inbox = yield outbox
            outbox = honest.send(inbox)

    three = case.client(3)
    result = case.run({1: run(), 3: three}, record=True)
    keys = {
        i: RunKeys.generate(case.root.derive("client", i, case.session).derive("keys", context))
        for i in (3, 5)
    }
    shared = AgreementKey(keys[3].mask).agree(AgreementKey(keys[5].mask).public)
    assert pair_mask_key(context, 1, 3, shared) != pair_mask_key(context, 3, 5, shared)
    sent = next(m.data for m in result.messages if m.sender == 3 and m.round == MASKED)
    masked = Masked.from_bytes(sent, case.params)
    # all of client 3's masks but the two that share a secret come off; the two must still be there
    total = Accumulator(case.params)
    total.add_vector(masked.ring, [])
    everyone = {
        i: RunKeys.generate(case.root.derive("client", i, case.session).derive("keys", context))
        for i in case.keys
    }
    total.add_masks([(own_mask_key(context, 3, everyone[3].seed), -1)])
    for j in (2, 4, 6):
        other = AgreementKey(everyone[3].mask).agree(AgreementKey(everyone[j].mask).public)
        total.add_masks([(pair_mask_key(context, 3, j, other), 1 if j < 3 else -1)])
    assert (total.signed() != case.values[3]).all()
    total.add_masks([(pair_mask_key(context, 1, 3, shared), 1), (pair_mask_key(context, 3, 5, shared), -1)])
    assert (total.signed() == case.values[3]).all()


def test_masked_vectors_look_uniform() -> None:
    case = Case(n=4, dim=50_000, field_dim=0)
    case.values = {i: np.zeros(50_000, dtype=np.int64) for i in case.keys}
    result = case.run(record=True)
    for m in result.messages:
        if m.round == MASKED:
            ring = Masked.from_bytes(m.data, case.params).ring
            counts = np.bincount((ring >> np.uint32(24)).astype(np.int64), minlength=256)
            expected = len(ring) / 256
            # 255 degrees of freedom, one in a thousand
            assert ((counts - expected) ** 2 / expected).sum() < 330.5


def test_the_quorum_signature_is_bound_to_everything() -> None:
    body = survivors_body((1, 2, 3), Survivors((1, 2)))
    assert body != survivors_body((1, 2), Survivors((1, 2))) != survivors_body((1, 2), Survivors((2,)))


def test_secrets_stay_out_of_reprs() -> None:
    keys = RunKeys.generate(Stream(bytes(32)))
    identity = IdentityKey.generate(Stream(bytes(32)))
    for secret in (keys.channel, keys.mask, keys.seed):
        assert repr(secret) not in repr(keys)
    assert repr(identity.seed) not in repr(identity) and str(5) not in repr(Reveal({1: 55555}, {}))
