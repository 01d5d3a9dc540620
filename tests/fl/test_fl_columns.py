"""Our few columns against numpy's linear algebra, and the same bits whatever the processor offers."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from fl.optim.columns import gram, inverse, lengths, orthonormal, product

# prints a digest of steps whose matrix products another instruction set would round otherwise
_STEPS = """
import hashlib
import numpy as np
from fl.optim.conjugate import ConjugateGradients
rng = np.random.default_rng(7)
x = rng.normal(size=(400, 300)) * rng.random(300) ** 2
algorithm, curve = ConjugateGradients(classes=5), x.T @ x / 400
state = algorithm.initial_state(np.zeros(1500, dtype=np.float32))
digest = hashlib.sha256()
for number in range(4):
    mean = rng.normal(size=1500).round(3) if number == 0 else np.abs(state[:1500].astype(float)).round(2) + 1
    state = algorithm.step(state, mean, 1.0, number)
    digest.update(state.tobytes())
print(digest.hexdigest())
"""


def columns(rows: int, count: int) -> NDArray[np.float64]:
    return np.random.default_rng(rows).normal(size=(rows, count))


def test_products_and_lengths_are_numpys() -> None:
    left, right, small = columns(500, 4), columns(501, 3)[:500], columns(4, 6)
    assert np.allclose(product(left, small), left @ small)
    assert np.allclose(gram(left, right), left.T @ right)
    assert np.allclose(lengths(left), np.linalg.norm(left, axis=0))


@pytest.mark.parametrize("scale", [1.0, 1e-7, 1e6])
def test_columns_become_orthonormal_however_much_alike(scale: float) -> None:
    alike = columns(200, 1) + 1e-9 * columns(200, 6)
    for given in (columns(200, 6), alike):
        basis, triangle = orthonormal(scale * given)
        assert np.abs(basis.T @ basis - np.eye(6)).max() < 1e-13
        assert np.allclose(basis @ triangle, scale * given, rtol=1e-12, atol=1e-12 * scale)
        assert np.array_equal(triangle, np.triu(triangle))


def test_a_column_that_depends_on_others_gives_zeros() -> None:
    given = columns(50, 4)
    given[:, 2], given[:, 3] = given[:, 0] - 2 * given[:, 1], 0.0
    basis, triangle = orthonormal(given)
    assert not basis[:, 2:].any() and not triangle.diagonal()[2:].any()
    assert np.allclose(basis @ triangle, given)


def test_the_inverse_is_numpys_where_there_is_one() -> None:
    root = columns(8, 8)
    matrix = root @ root.T
    assert np.allclose(inverse(matrix, 1e-9) @ matrix, np.eye(8), atol=1e-9)


def test_the_inverse_of_a_singular_matrix_solves_what_can_be_solved() -> None:
    root = columns(8, 5)
    matrix = root @ root.T
    found = inverse(matrix, 1e-9)
    assert np.allclose(matrix @ found @ matrix, matrix) and np.array_equal(found, found.T)
    assert (~found.any(axis=0)).sum() == 3
    assert not inverse(np.zeros((3, 3)), 1e-9).any()


def test_a_step_has_the_same_bits_without_vector_instructions() -> None:
    def digest(**environment: str) -> str:
        run = subprocess.run(
            [sys.executable, "-c", _STEPS],
            env={**os.environ, **environment},
            capture_output=True,
            check=True,
            text=True,
        )
        return run.stdout.strip()

    known = digest()
    assert len(known) == len(hashlib.sha256().hexdigest())
    off = "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR"
    assert (
        digest(NPY_DISABLE_CPU_FEATURES=off, OPENBLAS_CORETYPE="Prescott", OPENBLAS_NUM_THREADS="1") == known
    )
