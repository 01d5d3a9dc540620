"""Encryption and decryption of integers: two paths each, faults, bad ciphertexts."""

import os

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

import he.paillier
from he import (
    ComputationFault,
    Decryptor,
    Encryptor,
    InvalidCiphertext,
    KeyMismatch,
    PrivateKey,
    PublicKey,
    RandomizerPool,
    TrivialCiphertext,
    Workers,
    keygen,
)
from he.ciphertexts import check_ciphertexts
from he.paillier import CHUNK
from mpc.errors import EppmlError, ParameterError
from mpc.prg import Stream

Pair = tuple[PublicKey, PrivateKey]


@pytest.fixture(scope="module", params=["half", "textbook", 448])
def any_pair(request: pytest.FixtureRequest) -> Pair:
    return keygen(1024, exponent=request.param, stream=Stream(bytes(32)), allow_insecure=True)


def edge_messages(n: mpz) -> list[int]:
    return [0, 1, -1, 2**64, -(2**64), int(n // 2), -int(n // 2)]


def test_both_keys_encrypt_and_both_paths_decrypt(any_pair: Pair, stream: Stream) -> None:
    public, private = any_pair
    messages = edge_messages(public.n)
    decryptor = Decryptor(private)
    for key in (public, private):
        ciphertexts = Encryptor(key).encrypt(messages, stream)
        assert decryptor.decrypt(ciphertexts) == messages
        for message, c in zip(messages, ciphertexts, strict=True):
            assert decryptor.residue(c) == decryptor.residue_plain(c) == message % public.n


def test_a_ciphertext_is_what_the_paper_says(any_pair: Pair, stream: Stream) -> None:
    public, _ = any_pair
    n, n_squared = public.n, public.n_squared
    ciphertexts, openings = Encryptor(public).encrypt_opened([5, -7], stream)
    for m, c, r in zip([5, -7], ciphertexts, openings, strict=True):
        hidden = pow(public.h_s, r, n_squared) if public.exponent_bits else pow(r, int(n), n_squared)
        assert c == pow(n + 1, int(m % n), n_squared) * hidden % n_squared


def test_the_owners_randomness_is_that_of_the_public_key(pair: Pair) -> None:
    public, private = pair
    messages = list(range(-20, 20))
    assert Encryptor(public).encrypt(messages, Stream(bytes(32))) == Encryptor(private).encrypt(
        messages, Stream(bytes(32))
    )


def test_ciphertexts_never_repeat(pair: Pair, stream: Stream) -> None:
    encryptor = Encryptor(pair[0])
    # the same stream object twice in a row, and more than one chunk
    seen = encryptor.encrypt([7] * (2 * CHUNK + 1), stream) + encryptor.encrypt([7] * CHUNK, stream)
    assert len(set(seen)) == len(seen)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_sums_and_products_are_homomorphic(pair: Pair, data: st.DataObject) -> None:
    public, private = pair
    limit = int(public.n // 8)
    a, b = data.draw(st.integers(-limit, limit)), data.draw(st.integers(-limit, limit))
    k = data.draw(st.integers(-3, 3))
    c, d = Encryptor(public).encrypt([a, b], Stream(data.draw(st.binary(min_size=32, max_size=32))))
    result = c * d % public.n_squared * gmpy2.powmod(d, k, public.n_squared) % public.n_squared
    assert Decryptor(private).decrypt([result]) == [a + b + k * b]


def test_messages_that_do_not_fit_are_refused(pair: Pair) -> None:
    n = pair[0].n
    for message in (n // 2 + 1, -(n // 2) - 1, n):
        with pytest.raises(ParameterError, match="does not fit"):
            Encryptor(pair[0]).encrypt([message])


# --- what comes from outside


def test_ciphertexts_out_of_range_or_without_inverse_are_named(pair: Pair, stream: Stream) -> None:
    public, private = pair
    good = Encryptor(public).encrypt([1, 2, 3], stream)
    for bad in (0, public.n_squared, public.n_squared + 1, -1):
        with pytest.raises(InvalidCiphertext, match="between 0") as caught:
            Decryptor(private).decrypt([*good, bad])
        assert caught.value.indices == (3,)
    for bad in (private.p, private.q * 5, public.n, public.n * private.p % public.n_squared):
        with pytest.raises(InvalidCiphertext, match="unit") as caught:
            check_ciphertexts(public, [good[0], bad, good[1]])
        assert caught.value.indices == (1,)


def test_trivial_ciphertexts_can_be_read_by_anyone_and_are_refused(pair: Pair) -> None:
    public, private = pair
    n, n_squared = public.n, public.n_squared
    message = 123456
    for trivial in (mpz(1), 1 + message * n, n_squared - 1, -(1 + message * n) % n_squared):
        # the attack: without r, (c - 1) / n is the message
        if trivial == 1 + message * n:
            assert (trivial - 1) // n == message
        check_ciphertexts(public, [trivial])
        with pytest.raises(TrivialCiphertext) as caught:
            check_ciphertexts(public, [trivial], refuse_trivial=True)
        assert caught.value.indices == (0,)
    assert Decryptor(private).decrypt([1 + message * n]) == [message]


# --- faults


def test_a_fault_in_one_half_would_give_the_factors_away(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    public, private = pair
    (c,) = Encryptor(public).encrypt([42])
    true_powmod = gmpy2.powmod_sec

    def faulty(base: mpz, exponent: mpz, modulus: mpz) -> mpz:
        # a bit flips in the operand that enters the half of q: the result is still 1 mod q
        return true_powmod(base ^ 2 if modulus == private.q_squared else base, exponent, modulus)

    monkeypatch.setattr(he.paillier, "powmod_sec", faulty)
    wrong = Decryptor(private).residue(c)
    assert gmpy2.gcd(wrong - 42, public.n) == private.p  # the attack
    with pytest.raises(ComputationFault):
        Decryptor(private).decrypt([c])


def test_a_fault_in_the_power_is_seen_at_once(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    public, private = pair
    (c,) = Encryptor(public).encrypt([42])
    true_powmod = gmpy2.powmod_sec
    monkeypatch.setattr(he.paillier, "powmod_sec", lambda b, e, m: true_powmod(b, e, m) ^ 4)
    with pytest.raises(ComputationFault, match="mod p"):
        Decryptor(private).decrypt([c])


def test_a_fault_in_a_random_place_of_a_batch_is_seen(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    public, private = pair
    ciphertexts = Encryptor(public).encrypt(list(range(20)))
    true_residue = Decryptor.residue
    monkeypatch.setattr(
        Decryptor, "residue", lambda self, c: true_residue(self, c) ^ (1 if c == ciphertexts[13] else 0)
    )
    with pytest.raises(ComputationFault, match="agree"):
        Decryptor(private).decrypt(ciphertexts)


# --- pools and processes


def test_a_pool_hands_out_each_randomizer_once(pair: Pair, other_pair: Pair) -> None:
    public, private = pair
    seen: list[tuple[int, int]] = []
    pool = RandomizerPool(public, Stream(bytes(32)))
    pool.fill(5, progress=lambda done, count: seen.append((done, count)))
    assert len(pool) == 5 and seen == [(i, 5) for i in range(1, 6)]
    taken = pool.take(public, 3) + pool.take(public, 4)  # two more than there were
    assert len(set(taken)) == 7 and len(pool) == 0
    assert Decryptor(private).decrypt(taken) == [0] * 7
    with pytest.raises(KeyMismatch):
        pool.take(other_pair[0], 1)
    with pytest.raises(ParameterError):
        pool.take(public, -1)
    assert repr(pool) == "RandomizerPool(0 randomizers)"


def test_processes_give_the_same_ciphertexts_and_report_progress(pair: Pair) -> None:
    public, private = pair
    messages = list(range(3 * CHUNK + 5))
    seen: list[tuple[int, int]] = []
    with Workers(2) as workers:
        for key in (public, private):
            got = workers.encrypt(
                key, messages, Stream(bytes(32)), progress=lambda done, count: seen.append((done, count))
            )
            assert got == Encryptor(key).encrypt(messages, Stream(bytes(32)))
        assert workers.products([[2, 3], [5, 7]] * 9, 1000) == [6, 35] * 9
    assert seen[-1] == (len(messages), len(messages)) and [d for d, _ in seen[:2]] == [CHUNK, 2 * CHUNK]
    with pytest.raises(ParameterError):
        Workers(0)


def test_a_dead_process_is_named(pair: Pair) -> None:
    with Workers(1) as workers:
        workers._pool.submit(os._exit, 1)
        with pytest.raises(EppmlError, match="died"):
            for _ in range(50):
                workers.encrypt(pair[0], [1] * 100)


def test_numpy_integers_are_messages_like_others(pair: Pair) -> None:
    messages = [np.int64(-(2**63)), np.int8(-128), np.uint64(2**64 - 1)]
    ciphertexts = Encryptor(pair[0]).encrypt(messages)  # type: ignore[arg-type]
    assert Decryptor(pair[1]).decrypt(ciphertexts) == [-(2**63), -128, 2**64 - 1]
