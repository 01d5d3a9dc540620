"""The draws against their plain twins; published vectors are in test_mpc_vectors.py."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import ParameterError
from mpc.prg import CIPHERS, P61, Keystream, Stream, encode_labels


@pytest.mark.parametrize("cipher", CIPHERS)
def test_a_long_buffer_is_the_same_bytes_as_many_short_draws(cipher: str) -> None:
    whole = Keystream(cipher, bytes(32)).bytes(600_001)
    pieces = Keystream(cipher, bytes(32))
    assert whole == b"".join(pieces.bytes(n) for n in (1, 262_144, 262_160, 17, 0, 75_679))


@pytest.mark.parametrize("cipher", CIPHERS)
def test_draws_do_not_change_between_versions(cipher: str) -> None:
    got = Stream(bytes(range(32)), b"vector", cipher).derive("mask", 7, b"\x00").bytes(16).hex()
    assert (
        got
        == {"aes256ctr": "b3c26b8b74c3f3d7c1bdac532ac54600", "chacha20": "20b6a83f0c9c552f9eed726bba17287f"}[
            cipher
        ]
    )


def test_derivation_ignores_what_was_drawn_and_separates_labels() -> None:
    stream = Stream(bytes(32), b"a")
    before = stream.derive("x").bytes(32)
    stream.bytes(1000)
    assert stream.derive("x").bytes(32) == before
    others = [
        stream.derive("x", "y"),
        stream.derive("xy"),
        stream.derive(b"x"),
        stream.derive("x", 0),
        stream.derive(),
        stream.derive("x").derive("y"),
        Stream(bytes(32), b"b").derive("x"),
        Stream(bytes(32), b"a", "chacha20").derive("x"),
    ]
    outputs = [before, *(s.bytes(32) for s in others)]
    assert len(set(outputs)) == len(outputs)


labels = st.lists(st.one_of(st.binary(max_size=4), st.text(max_size=4), st.integers(-300, 300)), max_size=4)


@given(labels, labels)
def test_label_encoding_is_injective(a: list[bytes | str | int], b: list[bytes | str | int]) -> None:
    same = len(a) == len(b) and all(type(x) is type(y) and x == y for x, y in zip(a, b, strict=True))
    assert (encode_labels(tuple(a)) == encode_labels(tuple(b))) == same


@given(st.integers(1, 1 << 300), st.integers(0, 40))
def test_integers_below_is_many_draws_of_below(modulus: int, n: int) -> None:
    one, many = Stream(bytes(32)), Stream(bytes(32))
    values = many.integers_below(modulus, n)
    assert values == [one.below(modulus) for _ in range(n)]
    assert all(0 <= v < modulus for v in values)


def test_below_is_uniform() -> None:
    counts = np.bincount(Stream(bytes(32), b"chi").integers_below(7, 70_000), minlength=7)
    chi = float(((counts - 10_000) ** 2 / 10_000).sum())
    assert chi < 22.5  # 6 degrees of freedom, one in a thousand


def test_numpy_draws_are_the_keystream_little_endian() -> None:
    data = Stream(bytes(32)).bytes(80)
    assert Stream(bytes(32)).uint32(20).tolist() == np.frombuffer(data, "<u4").tolist()
    assert Stream(bytes(32)).uint64((2, 5)).reshape(-1).tolist() == np.frombuffer(data, "<u8").tolist()
    assert Stream(bytes(32)).field61(10).tolist() == [int(v) >> 3 for v in np.frombuffer(data, "<u8")]


def test_field61_redraws_the_one_value_outside_the_field() -> None:
    class Rigged(Stream):
        """Replays a keystream that hits the modulus twice in a row."""

        def uint64_into(self, out: np.ndarray) -> None:
            out[:] = self.script.pop(0)

        script: list[list[int]] = []

    rigged = Rigged(bytes(32))
    rigged.script = [[8, (1 << 64) - 1, 24], [(1 << 64) - 8], [40]]
    assert rigged.field61(3).tolist() == [1, 5, 3]
    assert int(Stream(bytes(32)).field61(100_000).max()) < P61


@pytest.mark.parametrize("cipher", CIPHERS)
@pytest.mark.parametrize("n", [0, 1, 5, 65_535, 65_536, 65_537, 200_003])
def test_fused_addition_is_draw_then_add(cipher: str, n: int) -> None:
    start32 = np.arange(n, dtype=np.uint32)
    total32 = start32.copy()
    Stream(bytes(32), b"", cipher).add_uint32(total32)
    assert (total32 == start32 + Stream(bytes(32), b"", cipher).uint32(n)).all()
    Stream(bytes(32), b"", cipher).add_uint32(total32, subtract=True)
    assert (total32 == start32).all()
    total64 = np.zeros(n, dtype=np.uint64)
    Stream(bytes(32), b"", cipher).add_uint64(total64)
    assert (total64 == Stream(bytes(32), b"", cipher).uint64(n)).all()


def test_permutation_and_unit() -> None:
    stream = Stream(bytes(32))
    assert sorted(stream.permutation(50)) == list(range(50))
    counts = {tuple(p): 0 for p in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))}
    for _ in range(6000):
        counts[tuple(stream.permutation(3))] += 1
    assert sum((c - 1000) ** 2 / 1000 for c in counts.values()) < 20.6  # 5 degrees, one in a thousand
    unit = stream.unit(10_000)
    assert 0 <= unit.min() and unit.max() < 1 and abs(unit.mean() - 0.5) < 0.015


def test_a_stream_keeps_its_secret_and_is_never_copied() -> None:
    key = bytes(range(32))
    stream = Stream(key)
    assert key.hex() not in repr(stream) and "secret" in repr(stream)
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied"):
            copier(stream)
    assert Stream.from_os().bytes(32) != Stream.from_os().bytes(32)


def test_arguments_that_cannot_work() -> None:
    stream = Stream(bytes(32))
    for call in (
        lambda: Stream(bytes(31)),
        lambda: Stream(bytes(32), cipher="rc4"),
        lambda: Keystream("rc4", bytes(32)),
        lambda: Keystream("aes256ctr", bytes(32), bytes(12)),
        lambda: stream.below(0),
        lambda: stream.integers_below(0, 1),
        lambda: stream.bytes(-1),
        lambda: stream.uint32_into(np.zeros(4, np.uint64)),
        lambda: stream.uint64_into(np.zeros(4, np.uint32)),
        lambda: stream.uint32_into(np.zeros(8, np.uint32)[::2]),
        lambda: stream.add_uint32(np.zeros((2, 2), np.uint32)),
        lambda: stream.add_uint64(np.zeros(2, np.int64)),
        lambda: stream.derive(True),
        lambda: stream.derive(1.5),
    ):
        with pytest.raises(ParameterError):
            call()
