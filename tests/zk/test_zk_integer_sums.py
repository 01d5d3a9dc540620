"""Sums of points times machine integers, against sums with scalars of full length."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from zk import backends, commit_prove, kernels
from zk.backends.base import Backend
from zk.commit_prove import CommitmentKey
from zk.curve import G1_GENERATOR, G1_INFINITY, G2_GENERATOR, R
from zk.limbs import g1_array, g1_points, negated_g1, to_limbs
from zk.statements import NormBound

# small multiples of the generator: repeated, opposite and missing points all occur
FACTORS = st.one_of(st.integers(-3, 3), st.integers(0, R - 1))
EDGES = [0, 1, -1, 127, 128, 129, -128, -129, 255, 256, 32767, -32767, 32768, -32896, 32897]
VALUES = st.one_of(st.sampled_from(EDGES), st.integers(-(2**62) + 1, 2**62 - 1))
NUMBA = pytest.mark.skipif(not kernels.available(), reason="the compiled kernels need numba")


def multiples(factors: list[int]) -> NDArray[np.uint64]:
    lib = backends.get()
    return g1_array([lib.g1_mul(G1_GENERATOR, f % R) for f in factors])


def multiple(factor: int) -> object:
    return backends.get().g1_mul(G1_GENERATOR, factor % R)


@NUMBA
@settings(deadline=None, max_examples=80)
@given(st.lists(st.tuples(FACTORS, VALUES), min_size=1, max_size=40))
def test_buckets_agree_with_one_product(terms: list[tuple[int, int]]) -> None:
    from zk.kernels.buckets import bit_sums

    points, exponents = bit_sums(multiples([f for f, _ in terms]), np.array([v for _, v in terms]))
    got = backends.get().msm_g1(points, to_limbs([1 << e for e in exponents]))
    assert got == multiple(sum(f * v for f, v in terms))


@NUMBA
def test_all_points_of_a_bucket_the_same_or_cancelling() -> None:
    from zk.kernels.buckets import bit_sums

    same = multiples([5] * 3000)
    values = np.full(3000, 128)
    points, exponents = bit_sums(same, values)
    lib = backends.get()
    assert lib.msm_g1(points, to_limbs([1 << e for e in exponents])) == multiple(5 * 128 * 3000)
    values[::2] *= -1
    points, exponents = bit_sums(same, values)
    assert lib.msm_g1(points, to_limbs([1 << e for e in exponents])) == G1_INFINITY


@NUMBA
def test_sixteen_bits_need_two_windows() -> None:
    from zk.kernels.buckets import bit_sums

    for largest in (32767, -32767):
        assert len(bit_sums(multiples([2, 3]), np.array([1, largest]))[1]) == 16


@settings(deadline=None, max_examples=30)
@given(st.lists(FACTORS, min_size=1, max_size=20))
def test_negated_points(factors: list[int]) -> None:
    assert g1_points(negated_g1(multiples(factors))) == [-p for p in g1_points(multiples(factors))]


@pytest.mark.parametrize("name", ["mcl", "zksnake", "gmpy2"])
def test_every_backend_takes_signed_integers(name: str) -> None:
    lib: Backend = backends.get(name)
    factors, values = [3, 0, 5, 7, 7], [-4, 9, 0, 2**40, -(2**40)]
    assert lib.msm_g1_integers(multiples(factors), np.array(values)) == multiple(-12)


def test_a_commitment_to_an_array_is_the_one_to_a_list() -> None:
    """Long enough for the compiled kernels; the last chunk is padded."""
    statement = NormBound(dim=9000, bits=16)
    assert statement.chunks * statement.chunk_dim >= 9000
    lib = backends.get()
    factors = to_limbs([pow(3, j, R) for j in range(1, statement.chunk_dim + 1)])
    key = CommitmentKey(
        "update", lib.multiples_g1(G1_GENERATOR, factors), lib.g1_mul(G1_GENERATOR, 7), G2_GENERATOR
    )
    values = np.random.RandomState(1).randint(-32767, 32768, statement.dim)
    values[:5] = [0, 32767, -32767, 128, -128]
    blinding = list(range(2, 2 + statement.chunks))
    want = statement._commit(key, values.tolist(), blinding, lib)
    assert statement._commit(key, values, blinding, lib) == want
    assert statement._commit(key, values.astype(np.int32), blinding, lib) == want


def test_integers_beyond_the_short_path_are_committed_to_as_well() -> None:
    lib = backends.get()
    key = CommitmentKey("update", multiples([1, 2]), lib.g1_mul(G1_GENERATOR, 7), G2_GENERATOR)
    for values in (np.array([2**63, 2**64 - 1], dtype=np.uint64), np.array([-(2**63), 5], dtype=np.int64)):
        assert commit_prove.commit(key, values, 9) == commit_prove.commit(key, values.tolist(), 9)
    empty = CommitmentKey("update", multiples([1]), key.eta, G2_GENERATOR)
    assert commit_prove.commit(empty, np.array([0]), 9) == lib.g1_mul(key.eta, 9)
