"""Wrong shares are corrected, and their senders named, up to half the redundancy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import packed, robust, shamir
from mpc.domain import Elements
from mpc.errors import NotEnoughParties, ParameterError, ProtocolError
from mpc.field import FIELD61, PrimeField
from mpc.polynomial import evaluate, interpolate, multiply
from mpc.prg import Stream
from mpc.reed_solomon import decode
from mpc.shares import Share
from mpc.threshold import Threshold

SMALL = PrimeField(257)


@settings(deadline=None)
@given(
    st.integers(1, 6),
    st.integers(0, 5),
    st.integers(0, 1),
    st.sampled_from([257, FIELD61.modulus]),
    st.data(),
)
def test_any_tolerable_errors_are_corrected_and_named(
    needed: int, errors: int, spare: int, p: int, data: st.DataObject
) -> None:
    n = needed + 2 * errors + spare
    points = data.draw(st.lists(st.integers(1, p - 1), min_size=n, max_size=n, unique=True))
    message = data.draw(st.lists(st.integers(0, p - 1), min_size=needed, max_size=needed))
    values = {x: evaluate(message, x, p) for x in points}
    wrong = data.draw(st.permutations(points))[:errors]
    for x in wrong:
        values[x] = (values[x] + data.draw(st.integers(1, p - 1))) % p
    assert decode(values, needed, p) == (message, tuple(sorted(wrong)))


@given(st.integers(0, 1000))
def test_too_many_random_errors_are_noticed(seed: int) -> None:
    p = FIELD61.modulus
    values = dict(enumerate(Stream(seed.to_bytes(32, "big")).integers_below(p, 8), start=1))
    with pytest.raises(ProtocolError, match="are wrong"):
        decode(values, 3, p)


def test_degenerate_words() -> None:
    assert decode({1: 0, 2: 0, 3: 0}, 2, 97) == ([0, 0], ())
    assert decode({1: 0, 2: 0, 3: 0, 4: 5}, 2, 97) == ([0, 0], (4,))
    assert decode({5: 9}, 1, 97) == ([9], ())
    with pytest.raises(NotEnoughParties):
        decode({1: 0}, 2, 97)


def corrupted(share: Share, at: int) -> Share:
    values = share.values.values.copy()
    values.reshape(-1)[at] = (int(values.reshape(-1)[at]) + 1) % share.domain.modulus
    return Share(
        share.scheme, share.threshold, share.index, share.shape, Elements(share.domain, values), share.width
    )


@pytest.mark.parametrize("field", [FIELD61, SMALL], ids=str)
@pytest.mark.parametrize("width", [1, 2])
def test_one_wrong_element_in_a_tensor_names_its_party(field: PrimeField, width: int) -> None:
    secret = Elements(field, field.random((30, 7), Stream(bytes(32))))
    threshold = Threshold(4, 9)
    for at in (0, 17, 104):
        if width == 1:
            shares = shamir.share(secret, threshold, Stream(bytes(32), b"deal"))
        else:
            shares = packed.share(secret, threshold, width, Stream(bytes(32), b"deal"))
        shares[2], shares[6] = corrupted(shares[2], at), corrupted(shares[6], 0)
        recovered = robust.reconstruct(shares, Stream(bytes(32), b"challenge"), rounds=4)
        assert recovered.secret == secret and recovered.faulty == (3, 7)
        with pytest.raises(ProtocolError):
            worse = [corrupted(s, 1) if s.index in (1, 4) else s for s in shares]
            robust.reconstruct(worse, Stream(bytes(32), b"challenge"), rounds=4)


def test_a_share_with_another_header_is_wrong_too() -> None:
    secret = FIELD61.elements([1, 2, 3])
    shares = shamir.share(secret, Threshold(2, 5), Stream(bytes(32)))
    shares[0] = shamir.share(FIELD61.elements([1, 2]), Threshold(2, 5), Stream(bytes(32)))[0]
    recovered = robust.reconstruct(shares, Stream(bytes(32)))
    assert recovered.secret == secret and recovered.faulty == (1,)


def test_errors_across_coordinates_cannot_hide_from_a_random_combination() -> None:
    # a liar who knows the combination could cancel two errors; without it they show
    secret = FIELD61.elements(np.arange(1000))
    shares = shamir.share(secret, Threshold(3, 7), Stream(bytes(32)))
    values = shares[4].values.values.copy()
    values[10] += np.uint64(1)
    values[20] -= np.uint64(1)
    shares[4] = Share(shares[4].scheme, shares[4].threshold, 5, (1000,), Elements(FIELD61, values))
    assert robust.reconstruct(shares, Stream.from_os()).faulty == (5,)


def test_a_robust_key_and_empty_secrets() -> None:
    shares = shamir.share_secret(123, 3, range(1, 8), Stream(bytes(32)))
    shares[2] ^= 1
    shares[5] = 0
    assert robust.reconstruct_secret(shares, 3) == (123, (2, 5))
    empty = shamir.share(FIELD61.elements(np.zeros(0, dtype=np.int64)), Threshold(2, 3), Stream(bytes(32)))
    assert robust.reconstruct(empty, Stream(bytes(32))).faulty == ()


def test_schemes_without_redundancy_are_refused() -> None:
    from mpc import additive

    with pytest.raises(ParameterError):
        robust.reconstruct(additive.share(FIELD61.elements([1]), 3, Stream(bytes(32))), Stream(bytes(32)))
    with pytest.raises(NotEnoughParties):
        robust.reconstruct([], Stream(bytes(32)))


@given(st.lists(st.integers(0, 96), min_size=1, max_size=6), st.lists(st.integers(0, 96), max_size=6))
def test_polynomial_arithmetic(a: list[int], b: list[int]) -> None:
    p = 97
    product = multiply(a, b, p)
    for x in range(10):
        assert evaluate(product, x, p) == evaluate(a, x, p) * evaluate(b, x, p) % p
    points = list(range(3, 3 + len(a)))
    assert interpolate(points, [evaluate(a, x, p) for x in points], p) == a
    with pytest.raises(ParameterError):
        interpolate([1, 98], [0, 0], p)
    with pytest.raises(ParameterError):
        interpolate([1], [0, 0], p)


@given(
    st.integers(16, 40),
    st.integers(1, 40),
    st.sampled_from([97, FIELD61.modulus, 2**256 - 189]),
    st.integers(0, 99),
)
def test_packed_products_are_the_plain_ones(n: int, m: int, p: int, seed: int) -> None:
    stream = Stream(seed.to_bytes(32, "big"))
    a, b = stream.integers_below(p, n), [p - 1] * m
    assert multiply(a, b, p) == multiply(b, a, p)
    plain = [0] * (n + m - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            plain[i + j] = (plain[i + j] + x * y) % p
    assert multiply(a, b, p) == plain
