"""Products modulo 2^64 by doubles are those by integers, at every size and for the worst words there are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import ParameterError
from mpc.prg import Stream
from mpc.ring_product import Limbs, ring_product

# every limb at its most negative, or its most positive
EXTREMES = [0, 1, 2**64 - 1, 2**63, 2**63 + 2**42 + 2**21, 2**63 - 1 - 2**42 - 2**21, 0x1FFFFF + (1 << 42)]


@given(st.integers(1, 40), st.integers(1, 60), st.integers(1, 40), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_random_words(n: int, k: int, m: int, seed: int) -> None:
    stream = Stream(seed.to_bytes(32, "big"))
    a, b = stream.uint64((n, k)), stream.uint64((k, m))
    np.testing.assert_array_equal(ring_product(a, b), a @ b)
    np.testing.assert_array_equal(Limbs.of(a) @ Limbs.of(b), a @ b)
    np.testing.assert_array_equal(Limbs.of(b).T @ Limbs.of(a).T, (a @ b).T)


@pytest.mark.parametrize("left", EXTREMES)
@pytest.mark.parametrize("right", EXTREMES)
def test_the_largest_limbs_are_exact_beyond_one_piece(left: int, right: int) -> None:
    a, b = np.full((3, 2500), left, dtype=np.uint64), np.full((2500, 30), right, dtype=np.uint64)
    np.testing.assert_array_equal(ring_product(a, b), a @ b)


def test_matrices_that_do_not_fit_are_refused() -> None:
    words = Limbs.of(np.zeros((2, 3), dtype=np.uint64))
    with pytest.raises(ParameterError, match="do not fit"):
        words @ words
