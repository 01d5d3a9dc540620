"""Sigma proofs: honest ones pass, lies and changed proofs do not."""

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import gmpy2
import numpy as np
import pytest
from gmpy2 import mpz
from hypothesis import given, settings
from hypothesis import strategies as st

from he import Decryptor, PrivateKey, PublicKey
from he.paillier import encryptor
from he.primes import is_safe_prime
from he.proofs import (
    Bn254Group,
    EqualityProof,
    ModpGroup,
    MultiplicationProof,
    PedersenGroup,
    PlaintextProof,
    RangeProof,
    multiply_hidden,
    prove_equality,
    prove_multiplication,
    prove_plaintexts,
    prove_range,
    soundness_bits,
    verify_equality,
    verify_multiplication,
    verify_plaintexts,
    verify_range,
)
from he.proofs.groups import _rfc3526_prime
from he.proofs.openings import Openings
from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream

Pair = tuple[PublicKey, PrivateKey]


@pytest.fixture(scope="module", params=["half", "textbook"])
def key(request: pytest.FixtureRequest, pair: Pair, textbook_pair: Pair) -> PublicKey:
    return (pair if request.param == "half" else textbook_pair)[0]


def rejected(check: Callable[..., None], *args: Any, **kwargs: Any) -> bool:
    with pytest.raises(ProofRejected):
        check(*args, **kwargs)
    return True


def changed(proof: Any) -> list[Any]:
    """`proof` with each number in it off by one, each byte string flipped, each tuple cut."""
    out = []
    for field in fields(proof):
        value = getattr(proof, field.name)
        if isinstance(value, tuple):
            out.append(replace(proof, **{field.name: (value[0] ^ 1, *value[1:])}))
            out.append(replace(proof, **{field.name: value[:-1]}))
        elif isinstance(value, bytes):
            out.append(replace(proof, **{field.name: bytes([value[0] ^ 1]) + value[1:]}))
        elif isinstance(value, RangeProof):
            out += [replace(proof, **{field.name: other}) for other in changed(value)]
        else:
            out.append(replace(proof, **{field.name: value + 1}))
            out.append(replace(proof, **{field.name: -value}))
            out.append(replace(proof, **{field.name: value + (1 << 8000)}))
    return out


# --- plaintext knowledge


@settings(max_examples=15, deadline=None)
@given(messages=st.lists(st.integers(-(2**500), 2**500), min_size=1, max_size=6), seed=st.integers(0, 2**32))
def test_knowledge_of_any_vector(key: PublicKey, messages: list[int], seed: int) -> None:
    stream = Stream(seed.to_bytes(32, "big"))
    ciphertexts, openings = encryptor(key).encrypt_opened(messages, stream)
    proof = prove_plaintexts(key, ciphertexts, messages, openings, context=b"me", stream=stream)
    verify_plaintexts(key, ciphertexts, PlaintextProof.from_bytes(proof.to_bytes()), context=b"me")
    assert rejected(verify_plaintexts, key, ciphertexts, proof, context=b"you")


def test_knowledge_cannot_be_claimed_of_other_ciphertexts(key: PublicKey, stream: Stream) -> None:
    ciphertexts, openings = encryptor(key).encrypt_opened([5, 6], stream)
    proof = prove_plaintexts(key, ciphertexts, [5, 6], openings)
    verify_plaintexts(key, ciphertexts, proof)
    # the copier re-randomises what it copied; it knows neither the message nor the opening
    copied = [c * encryptor(key).randomizers(1, stream)[0] % key.n_squared for c in ciphertexts]
    assert rejected(verify_plaintexts, key, copied, proof)
    assert rejected(verify_plaintexts, key, ciphertexts[::-1], proof)
    assert rejected(verify_plaintexts, key, ciphertexts[:1], proof)
    lie = prove_plaintexts(key, ciphertexts, [5, 7], openings)
    assert rejected(verify_plaintexts, key, ciphertexts, lie)
    for bad in changed(proof):
        assert rejected(verify_plaintexts, key, ciphertexts, bad)
    with pytest.raises(ParameterError, match="as many"):
        prove_plaintexts(key, ciphertexts, [5], openings)


# --- ranges


@pytest.mark.parametrize(("low", "bits"), [(0, 1), (0, 8), (-128, 8), (1000, 3), (-(2**63), 64)])
def test_both_ends_of_a_range(key: PublicKey, stream: Stream, low: int, bits: int) -> None:
    for message in (low, low + 2**bits - 1):
        (c,), (r,) = encryptor(key).encrypt_opened([message], stream)
        proof = prove_range(key, c, message, r, low=low, bits=bits, context=b"x")
        verify_range(key, c, RangeProof.from_bytes(proof.to_bytes()), low=low, bits=bits, context=b"x")
        for other in ({"low": low + 1}, {"bits": bits + 1}, {"context": b"y"}):
            assert rejected(
                verify_range,
                key,
                c,
                proof,
                **({"low": low, "bits": bits, "context": b"x"} | other),  # type: ignore[arg-type]
            )
    for message in (low - 1, low + 2**bits):
        with pytest.raises(ParameterError, match="not in a range"):
            prove_range(key, c, message, r, low=low, bits=bits)


def test_ranges_of_wrong_ciphertexts_are_rejected(key: PublicKey, stream: Stream) -> None:
    (c, large), (r, s) = encryptor(key).encrypt_opened([7, 300], stream)
    proof = prove_range(key, c, 7, r, low=0, bits=4)
    assert rejected(verify_range, key, large, proof, low=0, bits=4)
    # the prover claims 300 - 293 = 7 for the ciphertext of 300
    assert rejected(verify_range, key, large, prove_range(key, large, 7, s, low=0, bits=4), low=0, bits=4)
    for bad in changed(proof):
        assert rejected(verify_range, key, c, bad, low=0, bits=4)


def test_a_bit_that_is_two_does_not_pass(key: PublicKey, stream: Stream) -> None:
    # 1 * 2 as the lowest "bit" of a one-bit range would let 2 pass as a bit
    (c,), (r,) = encryptor(key).encrypt_opened([2], stream)
    honest = prove_range(key, c, 1, r, low=0, bits=1)  # proves 1 of a ciphertext of 2
    group = Openings(key)
    forged = replace(honest, bits=(group.hide(2, r),))
    assert rejected(verify_range, key, c, forged, low=0, bits=1)
    assert rejected(verify_range, key, c, honest, low=0, bits=1)


@pytest.mark.parametrize("bits", [0, 65, -1])
def test_ranges_of_bad_length_are_refused(key: PublicKey, bits: int) -> None:
    with pytest.raises(ParameterError):
        prove_range(key, 5, 0, 1, low=0, bits=bits)


# --- products


@settings(max_examples=12, deadline=None)
@given(factor=st.integers(-(2**200), 2**200), message=st.integers(-(2**200), 2**200))
def test_hidden_products(pair: Pair, factor: int, message: int) -> None:
    public, private = pair
    stream = Stream(bytes(32))
    (c, f), (_, r) = encryptor(public).encrypt_opened([message, factor], stream)
    product, opening = multiply_hidden(public, c, factor, stream)
    assert Decryptor(private).decrypt([product]) == [factor * message]
    proof = prove_multiplication(public, f, c, product, factor, r, opening, context=b"x")
    again = MultiplicationProof.from_bytes(proof.to_bytes())
    verify_multiplication(public, f, c, product, again, context=b"x")
    assert rejected(verify_multiplication, public, f, c, product, proof, context=b"y")


def test_wrong_products_are_rejected(key: PublicKey, stream: Stream) -> None:
    (c, f, g), (_, r, s) = encryptor(key).encrypt_opened([11, 3, 4], stream)
    product, opening = multiply_hidden(key, c, 3, stream)
    proof = prove_multiplication(key, f, c, product, 3, r, opening)
    verify_multiplication(key, f, c, product, proof)
    assert rejected(verify_multiplication, key, g, c, product, proof)
    assert rejected(verify_multiplication, key, f, f, product, proof)
    assert rejected(verify_multiplication, key, f, c, product * (1 + key.n) % key.n_squared, proof)
    assert rejected(verify_multiplication, key, f, c, 0, proof)
    # the factor in the ciphertext is 4, the product was made with 3
    lie = prove_multiplication(key, g, c, product, 3, s, opening)
    assert rejected(verify_multiplication, key, g, c, product, lie)
    for bad in changed(proof):
        assert rejected(verify_multiplication, key, f, c, product, bad)
    with pytest.raises(ParameterError, match="no inverse"):
        multiply_hidden(key, int(key.n), -3, stream)
    with pytest.raises(ParameterError, match="does not fit"):
        prove_multiplication(key, f, c, product, int(key.n), r, opening)


# --- equality with a Pedersen commitment


@pytest.mark.parametrize("group", [ModpGroup(), Bn254Group()], ids=["modp", "bn254"])
def test_equality_with_commitments(key: PublicKey, stream: Stream, group: PedersenGroup) -> None:
    blinding = stream.below(group.order)
    for value in (0, 255):
        (c,), (r,) = encryptor(key).encrypt_opened([value], stream)
        commitment = group.commit(value, blinding)
        proof = prove_equality(key, group, c, commitment, value, r, blinding, bits=8, context=b"x")
        verify_equality(
            key, group, c, commitment, EqualityProof.from_bytes(proof.to_bytes()), bits=8, context=b"x"
        )
        for context, bits in ((b"y", 8), (b"x", 9)):
            assert rejected(verify_equality, key, group, c, commitment, proof, bits=bits, context=context)
        other = group.commit(value + 1, blinding)
        assert rejected(verify_equality, key, group, c, other, proof, bits=8, context=b"x")
        lie = prove_equality(key, group, c, other, value, r, blinding, bits=8, context=b"x")
        assert rejected(verify_equality, key, group, c, other, lie, bits=8, context=b"x")
        # the commitment to value + order is the same: the range proof is what rules fractions and wraps out
        assert group.commit(value + group.order, blinding) == commitment
    for bad in changed(proof):
        assert rejected(verify_equality, key, group, c, commitment, bad, bits=8, context=b"x")


def test_soundness_is_what_is_stated(pair: Pair, stream: Stream) -> None:
    public = pair[0]
    bn254, modp = Bn254Group(), ModpGroup()
    assert soundness_bits(public, bn254, 16) == 108
    assert soundness_bits(public, modp, 64) == 128
    with pytest.raises(ParameterError, match="bits of soundness"):
        soundness_bits(public, bn254, 45)
    with pytest.raises(ParameterError, match="bits of soundness"):
        prove_equality(public, bn254, 5, b"", 1, 1, 1, bits=60)


def test_groups_are_what_they_say() -> None:
    p = _rfc3526_prime()
    assert is_safe_prime(p) and p.bit_length() == 3072
    # the first and last words as printed in RFC 3526, section 4
    text = format(p, "X")
    assert text.startswith("FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD1")
    assert text.endswith("43DB5BFCE0FD108E4B82D120A93AD2CAFFFFFFFFFFFFFFFF")
    from py_ecc import optimized_bn128

    assert Bn254Group.order == optimized_bn128.curve_order
    for group in (ModpGroup(), Bn254Group()):
        a, b = group.commit(3, 5), group.commit(4, 6)
        assert group.weighted(a, b, 10) == group.commit(43, 65)
        assert group.weighted(a, b, 0) == a and group.commit(1, 0) != group.commit(0, 1)
        zero = group.commit(0, 0)
        assert group.weighted(zero, a, 1) == a and group.commit(group.order, -group.order) == zero
    ec = Bn254Group()
    assert ec.commit(1, 0) == (1).to_bytes(32, "big") + (2).to_bytes(32, "big")  # EIP-196


@pytest.mark.parametrize(
    ("group", "element"),
    [
        (ModpGroup(), b""),
        (ModpGroup(), bytes(384)),
        (ModpGroup(), b"\xff" * 384),
        (ModpGroup(), int(_rfc3526_prime() - 4).to_bytes(384, "big")),  # minus a square is no square
        (Bn254Group(), bytes(63)),
        (Bn254Group(), bytes(63) + b"\1"),
        (Bn254Group(), b"\xff" * 64),
    ],
)
def test_bytes_that_are_no_group_element_are_refused(group: PedersenGroup, element: bytes) -> None:
    with pytest.raises(DecodeError):
        group.weighted(group.commit(1, 1), element, 3)


def test_numpy_integers_are_witnesses_like_others(key: PublicKey, stream: Stream) -> None:
    value = np.int64(-(2**63))
    (c,), (r,) = encryptor(key).encrypt_opened([value], stream)  # type: ignore[list-item]
    verify_plaintexts(key, [c], prove_plaintexts(key, [c], [value], [r]))  # type: ignore[list-item]
    proof = prove_range(key, c, value, r, low=np.int64(-(2**63)), bits=8)  # type: ignore[arg-type]
    verify_range(key, c, proof, low=-(2**63), bits=8)
    product, opening = multiply_hidden(key, c, value, stream)  # type: ignore[arg-type]
    verify_multiplication(key, c, c, product, prove_multiplication(key, c, c, product, value, r, opening))  # type: ignore[arg-type]


def test_openings_that_masks_would_not_hide_are_refused(key: PublicKey, stream: Stream) -> None:
    (c,), (r,) = encryptor(key).encrypt_opened([1], stream)
    bad = 1 << (key.exponent_bits + 40) if key.exponent_bits else 0
    for prove in (
        lambda: prove_plaintexts(key, [c], [1], [bad]),
        lambda: prove_range(key, c, 1, bad, low=0, bits=2),
        lambda: prove_multiplication(key, c, c, c, 1, bad, r),
        lambda: prove_multiplication(key, c, c, c, 1, r, bad),
        lambda: prove_equality(key, ModpGroup(), c, b"", 1, bad, 1, bits=2),
    ):
        with pytest.raises(ParameterError, match="opening"):
            prove()


def test_openings_of_combinations(key: PublicKey, stream: Stream) -> None:
    group = Openings(key, growth=80)
    (a, b), (r, s) = encryptor(key).encrypt_opened([10, 20], stream)
    combined = group.combine([r, s], [3, -5])
    n_squared = key.n_squared
    expected = gmpy2.powmod(a, 3, n_squared) * gmpy2.powmod(b, -5, n_squared) % n_squared
    assert group.hide(3 * 10 - 5 * 20, combined) == expected
    assert group.combine([r], [0]) == (0 if key.exponent_bits else 1)


def test_a_bit_is_not_told_by_the_length_of_its_proof(pair: Pair) -> None:
    public = pair[0]
    sizes = set()
    for message in (0, 1):
        (c,), (r,) = encryptor(public).encrypt_opened([message], Stream(bytes(32)))
        proof = prove_range(public, c, message, r, low=0, bits=1)
        sizes.add((proof.if_zero[0].bit_length() // 16, proof.if_one[0].bit_length() // 16))
        assert mpz(0) < proof.if_zero[0] and mpz(0) < proof.if_one[0]
    # responses of the true and of the simulated branch have masks of one length
    assert max(max(pair) for pair in sizes) - min(min(pair) for pair in sizes) <= 1
