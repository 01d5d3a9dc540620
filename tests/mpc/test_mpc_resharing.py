"""Secrets that move between schemes and parties, and shares that are replaced."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest

from mpc import additive, packed, replicated, robust, shamir
from mpc.domain import Elements
from mpc.errors import FaultyParty, NotEnoughParties, ParameterError
from mpc.field import FIELD61, PrimeField
from mpc.prg import Stream
from mpc.resharing import Sharing, refresh, reshare, to_additive, to_shamir
from mpc.ring import RING64
from mpc.runtime import Network, run_local
from mpc.shares import Scheme, Share
from mpc.threshold import Threshold

SHAPE = (3, 3)
KEYS = PrimeField(shamir.KEY_FIELD)
SHARINGS = {
    "additive": Sharing(Scheme.ADDITIVE, Threshold(3, 3), FIELD61, SHAPE),
    "shamir": Sharing(Scheme.SHAMIR, Threshold(2, 4), FIELD61, SHAPE),
    "packed": Sharing(Scheme.PACKED, Threshold(3, 5), FIELD61, SHAPE, width=2),
    "replicated": Sharing(Scheme.REPLICATED, replicated.THRESHOLD, FIELD61, SHAPE),
}
OTHERS = {
    "additive ring": Sharing(Scheme.ADDITIVE, Threshold(3, 3), RING64, SHAPE),
    "replicated ring": Sharing(Scheme.REPLICATED, replicated.THRESHOLD, RING64, SHAPE),
    "shamir keys": Sharing(Scheme.SHAMIR, Threshold(2, 3), KEYS, SHAPE),
}
RECONSTRUCT = {
    Scheme.ADDITIVE: additive.reconstruct,
    Scheme.SHAMIR: shamir.reconstruct,
    Scheme.PACKED: packed.reconstruct,
    Scheme.REPLICATED: replicated.reconstruct,
}


def secret_for(sharing: Sharing) -> Elements:
    return Elements(sharing.domain, sharing.domain.random(sharing.shape, Stream(bytes(32), b"secret")))


def move(old: Sharing, new: Sharing, holders: list[int], members: list[int], liar: Any = None) -> Any:
    shares = old.deal(secret_for(old), Stream(bytes(32), b"old"))
    streams = Stream(bytes(32), b"move")
    parties: dict[int, Any] = {}
    for i in sorted({*holders, *members}):
        mine = shares[i - 1] if i in holders else None
        parties[i] = reshare(i, mine, old, holders, new, members, streams.derive(i))
    if liar is not None:
        parties.update(liar(parties, shares))
    return run_local(parties)


@pytest.mark.parametrize("old", SHARINGS)
@pytest.mark.parametrize("new", SHARINGS)
def test_a_secret_moves_between_any_two_schemes(old: str, new: str) -> None:
    before, after = SHARINGS[old], SHARINGS[new]
    holders = list(range(1, before.threshold.parties + 1))[-before.threshold.needed :]
    members = [9, 2, 7, 1, 5][: after.threshold.parties]
    result = move(before, after, holders, members)
    assert not result.errors
    shares = [result.results[m] for m in members]
    assert [s.index for s in shares] == list(range(1, len(members) + 1))
    assert RECONSTRUCT[after.scheme](shares[-after.threshold.needed :]) == secret_for(before)
    assert all(result.results[i] is None for i in holders if i not in members)
    assert result.rounds == 1


@pytest.mark.parametrize(
    ("old", "new"), [("additive ring", "replicated ring"), ("replicated ring", "additive ring")]
)
def test_rings_convert_both_ways(old: str, new: str) -> None:
    result = move(OTHERS[old], OTHERS[new], [1, 2, 3], [1, 2, 3])
    shares = [result.results[i] for i in (1, 2, 3)]
    assert RECONSTRUCT[OTHERS[new].scheme](shares) == secret_for(OTHERS[old])


def test_parties_join_and_leave_and_the_threshold_grows() -> None:
    old = Sharing(Scheme.SHAMIR, Threshold(2, 3), FIELD61, SHAPE)
    new = Sharing(Scheme.SHAMIR, Threshold(3, 5), FIELD61, SHAPE)
    result = move(old, new, [1, 3], [1, 3, 4, 5, 6])
    shares = [result.results[i] for i in (1, 3, 4, 5, 6)]
    for three in combinations(shares, 3):
        assert shamir.reconstruct(three) == secret_for(old)
    # two of the old shares told everything; two of the new ones are of no use together with one old one
    left = old.deal(secret_for(old), Stream(bytes(32), b"old"))[1]
    with pytest.raises(ParameterError):
        shamir.reconstruct([left, shares[0]])


@pytest.mark.parametrize("name", [*SHARINGS, *OTHERS])
def test_summands_add_up_for_every_set_of_holders(name: str) -> None:
    sharing = (SHARINGS | OTHERS)[name]
    shares = sharing.deal(secret_for(sharing), Stream(bytes(32)))
    for size in range(sharing.threshold.needed, sharing.threshold.parties + 1):
        for chosen in combinations(shares, size):
            holders = [s.index for s in chosen]
            summands = []
            for s in chosen:
                # Lagrange's weights need as many as `needed`; the others contribute nothing
                try:
                    summands.append(to_additive(s, holders))
                except ParameterError:
                    assert s.index in holders[sharing.threshold.needed :]
            total = summands[0]
            for summand in summands[1:]:
                total = total + summand
            assert total == secret_for(sharing)
    with pytest.raises(NotEnoughParties):
        to_additive(shares[0], range(1, sharing.threshold.needed))
    with pytest.raises(ParameterError):
        to_additive(shares[0], range(2, 2 + sharing.threshold.needed))


def test_replicated_becomes_shamir_without_a_message() -> None:
    sharing = SHARINGS["replicated"]
    shares = [to_shamir(s) for s in sharing.deal(secret_for(sharing), Stream(bytes(32)))]
    for two in combinations(shares, 2):
        assert shamir.reconstruct(two) == secret_for(sharing)
    assert robust.reconstruct(shares, Stream(bytes(32))).faulty == ()
    for wrong in (OTHERS["replicated ring"], SHARINGS["shamir"]):
        with pytest.raises(ParameterError):
            to_shamir(wrong.deal(secret_for(wrong), Stream(bytes(32)))[0])


@pytest.mark.parametrize("name", [*SHARINGS, *OTHERS])
def test_a_refresh_changes_every_share_and_not_the_secret(name: str) -> None:
    sharing = (SHARINGS | OTHERS)[name]
    old = sharing.deal(secret_for(sharing), Stream(bytes(32), b"old"))
    streams = Stream(bytes(32), b"refresh")
    parties = range(1, sharing.threshold.parties + 1)
    result = run_local({i: refresh(i, old[i - 1], parties, streams.derive(i)) for i in parties})
    new = [result.results[i] for i in parties]
    assert RECONSTRUCT[sharing.scheme](new) == secret_for(sharing)
    for before, after in zip(old, new, strict=True):
        assert (before.values.values != after.values.values).all()
    if sharing.scheme is not Scheme.REPLICATED:
        mixed = [*old[:1], *new[1:]]
        assert RECONSTRUCT[sharing.scheme](mixed) != secret_for(sharing)


def test_new_shares_say_nothing_about_old_ones() -> None:
    small = PrimeField(257)
    secret = small.elements(np.full(30_000, 5))
    old = shamir.share(secret, Threshold(2, 3), Stream(bytes(32), b"old"))
    streams = Stream(bytes(32), b"refresh")
    result = run_local({i: refresh(i, old[i - 1], (1, 2, 3), streams.derive(i)) for i in (1, 2, 3)})
    moved = result.results[1].values.values.astype(np.int64) - old[0].values.values.astype(np.int64)
    counts = np.bincount(moved % 257, minlength=257)
    expected = 30_000 / 257
    # 256 degrees of freedom, one in a thousand
    assert ((counts - expected) ** 2 / expected).sum() < 330.5


def garbage(data: bytes) -> Any:
    def liar(parties: dict[int, Any], shares: list[Share]) -> dict[int, Any]:
        def lying() -> Any:
            yield dict.fromkeys([i for i in parties if i != 2], data)

        return {2: lying()}

    return liar


def test_a_dealer_that_sends_garbage_is_named() -> None:
    old = new = SHARINGS["shamir"]
    other = SHARINGS["additive"].deal(secret_for(old), Stream(bytes(32)))[0].to_bytes()
    for data in (b"", b"junk", other):
        result = move(old, new, [1, 2], [1, 2, 3, 4], garbage(data))
        for i in (1, 3, 4):
            assert isinstance(result.errors[i], FaultyParty) and result.errors[i].party == 2


def test_a_silent_dealer_is_named() -> None:
    old = SHARINGS["shamir"]
    shares = old.deal(secret_for(old), Stream(bytes(32)))
    streams = Stream(bytes(32))
    parties = {i: refresh(i, shares[i - 1], (1, 2, 3, 4), streams.derive(i)) for i in (1, 2, 3, 4)}
    result = run_local(parties, network=Network(vanish={3: 1}))
    assert all("party 3 sent nothing" in str(result.errors[i]) for i in (1, 2, 4))


def test_a_dealer_that_shifts_the_secret_is_found_by_robust_reconstruction_of_its_own_share() -> None:
    # one corrupted share after a refresh is an error like any other
    old = Sharing(Scheme.SHAMIR, Threshold(2, 5), FIELD61, SHAPE)
    shares = old.deal(secret_for(old), Stream(bytes(32)))
    streams = Stream(bytes(32))
    parties = range(1, 6)
    result = run_local({i: refresh(i, shares[i - 1], parties, streams.derive(i)) for i in parties})
    new = [result.results[i] for i in parties]
    new[3] = new[3] * 2
    recovered = robust.reconstruct(new, Stream(bytes(32), b"later"))
    assert recovered.secret == secret_for(old) and recovered.faulty == (4,)


def test_what_cannot_work_is_refused() -> None:
    old = SHARINGS["shamir"]
    shares = old.deal(secret_for(old), Stream(bytes(32)))
    stream = Stream(bytes(32))
    ring = OTHERS["additive ring"]
    for call in (
        lambda: reshare(1, shares[0], old, [1, 2], ring, [1, 2, 3], stream),
        lambda: reshare(1, shares[0], old, [1, 2], old, [1, 2, 3], stream),
        lambda: reshare(1, shares[0], old, [1, 2], old, [1, 2, 3, 3], stream),
        lambda: reshare(2, shares[0], old, [1, 2], old, [1, 2, 3, 4], stream),
        lambda: next(reshare(1, None, old, [1, 2], old, [1, 2, 3, 4], stream)),
        lambda: refresh(1, shares[0], [1, 2, 3], stream),
        lambda: refresh(2, shares[0], [1, 2, 3, 4], stream),
        lambda: Sharing(Scheme.ADDITIVE, Threshold(2, 3), RING64, ()),
        lambda: Sharing(Scheme.REPLICATED, Threshold(2, 4), RING64, ()),
        lambda: Sharing(Scheme.SHAMIR, Threshold(2, 4), RING64, ()),
    ):
        with pytest.raises(ParameterError):
            call()
