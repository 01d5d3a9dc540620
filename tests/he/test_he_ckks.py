"""CKKS behind the vector interface: its error is measured, and it refuses what Paillier refuses."""

import numpy as np
import pytest

from he import CodecMismatch, KeyMismatch, SlotOverflow, TooFewContributions, TooManyContributions, ckks
from he.ckks import CkksKey, CkksVector
from mpc.codec import Codec
from mpc.errors import DecodeError, ParameterError

pytest.importorskip("tenseal", reason="CKKS needs the extra he-ckks")

CODEC = Codec(clip=1.0, bits=16, max_clients=10, max_weight=5)
Pair = tuple[CkksKey, CkksKey]


@pytest.fixture(scope="module")
def keys() -> Pair:
    return ckks.keygen()


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, shape)


@pytest.mark.parametrize("shape", [(1,), (4096,), (4097,), (3, 2000), ()])
def test_any_shape_survives_with_a_small_error(keys: Pair, shape: tuple[int, ...]) -> None:
    x = values(*shape)
    got = ckks.encrypt(keys[0], CODEC, x, weight=5).decrypt(keys[1])
    assert got.shape == x.shape and 0 < np.abs(got - 5 * x).max() < 1e-6


def test_sums_products_and_means(keys: Pair) -> None:
    x = values(5000)
    v = ckks.encrypt(keys[0], CODEC, x, weight=2)
    total = ckks.sum_vectors([v] * 7)
    assert total.contributions == 7 and total.weight == 14
    assert np.abs(total.decrypt(keys[1], mean=True) - x).max() < 1e-6
    assert np.abs((v + v - v).decrypt(keys[1], mean=True) * 6 - 2 * x).max() < 1e-5
    assert np.abs((v * -3).decrypt(keys[1]) + 6 * x).max() < 1e-4
    assert np.abs((x * v).decrypt(keys[1]) - 2 * x * x).max() < 1e-4


def test_bytes_carry_vectors_and_keys(keys: Pair) -> None:
    public, private = (CkksKey.from_bytes(key.to_bytes()) for key in keys)
    assert not public.is_private and private.is_private and not private.public().is_private
    assert "private" in repr(private) and len(repr(private)) < 100
    v = ckks.encrypt(public, CODEC, values(10, 10))
    again = CkksVector.from_bytes(v.to_bytes(), keys[0], codec=CODEC)
    assert np.abs(again.decrypt(private, mean=True) - values(10, 10)).max() < 1e-6
    assert (again + v).contributions == 2


def test_what_paillier_refuses_is_refused(keys: Pair) -> None:
    public, private = keys
    v = ckks.encrypt(public, CODEC, values(10))
    assert ckks.encrypt(public, CODEC, [0.5, 7.0]).saturated == 1
    for bad in (np.nan, np.inf):
        with pytest.raises(ParameterError, match="finite"):
            ckks.encrypt(public, CODEC, [bad])
        with pytest.raises(ParameterError, match="finite"):
            v * bad
    with pytest.raises(ParameterError, match="weight"):
        ckks.encrypt(public, CODEC, [0.1], weight=6)
    with pytest.raises(TooManyContributions):
        ckks.sum_vectors([v] * 11)
    with pytest.raises(TooFewContributions):
        v.decrypt(private, min_contributions=2)
    with pytest.raises(SlotOverflow, match="levels"):
        v * 2 * 2
    with pytest.raises(SlotOverflow, match="wrap"):
        v * 1e6
    with pytest.raises(CodecMismatch):
        v + ckks.encrypt(public, Codec(2.0, 16, 10, 5), values(10))
    with pytest.raises(CodecMismatch):
        v + ckks.encrypt(public, CODEC, values(11))
    with pytest.raises(CodecMismatch, match="sender used"):
        CkksVector.from_bytes(v.to_bytes(), public, codec=Codec(1.0, 16, 11, 5))
    other = ckks.keygen()
    with pytest.raises(KeyMismatch):
        v + ckks.encrypt(other[0], CODEC, values(10))
    with pytest.raises(KeyMismatch):
        v.decrypt(other[1])
    with pytest.raises(KeyMismatch):
        v.decrypt(public)
    with pytest.raises(KeyMismatch):
        CkksVector.from_bytes(v.to_bytes(), other[0])
    with pytest.raises(ParameterError, match="nothing"):
        ckks.sum_vectors([])
    with pytest.raises(ParameterError, match="refuses"):
        ckks.keygen(4096, (60, 40, 60))  # SEAL: below 128 bits of security
    with pytest.raises(ParameterError):
        ckks.keygen(8192, (40, 40), 40)


def test_bad_bytes_are_named(keys: Pair) -> None:
    v = ckks.encrypt(keys[0], CODEC, values(10))
    data = v.to_bytes()
    for bad in (b"", data[:-1], data + b"\0", data[:200], data[:-100] + bytes(100)):
        with pytest.raises(DecodeError):
            CkksVector.from_bytes(bad, keys[0])
    key = keys[0].to_bytes()
    for bad in (b"", key[:-1], key + b"\0", key[:70], key[:18] + b"\xff" + key[19:]):
        with pytest.raises(DecodeError):
            CkksKey.from_bytes(bad)
