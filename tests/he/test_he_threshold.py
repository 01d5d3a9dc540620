"""Threshold decryption: any subset that is large enough, nobody else, and wrong parts are named."""

from dataclasses import replace
from itertools import combinations

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from he import (
    InvalidCiphertext,
    InvalidKey,
    KeyShare,
    PartialDecryption,
    PrivateKey,
    ThresholdKey,
    TooFewContributions,
    combine,
    deal,
    encrypt_integers,
    is_valid_partial,
    partial_decrypt,
    sum_vectors,
    verify_partial,
)
from he.paillier import encryptor
from he.partial import _lagrange_at_zero
from he.primes import blum_prime, safe_prime
from mpc.errors import FaultyParty, InsecureError, NotEnoughParties, ParameterError, ProofRejected
from mpc.prg import Stream

Committee = tuple[ThresholdKey, tuple[KeyShare, ...]]


def test_every_subset_of_three_decrypts_a_vector(committee: Committee) -> None:
    key, shares = committee
    x = np.arange(-40, 40)
    total = sum_vectors([encrypt_integers(key.public, x, bound=50, max_contributions=3)] * 3)
    parts = [
        partial_decrypt(share, total.ciphertexts, contributions=3, context=b"round 1") for share in shares
    ]
    for subset in combinations(parts, 3):
        result = combine(key, total.ciphertexts, subset, context=b"round 1")
        assert total.unpack(result.plaintexts).tolist() == (3 * x).tolist()
        assert result.used == tuple(part.party for part in subset) and not result.faulty


@settings(max_examples=15, deadline=None)
@given(needed=st.integers(1, 6), more=st.integers(0, 4), seed=st.integers(0, 2**32), data=st.data())
def test_any_threshold(needed: int, more: int, seed: int, data: st.DataObject) -> None:
    stream = Stream(seed.to_bytes(32, "big"))
    primes = (safe_prime(140, stream), safe_prime(140, stream))
    key, shares = deal(
        needed, needed + more, min_contributions=1, primes=primes, stream=stream, allow_insecure=True
    )
    messages = data.draw(st.lists(st.integers(-(2**200), 2**200), min_size=1, max_size=3))
    ciphertexts = encryptor(key.public).encrypt(messages)
    chosen = data.draw(st.permutations(shares))[:needed]
    parts = [partial_decrypt(share, ciphertexts, contributions=3) for share in chosen]
    assert list(combine(key, ciphertexts, parts).plaintexts) == messages


def test_two_of_three_shares_are_not_enough(committee: Committee) -> None:
    key, shares = committee
    ciphertexts = encryptor(key.public).encrypt([12345])
    parts = [partial_decrypt(share, ciphertexts, contributions=3) for share in shares[:2]]
    with pytest.raises(NotEnoughParties, match="2 of 3"):
        combine(key, ciphertexts, parts)
    # and what two of them can compute by themselves is not the message
    two = [2 * _lagrange_at_zero(i, (1, 2), key.delta) for i in (1, 2)]
    value = mpz(1)
    for part, power in zip(parts, two, strict=True):
        value = value * gmpy2.powmod(part.values[0], power, key.public.n_squared) % key.public.n_squared
    assert (value - 1) % key.public.n != 0


def test_a_wrong_part_changes_the_result_and_is_named(committee: Committee) -> None:
    key, shares = committee
    ciphertexts = encryptor(key.public).encrypt([1, 2, 3])
    parts = [partial_decrypt(share, ciphertexts, contributions=3) for share in shares]
    # the attack: member 2 multiplies one of its values by a square, which would shift the plaintext
    shift = 1 + 5 * key.public.n
    values = list(parts[1].values)
    values[2] = values[2] * shift % key.public.n_squared
    wrong = replace(parts[1], values=tuple(values))
    powers = [2 * _lagrange_at_zero(i, (1, 2, 3), key.delta) for i in (1, 2, 3)]
    value = mpz(1)
    for part, power in zip((parts[0], wrong, parts[2]), powers, strict=True):
        value = value * gmpy2.powmod(part.values[2], power, key.public.n_squared) % key.public.n_squared
    unchecked = (value - 1) // key.public.n * gmpy2.invert(4 * key.delta**2, key.public.n) % key.public.n
    assert (value - 1) % key.public.n == 0 and unchecked != 3
    # the defence: with three good parts left it is named, with two it is blamed
    result = combine(key, ciphertexts, [parts[0], wrong, parts[2], parts[3]])
    assert list(result.plaintexts) == [1, 2, 3] and list(result.faulty) == [2] and result.used == (1, 3, 4)
    with pytest.raises(FaultyParty) as caught:
        combine(key, ciphertexts, [parts[0], wrong, parts[2]])
    assert caught.value.party == 2


def test_wrong_parts_that_cancel_in_a_plain_product_do_not_pass(committee: Committee) -> None:
    key, shares = committee
    ciphertexts = encryptor(key.public).encrypt([1, 2])
    part = partial_decrypt(shares[0], ciphertexts, contributions=3)
    # a batch check without random weights would accept these two errors
    error = gmpy2.powmod(7, 2 * key.public.n, key.public.n_squared)
    inverse = gmpy2.invert(error, key.public.n_squared)
    a, b = part.values
    cancelled = (a * error % key.public.n_squared, b * inverse % key.public.n_squared)
    assert cancelled[0] * cancelled[1] % key.public.n_squared == a * b % key.public.n_squared
    assert not is_valid_partial(key, ciphertexts, replace(part, values=cancelled))


def test_every_part_of_the_proof_matters(committee: Committee) -> None:
    key, shares = committee
    ciphertexts = encryptor(key.public).encrypt([1, 2])
    part = partial_decrypt(shares[0], ciphertexts, contributions=3, context=b"a")
    verify_partial(key, ciphertexts, part, context=b"a")
    n_squared = key.public.n_squared
    for bad in (
        replace(part, party=2),
        replace(part, challenge=part.challenge ^ 1),
        replace(part, response=part.response + 1),
        replace(part, response=mpz(1) << 4000),
        replace(part, response=mpz(-1)),
        replace(part, values=part.values[:1]),
        replace(part, values=part.values[::-1]),
        replace(part, values=(mpz(0), part.values[1])),
        replace(part, values=(part.values[0] + n_squared, part.values[1])),
        replace(part, values=(key.public.n, part.values[1])),
    ):
        with pytest.raises(ProofRejected):
            verify_partial(key, ciphertexts, bad, context=b"a")
    assert not is_valid_partial(key, ciphertexts, part, context=b"b")
    assert not is_valid_partial(key, ciphertexts[::-1], part, context=b"a")
    assert not is_valid_partial(key, ciphertexts, replace(part, party=6), context=b"a")
    with pytest.raises(ParameterError, match="no member"):
        verify_partial(key, ciphertexts, replace(part, party=0), context=b"a")
    with pytest.raises(ParameterError, match="two parts"):
        combine(key, ciphertexts, [part] * 3, context=b"a")


def test_small_sums_are_not_decrypted(committee: Committee) -> None:
    key, shares = committee
    ciphertexts = encryptor(key.public).encrypt([1])
    with pytest.raises(TooFewContributions, match="3 are needed"):
        partial_decrypt(shares[0], ciphertexts, contributions=2)


def test_bad_ciphertexts_are_not_decrypted(committee: Committee) -> None:
    key, shares = committee
    for bad in (0, key.public.n_squared, key.public.n):
        with pytest.raises(InvalidCiphertext):
            partial_decrypt(shares[0], [bad], contributions=3)
        with pytest.raises(InvalidCiphertext):
            combine(key, [bad], [])


def test_shares_and_parts_survive_bytes(committee: Committee) -> None:
    key, shares = committee
    assert ThresholdKey.from_bytes(key.to_bytes(), allow_insecure=True) == key
    share = shares[2]
    assert KeyShare.from_bytes(share.to_bytes(), allow_insecure=True) == share
    assert str(share.value)[:20] not in repr(share)
    part = partial_decrypt(share, encryptor(key.public).encrypt([9]), contributions=3)
    assert PartialDecryption.from_bytes(part.to_bytes(key.public), key.public) == part
    with pytest.raises(InsecureError):
        KeyShare.from_bytes(share.to_bytes())


def test_shares_that_do_not_belong_to_the_key_are_refused(committee: Committee) -> None:
    key, shares = committee
    with pytest.raises(InvalidKey, match="member 1"):
        KeyShare(key, 1, shares[1].value)
    with pytest.raises(InvalidKey):
        KeyShare(key, 1, mpz(0))
    for party in (0, 6):
        with pytest.raises(ParameterError, match="no member"):
            KeyShare(key, party, shares[1].value)
    for v in (mpz(0), mpz(1), key.public.n_squared - 1, key.public.n, key.public.n_squared + 4):
        with pytest.raises(InvalidKey, match="verification value"):
            replace(key, v=v)
    with pytest.raises(InvalidKey, match="one verification value"):
        replace(key, verification=key.verification[:-1])


def test_bad_dealings_are_refused(stream: Stream) -> None:
    safe, blum = safe_prime(160, stream), blum_prime(160, stream)
    for primes in ((safe, safe), (safe, blum), (safe, safe + 2)):
        with pytest.raises(InvalidKey, match="safe primes"):
            deal(2, 3, min_contributions=1, primes=primes, allow_insecure=True)
    for needed, parties in ((0, 3), (4, 3), (1, 65)):
        with pytest.raises(ParameterError):
            deal(needed, parties, min_contributions=1, bits=256, allow_insecure=True)
    with pytest.raises(ParameterError, match="min_contributions"):
        deal(2, 3, min_contributions=0, bits=256, allow_insecure=True)
    with pytest.raises(InsecureError):
        deal(2, 3, min_contributions=2, bits=1024)


def test_the_committee_key_is_one_that_a_single_owner_could_have(stream: Stream) -> None:
    p, q = sorted((safe_prime(200, stream), safe_prime(200, stream)))
    key, shares = deal(2, 3, min_contributions=1, primes=(p, q), stream=stream, allow_insecure=True)
    private = PrivateKey(key.public, p, q)
    ciphertexts = encryptor(key.public).encrypt([-77])
    parts = [partial_decrypt(share, ciphertexts, contributions=3) for share in shares[1:]]
    from he import Decryptor

    assert (
        list(combine(key, ciphertexts, parts).plaintexts) == Decryptor(private).decrypt(ciphertexts) == [-77]
    )
