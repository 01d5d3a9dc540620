"""No sum of encoded values can wrap, in any ring, field or slot, and the mean comes back."""

from fractions import Fraction
from math import ldexp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.codec import Codec
from mpc.errors import CodecError, DecodeError, ParameterError
from mpc.prg import Stream

BN254_R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
moduli = st.one_of(
    st.sampled_from([2**32, 2**64, 2**61 - 1, BN254_R, 2**24, 2**31 - 1]), st.integers(2, 2**80)
)


@st.composite
def codecs(draw: st.DrawFn) -> Codec:
    """Any codec that its constructor accepts."""
    clip = draw(st.floats(1e-300, 1e300))
    arguments = (
        clip,
        draw(st.integers(2, 52)),
        draw(st.integers(1, 1 << 20)),
        draw(st.integers(1, 1 << 20)),
        draw(moduli),
    )
    try:
        return Codec(*arguments)
    except CodecError as error:
        # what it refuses does wrap, and the number of missing bits is exact
        span = 2 * arguments[2] * (2 ** (arguments[1] - 1) - 1) + 1
        assert arguments[4] < span <= arguments[4] << error.missing_bits
        assert error.missing_bits >= 1 and arguments[4] << (error.missing_bits - 1) < span
        return Codec(*arguments[:4], modulus=arguments[4] << error.missing_bits)


@settings(deadline=None, max_examples=300)
@given(codecs(), st.data())
def test_the_worst_sums_survive_the_modulus(codec: Codec, data: st.DataObject) -> None:
    extreme = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=1, max_size=3))
    totals = [sign * codec.max_sum for sign in extreme]
    residues = np.array([t % codec.modulus for t in totals], dtype=object)
    assert [int(v) for v in codec.lift(residues)] == totals
    if codec.modulus <= 1 << 64:
        assert [int(v) for v in codec.lift(residues.astype(np.uint64))] == totals


@settings(deadline=None, max_examples=300)
@given(codecs(), st.data())
def test_a_weighted_mean_comes_back_within_one_step(codec: Codec, data: st.DataObject) -> None:
    clients = data.draw(st.integers(1, min(5, codec.max_clients)))
    weights = data.draw(
        st.lists(st.integers(1, codec.max_weight), min_size=clients, max_size=clients).filter(bool)
    )
    points = data.draw(
        st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=clients, max_size=clients).map(
            lambda rows: [[v * codec.clip for v in row] for row in rows]
        )
    )
    encoded = [codec.encode(np.array(p), w) for p, w in zip(points, weights, strict=True)]
    assert all(e.saturated == 0 and np.abs(e.values).max() <= codec.limit for e in encoded)
    total = [sum(int(e.values[j]) for e in encoded) % codec.modulus for j in range(3)]
    mean = codec.decode_sum(total, sum(weights))
    for j in range(3):
        exact = sum(Fraction(p[j]) * w for p, w in zip(points, weights, strict=True)) / sum(weights)
        # every client rounds by at most half a step of its own scale, plus a few units in the last place
        slack = Fraction(codec.clip) * (Fraction(clients, 2 * codec.limit) * codec.max_weight / sum(weights))
        assert abs(Fraction(float(mean[j])) - exact) <= slack + Fraction(codec.clip) * Fraction(1, 1 << 48)


@given(st.integers(2, 52), st.integers(0, 1000))
def test_stochastic_rounding_stays_in_range_next_to_the_value(bits: int, seed: int) -> None:
    codec = Codec(1.0, bits, 1, modulus=2**64)
    stream = Stream(seed.to_bytes(32, "big"))
    values = stream.unit(50) * 2 - 1
    values[:4] = [1.0, -1.0, 0.0, 0.5]
    encoded = codec.encode(values, rounding=stream).values
    assert np.abs(encoded).max() <= codec.limit
    assert encoded[0] == codec.limit and encoded[1] == -codec.limit and encoded[2] == 0
    assert (np.abs(encoded - values * codec.limit) <= 1).all()


def test_stochastic_rounding_is_unbiased() -> None:
    codec = Codec(1.0, 3, 1)
    encoded = codec.encode(np.full(100_000, 0.25), rounding=Stream(bytes(32), b"round")).values
    assert set(np.unique(encoded)) == {0, 1}
    assert abs(encoded.mean() - 0.75) < 0.005


def test_rounding_to_nearest_needs_no_randomness_and_repeats() -> None:
    codec = Codec(2.0, 9, 4)
    values = np.linspace(-2, 2, 11)
    assert (codec.encode(values).values == codec.encode(values).values).all()
    assert codec.encode(np.array([2.0, -2.0, 0.0])).values.tolist() == [255, -255, 0]


def test_saturation_is_counted() -> None:
    encoded = Codec(1.0, 8, 1).encode(np.array([1.0, -1.0, 1.0000001, -7.0, 1e308]))
    assert encoded.saturated == 3
    assert encoded.values.tolist() == [127, -127, 127, -127, 127]


def test_extreme_clips_do_not_overflow() -> None:
    for clip in (ldexp(1.0, -1074), 1e-300, 1e300):
        codec = Codec(clip, 16, 2)
        assert codec.encode(np.array([clip, -clip, 0.0])).values.tolist() == [32767, -32767, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_must_be_finite(bad: float) -> None:
    with pytest.raises(ParameterError, match="finite"):
        Codec(1.0, 8, 1).encode(np.array([0.0, bad]))


def test_the_missing_bits_are_named() -> None:
    with pytest.raises(CodecError, match="3 bits are missing") as caught:
        Codec(1.0, 16, 2**19)
    assert caught.value.missing_bits == 3
    Codec(1.0, 16, 2**16)
    with pytest.raises(CodecError):
        Codec(1.0, 16, 100).for_modulus(2**16)
    assert Codec(1.0, 16, 100).for_modulus(BN254_R).modulus == BN254_R


@pytest.mark.parametrize("modulus", [2**32, 2**64, 2**61 - 1, 2**40, BN254_R, 2**3000])
def test_residues_and_lift_are_inverse(modulus: int) -> None:
    codec = Codec(1.0, 16, 100, modulus=modulus)
    values = np.array([[0, 1, -1], [32767, -32767, 5]])
    residues = codec.residues(values)
    assert [int(v) for v in residues.reshape(-1)] == [int(v) % modulus for v in values.reshape(-1)]
    assert (codec.lift(residues) == values).all() and codec.lift(residues).dtype == np.int64
    assert (codec.lift(values) == values).all()


def test_a_sum_nobody_can_make_is_refused() -> None:
    codec = Codec(1.0, 8, 3)
    assert codec.lift(np.array([381, -381])).tolist() == [381, -381]
    for wrong in (np.array([382]), np.array([2**31], np.uint32), np.array([-382]), [382], np.array([0.5])):
        with pytest.raises(DecodeError):
            codec.decode_sum(wrong, 3)


@pytest.mark.parametrize(
    "arguments",
    [(0.0, 8, 1), (-1.0, 8, 1), (np.inf, 8, 1), (1.0, 1, 1), (1.0, 53, 1), (1.0, 8, 0), (1.0, 8, 1, 0)],
)
def test_arguments_without_meaning(arguments: tuple[float, int, int]) -> None:
    with pytest.raises(ParameterError):
        Codec(*arguments)


def test_weights_are_bounded() -> None:
    codec = Codec(1.0, 8, 1, max_weight=10)
    for weight in (0, 11):
        with pytest.raises(ParameterError):
            codec.encode(np.zeros(1), weight)
    with pytest.raises(ParameterError):
        codec.decode_sum(np.zeros(1, np.int64), 0)
