"""The optimal ate pairing of alt_bn128 in Python over gmpy2, for platforms without a compiled library.

Points of the Miller loop are affine: with gmpy2 an inversion costs about as much as twenty products, less than what
projective lines would add. Several pairings share the squarings and the final exponentiation.

Source: Vercauteren 2010 (eprint 2008/096); final exponentiation: Devegili, Scott, Dahab 2007, in the form of Go's bn256.
"""

from collections.abc import Sequence

from gmpy2 import mpz

from zk.backends.tower import (
    ONE,
    Fq2,
    Fq12,
    conjugate,
    cyclotomic_square,
    fq2,
    frobenius,
    inverse2,
    inverse12,
    multiply2,
    multiply12,
    multiply_line,
    power_of_u,
    square12,
)
from zk.curve import G1, G2, Q, twist_frobenius

__all__ = ["final_exponentiation", "miller_loop"]

_Q = mpz(Q)
_LOOP = 6 * 4965661367192848881 + 2


def _signed_digits(value: int) -> list[int]:
    """Digits -1, 0, 1, highest first, without two non-zero neighbours."""
    out = []
    while value:
        digit = 2 - value % 4 if value % 2 else 0
        out.append(digit)
        value = (value - digit) // 2
    return out[::-1]


_DIGITS = _signed_digits(_LOOP)[1:]


class _Walk:
    """A point of G2 on its way through the loop, and the point of G1 its lines are evaluated at."""

    def __init__(self, p: G1, q: G2) -> None:
        self.px, self.py = mpz(p.x), mpz(p.y)
        self.x, self.y = fq2(q.x), fq2(q.y)
        self.start = (self.x, self.y)
        first = twist_frobenius(q)
        second = twist_frobenius(first)
        self.last = [(fq2(first.x), fq2(first.y)), (fq2(second.x), fq2((-second).y))]

    def double(self, f: Fq12) -> Fq12:
        """f times the tangent's value; the point is doubled."""
        x0, x1 = self.x
        square = 3 * (x0 + x1) * (x0 - x1), 6 * x0 * x1
        slope = multiply2(square, inverse2((2 * self.y[0], 2 * self.y[1])))
        return self._step(f, slope, self.x)

    def add(self, f: Fq12, point: tuple[Fq2, Fq2]) -> Fq12:
        """f times the value of the line to `point`, which is added."""
        (x0, x1), (y0, y1) = point
        run = inverse2((x0 - self.x[0], x1 - self.x[1]))
        slope = multiply2((y0 - self.y[0], y1 - self.y[1]), run)
        return self._step(f, slope, point[0])

    def _step(self, f: Fq12, slope: Fq2, other: Fq2) -> Fq12:
        s0, s1 = slope
        (x0, x1), (y0, y1) = self.x, self.y
        across = (-s0 * self.px % _Q, -s1 * self.px % _Q)
        height = ((s0 * x0 - s1 * x1 - y0) % _Q, (s0 * x1 + s1 * x0 - y1) % _Q)
        n0 = ((s0 + s1) * (s0 - s1) - x0 - other[0]) % _Q
        n1 = (2 * s0 * s1 - x1 - other[1]) % _Q
        d0, d1 = x0 - n0, x1 - n1
        self.x = (n0, n1)
        self.y = ((s0 * d0 - s1 * d1 - y0) % _Q, (s0 * d1 + s1 * d0 - y1) % _Q)
        return multiply_line(f, self.py, across, height)


def miller_loop(pairs: Sequence[tuple[G1, G2]]) -> Fq12:
    """The product of the Miller functions of these pairs, none of which holds infinity."""
    walks = [_Walk(p, q) for p, q in pairs]
    f = ONE
    for digit in _DIGITS:
        f = square12(f)
        for walk in walks:
            f = walk.double(f)
        if digit:
            for walk in walks:
                x, (y0, y1) = walk.start
                f = walk.add(f, (x, (digit * y0, digit * y1)))
    for walk in walks:
        for point in walk.last:
            f = walk.add(f, point)
    return f


def final_exponentiation(f: Fq12) -> Fq12:
    """f^((q^12 - 1) / r)."""
    easy = multiply12(conjugate(f), inverse12(f))
    t = multiply12(frobenius(frobenius(easy)), easy)
    p1 = frobenius(t)
    p2 = frobenius(p1)
    u1 = power_of_u(t)
    u2 = power_of_u(u1)
    u3 = power_of_u(u2)
    y0 = multiply12(multiply12(p1, p2), frobenius(p2))
    y1, y5 = conjugate(t), conjugate(u2)
    y2 = frobenius(frobenius(u2))
    y3 = conjugate(frobenius(u1))
    y4 = conjugate(multiply12(u1, frobenius(u2)))
    y6 = conjugate(multiply12(u3, frobenius(u3)))
    a = multiply12(multiply12(cyclotomic_square(y6), y4), y5)
    b = multiply12(multiply12(y3, y5), a)
    a = multiply12(a, y2)
    b = cyclotomic_square(multiply12(cyclotomic_square(b), a))
    a = cyclotomic_square(multiply12(b, y1))
    return reduced(multiply12(a, multiply12(b, y0)))


def reduced(f: Fq12) -> Fq12:
    """The canonical form, for comparisons."""
    return tuple((a % _Q, b % _Q) for a, b in f)
