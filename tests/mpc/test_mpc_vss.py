"""secp256k1 against published points, and shares that prove they are right."""

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import vss
from mpc.errors import DecodeError, NotEnoughParties, ParameterError, ProofRejected
from mpc.group import (
    FIELD,
    GENERATOR,
    IDENTITY,
    ORDER,
    SECOND_GENERATOR,
    Point,
    evaluate_commitments,
    multiply_base,
    sum_points,
)
from mpc.prg import Stream
from mpc.threshold import Threshold
from mpc.vss import Commitments, Kind, VerifiableShare

# x and y of k G, from the list of secp256k1 test points that the Bitcoin community publishes
MULTIPLES = {
    2: (
        0xC6047F9441ED7D6D3045406E95C07CD85C778E4B8CEF3CA7ABAC09B95C709EE5,
        0x1AE168FEA63DC339A3C58419466CEAEEF7F632653266D0E1236431A950CFE52A,
    ),
    3: (
        0xF9308A019258C31049344F85F89D5229B531C845836F99B08601F113BCE036F9,
        0x388F7B0F632DE8140FE337E62A37F3566500A99934C2231B6CB9FD7584B8E672,
    ),
    20: (
        0x4CE119C96E2FA357200B559B2F7DD5A5F02D5290AFF74B03F3E471B273211C97,
        0x12BA26DCB10EC1625DA61FA10A844C676162948271D96967450288EE9233DC3A,
    ),
    ORDER - 1: (GENERATOR.x, FIELD - GENERATOR.y),
}
# BIP 341: a point with unknown logarithm
NUMS_X = 0x50929B74C1A04954B78B4B6035E97A5E078A5A0F28EC96D547BFEE9ACE803AC0


def test_published_multiples_of_the_generator() -> None:
    for k, (x, y) in MULTIPLES.items():
        assert GENERATOR * k == multiply_base(GENERATOR, k) == Point(x, y)
    assert SECOND_GENERATOR.x == NUMS_X


@settings(deadline=None, max_examples=20)
@given(st.integers(0, ORDER - 1), st.integers(0, ORDER - 1))
def test_the_group_law(a: int, b: int) -> None:
    one, two = multiply_base(GENERATOR, a), GENERATOR * b
    assert one + two == GENERATOR * ((a + b) % ORDER) == two + one == sum_points([one, two])
    assert one + (-one) == IDENTITY and one + IDENTITY == one
    assert (one.y**2 - one.x**3 - 7) % FIELD == 0 or one == IDENTITY
    assert Point.from_bytes(one.to_bytes()) == one
    assert one * 3 == 3 * one == one + one + one


def test_points_have_one_encoding() -> None:
    assert Point.from_bytes(bytes(33)) == IDENTITY == GENERATOR * ORDER == GENERATOR * 0
    for data in (
        b"",
        bytes(32),
        b"\x04" + GENERATOR.to_bytes()[1:],
        b"\x02" + FIELD.to_bytes(32, "big"),
        b"\x02" + (5).to_bytes(32, "big"),  # 5^3 + 7 is no square
        b"\x00" * 32 + b"\x01",
    ):
        with pytest.raises(DecodeError):
            Point.from_bytes(data)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("needed", "parties"), [(1, 1), (1, 3), (2, 3), (4, 6)])
def test_honest_shares_verify_and_reconstruct(kind: Kind, needed: int, parties: int) -> None:
    secret = Stream(bytes(32), b"secret").below(ORDER)
    dealing = vss.deal(secret, Threshold(needed, parties), Stream(bytes(32)), kind)
    for share in dealing.shares.values():
        vss.verify(dealing.commitments, share)
        assert VerifiableShare.from_bytes(share.to_bytes()) == share
    assert vss.reconstruct(dealing.commitments, list(dealing.shares.values())[-needed:]) == secret
    assert Commitments.from_bytes(dealing.commitments.to_bytes()) == dealing.commitments


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_of_wrong_share_is_rejected(kind: Kind) -> None:
    dealing = vss.deal(7, Threshold(2, 4), Stream(bytes(32)), kind)
    good = dealing.shares[2]
    for wrong in (
        VerifiableShare(2, (good.value + 1) % ORDER, good.blind),
        VerifiableShare(2, good.value, (good.blind + 1) % ORDER),
        VerifiableShare(3, good.value, good.blind),
        VerifiableShare(0, good.value, good.blind),
        VerifiableShare(2, good.value + ORDER, good.blind),
        VerifiableShare(2, -1, good.blind),
    ):
        with pytest.raises(ProofRejected, match=f"party {wrong.index}"):
            vss.verify(dealing.commitments, wrong)


def test_a_dealer_that_deals_one_wrong_share_is_caught_by_its_holder() -> None:
    dealing = vss.deal(7, Threshold(2, 4), Stream(bytes(32)))
    shares = dict(dealing.shares)
    shares[4] = VerifiableShare(4, shares[4].value ^ 1, shares[4].blind)
    assert [vss.is_valid(dealing.commitments, s) for s in shares.values()] == [True, True, True, False]
    assert vss.reconstruct(dealing.commitments, [shares[4], shares[1], shares[3]]) == 7
    with pytest.raises(NotEnoughParties, match=r"wrong: parties \[4\]"):
        vss.reconstruct(dealing.commitments, [shares[4], shares[1]])


def test_feldman_tells_the_secret_times_g_and_pedersen_does_not() -> None:
    low_entropy = 3
    feldman = vss.deal(low_entropy, Threshold(2, 3), Stream(bytes(32)), Kind.FELDMAN).commitments
    pedersen = vss.deal(low_entropy, Threshold(2, 3), Stream(bytes(32)), Kind.PEDERSEN).commitments
    guessed = [k for k in range(10) if GENERATOR * k == feldman.at(0)]
    assert guessed == [low_entropy]
    assert not any(GENERATOR * k == pedersen.at(0) for k in range(10))


@pytest.mark.parametrize("kind", Kind)
def test_sums_of_dealings_are_dealings(kind: Kind) -> None:
    streams = Stream(bytes(32), b"dealers")
    dealings = [vss.deal(s, Threshold(2, 3), streams.derive(s), kind) for s in (5, 6, 7)]
    summed = vss.combine([d.commitments for d in dealings])
    assert summed == dealings[0].commitments + dealings[1].commitments + dealings[2].commitments
    shares = [dealings[0].shares[i] + dealings[1].shares[i] + dealings[2].shares[i] for i in (1, 3)]
    assert vss.reconstruct(summed, shares) == 18


def test_evaluation_of_commitments_is_the_plain_sum() -> None:
    points = [GENERATOR * k for k in (3, 11, 4)]
    for x in (0, 1, 5, 1000):
        assert evaluate_commitments(points, x) == sum_points([points[0], points[1] * x, points[2] * x**2])


def test_what_cannot_work_is_refused() -> None:
    stream = Stream(bytes(32))
    two, three = (vss.deal(1, Threshold(n, 3), stream).commitments for n in (2, 3))
    feldman = vss.deal(1, Threshold(2, 3), stream, Kind.FELDMAN).commitments
    for call in (
        lambda: vss.deal(ORDER, Threshold(1, 1), stream),
        lambda: vss.deal(-1, Threshold(1, 1), stream),
        lambda: two + three,
        lambda: two + feldman,
        lambda: vss.combine([two, three]),
        lambda: vss.combine([]),
        lambda: VerifiableShare(1, 2) + VerifiableShare(2, 2),
    ):
        with pytest.raises(ParameterError):
            call()


@given(st.binary(max_size=80))
def test_garbage_is_refused(data: bytes) -> None:
    for decoder in (Commitments, VerifiableShare):
        try:
            decoded = decoder.from_bytes(data)
        except DecodeError:
            continue
        assert decoded.to_bytes() == data


def test_decoders_refuse_what_is_almost_right() -> None:
    dealing = vss.deal(7, Threshold(2, 3), Stream(bytes(32)))
    good = dealing.commitments.to_bytes()
    for data in (good[:-1], good + b"\0", b"\x03" + good[1:], good[:1] + bytes(4) + good[5:]):
        with pytest.raises(DecodeError):
            Commitments.from_bytes(data)
    share = dealing.shares[1].to_bytes()
    for data in (bytes(4) + share[4:], share[:4] + ORDER.to_bytes(32, "big") + share[36:]):
        with pytest.raises(DecodeError):
            VerifiableShare.from_bytes(data)
    assert str(dealing.shares[1].value) not in repr(dealing)
    assert sha256(good).hexdigest()[:16] == "ed4e26f47574cf69"
