"""Sums of points times machine integers: buckets by digit, added pairwise with shared inversions.

    sum v_j P_j = sum_w 256^w sum_d d S_(w, d)        S_(w, d) = sum of the P_j whose digit w is +d, less those at -d
    sum d S_d   = sum_b 2^b  (sum of the S_d with bit b of d set)

Digits are signed, so 128 buckets a window do; what is left is one point a bit, with powers of two for scalars. Both
sums are sums of many points within each of many buckets: every round adds the points of a bucket in pairs, and the
pairs of all buckets share inversions, so that an addition costs about six products.

Source: Pippenger 1976 in the form of Bernstein, Doumen, Lange, Oosterwijk 2012, section 4; Montgomery 1987 (simultaneous
inversion).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from zk.kernels.base_field import EXPONENT, ONE, ZERO, P, get, invert, put
from zk.kernels.words import add, compiled, is_zero, multiply, subtract
from zk.limbs import Limbs

__all__ = ["bit_sums"]

_WINDOW = 8
_DIGITS = 1 << (_WINDOW - 1)
# pairs that share an inversion: enough to make it cheap, few enough to stay in a core's cache
_BATCH = 1024


@compiled
def _equal(a: Any, b: Any) -> Any:
    return a[0] == b[0] and a[1] == b[1] and a[2] == b[2] and a[3] == b[3]


@compiled
def _gather(bases: Any, values: Any, windows: Any) -> Any:
    """The points of every bucket side by side, negated for negative digits, and where each bucket starts.

    Bucket 128 w + d - 1 is for digit d of window w.
    """
    n = len(values)
    digits = np.empty((windows, n), dtype=np.int16)
    starts = np.zeros(windows * _DIGITS + 1, dtype=np.int64)
    for j in range(n):
        rest = abs(values[j])
        for w in range(windows):
            # -127 .. 128, so that 15 bits and a sign fit two windows
            low = ((rest + _DIGITS - 1) & (2 * _DIGITS - 1)) - _DIGITS + 1
            rest = (rest - low) >> _WINDOW
            digits[w, j] = low if values[j] >= 0 else -low
            if low:
                starts[w * _DIGITS + abs(low)] += 1
    starts = np.cumsum(starts)
    free = starts.copy()
    points = np.empty((starts[-1], 8), dtype=np.uint64)
    for w in range(windows):
        for j in range(n):
            d = digits[w, j]
            if d:
                bucket = w * _DIGITS + abs(d) - 1
                at = free[bucket]
                free[bucket] += 1
                points[at] = bases[j]
                if d < 0:
                    put(points, at, 4, subtract(ZERO, get(bases, j, 4), P))
    return points, starts


@compiled
def _is_infinity(x: Any, i: Any) -> Any:
    return is_zero(get(x, i, 0)) and is_zero(get(x, i, 4))


@compiled
def _denominator(x: Any, i: Any) -> Any:
    """What the slope through points i and i + 1 is divided by; zero when their sum needs no slope."""
    if _is_infinity(x, i) or _is_infinity(x, i + 1):
        return ZERO
    x1, x2 = get(x, i, 0), get(x, i + 1, 0)
    if not _equal(x1, x2):
        return subtract(x2, x1, P)
    y1 = get(x, i, 4)
    return add(y1, y1, P) if _equal(y1, get(x, i + 1, 4)) else ZERO


@compiled
def _add_pair(x: Any, i: Any, inverse: Any, out: Any, to: Any) -> None:
    """Points i and i + 1, given the inverse of their denominator."""
    x1, y1 = get(x, i, 0), get(x, i, 4)
    x2, y2 = get(x, i + 1, 0), get(x, i + 1, 4)
    if _equal(x1, x2):
        square = multiply(x1, x1, P)
        slope = multiply(add(add(square, square, P), square, P), inverse, P)
    else:
        slope = multiply(subtract(y2, y1, P), inverse, P)
    x3 = subtract(subtract(multiply(slope, slope, P), x1, P), x2, P)
    put(out, to, 0, x3)
    put(out, to, 4, subtract(multiply(slope, subtract(x1, x3, P), P), y1, P))


@compiled
def _add_without_slope(x: Any, i: Any, out: Any, to: Any) -> None:
    if _is_infinity(x, i):
        out[to] = x[i + 1]
    elif _is_infinity(x, i + 1):
        out[to] = x[i]
    else:
        out[to] = np.uint64(0)


@compiled
def _halve(x: Any, pairs: Any, targets: Any, out: Any, exponent: Any) -> None:
    """out[targets] = x[pairs] + x[pairs + 1]."""
    n = len(pairs)
    prefix = np.empty((_BATCH, 4), dtype=np.uint64)
    for start in range(0, n, _BATCH):
        stop = min(n, start + _BATCH)
        run = ONE
        for k in range(start, stop):
            put(prefix, k - start, 0, run)
            below = _denominator(x, pairs[k])
            if not is_zero(below):
                run = multiply(run, below, P)
        inverse = invert(run, exponent)
        for k in range(stop - 1, start - 1, -1):
            below = _denominator(x, pairs[k])
            if is_zero(below):
                _add_without_slope(x, pairs[k], out, targets[k])
                continue
            _add_pair(x, pairs[k], multiply(inverse, get(prefix, k - start, 0), P), out, targets[k])
            inverse = multiply(inverse, below, P)


@compiled
def _bucket_sums(points: Any, starts: Any, exponent: Any) -> Any:
    """The sum of the points of every bucket.

    Shapes: points (n, 8), starts (buckets + 1), result (buckets, 8).
    """
    buckets = len(starts) - 1
    count = starts[1:] - starts[:-1]
    here, there = points, np.empty_like(points)
    pairs = np.empty(len(points) // 2 + 1, dtype=np.int64)
    targets = np.empty(len(points) // 2 + 1, dtype=np.int64)
    while True:
        used = 0
        for b in range(buckets):
            half = count[b] // 2
            for i in range(half):
                pairs[used] = starts[b] + 2 * i
                targets[used] = starts[b] + i
                used += 1
            if count[b] % 2:
                there[starts[b] + half] = here[starts[b] + count[b] - 1]
            count[b] -= half
        _halve(here, pairs[:used], targets[:used], there, exponent)
        here, there = there, here
        if used == 0:
            break
    out = np.zeros((buckets, 8), dtype=np.uint64)
    for b in range(buckets):
        if count[b]:
            out[b] = here[starts[b]]
    return out


@compiled
def _by_bit(sums: Any, windows: Any) -> Any:
    """The bucket sums again, sorted into one bucket for each bit of the digits of each window."""
    starts = np.zeros(windows * _WINDOW + 1, dtype=np.int64)
    points = np.empty((windows * _WINDOW * _DIGITS, 8), dtype=np.uint64)
    used = 0
    for w in range(windows):
        for bit in range(_WINDOW):
            for d in range(1, _DIGITS + 1):
                if (d >> bit) & 1:
                    points[used] = sums[w * _DIGITS + d - 1]
                    used += 1
            starts[w * _WINDOW + bit + 1] = used
    return points[:used], starts


def bit_sums(bases: Limbs, values: NDArray[np.int64]) -> tuple[Limbs, list[int]]:
    """Points T_k and exponents e_k with sum_k 2^(e_k) T_k = sum_j values_j bases_j; few of them, whatever n is.

    Shapes: bases (n, 8), values (n,) below 2^62 in magnitude.
    """
    windows, reach = 1, _DIGITS
    largest = max(int(values.max(initial=0)), -int(values.min(initial=0)))
    while largest > reach:
        windows, reach = windows + 1, (reach << _WINDOW) + _DIGITS
    points, starts = _gather(bases, values, windows)
    sums = _bucket_sums(points, starts, EXPONENT)
    points, starts = _by_bit(sums, windows)
    return _bucket_sums(points, starts, EXPONENT), [
        _WINDOW * w + bit for w in range(windows) for bit in range(_WINDOW)
    ]
