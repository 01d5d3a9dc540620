"""Every scheme: enough shares reconstruct, too few are uniform, shares that do not belong together are
refused."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import additive, packed, replicated, shamir
from mpc.domain import Domain, Elements
from mpc.errors import DecodeError, FaultyParty, NotEnoughParties, ParameterError, ProtocolError
from mpc.field import FIELD61, PrimeField
from mpc.prg import Stream
from mpc.ring import RING32, RING64
from mpc.shares import MAGIC, Scheme, Share
from mpc.threshold import Threshold

SMALL, KEYS = PrimeField(257), PrimeField(shamir.KEY_FIELD)
FIELDS = [FIELD61, SMALL, KEYS]
RECONSTRUCT = {
    Scheme.ADDITIVE: additive.reconstruct,
    Scheme.SHAMIR: shamir.reconstruct,
    Scheme.PACKED: packed.reconstruct,
    Scheme.REPLICATED: replicated.reconstruct,
}


def secret_of(domain: Domain, shape: tuple[int, ...], seed: int = 0) -> Elements:
    return Elements(domain, domain.random(shape, Stream(seed.to_bytes(32, "big"), b"secret")))


def one_of_each(seed: int = 0, shape: tuple[int, ...] = (2, 3)) -> list[list[Share]]:
    stream = Stream(seed.to_bytes(32, "big"), b"shares")
    return [
        additive.share(secret_of(RING32, shape), 3, stream),
        additive.share(secret_of(RING64, shape), 2, stream),
        additive.share(secret_of(FIELD61, shape), 4, stream),
        shamir.share(secret_of(FIELD61, shape), Threshold(3, 5), stream),
        shamir.share(secret_of(KEYS, shape), Threshold(2, 4), stream),
        packed.share(secret_of(FIELD61, shape), Threshold(4, 6), 3, stream),
        packed.share(secret_of(SMALL, shape), Threshold(4, 6), 2, stream),
        replicated.share(secret_of(RING64, shape), stream),
        replicated.share(secret_of(SMALL, shape), stream),
    ]


@settings(deadline=None)
@given(st.sampled_from(FIELDS), st.integers(1, 8), st.integers(0, 6), st.data())
def test_any_needed_shamir_shares_reconstruct(
    domain: PrimeField, parties: int, m: int, data: st.DataObject
) -> None:
    needed = data.draw(st.integers(1, parties))
    secret = secret_of(domain, (m,), data.draw(st.integers(0, 99)))
    shares = shamir.share(secret, Threshold(needed, parties), Stream(bytes(32)))
    chosen = data.draw(st.permutations(shares))
    assert shamir.reconstruct(chosen[:needed]) == secret
    assert shamir.reconstruct(chosen) == secret
    with pytest.raises(NotEnoughParties):
        shamir.reconstruct(chosen[: needed - 1])


@settings(deadline=None)
@given(st.sampled_from(FIELDS), st.integers(1, 8), st.integers(0, 9), st.data())
def test_any_needed_packed_shares_reconstruct(
    domain: PrimeField, parties: int, m: int, data: st.DataObject
) -> None:
    needed = data.draw(st.integers(1, parties))
    width = data.draw(st.integers(1, needed))
    secret = secret_of(domain, (m,), data.draw(st.integers(0, 99)))
    shares = packed.share(secret, Threshold(needed, parties), width, Stream(bytes(32)))
    assert all(s.values.shape == (-(-m // width),) for s in shares)
    chosen = data.draw(st.permutations(shares))
    assert packed.reconstruct(chosen[:needed]) == secret
    with pytest.raises(NotEnoughParties):
        packed.reconstruct(chosen[: needed - 1])


@given(st.sampled_from([RING32, RING64, *FIELDS]), st.integers(1, 5), st.integers(0, 5))
def test_additive_shares_need_everyone(domain: Domain, parties: int, m: int) -> None:
    secret = secret_of(domain, (m,))
    shares = additive.share(secret, parties, Stream(bytes(32)))
    assert additive.reconstruct(shares[::-1]) == secret
    with pytest.raises(NotEnoughParties):
        additive.reconstruct(shares[1:])
    moved = [
        a + b for a, b in zip(shares, additive.zero_shares(secret, parties, Stream(bytes(32))), strict=True)
    ]
    assert additive.reconstruct(moved) == secret


@given(st.sampled_from([RING32, RING64, *FIELDS]), st.integers(0, 5))
def test_any_two_replicated_shares_reconstruct(domain: Domain, m: int) -> None:
    secret = secret_of(domain, (m,))
    shares = replicated.share(secret, Stream(bytes(32)))
    for pair in combinations(shares, 2):
        assert replicated.reconstruct(pair) == secret
    assert replicated.reconstruct(shares) == secret
    with pytest.raises(NotEnoughParties):
        replicated.reconstruct(shares[:1])


def test_shares_by_hand() -> None:
    # f(x) = 42 + 7 x + 3 x^2 mod 257, worked on paper
    values = {1: 52, 2: 68, 3: 90, 4: 118, 5: 152}
    shares = [Share(Scheme.SHAMIR, Threshold(3, 5), i, (1,), SMALL.elements([v])) for i, v in values.items()]
    for three in combinations(shares, 3):
        assert shamir.reconstruct(three).values.tolist() == [42]
    for points in combinations(values, 3):
        assert shamir.reconstruct_secret({x: values[x] for x in points}, 3, 257) == 42


def test_the_vectorised_path_and_the_plain_one_agree() -> None:
    secret = secret_of(FIELD61, (50,))
    shares = shamir.share(secret, Threshold(4, 7), Stream(bytes(32)))
    chosen = [shares[i] for i in (6, 1, 4, 3)]
    plain = [
        shamir.reconstruct_secret({s.index: int(s.values.values[j]) for s in chosen}, 4, FIELD61.modulus)
        for j in range(50)
    ]
    assert shamir.reconstruct(chosen).values.tolist() == plain


@settings(deadline=None)
@given(st.integers(0, shamir.KEY_FIELD - 1), st.integers(1, 12), st.data())
def test_a_key_is_shared_at_any_points(secret: int, parties: int, data: st.DataObject) -> None:
    points = data.draw(st.lists(st.integers(1, 1 << 32), min_size=parties, max_size=parties, unique=True))
    needed = data.draw(st.integers(1, parties))
    shares = shamir.share_secret(secret, needed, points, Stream(bytes(32)))
    chosen = data.draw(st.permutations(points))[:needed]
    assert shamir.reconstruct_secret({x: shares[x] for x in chosen}, needed) == secret


def chi_square(values: np.ndarray, cells: int) -> float:
    counts = np.bincount(values, minlength=cells)
    expected = len(values) / cells
    return float(((counts - expected) ** 2 / expected).sum())


# 256 degrees of freedom: one uniform sample in a thousand exceeds 330.5; the seeds are fixed
LIMIT = 330.5
CONSTANT = SMALL.elements(np.full(40_000, 123))


@pytest.mark.parametrize("index", range(5))
def test_one_share_of_a_constant_is_uniform(index: int) -> None:
    stream = Stream(bytes(32), b"chi")
    for shares in (
        shamir.share(CONSTANT, Threshold(2, 5), stream),
        packed.share(CONSTANT, Threshold(3, 5), 2, stream),
        additive.share(CONSTANT, 5, stream),
    ):
        assert chi_square(shares[index].values.values.astype(np.int64).reshape(-1), 257) < LIMIT
    for part in replicated.share(CONSTANT, stream)[index % 3].values.values:
        assert chi_square(part.astype(np.int64), 257) < LIMIT


def test_two_shares_below_the_threshold_are_jointly_uniform() -> None:
    small = PrimeField(17)
    secret = small.elements(np.full(100_000, 3))
    for shares in (
        shamir.share(secret, Threshold(3, 5), Stream(bytes(32), b"pairs")),
        packed.share(secret, Threshold(4, 5), 2, Stream(bytes(32), b"pairs")),
        additive.share(secret, 3, Stream(bytes(32), b"pairs")),
    ):
        for a, b in combinations(shares[:5], 2):
            joint = a.values.values.astype(np.int64) * 17 + b.values.values.astype(np.int64)
            # 288 degrees of freedom, one in a thousand; three pairs of additive shares of three are still two
            assert chi_square(joint.reshape(-1), 289) < 367.0


def test_a_share_too_many_is_not_uniform() -> None:
    # the test above can fail: with as many shares as needed, the pair is tied to the secret
    small = PrimeField(17)
    shares = shamir.share(small.elements(np.full(10_000, 3)), Threshold(2, 3), Stream(bytes(32)))
    joint = shares[0].values.values.astype(np.int64) * 17 + shares[1].values.values.astype(np.int64)
    assert chi_square(joint, 289) > 10_000


@pytest.mark.parametrize("at", range(9))
def test_linear_arithmetic_on_shares(at: int) -> None:
    one, two = one_of_each(1)[at], one_of_each(2)[at]
    rebuild = RECONSTRUCT[one[0].scheme]
    a, b = rebuild(one), rebuild(two)
    assert rebuild([x + y for x, y in zip(one, two, strict=True)]) == a + b
    assert rebuild([x - y for x, y in zip(one, two, strict=True)]) == a - b
    assert rebuild([x * 5 for x in one]) == a * 5 == rebuild([5 * x for x in one])


@pytest.mark.parametrize("at", range(9))
def test_shares_that_do_not_belong_together(at: int) -> None:
    mine = one_of_each()[at]
    for other in one_of_each():
        if other[0].is_kin(mine[0]):
            continue
        with pytest.raises(ParameterError):
            mine[0] + other[0]
        with pytest.raises(ParameterError):
            RECONSTRUCT[mine[0].scheme]([*mine[1:], other[0]])
    with pytest.raises(ParameterError):
        mine[0] + mine[1]
    with pytest.raises(ParameterError, match="two shares of one party"):
        RECONSTRUCT[mine[0].scheme]([mine[0], *mine])


@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3)])
def test_serialisation_is_canonical(shape: tuple[int, ...]) -> None:
    for shares in one_of_each(shape=shape):
        for share in shares:
            data = share.to_bytes()
            again = Share.from_bytes(data)
            assert again.to_bytes() == data and again.is_kin(share) and again.index == share.index
            assert again.values == share.values
            for broken in (
                data[:-1] if shape != (0,) else data[:-2],
                data + b"\0",
                b"X" + data[1:],
                data[: len(MAGIC) + 5],
            ):
                with pytest.raises(DecodeError):
                    Share.from_bytes(broken)


@settings(deadline=None)
@given(st.integers(0, 8), st.integers(0, 200), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_still_canonical(at: int, position: int, value: int) -> None:
    data = bytearray(one_of_each()[at][0].to_bytes())
    data[position % len(data)] = value
    try:
        share = Share.from_bytes(bytes(data))
    except DecodeError:
        return
    assert share.to_bytes() == bytes(data)


@given(st.binary(max_size=80), st.booleans())
def test_garbage_is_refused(data: bytes, with_magic: bool) -> None:
    data = (MAGIC if with_magic else b"") + data
    try:
        share = Share.from_bytes(data)
    except DecodeError:
        return
    assert share.to_bytes() == data


def test_a_huge_shape_allocates_nothing() -> None:
    head = bytearray(one_of_each()[3][0].to_bytes())
    at = len(MAGIC) + 18
    head[at : at + 8] = (1 << 47).to_bytes(8, "big")
    with pytest.raises(DecodeError):
        Share.from_bytes(bytes(head))


def test_replicated_reconstruction_blames_whom_it_can() -> None:
    shares = replicated.share(secret_of(RING32, (3,)), Stream(bytes(32)))
    shift = RING32.elements(np.ones((2, 3), dtype=np.int64))
    lying = Share(Scheme.REPLICATED, shares[1].threshold, 2, (3,), shares[1].values + shift)
    with pytest.raises(FaultyParty) as caught:
        replicated.reconstruct([shares[0], lying, shares[2]])
    assert caught.value.party == 2
    half = shares[1].values.values.copy()
    half[0] += 1
    unclear = Share(Scheme.REPLICATED, shares[1].threshold, 2, (3,), Elements(RING32, half))
    with pytest.raises(ProtocolError, match="different copies"):
        replicated.reconstruct([shares[0], unclear, shares[2]])


def test_secrets_stay_out_of_reprs() -> None:
    for shares in one_of_each():
        for value in shares[0].values.values.reshape(-1)[:2]:
            assert str(value) not in repr(shares[0])


def test_arguments_that_cannot_work() -> None:
    stream = Stream(bytes(32))
    secret = secret_of(FIELD61, (2,))
    for call in (
        lambda: shamir.share(secret_of(RING32, (2,)), Threshold(2, 3), stream),
        lambda: shamir.share(secret_of(SMALL, (2,)), Threshold(2, 257), stream),
        lambda: packed.share(secret, Threshold(2, 3), 3, stream),
        lambda: packed.share(secret, Threshold(2, 3), 0, stream),
        lambda: packed.share(secret_of(SMALL, (2,)), Threshold(2, 256), 1, stream),
        lambda: shamir.share_secret(257, 1, [1], stream, 257),
        lambda: shamir.share_secret(1, 1, [0], stream, 257),
        lambda: shamir.share_secret(1, 1, [1, 258], stream, 257),
        lambda: shamir.share_secret(1, 3, [1, 2], stream, 257),
        lambda: Share(Scheme.SHAMIR, Threshold(1, 2), 3, (2,), secret),
        lambda: Share(Scheme.SHAMIR, Threshold(1, 2), 1, (3,), secret),
        lambda: Share(Scheme.SHAMIR, Threshold(1, 2), 1, (2,), secret, width=2),
    ):
        with pytest.raises(ParameterError):
            call()
    with pytest.raises(NotEnoughParties):
        shamir.reconstruct([])
