"""Primes, combs and multi-exponentiation against their plain twins."""

from math import prod

import gmpy2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from he.fixed_base import FixedBase
from he.multi_exponent import batch_inverse, multi_exponent, multi_exponent_plain, product
from he.packing import Packing
from he.primes import blum_prime, is_prime, is_safe_prime, primes_below, safe_prime, smallest_factor
from mpc.errors import ParameterError
from mpc.prg import Stream


def test_small_primes_are_those_of_trial_division() -> None:
    assert list(primes_below(1000)) == [
        n for n in range(2, 1000) if all(n % d for d in range(2, int(n**0.5) + 1))
    ]


@pytest.mark.parametrize("bits", [32, 33, 64, 257, 512])
def test_blum_primes_have_their_exact_length_and_residue(bits: int, stream: Stream) -> None:
    p, q = blum_prime(bits, stream), blum_prime(bits, stream)
    assert p % 4 == q % 4 == 3 and is_prime(p) and p.bit_length() == bits
    assert (p * q).bit_length() == 2 * bits


@pytest.mark.parametrize("bits", [32, 33, 39, 41, 64, 256, 400])
def test_safe_primes_are_safe_and_of_their_exact_length(bits: int, stream: Stream) -> None:
    p = safe_prime(bits, stream)
    assert is_safe_prime(p) and p.bit_length() == bits and p >> (bits - 2) == 3
    assert gmpy2.is_prime(p) and gmpy2.is_prime(p // 2)


def test_primes_below_32_bits_are_refused(stream: Stream) -> None:
    for make in (blum_prime, safe_prime):
        with pytest.raises(ParameterError, match="32 bits"):
            make(31, stream)


def test_carmichael_numbers_and_strong_pseudoprimes_are_not_prime() -> None:
    # 3215031751 is a strong pseudoprime to 2, 3, 5 and 7; Arnault's number to all bases below 307
    arnault = int(
        "29674495668685510550154174642905332730771991799853043350995075531276838753171770199594238596428121188033"
        "664754218345562493168782883"
    )
    for composite in (0, 1, 561, 3215031751, arnault * 313 * (arnault - 1) + arnault, 2**521 - 3):
        assert not is_prime(composite)


def test_smallest_factor_stops_at_its_limit() -> None:
    assert smallest_factor(7 * 65537) == 7
    assert smallest_factor(65537 * 65539) is None
    assert smallest_factor(65521 * 65537) == 65521


@settings(max_examples=60, deadline=None)
@given(
    base=st.integers(2, 2**80),
    root=st.integers(3, 2**70).map(lambda n: n | 1),
    bits=st.integers(1, 200),
    rows=st.integers(1, 9),
    tables=st.integers(1, 5),
    data=st.data(),
)
def test_comb_agrees_with_powmod(
    base: int, root: int, bits: int, rows: int, tables: int, data: st.DataObject
) -> None:
    comb = FixedBase(base, root, bits, rows=rows, tables=tables)
    exponents = data.draw(st.lists(st.integers(0, 2**bits - 1), max_size=4)) + [0, 1, 2**bits - 1]
    assert comb.powers(exponents) == [pow(base, e, root * root) for e in exponents]


def test_comb_refuses_exponents_it_was_not_built_for() -> None:
    comb = FixedBase(5, 1009, 61)
    for bad in (-1, 2**61, 2**64, 2**400):
        with pytest.raises(ParameterError, match="exponent"):
            comb.power(bad)
    with pytest.raises(ParameterError, match="no comb"):
        FixedBase(5, 1009, 64, rows=17)


def test_default_tables_stay_under_two_megabytes() -> None:
    root = gmpy2.mpz(3) ** 1938  # 3,072 bits
    assert root.bit_length() == 3072
    assert FixedBase(7, root, 1536).memory_bytes < 2_000_000


@settings(max_examples=80, deadline=None)
@given(
    terms=st.lists(st.tuples(st.integers(1, 10**9), st.integers(-(2**70), 2**70)), max_size=30),
    bits=st.sampled_from([1, 2, 16, 71]),
)
def test_pippenger_agrees_with_its_plain_twin(terms: list[tuple[int, int]], bits: int) -> None:
    modulus = 10**9 + 7  # a prime, so that everything has an inverse
    bases = [base for base, _ in terms]
    exponents = [e % (1 << bits) * (1 if e >= 0 else -1) for _, e in terms]
    got = multi_exponent(bases, exponents, modulus)
    assert got == multi_exponent_plain(bases, exponents, modulus) % modulus
    assert got == prod(pow(b, e, modulus) for b, e in zip(bases, exponents, strict=True)) % modulus


@settings(max_examples=60, deadline=None)
@given(
    root=st.sampled_from([2**61 - 1, 10**9 + 7]),
    terms=st.lists(st.tuples(st.integers(1, 10**40), st.integers(-(2**40), 2**40)), max_size=12),
)
def test_pippenger_in_digits_agrees_with_itself(root: int, terms: list[tuple[int, int]]) -> None:
    bases = [base for base, _ in terms if base % root]
    exponents = [e for base, e in terms if base % root]
    plain = multi_exponent(bases, exponents, root * root)
    assert multi_exponent(bases, exponents, root * root, root=root) == plain


def test_pippenger_names_its_errors() -> None:
    with pytest.raises(ParameterError, match="2 bases but 1"):
        multi_exponent([2, 3], [1], 7)
    with pytest.raises(ParameterError, match="no inverse"):
        multi_exponent([7, 3], [-1, 1], 49)
    with pytest.raises(ParameterError, match="no inverse"):
        batch_inverse([3, 7], 49)


@given(st.lists(st.integers(1, 1008), max_size=12))
def test_batch_inverse_inverts(values: list[int]) -> None:
    assert all(v * i % 1009 == 1 for v, i in zip(values, batch_inverse(values, 1009), strict=True))
    assert product(values, 1009) == prod(values) % 1009


@settings(max_examples=80, deadline=None)
@given(
    width=st.sampled_from([2, 3, 8, 23, 24, 61, 62, 63, 64, 100, 262]),
    slots=st.integers(1, 7),
    data=st.data(),
)
def test_packed_sums_are_sums_of_slots(width: int, slots: int, data: st.DataObject) -> None:
    packing = Packing(width, slots)
    limit = packing.limit
    values = data.draw(st.lists(st.integers(-limit, limit), max_size=20))
    others = [data.draw(st.integers(-limit - min(v, 0), limit - max(v, 0))) for v in values]
    count = len(values)
    packed, added = packing.pack(values, count), packing.pack(others, count)
    assert packing.unpack(packed, count).tolist() == values
    total = [a + b for a, b in zip(packed, added, strict=True)]
    assert packing.unpack(total, count).tolist() == [a + b for a, b in zip(values, others, strict=True)]
    assert all(abs(m) < 1 << (width * slots - 1) for m in packed)
