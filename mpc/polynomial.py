"""Polynomials over any prime field, as lists of coefficients, lowest degree first.

Integers go in and come out; gmpy2 does the arithmetic between.
"""

from collections.abc import Iterable, Sequence

import gmpy2

from mpc.errors import ParameterError

__all__ = ["batch_inverse", "evaluate", "evaluate_many", "interpolate", "lagrange_coefficients", "multiply"]

# from this many coefficients on, packing pays
KRONECKER = 16


def evaluate(coefficients: Sequence[int], x: int, p: int) -> int:
    """The polynomial's value at `x`: Horner's rule."""
    value = 0
    for c in reversed(coefficients):
        value = (value * x + c) % p
    return value


def evaluate_many(coefficients: Sequence[int], points: Iterable[int], p: int) -> list[int]:
    """The polynomial's values at all `points`: the fast twin of `evaluate`.

    Small points let the accumulator grow a few bits a step, so that one reduction a point is enough.
    """
    falling = [gmpy2.mpz(c) for c in reversed(coefficients)]
    values = []
    for x in points:
        reduce = x.bit_length() * len(falling) > 4096
        at = gmpy2.mpz(x)
        value = gmpy2.mpz(0)
        for c in falling:
            value = value * at + c
            if reduce:
                value %= p
        values.append(int(value % p))
    return values


def batch_inverse(values: Sequence[int], p: int) -> list[int]:
    """Inverses mod p of all values, at the price of one inversion and three products each.

    Raises: ParameterError when one of them is a multiple of p.
    Source: Montgomery 1987, section 10.3.1.
    """
    prefix = [gmpy2.mpz(1)]
    for v in values:
        prefix.append(prefix[-1] * v % p)
    if prefix[-1] == 0:
        raise ParameterError("zero has no inverse")
    running = gmpy2.invert(prefix[-1], p)
    out = [0] * len(values)
    for i in range(len(values) - 1, -1, -1):
        out[i] = int(running * prefix[i] % p)
        running = running * values[i] % p
    return out


def lagrange_coefficients(points: Sequence[int], at: int, p: int) -> list[int]:
    """Weights w with f(at) = sum w_i f(points_i) for every polynomial f of degree below len(points).

    Raises: ParameterError when two points are the same mod p.
    """
    reduced = [gmpy2.mpz(x % p) for x in points]
    if at % p in reduced:
        if len(set(reduced)) != len(reduced):
            raise ParameterError("interpolation points must differ")
        return [int(x == at % p) for x in reduced]
    denominators = []
    product = gmpy2.mpz(1)
    for i, x in enumerate(reduced):
        # numerator (at - x_i) and denominator share one inversion: w_i = prod(at - x_j) / ((at - x_i) d_i)
        d = (at - x) % p
        product = product * d % p
        for j, other in enumerate(reduced):
            if i != j:
                d = d * (x - other) % p
        denominators.append(d)
    try:
        inverses = batch_inverse(denominators, p)
    except ParameterError:
        raise ParameterError("interpolation points must differ") from None
    return [int(product * v % p) for v in inverses]


def multiply(a: Sequence[int], b: Sequence[int], p: int) -> list[int]:
    """The product of two polynomials.

    Source: for long factors, Kronecker 1882: the polynomials' values at a power of two that keeps the
        coefficients apart are multiplied as integers.
    """
    if not a or not b:
        return []
    if min(len(a), len(b)) >= KRONECKER:
        return _multiply_packed(a, b, p)
    out = [0] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            out[i + j] += x * y
    return [v % p for v in out]


def _multiply_packed(a: Sequence[int], b: Sequence[int], p: int) -> list[int]:
    size = (2 * p.bit_length() + min(len(a), len(b)).bit_length() + 7) // 8
    left, right = (
        gmpy2.mpz(int.from_bytes(b"".join(int(c % p).to_bytes(size, "little") for c in factor), "little"))
        for factor in (a, b)
    )
    n = len(a) + len(b) - 1
    packed = int(left * right).to_bytes(n * size, "little")
    return [int.from_bytes(packed[i : i + size], "little") % p for i in range(0, n * size, size)]


def interpolate(points: Sequence[int], values: Sequence[int], p: int) -> list[int]:
    """Coefficients of the polynomial of degree below len(points) through all (point, value).

    Raises: ParameterError when two points are the same mod p, or the lengths differ.
    Source: Newton's divided differences.
    """
    if len(points) != len(values):
        raise ParameterError(f"{len(points)} points but {len(values)} values")
    table = [gmpy2.mpz(v % p) for v in values]
    n = len(points)
    for level in range(1, n):
        gaps = batch_inverse([(points[i] - points[i - level]) % p for i in range(level, n)], p)
        for i in range(n - 1, level - 1, -1):
            table[i] = (table[i] - table[i - 1]) * gaps[i - level] % p
    coefficients = [gmpy2.mpz(0)] * n
    for i in range(n - 1, -1, -1):
        for j in range(n - 1, 0, -1):
            coefficients[j] = (coefficients[j - 1] - coefficients[j] * points[i]) % p
        coefficients[0] = (table[i] - coefficients[0] * points[i]) % p if n else gmpy2.mpz(0)
    return [int(c) for c in coefficients]
