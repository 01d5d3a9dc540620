"""EncryptedVector: arithmetic, bounds that cannot be passed, shapes, bytes."""

from dataclasses import replace

import gmpy2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from he import (
    CodecMismatch,
    Decryptor,
    EncryptedVector,
    InvalidCiphertext,
    KeyMismatch,
    NotPacked,
    PrivateKey,
    PublicKey,
    RandomizerPool,
    SlotOverflow,
    TooFewContributions,
    TooManyContributions,
    TrivialCiphertext,
    Workers,
    concatenate,
    encrypt,
    encrypt_integers,
    sum_vectors,
)
from mpc.codec import Codec
from mpc.errors import DecodeError, ParameterError
from mpc.prg import Stream

Pair = tuple[PublicKey, PrivateKey]
CODEC = Codec(clip=1.0, bits=16, max_clients=100)
STEP = 1 / CODEC.limit


def values(size: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, size)


# --- sums


@pytest.mark.parametrize("shape", [(), (1,), (0,), (5,), (41,), (42,), (43,), (3, 4, 5)])
def test_any_shape_survives(pair: Pair, shape: tuple[int, ...]) -> None:
    public, private = pair
    x = np.random.default_rng(1).uniform(-1, 1, shape)
    v = encrypt(public, CODEC, x)
    assert v.shape == shape and v.size == x.size
    got = v.decrypt(private)
    assert got.shape == shape and np.abs(got - x).max(initial=0) <= STEP


def test_slots_are_as_dense_as_the_issue_asks() -> None:
    public = PublicKey(_modulus())
    v = encrypt(public, Codec(1.0, 16, 256), np.zeros(1270))
    assert v.packing.slots == 127 and v.packing.width == 24
    assert len(v.ciphertexts) * public.ciphertext_bytes / v.size < 6.1
    assert len(v.to_bytes()) - len(v.ciphertexts) * public.ciphertext_bytes < 256  # the header


def _modulus() -> gmpy2.mpz:
    # any 3,072-bit number without small factors will do: nothing is decrypted
    n = (gmpy2.mpz(1) << 3071) + 1
    primorial = gmpy2.primorial(1 << 16)
    while gmpy2.gcd(n, primorial) != 1 or gmpy2.is_prime(n):
        n += 2
    return n


def test_sum_of_many_is_exact(pair: Pair) -> None:
    public, private = pair
    xs = [values(100, seed) for seed in range(10)]
    vectors = [encrypt(public, CODEC, x) for x in xs]
    exact = sum(CODEC.encode(x).values for x in xs)
    total = sum_vectors(vectors)
    assert (total.decrypt_integers(private) == exact).all()
    assert total.contributions == 10 and total.bound == 10 * CODEC.limit
    assert np.allclose(total.decrypt(private, mean=True), np.mean(xs, axis=0), atol=STEP)


def test_weights_make_the_weighted_mean(pair: Pair) -> None:
    public, private = pair
    codec = Codec(clip=2.0, bits=20, max_clients=4, max_weight=1000)
    xs, weights = [values(10, seed) for seed in range(3)], [10, 1000, 300]
    total = sum_vectors([encrypt(public, codec, x, weight=w) for x, w in zip(xs, weights, strict=True)])
    assert total.weight == 1310
    assert np.allclose(
        total.decrypt(private, mean=True),
        np.average(xs, axis=0, weights=weights),
        atol=3 * 2000 / codec.limit,
    )
    with pytest.raises(ParameterError, match="weight"):
        encrypt(public, codec, xs[0], weight=1001)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_programs_compute_what_numpy_computes(pair: Pair, data: st.DataObject) -> None:
    public, private = pair
    size = data.draw(st.integers(1, 20))
    x = np.array(data.draw(st.lists(st.integers(-50, 50), min_size=size, max_size=size)))
    plain, v = x.astype(object), encrypt_integers(public, x, bound=50, max_contributions=64, headroom_bits=6)
    for _ in range(data.draw(st.integers(0, 5))):
        before = v
        try:
            match data.draw(st.sampled_from(["double", "negate", "times", "minus", "plain"])):
                case "double":
                    v, plain = v + v, plain + plain
                case "negate":
                    v, plain = -v, -plain
                case "times":
                    k = data.draw(st.integers(-9, 9))
                    v, plain = v * k, plain * k
                case "minus":
                    v, plain = v - before, plain - plain
                case "plain":
                    v, plain = v.add_plain(x), plain + x
        except SlotOverflow:
            v = before
            break
    assert np.abs(plain).max() <= v.bound
    assert v.decrypt_integers(private).tolist() == plain.tolist()


# --- overflow


def test_an_unchecked_overflow_would_change_the_neighbour(pair: Pair) -> None:
    public, private = pair
    v = encrypt_integers(public, [100, 5], bound=127)
    assert v.packing.width == 8
    # the attack, below the vector: 100 + 100 does not fit 8 bits, and slot 1 gets the carry
    doubled = [c * c % public.n_squared for c in v.ciphertexts]
    assert v.unpack(Decryptor(private).decrypt(doubled)).tolist() == [200 - 256, 10 + 1]
    with pytest.raises(SlotOverflow) as caught:
        v * 2
    assert caught.value.missing_bits == 1


def test_overflow_is_refused_before_anything_is_computed(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    v = encrypt_integers(pair[0], [100], bound=127, max_contributions=2, slots=1)
    monkeypatch.setattr("he.vector.product", lambda *_: pytest.fail("computed"))
    monkeypatch.setattr("he.vector.powmod", lambda *_: pytest.fail("computed"))
    monkeypatch.setattr("he.matrix.multi_exponent", lambda *_: pytest.fail("computed"))
    for operation in (
        lambda: sum_vectors([v, v, v]),
        lambda: v * 3,
        lambda: v * -3,
        lambda: v * [-3],
        lambda: v.add_plain([129]),
        lambda: v @ np.array([[3]]),
        lambda: np.array([[-3]]) @ v,
        lambda: v * np.int64(2**62),
        lambda: v * 2**2000,
    ):
        with pytest.raises(SlotOverflow):
            operation()


def test_sums_past_max_clients_are_refused(pair: Pair) -> None:
    codec = Codec(1.0, 16, 3)  # the slot has room for more than three, the codec has not
    v = encrypt(pair[0], codec, [0.5])
    assert v.packing.limit > 4 * codec.limit or v.packing.limit >= 3 * codec.limit
    total = v + v + v
    with pytest.raises((TooManyContributions, SlotOverflow)):
        total + v
    loose = encrypt(pair[0], codec, [0.5], headroom_bits=8)
    with pytest.raises(TooManyContributions):
        sum_vectors([loose] * 4)


def test_numpy_integers_never_overflow(pair: Pair) -> None:
    public, private = pair
    v = encrypt_integers(public, np.array([3, -4], dtype=np.int8), bound=4, headroom_bits=100)
    for k in (np.int8(-128), np.uint64(2**64 - 1), np.int64(-(2**63)), np.int32(7)):
        assert (v * k).decrypt_integers(private).tolist() == [3 * int(k), -4 * int(k)]
        assert (k * v).decrypt_integers(private).tolist() == [3 * int(k), -4 * int(k)]
    lowest = np.array([-(2**63), 2**63 - 1])
    w = encrypt_integers(public, lowest, bound=2**63)
    assert w.decrypt_integers(private).tolist() == [-(2**63), 2**63 - 1]
    with pytest.raises(ParameterError, match="exceeds"):
        encrypt_integers(public, lowest, bound=2**63 - 1)
    mixed = encrypt_integers(public, [2**63, -1], bound=2**64)
    assert mixed.decrypt_integers(private).tolist() == [2**63, -1]
    u = encrypt_integers(public, np.array([2**64 - 1], dtype=np.uint64), bound=2**64)
    assert u.decrypt_integers(private).tolist() == [2**64 - 1]


# --- bad values


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(pair: Pair, bad: float) -> None:
    with pytest.raises(ParameterError, match="finite"):
        encrypt(pair[0], CODEC, [0.0, bad])
    with pytest.raises(ParameterError, match="finite"):
        encrypt(pair[0], CODEC, [0.0]).add_plain([bad])


def test_values_beyond_the_clip_are_counted(pair: Pair) -> None:
    v = encrypt(pair[0], CODEC, [0.5, 1.5, -7.0, 1.0])
    assert v.saturated == 2
    assert (v + v).saturated == 4 and concatenate([v, v]).saturated == 4
    assert np.allclose(v.decrypt(pair[1]), [0.5, 1.0, -1.0, 1.0], atol=STEP)
    # how much of a client's update was clipped is nobody else's business
    assert EncryptedVector.from_bytes(v.to_bytes(), pair[0]).saturated == 0


def test_bad_operands_are_named(pair: Pair, other_pair: Pair) -> None:
    v = encrypt(pair[0], CODEC, values(10))
    with pytest.raises(KeyMismatch):
        v + encrypt(other_pair[0], CODEC, values(10))
    with pytest.raises(KeyMismatch):
        concatenate([v, encrypt(other_pair[0], CODEC, values(10))])
    with pytest.raises(KeyMismatch):
        v.decrypt(other_pair[1])
    for other in (
        encrypt(pair[0], Codec(2.0, 16, 100), values(10)),
        encrypt(pair[0], Codec(1.0, 17, 100), values(10)),
        encrypt(pair[0], CODEC, values(11)),
        encrypt(pair[0], CODEC, values(10), slots=1),
        encrypt(pair[0], CODEC, values(10), headroom_bits=1),
        encrypt_integers(pair[0], np.arange(10), bound=CODEC.limit, max_contributions=100),
    ):
        with pytest.raises(CodecMismatch):
            v + other
        with pytest.raises(CodecMismatch):
            v - other
    with pytest.raises(CodecMismatch):
        concatenate([v, encrypt(pair[0], Codec(1.0, 17, 100), values(10))])
    with pytest.raises(ParameterError, match="float"):
        v * 1.5
    with pytest.raises(ParameterError, match="slots=1"):
        v * [1] * 10
    with pytest.raises(TypeError):
        v + 1  # type: ignore[operator]
    for empty in (sum_vectors, concatenate):
        with pytest.raises(ParameterError, match="nothing"):
            empty([])
    with pytest.raises(ParameterError, match="no codec"):
        encrypt_integers(pair[0], [1], bound=1).decrypt(pair[1])
    with pytest.raises(ParameterError, match="integers"):
        encrypt_integers(pair[0], [1.5], bound=2)
    with pytest.raises(ParameterError, match="do not fit"):
        encrypt_integers(pair[0], [1], bound=2**1023)
    with pytest.raises(ParameterError, match="do not fit"):
        encrypt(pair[0], CODEC, [0.1], slots=1000)


def test_small_sums_are_not_decrypted(pair: Pair) -> None:
    v = encrypt(pair[0], CODEC, values(3))
    with pytest.raises(TooFewContributions, match="3 are needed"):
        (v + v).decrypt(pair[1], min_contributions=3)
    (v + v + v).decrypt(pair[1], min_contributions=3)


def test_a_dishonest_plaintext_is_not_unpacked(pair: Pair) -> None:
    v = encrypt(pair[0], CODEC, values(3))
    n = pair[0].n
    huge = v.ciphertexts[0] * (1 + n // 3 * n) % pair[0].n_squared
    with pytest.raises(NotPacked):
        replace(v, ciphertexts=(huge,)).decrypt(pair[1])


# --- products


def test_element_wise_products(pair: Pair) -> None:
    x, k = np.array([[1, -2, 3], [4, 5, -6]]), np.array([[7, 0, -8], [9, -10, 11]])
    v = encrypt_integers(pair[0], x, bound=6, slots=1, headroom_bits=4)
    assert len(v.ciphertexts) == 6
    assert (v * k).decrypt_integers(pair[1]).tolist() == (x * k).tolist()
    assert (v * k[0]).decrypt_integers(pair[1]).tolist() == (x * k[0]).tolist()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32), m=st.integers(1, 3), d=st.integers(1, 12), k=st.integers(1, 3))
def test_matrix_products_agree_with_numpy(pair: Pair, seed: int, m: int, d: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = rng.integers(-100, 101, (m, d)), rng.integers(-1000, 1001, (d, k))
    private = pair[1]
    flat = encrypt_integers(private, x, bound=100, slots=1, headroom_bits=24)
    assert (flat @ w).decrypt_integers(private).tolist() == (x @ w).tolist()
    assert (flat[0] @ w[:, 0]).decrypt_integers(private).tolist() == int(x[0] @ w[:, 0])
    assert (flat @ w[:, 0]).decrypt_integers(private).tolist() == (x @ w[:, 0]).tolist()
    rows = encrypt_integers(private, x.T, bound=100, rows=True, headroom_bits=24)
    assert len(rows.ciphertexts) == d  # m values share the ciphertext of their row
    assert (w.T @ rows).decrypt_integers(private).tolist() == (w.T @ x.T).tolist()
    assert (w[:, 0] @ rows).decrypt_integers(private).tolist() == (w[:, 0] @ x.T).tolist()


def test_wide_rows_take_several_ciphertexts(pair: Pair) -> None:
    x = np.arange(300).reshape(3, 100)
    v = encrypt_integers(pair[1], x, bound=300, rows=True, headroom_bits=8)
    assert len(v.ciphertexts) == 3 * v.packing.ciphertexts(100) > 3
    w = np.array([[1, -2, 3], [0, 0, 1]])
    assert (w @ v).decrypt_integers(pair[1]).tolist() == (w @ x).tolist()
    assert v[1].decrypt_integers(pair[1]).tolist() == x[1].tolist()
    assert v[1:].decrypt_integers(pair[1]).tolist() == x[1:].tolist()


def test_shapes_that_do_not_fit_are_refused(pair: Pair) -> None:
    packed = encrypt_integers(pair[0], np.arange(6).reshape(2, 3), bound=10)
    single = encrypt_integers(pair[0], np.arange(6).reshape(2, 3), bound=10, slots=1)
    scalar = encrypt_integers(pair[0], 3, bound=10, slots=1)
    for operation, reason in (
        (lambda: np.ones((2, 2), int) @ packed, "share ciphertexts"),
        (lambda: packed @ np.ones((3, 1), int), "slots=1"),
        (lambda: single @ np.ones((2, 1), int), "do not fit"),
        (lambda: np.ones((1, 3), int) @ single, "do not fit"),
        (lambda: single @ np.ones((3, 1)), "integers"),
        (lambda: single @ np.ones((3, 1, 1), int), "vector or matrix"),
        (lambda: scalar @ np.ones((1, 1), int), "no rows"),
        (lambda: np.ones((1, 1), int) @ scalar, "no rows"),
    ):
        with pytest.raises(ParameterError, match=reason):
            operation()


# --- slices and concatenation


def test_slices_between_ciphertexts(pair: Pair) -> None:
    public, private = pair
    v = encrypt(public, CODEC, values(100))
    slots = v.packing.slots
    whole = v.decrypt_integers(private)
    assert (v[slots : 2 * slots].decrypt_integers(private) == whole[slots : 2 * slots]).all()
    assert (v[slots:].decrypt_integers(private) == whole[slots:]).all()
    assert v[100:].size == v[50:10].size == 0
    for cut in (slice(1, None), slice(None, slots + 1), slice(None, None, 2), slice(None, None, -1)):
        with pytest.raises(ParameterError):
            v[cut]
    with pytest.raises(IndexError):
        v[100]
    single = encrypt(public, CODEC, values(10), slots=1)
    assert single[-1].decrypt_integers(private) == single.decrypt_integers(private)[-1]
    assert (single[3:7].decrypt_integers(private) == single.decrypt_integers(private)[3:7]).all()


@settings(max_examples=30, deadline=None)
@given(sizes=st.lists(st.integers(0, 90), min_size=1, max_size=4))
def test_concatenation_then_slices_and_sums(pair: Pair, sizes: list[int]) -> None:
    public, private = pair
    xs = [np.arange(size) - 7 * i for i, size in enumerate(sizes)]
    vs = [encrypt_integers(private, x, bound=300, max_contributions=2) for x in xs]
    whole = concatenate(vs)
    assert whole.decrypt_integers(private).tolist() == np.concatenate(xs).tolist()
    assert (whole + whole).decrypt_integers(private).tolist() == (2 * np.concatenate(xs)).tolist()
    at = 0
    for x in xs:  # every joint is a place where one may cut
        assert whole[at : at + len(x)].decrypt_integers(private).tolist() == x.tolist()
        at += len(x)
    again = EncryptedVector.from_bytes(whole.to_bytes(), public)
    assert again.decrypt_integers(private).tolist() == np.concatenate(xs).tolist()


def test_reshape_keeps_values(pair: Pair) -> None:
    v = encrypt(pair[0], CODEC, values(12))
    assert (v.reshape(3, 4).decrypt(pair[1]).reshape(-1) == v.decrypt(pair[1])).all()
    with pytest.raises(ParameterError):
        v.reshape(5, 2)


# --- leaving


def test_an_unrandomised_product_tells_its_factor_and_is_randomised_on_leaving(pair: Pair) -> None:
    public, private = pair
    v = encrypt_integers(public, [1], bound=1, slots=1, headroom_bits=16)
    secret = 4321
    product = v * secret
    # the attack: whoever sent v tries every factor
    found = [
        k
        for k in range(5000)
        if gmpy2.powmod(v.ciphertexts[0], k, public.n_squared) == product.ciphertexts[0]
    ]
    assert found == [secret] and not product.fresh
    sent = EncryptedVector.from_bytes(product.to_bytes(), public)
    assert all(
        gmpy2.powmod(v.ciphertexts[0], k, public.n_squared) != sent.ciphertexts[0] for k in range(5000)
    )
    assert sent.decrypt_integers(private).tolist() == [secret]


@pytest.mark.parametrize(
    "make", [lambda v: v + v, lambda v: -v, lambda v: v * 2, lambda v: v.add_plain([0.1]), lambda v: v - v]
)
def test_everything_computed_is_randomised_on_leaving(pair: Pair, make: object) -> None:
    v = encrypt(pair[0], CODEC, [0.25])
    result = make(v)  # type: ignore[operator]
    assert not result.fresh
    sent = EncryptedVector.from_bytes(result.to_bytes(), pair[0])
    assert sent.ciphertexts != result.ciphertexts
    assert sent.decrypt(pair[1]) == result.decrypt(pair[1])


def test_public_sums_can_be_sent_reproducibly(pair: Pair) -> None:
    a, b = encrypt(pair[0], CODEC, [0.1]), encrypt(pair[0], CODEC, [0.2])
    assert (a + b).to_bytes(rerandomize=False) == (a + b).to_bytes(rerandomize=False)
    assert a.to_bytes() == a.to_bytes()  # fresh from encryption: nothing to hide


def test_rerandomising_from_a_pool_or_with_the_private_key(pair: Pair) -> None:
    v = encrypt(pair[0], CODEC, values(50))
    pool = RandomizerPool(pair[0])
    pool.fill(2)
    for again in (v.rerandomized(pool=pool), v.rerandomized(key=pair[1])):
        assert set(again.ciphertexts).isdisjoint(v.ciphertexts)
        assert (again.decrypt(pair[1]) == v.decrypt(pair[1])).all()
    assert (encrypt(pair[0], CODEC, values(50), pool=pool).decrypt(pair[1]) == v.decrypt(pair[1])).all()


def test_workers_and_progress(pair: Pair) -> None:
    seen: list[tuple[int, int]] = []
    with Workers(2) as workers:
        v = encrypt(pair[0], CODEC, values(900), workers=workers, stream=Stream(bytes(32)))
        assert v.ciphertexts == encrypt(pair[0], CODEC, values(900), stream=Stream(bytes(32))).ciphertexts
        assert sum_vectors([v, v], workers=workers).ciphertexts == (v + v).ciphertexts
    v.decrypt(pair[1], progress=lambda done, count: seen.append((done, count)))
    assert seen[-1] == (len(v.ciphertexts), len(v.ciphertexts))


# --- arriving


def test_bytes_have_one_spelling(pair: Pair) -> None:
    for v in (
        encrypt(pair[0], CODEC, values(100)),
        encrypt(pair[0], CODEC, values(6).reshape(2, 3), rows=True),
        encrypt_integers(pair[0], [5], bound=5, slots=1),
        encrypt_integers(pair[0], 5, bound=2**200),
    ):
        data = v.to_bytes()
        again = EncryptedVector.from_bytes(data, pair[0], codec=CODEC if v.codec else None)
        assert again.to_bytes() == data
        assert (again.shape, again.bound, again.codec, again.segments) == (
            v.shape,
            v.bound,
            v.codec,
            v.segments,
        )


def test_bad_bytes_are_named(pair: Pair, other_pair: Pair) -> None:
    public = pair[0]
    v = encrypt(public, CODEC, values(50))
    data = v.to_bytes()
    for bad in (b"", data[:-1], data + b"\0", data[:40], b"x" + data[1:]):
        with pytest.raises(DecodeError):
            EncryptedVector.from_bytes(bad, public)
    with pytest.raises(KeyMismatch):
        EncryptedVector.from_bytes(data, other_pair[0])
    with pytest.raises(CodecMismatch, match="sender used"):
        EncryptedVector.from_bytes(data, public, codec=Codec(1.0, 16, 99))
    size = public.ciphertext_bytes
    head = data[: -size * len(v.ciphertexts)]
    body = data[len(head) :]
    with pytest.raises(TrivialCiphertext):
        EncryptedVector.from_bytes(head + int(1 + 5 * public.n).to_bytes(size, "big") + body[size:], public)
    with pytest.raises(InvalidCiphertext):
        EncryptedVector.from_bytes(head + bytes(size) + body[size:], public)
    with pytest.raises(InvalidCiphertext):
        EncryptedVector.from_bytes(head + b"\xff" * size + body[size:], public)


def test_a_header_cannot_claim_more_than_there_is(pair: Pair) -> None:
    v = encrypt_integers(pair[0], [1, 2], bound=3, max_contributions=4)
    data = v.to_bytes()
    shape_at = len(b"EPPML encrypted vector 1\n") + 32 + 1
    for position in (shape_at, shape_at + 8):  # the length of the array, the number of segments
        lie = data[:position] + b"\xff\xff\xff\xff" + data[position + 4 :]
        with pytest.raises(DecodeError):
            EncryptedVector.from_bytes(lie, pair[0])
    for field, value in (("contributions", 5), ("bound", v.packing.limit + 1)):
        with pytest.raises(SlotOverflow):
            replace(v, **{field: value})


def test_vectors_cannot_be_built_wrong(pair: Pair) -> None:
    v = encrypt_integers(pair[0], [1, 2], bound=3)
    with pytest.raises(ParameterError, match="shape"):
        replace(v, shape=(3,))
    with pytest.raises(ParameterError, match="do not hold"):
        replace(v, ciphertexts=v.ciphertexts * 2)
    with pytest.raises(ParameterError, match="at least 1"):
        encrypt_integers(pair[0], [0], bound=0)
    with pytest.raises(ParameterError, match="modulus"):
        replace(v, packing=replace(v.packing, slots=2000))
