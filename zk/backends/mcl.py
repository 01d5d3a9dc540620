"""The fast backend: mcl, the library of Herumi, as bundled by the package mclbn256."""

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk import kernels
from zk.backends.base import Backend, Limbs, PreparedPairs, usable_threads
from zk.backends.mcl_library import BackendUnavailable, load
from zk.curve import G1, G1_GENERATOR, G2, G2_GENERATOR, Q, R
from zk.limbs import g1_array, g1_points, g2_array, g2_points, to_limbs

__all__ = ["MclBackend"]

# one call of mulVec on 2^17 points of G2 overflows an 8 MB stack, and threads have less
_CHUNK = 1 << 14
_MONTGOMERY_ONE = to_limbs([1], Q)[0]
_GT_LIMBS = 48
# fewer multiples than this are made one by one, before numba is loaded
_WORTH_TABLES = 1 << 11


def _address(array: Limbs) -> ctypes.c_void_p:
    # this pointer keeps its array alive until the call it is passed to returns; a bare address would not
    return array.ctypes.data_as(ctypes.c_void_p)


def _projective(affine: Limbs) -> Limbs:
    """mcl's memory form of affine points: the coordinate z appended, zero for infinity."""
    half = affine.shape[1] // 2
    out = np.zeros((len(affine), 3 * half), dtype=np.uint64)
    out[:, : 2 * half] = affine
    out[affine.any(axis=1), 2 * half : 2 * half + 4] = _MONTGOMERY_ONE
    return out


class MclBackend(Backend):
    """alt_bn128 in mcl; every call into the library releases the interpreter lock.

    Raises: BackendUnavailable when the library is missing or fails its self-test.
    """

    name = "mcl"

    def __init__(self) -> None:
        self._lib = load()
        self._self_test()

    def _self_test(self) -> None:
        buffer = ctypes.create_string_buffer(256)
        for function, want in ((self._lib.mclBn_getCurveOrder, R), (self._lib.mclBn_getFieldOrder, Q)):
            length = function(buffer, ctypes.c_size_t(len(buffer)))
            if length <= 0 or int(buffer.value) != want:
                raise BackendUnavailable("mcl is set to another curve")
        double = G1(
            1368015179489954701390400359078579693043519447331113978918064868415326638035,
            9918110051302171585080402603319702774565515993150576347155970296011118125764,
        )
        if self.g1_mul(G1_GENERATOR, 2) != double or self.g1_mul(G1_GENERATOR, R - 1) != -G1_GENERATOR:
            raise BackendUnavailable("mcl multiplies wrongly")
        twice = self.g2_mul(G2_GENERATOR, 2)
        if not self.pairing_product_is_one([(double, G2_GENERATOR), (-G1_GENERATOR, twice)]):
            raise BackendUnavailable("mcl pairs wrongly")
        if self.pairing_product_is_one([(double, G2_GENERATOR), (G1_GENERATOR, G2_GENERATOR)]):
            raise BackendUnavailable("mcl pairs wrongly")

    def _sum(self, array: Limbs, add: Callable[..., Any], normalize: Callable[..., Any]) -> Limbs:
        projective = _projective(array)
        total = np.zeros((1, projective.shape[1]), dtype=np.uint64)
        for i in range(len(projective)):
            add(_address(total), _address(total), _address(projective[i]))
        return self._affine(total, normalize)

    @staticmethod
    def _affine(projective: Limbs, normalize: Callable[..., Any]) -> Limbs:
        width = projective.shape[1] // 3
        for i in range(len(projective)):
            if projective[i, 2 * width :].any():
                row = _address(projective[i])
                normalize(row, row)
            else:
                projective[i] = 0
        return np.ascontiguousarray(projective[:, : 2 * width])

    def g1_sum(self, points: Sequence[G1]) -> G1:
        return g1_points(self._sum(g1_array(points), self._lib.mclBnG1_add, self._lib.mclBnG1_normalize))[0]

    def g2_sum(self, points: Sequence[G2]) -> G2:
        return g2_points(self._sum(g2_array(points), self._lib.mclBnG2_add, self._lib.mclBnG2_normalize))[0]

    def g1_mul(self, point: G1, scalar: int) -> G1:
        out, base = np.zeros((1, 12), dtype=np.uint64), _projective(g1_array([point]))
        self._lib.mclBnG1_mul(_address(out), _address(base), _address(to_limbs([scalar])))
        return g1_points(self._affine(out, self._lib.mclBnG1_normalize))[0]

    def g2_mul(self, point: G2, scalar: int) -> G2:
        out, base = np.zeros((1, 24), dtype=np.uint64), _projective(g2_array([point]))
        self._lib.mclBnG2_mul(_address(out), _address(base), _address(to_limbs([scalar])))
        return g2_points(self._affine(out, self._lib.mclBnG2_normalize))[0]

    def g2_in_subgroup(self, point: G2) -> bool:
        return bool(self._lib.mclBnG2_isValidOrder(_address(_projective(g2_array([point])))))

    def _msm(
        self,
        bases: Limbs,
        scalars: Limbs,
        threads: int | None,
        functions: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]],
    ) -> Limbs:
        multiply, add, normalize = functions
        n, width = len(bases), bases.shape[1] // 2 * 3
        workers = usable_threads(threads)
        step = max(1, min(_CHUNK, -(-n // workers)))
        starts = range(0, n, step)

        def partial(start: int) -> Limbs:
            # mcl normalises its input in place, and a key may be memory-mapped: always work on a copy
            points = _projective(bases[start : start + step])
            factors = np.ascontiguousarray(scalars[start : start + step])
            out = np.zeros(width, dtype=np.uint64)
            multiply(_address(out), _address(points), _address(factors), ctypes.c_size_t(len(points)))
            return out

        total = np.zeros((1, width), dtype=np.uint64)
        if workers == 1 or len(starts) < 2:
            parts = [partial(start) for start in starts]
        else:
            with ThreadPoolExecutor(workers) as pool:
                parts = list(pool.map(partial, starts))
        for part in parts:
            add(_address(total), _address(total), _address(part))
        return self._affine(total, normalize)

    def msm_g1(self, bases: Limbs, scalars: Limbs, *, threads: int | None = None) -> G1:
        lib = self._lib
        return g1_points(
            self._msm(bases, scalars, threads, (lib.mclBnG1_mulVec, lib.mclBnG1_add, lib.mclBnG1_normalize))
        )[0]

    def msm_g1_integers(self, bases: Limbs, values: NDArray[np.int64], *, threads: int | None = None) -> G1:
        if not self._tables_pay(bases):
            return super().msm_g1_integers(bases, values, threads=threads)
        from zk.kernels.buckets import bit_sums

        # mcl walks through 128 bits of every scalar, however short it is
        points, exponents = bit_sums(bases, values)
        return self.msm_g1(points, to_limbs([1 << e for e in exponents]), threads=1)

    def msm_g2(self, bases: Limbs, scalars: Limbs, *, threads: int | None = None) -> G2:
        lib = self._lib
        return g2_points(
            self._msm(bases, scalars, threads, (lib.mclBnG2_mulVec, lib.mclBnG2_add, lib.mclBnG2_normalize))
        )[0]

    @staticmethod
    def _tables_pay(scalars: Limbs) -> bool:
        return len(scalars) >= _WORTH_TABLES and kernels.available()

    @staticmethod
    def _windowed(multiple: Callable[[int], Limbs], scalars: Limbs, threads: int | None) -> Limbs:
        """Multiples by compiled tables, given a function for single ones."""
        from zk.kernels.points import multiples

        width = 8 if len(scalars) < 1 << 13 else 11
        starts = range(0, R.bit_length(), width)
        pairs = np.concatenate([multiple(1 << low << i) for low in starts for i in range(2)])
        return multiples(pairs, width, scalars, usable_threads(threads))

    def _multiples(
        self,
        base: Limbs,
        scalars: Limbs,
        threads: int | None,
        functions: tuple[Callable[..., Any], Callable[..., Any]],
    ) -> Limbs:
        multiply, normalize = functions
        projective, n = _projective(base), len(scalars)
        factors = np.ascontiguousarray(scalars)
        out = np.zeros((n, projective.shape[1]), dtype=np.uint64)

        def part(start: int, stop: int) -> None:
            origin, target, factor = _address(projective), out.ctypes.data, factors.ctypes.data
            for i in range(start, stop):
                row = ctypes.c_void_p(target + i * out.strides[0])
                multiply(row, origin, ctypes.c_void_p(factor + 32 * i))
                normalize(row, row)

        workers = usable_threads(threads)
        step = max(1, -(-n // workers))
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda s: part(s, min(n, s + step)), range(0, n, step)))
        width = out.shape[1] // 3
        result = np.ascontiguousarray(out[:, : 2 * width])
        result[~out[:, 2 * width :].any(axis=1)] = 0
        return result

    def multiples_g1(self, base: G1, scalars: Limbs, *, threads: int | None = None) -> Limbs:
        lib = self._lib
        if not base.is_infinity and self._tables_pay(scalars):
            return self._windowed(lambda k: g1_array([self.g1_mul(base, k)]), scalars, threads)
        return self._multiples(g1_array([base]), scalars, threads, (lib.mclBnG1_mul, lib.mclBnG1_normalize))

    def multiples_g2(self, base: G2, scalars: Limbs, *, threads: int | None = None) -> Limbs:
        lib = self._lib
        if not base.is_infinity and self._tables_pay(scalars):
            return self._windowed(lambda k: g2_array([self.g2_mul(base, k)]), scalars, threads)
        return self._multiples(g2_array([base]), scalars, threads, (lib.mclBnG2_mul, lib.mclBnG2_normalize))

    def pairing(self, p: G1, q: G2) -> object:
        out = np.zeros(_GT_LIMBS, dtype=np.uint64)
        self._lib.mclBn_pairing(
            _address(out), _address(_projective(g1_array([p]))), _address(_projective(g2_array([q])))
        )
        return out

    def pairing_product_is_one(self, pairs: Sequence[tuple[G1, G2]]) -> bool:
        return self.prepare([]).product_is_one([], pairs)

    def prepare(self, points: Sequence[G2]) -> PreparedPairs:
        return _MclPrepared(self._lib, points)


class _MclPrepared(PreparedPairs):
    """Miller-loop lines of fixed points."""

    def __init__(self, lib: ctypes.CDLL, points: Sequence[G2]) -> None:
        self._lib = lib
        size = lib.mclBn_getUint64NumToPrecompute()
        self._lines = np.zeros((len(points), size), dtype=np.uint64)
        projective = _projective(g2_array(points)) if points else None
        self._skip = [point.is_infinity for point in points]
        for i in range(len(points)):
            assert projective is not None
            lib.mclBn_precomputeG2(_address(self._lines[i]), _address(projective[i]))

    def product_is_one(
        self, fixed: Sequence[G1], free: Sequence[tuple[G1, G2]] = (), constant: object = None
    ) -> bool:
        lib = self._lib
        total = np.zeros(_GT_LIMBS, dtype=np.uint64)
        lib.mclBnGT_setInt(_address(total), 1)
        factor = np.zeros(_GT_LIMBS, dtype=np.uint64)
        p = _projective(g1_array(fixed)) if fixed else np.zeros((0, 12), dtype=np.uint64)
        for i, point in enumerate(fixed):
            if point.is_infinity or self._skip[i]:
                continue
            lib.mclBn_precomputedMillerLoop(_address(factor), _address(p[i]), _address(self._lines[i]))
            lib.mclBnGT_mul(_address(total), _address(total), _address(factor))
        pairs = [(a, b) for a, b in free if not a.is_infinity and not b.is_infinity]
        if pairs:
            left, right = (
                _projective(g1_array([a for a, _ in pairs])),
                _projective(g2_array([b for _, b in pairs])),
            )
            lib.mclBn_millerLoopVec(
                _address(factor), _address(left), _address(right), ctypes.c_size_t(len(pairs))
            )
            lib.mclBnGT_mul(_address(total), _address(total), _address(factor))
        lib.mclBn_finalExp(_address(total), _address(total))
        if constant is None:
            return bool(lib.mclBnGT_isOne(_address(total)))
        return bool(lib.mclBnGT_isEqual(_address(total), _address(np.asarray(constant))))
