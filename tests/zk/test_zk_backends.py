"""One suite for every curve library, with py_ecc as the oracle."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import ParameterError
from zk import backends
from zk.backends.base import Backend
from zk.curve import G1, G1_GENERATOR, G1_INFINITY, G2, G2_GENERATOR, G2_INFINITY, Q, R
from zk.limbs import from_limbs, g1_array, g1_points, g2_array, g2_points, to_limbs

NAMES = ["mcl", "zksnake", "gmpy2", "py_ecc"]
# on the twist, outside the subgroup of order R
OUTSIDE = G2(
    (2, 1),
    (
        7292567877523311580221095596750716176434782432868683424513645834767876293070,
        19659275751359636165940301690575149581329631496732780143538578556285923319774,
    ),
)
scalars = st.one_of(st.sampled_from([0, 1, 2, R - 1, R // 2]), st.integers(0, R - 1))


@pytest.fixture(params=NAMES)
def lib(request: pytest.FixtureRequest) -> Backend:
    return backends.get(request.param)


@pytest.fixture(scope="module")
def oracle() -> Backend:
    return backends.get("py_ecc")


def test_neutral_elements(lib: Backend) -> None:
    assert lib.g1_sum([]) == G1_INFINITY == lib.g1_mul(G1_GENERATOR, 0) == lib.g1_mul(G1_INFINITY, 5)
    assert lib.g2_sum([]) == G2_INFINITY == lib.g2_mul(G2_GENERATOR, 0) == lib.g2_mul(G2_INFINITY, 5)
    assert lib.g1_sum([G1_GENERATOR, -G1_GENERATOR]) == G1_INFINITY
    assert lib.g2_sum([G2_GENERATOR, -G2_GENERATOR]) == G2_INFINITY
    assert lib.g1_sum([G1_GENERATOR, G1_INFINITY]) == G1_GENERATOR
    assert lib.g1_mul(G1_GENERATOR, R - 1) == -G1_GENERATOR
    assert lib.g1_mul(G1_GENERATOR, R + 1) == G1_GENERATOR


def test_pairing_is_bilinear_and_not_degenerate(lib: Backend) -> None:
    p, q = lib.g1_mul(G1_GENERATOR, 6), lib.g2_mul(G2_GENERATOR, 7)
    assert lib.pairing_product_is_one([(p, q), (lib.g1_mul(G1_GENERATOR, R - 42), G2_GENERATOR)])
    assert not lib.pairing_product_is_one([(p, q), (lib.g1_mul(G1_GENERATOR, R - 41), G2_GENERATOR)])
    assert not lib.pairing_product_is_one([(G1_GENERATOR, G2_GENERATOR)])
    assert lib.pairing_product_is_one([(G1_INFINITY, q), (p, G2_INFINITY)])
    assert lib.pairing_product_is_one([])


def test_prepared_points_with_constant_and_free_pairs(lib: Backend) -> None:
    fixed = [lib.g2_mul(G2_GENERATOR, k) for k in (3, 5)]
    prepared = lib.prepare(fixed)
    constant = lib.pairing(lib.g1_mul(G1_GENERATOR, 11), G2_GENERATOR)
    two, minus = lib.g1_mul(G1_GENERATOR, 2), lib.g1_mul(G1_GENERATOR, R - 1)
    free = [(lib.g1_mul(G1_GENERATOR, 2), lib.g2_mul(G2_GENERATOR, 5))]
    assert prepared.product_is_one([two, minus], free, constant)  # 2*3 - 1*5 + 2*5 = 11
    assert not prepared.product_is_one([two, two], free, constant)
    assert not prepared.product_is_one([two, minus], free)
    assert prepared.product_is_one([G1_INFINITY, G1_INFINITY])
    assert not prepared.product_is_one([G1_INFINITY, G1_INFINITY], (), constant)


def test_subgroup_membership(lib: Backend) -> None:
    assert lib.g2_in_subgroup(G2_GENERATOR)
    assert not lib.g2_in_subgroup(OUTSIDE)


def test_sums_of_multiples_agree_with_the_oracle(lib: Backend, oracle: Backend) -> None:
    factors = [0, 1, R - 1, 12345678901234567890, 2**253 % R]
    g1 = [oracle.g1_mul(G1_GENERATOR, k) for k in (1, 5, 9, 2, 0)]
    g2 = [oracle.g2_mul(G2_GENERATOR, k) for k in (1, 5, 9, 2, 0)]
    expected = (0 + 5 - 9 + 2 * 12345678901234567890) % R
    assert lib.msm_g1(g1_array(g1), to_limbs(factors)) == oracle.g1_mul(G1_GENERATOR, expected)
    assert lib.msm_g2(g2_array(g2), to_limbs(factors)) == oracle.g2_mul(G2_GENERATOR, expected)
    assert g1_points(lib.multiples_g1(g1[1], to_limbs(factors))) == [oracle.g1_mul(g1[1], k) for k in factors]
    assert g2_points(lib.multiples_g2(g2[1], to_limbs(factors))) == [oracle.g2_mul(g2[1], k) for k in factors]
    nothing = np.zeros((0, 4), dtype=np.uint64)
    assert lib.msm_g1(np.zeros((0, 8), dtype=np.uint64), nothing) == G1_INFINITY
    assert lib.multiples_g1(G1_GENERATOR, nothing).shape == (0, 8)


@pytest.mark.parametrize("name", ["mcl", "zksnake", "gmpy2"])
@given(a=scalars, b=scalars)
@settings(max_examples=15, deadline=None)
def test_every_backend_computes_the_same(name: str, a: int, b: int) -> None:
    lib, oracle = backends.get(name), backends.get("py_ecc")
    p, q = oracle.g1_mul(G1_GENERATOR, a), oracle.g2_mul(G2_GENERATOR, b)
    assert lib.g1_mul(G1_GENERATOR, a) == p
    assert lib.g2_mul(G2_GENERATOR, b) == q
    assert lib.g1_sum([p, p, G1_GENERATOR]) == oracle.g1_sum([p, p, G1_GENERATOR])
    assert lib.g2_sum([q, q, G2_GENERATOR]) == oracle.g2_sum([q, q, G2_GENERATOR])
    assert lib.pairing_product_is_one([(p, q), (lib.g1_mul(G1_GENERATOR, -a * b), G2_GENERATOR)])


@given(st.lists(st.integers(0, R - 1), max_size=20))
def test_limbs_and_back(values: list[int]) -> None:
    assert from_limbs(to_limbs(values)) == values


@pytest.mark.parametrize("prime", [Q, R])
def test_compiled_limbs_are_the_plain_ones(prime: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    from zk import limbs

    values = [0, 1, prime - 1, prime, prime + 5, -3, 2**256 - 1, *(pow(3, k, prime) for k in range(50))]
    plain = to_limbs(values, prime)
    monkeypatch.setattr(limbs, "_WORTH_COMPILING", 1)
    assert (to_limbs(values, prime) == plain).all()
    assert from_limbs(plain, prime) == [v % prime for v in values]


@pytest.mark.parametrize("n", [1, 3, 100, 700])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_chunks_do_not_change_a_sum(
    n: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from zk.backends import mcl

    monkeypatch.setattr(mcl, "_CHUNK", 64)
    lib = backends.get("mcl")
    factors = to_limbs([(k * k + 1) << (k % 200) for k in range(n)])
    g1 = lib.multiples_g1(G1_GENERATOR, factors, threads=threads)
    g2 = lib.multiples_g2(G2_GENERATOR, factors, threads=threads)
    expected = sum(k * k for k in from_limbs(factors)) % R
    assert lib.msm_g1(g1, factors, threads=threads) == lib.g1_mul(G1_GENERATOR, expected)
    assert lib.msm_g2(g2, factors, threads=threads) == lib.g2_mul(G2_GENERATOR, expected)


def test_a_large_sum_in_g2_does_not_exhaust_the_stack() -> None:
    lib = backends.get("mcl")
    n = 1 << 17
    bases = np.tile(g2_array([G2_GENERATOR]), (n, 1))
    assert lib.msm_g2(bases, np.tile(to_limbs([1]), (n, 1))) == lib.g2_mul(G2_GENERATOR, n)


def test_msm_leaves_its_input_alone() -> None:
    lib = backends.get("mcl")
    bases = g1_array([G1(1, 2)] * 10)
    bases.flags.writeable = False
    factors = to_limbs(list(range(10)))
    factors.flags.writeable = False
    assert lib.msm_g1(bases, factors) == lib.g1_mul(G1_GENERATOR, 45)


@pytest.mark.parametrize("first", ["import mclbn256", "lib = backends.get('mcl')"])
def test_mcl_is_private_to_us(first: str) -> None:
    """mclbn256 sets its copy of mcl to another curve; whichever is loaded first, both stay right."""
    if first.startswith("import") and not sys.platform.startswith("linux"):
        pytest.skip("the copies can be kept apart on Linux only; elsewhere loading is refused")
    script = f"""
from zk import backends
{first}
import mclbn256
lib = backends.get("mcl")
g, h = mclbn256.G1().hash("a"), mclbn256.G2().hash("b")
k = mclbn256.Fr(12345)
assert (g * k) @ h == g @ (h * k)
lib._self_test()
assert (g * k) @ h == g @ (h * k)
lib._self_test()
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_choosing_a_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [name for name, _, _ in backends.available()] == NAMES
    assert backends.available()[-1] == ("py_ecc", True, "")
    monkeypatch.setenv("ZK_BACKEND", "py_ecc")
    assert backends.get().name == "py_ecc"
    assert backends.get("mcl").name == "mcl"
    monkeypatch.setenv("ZK_BACKEND", "openssl")
    with pytest.raises(ParameterError, match="no backend is called"):
        backends.get()


def test_the_default_backend_is_the_fastest_that_works() -> None:
    if os.environ.get("ZK_BACKEND"):
        pytest.skip("ZK_BACKEND forces one")
    usable = [name for name, works, _ in backends.available() if works]
    assert backends.get().name == usable[0]


@pytest.mark.parametrize("threads", [1, 2])
def test_multiples_from_tables_are_those_made_one_by_one(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    from zk.backends import mcl

    lib = backends.get("mcl")
    edges = [0, 1, 2, 3, 255, 256, 257, 1 << 64, (1 << 64) - 1, R - 1, R - 2, R // 2, (1 << 253) + 1]
    factors = to_limbs(edges + [pow(7, k, R) for k in range(600)])
    base1, base2 = lib.g1_mul(G1_GENERATOR, 99), lib.g2_mul(G2_GENERATOR, 99)
    expected = lib.multiples_g1(base1, factors), lib.multiples_g2(base2, factors)
    monkeypatch.setattr(mcl, "_WORTH_TABLES", 1)
    assert (lib.multiples_g1(base1, factors, threads=threads) == expected[0]).all()
    assert (lib.multiples_g2(base2, factors, threads=threads) == expected[1]).all()
    assert not lib.multiples_g1(G1_INFINITY, factors, threads=threads).any()
    assert not lib.multiples_g2(G2_INFINITY, factors, threads=threads).any()


def test_the_pairing_in_python_equals_the_oracle() -> None:
    """Not only products that are one: the very values, in py_ecc's representation of Fq12."""
    import py_ecc.optimized_bn128 as bn128

    from zk.backends.ate import final_exponentiation, miller_loop

    p, q = (
        backends.get("mcl").g1_mul(G1_GENERATOR, 1234567),
        backends.get("mcl").g2_mul(G2_GENERATOR, 7654321),
    )
    ours = final_exponentiation(miller_loop([(p, q)]))
    flat = [0] * 12
    for k, (a, b) in enumerate(ours):  # i = w^6 - 9
        flat[k] = int(a - 9 * b) % Q
        flat[k + 6] = int(b)
    lift = [bn128.FQ2(q.x), bn128.FQ2(q.y), bn128.FQ2.one()]  # type: ignore[attr-defined]
    theirs = bn128.pairing(tuple(lift), (bn128.FQ(p.x), bn128.FQ(p.y), bn128.FQ(1)))  # type: ignore[attr-defined]
    assert tuple(int(c) for c in theirs.coeffs) == tuple(flat)


def test_arithmetic_of_fq12() -> None:
    from zk.backends import tower

    rng = np.random.default_rng(3)
    f, g = (
        tuple(tower.fq2((int(a) ** 4, int(b) ** 4)) for a, b in rng.integers(1, 2**62, (6, 2)))
        for _ in range(2)
    )

    def reduced(h: tower.Fq12) -> list[tuple[int, int]]:
        return [(int(a) % Q, int(b) % Q) for a, b in h]

    assert reduced(tower.square12(f)) == reduced(tower.multiply12(f, f))
    assert reduced(tower.multiply12(f, tower.inverse12(f))) == reduced(tower.ONE)
    line = (tower.fq2((7, 0)), g[1], tower.fq2((0, 0)), g[3], tower.fq2((0, 0)), tower.fq2((0, 0)))
    assert reduced(tower.multiply_line(f, 7, g[1], g[3])) == reduced(tower.multiply12(f, line))
    easy = tower.multiply12(tower.conjugate(f), tower.inverse12(f))
    unitary = tower.multiply12(tower.frobenius(tower.frobenius(easy)), easy)
    assert reduced(tower.cyclotomic_square(unitary)) == reduced(tower.square12(unitary))
    assert reduced(tower.multiply12(unitary, tower.conjugate(unitary))) == reduced(tower.ONE)


@pytest.mark.parametrize("prover", NAMES)
def test_what_one_backend_proves_all_verify(prover: str) -> None:
    from mpc.prg import Stream
    from zk import commit_prove
    from zk.circuit import Circuit

    circuit = Circuit()
    total = circuit.public("total")
    x = circuit.committed("x", 2, group="update")
    circuit.equal(circuit.multiply(x, x, "square").sum(), total, "total")
    r1cs, program = circuit.finish()
    stream, lib = Stream(b"k" * 32, prover.encode()), backends.get(prover)
    keys = commit_prove.setup(r1cs, stream, unsafe_single_party=True, backend=lib)
    proof, blindings = commit_prove.prove(
        keys.pk, r1cs, program, {"total": [25], "x": [3, -4]}, stream, backend=lib
    )
    for name in NAMES:
        other = backends.get(name)
        commit_prove.verify(keys.vk, [25], proof, backend=other)
        assert not commit_prove.is_valid(keys.vk, [26], proof, backend=other)
        opened = commit_prove.commit(keys.vk.groups[0], [3, -4], blindings.values[0], backend=other)
        assert opened == proof.commitments[0]
