"""Arithmetic in rings and fields against Python's integers, and the compiled kernels against numpy's."""

import subprocess
import sys
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc import field61
from mpc.domain import Domain, Elements, domain_from_bytes
from mpc.errors import DecodeError, ParameterError
from mpc.field import FIELD61, PrimeField
from mpc.field61 import P61
from mpc.prg import Stream
from mpc.ring import RING32, RING64, Ring

SMALL, WIDE = PrimeField(97), PrimeField(2**255 - 19)
DOMAINS = [RING32, RING64, FIELD61, SMALL, WIDE]
EDGES = [0, 1, 2, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 60) - 1, 1 << 60, P61 - 2, P61 - 1]


@pytest.fixture(params=["numpy", "numba"])
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "numba" and not field61.has_numba():
        pytest.skip("numba (extra `fast`) is not installed")
    with field61.using(request.param):
        yield request.param


def array(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.uint64)


def test_products_at_the_edges(backend: str) -> None:
    a, b = (m.reshape(-1) for m in np.meshgrid(array(EDGES), array(EDGES)))
    pairs = list(zip(a.tolist(), b.tolist(), strict=True))
    assert field61.multiply(a, b).tolist() == [x * y % P61 for x, y in pairs]
    assert field61.add(a, b).tolist() == [(x + y) % P61 for x, y in pairs]
    assert field61.subtract(a, b).tolist() == [(x - y) % P61 for x, y in pairs]
    assert field61.negate(a).tolist() == [-x % P61 for x in a.tolist()]
    for scalar in EDGES:
        assert field61.multiply(a, scalar).tolist() == [x * scalar % P61 for x in a.tolist()]


@pytest.mark.parametrize("n", [0, 1, 4095, 4096, 4097, 9000])
def test_products_across_chunks(backend: str, n: int) -> None:
    stream = Stream(n.to_bytes(32, "big"))
    a, b = stream.field61(n), stream.field61(n)
    expected = [x * y % P61 for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    before = a.copy(), b.copy()
    assert field61.multiply(a, b).tolist() == expected
    assert (a == before[0]).all() and (b == before[1]).all()
    assert field61.multiply(a, a).tolist() == [x * x % P61 for x in a.tolist()]


@pytest.mark.parametrize(
    "points", [[1, 2, 3], [P61 - 1, 1 << 60], [(1 << 20) - 1, 1 << 20], [0], [1, 1 << 40]]
)
def test_polynomials_at_small_and_large_points(backend: str, points: list[int]) -> None:
    coefficients = Stream(bytes(32)).field61((6, 4200))
    coefficients[:, 0], coefficients[:, 1] = P61 - 1, 0
    got = field61.evaluate(coefficients, points)
    for column in (0, 1, 2, 4095, 4096, 4199):
        for row, x in enumerate(points):
            expected = sum(int(c) * pow(x, i, P61) for i, c in enumerate(coefficients[:, column])) % P61
            assert int(got[row, column]) == expected
    assert field61.evaluate(coefficients[:0], points).tolist() == [[0] * 4200] * len(points)


@pytest.mark.parametrize("k", [1, 6, 7, 8, 14, 15, 40])
def test_weighted_sums_never_overflow(backend: str, k: int) -> None:
    rows = np.full((k, 5), P61 - 1, dtype=np.uint64)
    assert field61.weighted_sum([P61 - 1] * k, rows).tolist() == [k] * 5
    a, b = Stream(bytes(32)).field61((3, k)), Stream(bytes(32)).field61((k, 4))
    expected = [
        [sum(int(a[i, t]) * int(b[t, j]) for t in range(k)) % P61 for j in range(4)] for i in range(3)
    ]
    assert field61.matmul(a, b).tolist() == expected


def test_broadcasting_and_shapes(backend: str) -> None:
    a, b = Stream(bytes(32)).field61((3, 4)), Stream(bytes(32)).field61(4)
    got = field61.multiply(a, b)
    assert got.shape == (3, 4) and int(got[2, 3]) == int(a[2, 3]) * int(b[3]) % P61
    assert field61.multiply(a.T, a.T).shape == (4, 3)
    one = np.array(5, dtype=np.uint64)
    assert field61.multiply(one, one).tolist() == 25
    with pytest.raises(ParameterError):
        field61.matmul(a, a)
    with pytest.raises(ParameterError):
        field61.weighted_sum([1], a)


def test_inverses(backend: str) -> None:
    a = array([v for v in EDGES if v])
    assert field61.inverse(a).tolist() == [pow(v, -1, P61) for v in a.tolist()]
    with pytest.raises(ParameterError):
        field61.inverse(array([1, 0]))
    wide = WIDE.elements([1, 2, 2**254])
    assert (WIDE.inverse(wide.values) * wide.values % WIDE.modulus).tolist() == [1, 1, 1]
    assert FIELD61.inverse(array([2])).tolist() == [pow(2, -1, P61)]


def test_without_numba_numpy_does_the_work() -> None:
    code = (
        "import sys; sys.modules['numba'] = None; from mpc import field61, shamir; from mpc.field import "
        "FIELD61; "
        "from mpc.prg import Stream; from mpc.threshold import Threshold; assert not field61.has_numba(); "
        "shares = shamir.share(FIELD61.elements([7]), Threshold(2, 3), Stream(bytes(32))); "
        "print(shamir.reconstruct(shares).lifted().tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[7]"


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(ParameterError), field61.using("cuda"):
        pass


integers = st.integers(-(1 << 300), 1 << 300)


@settings(deadline=None)
@given(st.sampled_from(DOMAINS), st.lists(st.tuples(integers, integers), min_size=1, max_size=5))
def test_every_domain_is_integers_mod_its_modulus(domain: Domain, pairs: list[tuple[int, int]]) -> None:
    n = domain.modulus
    a = Elements(domain, domain.reduce(np.array([x for x, _ in pairs], dtype=object)))
    b = Elements(domain, domain.reduce(np.array([y for _, y in pairs], dtype=object)))
    assert a.values.dtype == domain.dtype
    for got, expected in (
        (a + b, [x + y for x, y in pairs]),
        (a - b, [x - y for x, y in pairs]),
        (a * b, [x * y for x, y in pairs]),
        (a * -3, [-3 * x for x, _ in pairs]),
        (3 * a, [3 * x for x, _ in pairs]),
        (-a, [-x for x, _ in pairs]),
    ):
        assert [int(v) for v in got.values] == [e % n for e in expected]
    assert all(
        int(v) % n == x % n and -n // 2 <= int(v) <= n // 2
        for v, (x, _) in zip(a.lifted(), pairs, strict=True)
    )
    assert domain.decode(a.to_bytes(), a.shape).tolist() == a.values.tolist()
    square = Elements(domain, domain.reduce(np.array([[1, 2], [3, 4]])))
    assert [int(v) for v in (square @ square).values.reshape(-1)] == [v % n for v in (7, 10, 15, 22)]


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_numpy_integers_of_every_width_reduce_alike(domain: Domain) -> None:
    for dtype in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint32, np.uint64):
        info = np.iinfo(dtype)
        given_ = np.array([info.min, info.max, 1], dtype=dtype)
        assert [int(v) for v in domain.reduce(given_)] == [int(v) % domain.modulus for v in given_]


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_random_elements_are_reduced_and_shaped(domain: Domain) -> None:
    drawn = domain.random((3, 4), Stream(bytes(32)))
    assert drawn.shape == (3, 4) and drawn.dtype == domain.dtype
    assert all(0 <= int(v) < domain.modulus for v in drawn.reshape(-1))
    assert domain.random((), Stream(bytes(32))).shape == ()


def test_domains_do_not_mix() -> None:
    for a in DOMAINS:
        for b in DOMAINS:
            if a != b:
                for combine in (Elements.__add__, Elements.__sub__, Elements.__mul__, Elements.__matmul__):
                    with pytest.raises(ParameterError, match="cannot mix"):
                        combine(Elements(a, a.reduce([1])), Elements(b, b.reduce([1])))
                assert Elements(a, a.reduce([1])) != Elements(b, b.reduce([1]))
    with pytest.raises(ParameterError, match="cannot mix"):
        RING32.elements([1]) + 1  # type: ignore[operator]
    assert (RING32.elements([1]) == 1) is False
    with pytest.raises(TypeError):
        hash(RING32.elements([1]))


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_domains_have_one_name(domain: Domain) -> None:
    assert domain_from_bytes(domain.to_bytes() + b"rest") == (domain, b"rest")


@pytest.mark.parametrize(
    "data",
    [b"", b"R", b"R\x10", b"F\x00\x00", b"F\x00\x01\x08", b"F\x00\x02\x00\x61", b"F\xff\xff\x01", b"X"],
)
def test_other_names_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        domain_from_bytes(data)


@pytest.mark.parametrize("domain", DOMAINS, ids=str)
def test_encodings_are_reduced_and_of_the_right_length(domain: Domain) -> None:
    for data, shape in ((b"", (1,)), (bytes(domain.element_bytes + 1), (1,)), (b"\0", ())):
        if len(data) != domain.element_bytes:
            with pytest.raises(DecodeError):
                domain.decode(data, shape)
    if domain.modulus & (domain.modulus - 1):
        with pytest.raises(DecodeError, match="reduced"):
            domain.decode(domain.modulus.to_bytes(domain.element_bytes, "little"), (1,))


@pytest.mark.parametrize(
    "call", [lambda: Ring(16), lambda: PrimeField(9), lambda: PrimeField(2), lambda: PrimeField(1 << 4100)]
)
def test_domains_that_are_none(call: object) -> None:
    with pytest.raises(ParameterError):
        call()  # type: ignore[operator]
