"""Many multiples of one fixed point, in affine coordinates with shared inversions.

The multiples d * 2**(w j) P of every window j are tabulated; a multiple of P is then one addition a window. Additions
are done hundreds at a time: one inversion serves all of them, and each costs six products.

A running sum of low windows is smaller than any entry of the next table and their sum is below the group order, so the
two points added are never equal or opposite; only infinity needs care.

Source: Brickell, Gordon, McCurley, Wilson 1992 (fixed-base windows); Montgomery 1987 (simultaneous inversion).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.field import R
from zk.kernels.base_field import EXPONENT, ONE, ZERO, P, get, invert, put
from zk.kernels.words import add, compiled, constants, is_zero, multiply, subtract
from zk.limbs import Limbs

__all__ = ["multiples"]

_N = constants(R)
_BATCH = 256
_WORDS_ONE = (np.uint64(1), np.uint64(0), np.uint64(0), np.uint64(0))


@compiled
def _canonical(x: Any, out: Any) -> None:
    for i in range(len(x)):
        put(out, i, 0, multiply(get(x, i, 0), _WORDS_ONE, _N))


@compiled
def _accumulate_g1(total: Any, table: Any, digits: Any, exponent: Any) -> None:
    """total[i] += table[digits[i]], entry zero of the table being infinity."""
    n = len(total)
    prefix = np.empty((_BATCH, 4), dtype=np.uint64)
    where = np.empty(_BATCH, dtype=np.int64)
    for start in range(0, n, _BATCH):
        used, run = 0, ONE
        for i in range(start, min(n, start + _BATCH)):
            d = digits[i]
            if d == 0:
                continue
            x = get(total, i, 0)
            if is_zero(x) and is_zero(get(total, i, 4)):
                total[i] = table[d]
                continue
            put(prefix, used, 0, run)
            where[used] = i
            used += 1
            run = multiply(run, subtract(get(table, d, 0), x, P), P)
        inverse = invert(run, exponent)
        for k in range(used - 1, -1, -1):
            i = where[k]
            d = digits[i]
            x1, y1 = get(total, i, 0), get(total, i, 4)
            x2, y2 = get(table, d, 0), get(table, d, 4)
            slope = multiply(multiply(inverse, get(prefix, k, 0), P), subtract(y2, y1, P), P)
            inverse = multiply(inverse, subtract(x2, x1, P), P)
            x3 = subtract(subtract(multiply(slope, slope, P), x1, P), x2, P)
            put(total, i, 0, x3)
            put(total, i, 4, subtract(multiply(slope, subtract(x1, x3, P), P), y1, P))


@compiled
def _mul2(a: Any, b: Any) -> Any:
    """The product in Fq2, three products of Fq."""
    p, q = multiply(a[0], b[0], P), multiply(a[1], b[1], P)
    cross = multiply(add(a[0], a[1], P), add(b[0], b[1], P), P)
    return subtract(p, q, P), subtract(subtract(cross, p, P), q, P)


@compiled
def _sub2(a: Any, b: Any) -> Any:
    return subtract(a[0], b[0], P), subtract(a[1], b[1], P)


@compiled
def _inverse2(a: Any, exponent: Any) -> Any:
    norm = add(multiply(a[0], a[0], P), multiply(a[1], a[1], P), P)
    inverse = invert(norm, exponent)
    return multiply(a[0], inverse, P), multiply(subtract(ZERO, a[1], P), inverse, P)


@compiled
def _get2(x: Any, i: Any, at: Any) -> Any:
    return get(x, i, at), get(x, i, at + 4)


@compiled
def _put2(x: Any, i: Any, at: Any, v: Any) -> None:
    put(x, i, at, v[0])
    put(x, i, at + 4, v[1])


@compiled
def _accumulate_g2(total: Any, table: Any, digits: Any, exponent: Any) -> None:
    """As `_accumulate_g1`, over Fq2."""
    n = len(total)
    prefix = np.empty((_BATCH, 8), dtype=np.uint64)
    where = np.empty(_BATCH, dtype=np.int64)
    for start in range(0, n, _BATCH):
        used, run = 0, (ONE, ZERO)
        for i in range(start, min(n, start + _BATCH)):
            d = digits[i]
            if d == 0:
                continue
            x, y = _get2(total, i, 0), _get2(total, i, 8)
            if is_zero(x[0]) and is_zero(x[1]) and is_zero(y[0]) and is_zero(y[1]):
                total[i] = table[d]
                continue
            _put2(prefix, used, 0, run)
            where[used] = i
            used += 1
            run = _mul2(run, _sub2(_get2(table, d, 0), x))
        inverse = _inverse2(run, exponent)
        for k in range(used - 1, -1, -1):
            i = where[k]
            d = digits[i]
            x1, y1 = _get2(total, i, 0), _get2(total, i, 8)
            x2, y2 = _get2(table, d, 0), _get2(table, d, 8)
            slope = _mul2(_mul2(inverse, _get2(prefix, k, 0)), _sub2(y2, y1))
            inverse = _mul2(inverse, _sub2(x2, x1))
            x3 = _sub2(_sub2(_mul2(slope, slope), x1), x2)
            _put2(total, i, 0, x3)
            _put2(total, i, 8, _sub2(_mul2(slope, _sub2(x1, x3)), y1))


def _digits(scalars: Limbs, width: int) -> list[NDArray[np.int64]]:
    """The base-2**width digits of canonical scalars, lowest first."""
    mask = np.uint64((1 << width) - 1)
    out = []
    for low in range(0, R.bit_length(), width):
        word, shift = divmod(low, 64)
        digit = scalars[:, word] >> np.uint64(shift)
        if shift + width > 64 and word < 3:
            digit |= scalars[:, word + 1] << np.uint64(64 - shift)
        out.append((digit & mask).astype(np.int64))
    return out


def _table(power: Limbs, width: int, accumulate: Callable[..., None]) -> Limbs:
    """0, P, 2 P, ..., (2**width - 1) P of one point, by additions of distinct points only.

    Shapes: power (2, 8 or 16), P and 2 P.
    """
    out = np.zeros((1 << width, power.shape[1]), dtype=np.uint64)
    out[1:3] = power
    known = 3
    while known < len(out):
        # entries known .. 2 known - 3 are entry known - 1 plus entries 1 .. known - 2
        more = min(known - 2, len(out) - known)
        block = out[1 : 1 + more].copy()
        step = np.zeros((2, power.shape[1]), dtype=np.uint64)
        step[1] = out[known - 1]
        accumulate(block, step, np.ones(more, dtype=np.int64), EXPONENT)
        out[known : known + more] = block
        known += more
    return out


def multiples(powers: Limbs, width: int, scalars: Limbs, threads: int) -> Limbs:
    """[scalars_i] P for every i.

    Shapes: powers (2 w, 8 or 16): 2**(width j) P and its double for each of the w windows j; scalars (n, 4).
    """
    accumulate = _accumulate_g1 if powers.shape[1] == 8 else _accumulate_g2
    canonical = np.empty_like(scalars)
    _canonical(np.ascontiguousarray(scalars), canonical)
    digits = _digits(canonical, width)
    out = np.zeros((len(scalars), powers.shape[1]), dtype=np.uint64)
    step = max(1, -(-len(scalars) // threads))
    with ThreadPoolExecutor(threads) as pool:
        pairs = [powers[2 * j : 2 * j + 2] for j in range(len(digits))]
        tables = list(pool.map(lambda pair: _table(pair, width, accumulate), pairs))

        def part(start: int) -> None:
            for table, digit in zip(tables, digits, strict=True):
                accumulate(out[start : start + step], table, digit[start : start + step], EXPONENT)

        list(pool.map(part, range(0, len(scalars), step)))
    return out
