"""The portable backend without a compiled library: gmpy2 integers, a pairing in tens of milliseconds.

Sums of many points use Pippenger's buckets, multiples of one point a table of windows; points are Jacobian in between.

Source: formulas dbl-2009-l, add-2007-bl and madd-2007-bl of the Explicit-Formulas Database (hyperelliptic.org/EFD).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from gmpy2 import invert, mpz

from zk.backends.ate import final_exponentiation, miller_loop
from zk.backends.base import Limbs
from zk.backends.pointwise import PointwiseBackend
from zk.backends.tower import ONE, fq2, inverse2, multiply2
from zk.curve import G1, G1_INFINITY, G2, G2_INFINITY, Q
from zk.field import R
from zk.limbs import from_limbs, g1_array, g2_array

__all__ = ["GmpBackend"]

Affine = tuple[Any, Any]
Jacobian = tuple[Any, Any, Any]

_Q = mpz(Q)
_WINDOW = 8
_FEW = 12


@dataclass(frozen=True, slots=True)
class _Curve:
    """Jacobian arithmetic on y^2 = x^3 + b over a field given by its operations."""

    one: Any
    zero: Any
    multiply: Callable[[Any, Any], Any]
    subtract: Callable[[Any, Any], Any]
    scale: Callable[[int, Any], Any]
    invert: Callable[[Any], Any]

    @property
    def infinity(self) -> Jacobian:
        """The neutral element: z is zero."""
        return (self.one, self.one, self.zero)

    def double(self, p: Jacobian) -> Jacobian:
        """2 p."""
        mul, sub, times = self.multiply, self.subtract, self.scale
        x, y, z = p
        a, b = mul(x, x), mul(y, y)
        d, e = times(4, mul(x, b)), times(3, a)
        x3 = sub(mul(e, e), times(2, d))
        y3 = sub(mul(e, sub(d, x3)), times(8, mul(b, b)))
        return x3, y3, times(2, mul(y, z))

    def add(self, p: Jacobian, q: Jacobian) -> Jacobian:
        """p + q."""
        mul, sub = self.multiply, self.subtract
        if p[2] == self.zero:
            return q
        if q[2] == self.zero:
            return p
        z1, z2 = mul(p[2], p[2]), mul(q[2], q[2])
        u1, u2 = mul(p[0], z2), mul(q[0], z1)
        s1, s2 = mul(p[1], mul(q[2], z2)), mul(q[1], mul(p[2], z1))
        h, r = sub(u2, u1), sub(s2, s1)
        if h == self.zero:
            return self.double(p) if r == self.zero else self.infinity
        h2 = mul(h, h)
        h3, v = mul(h, h2), mul(u1, h2)
        x3 = sub(sub(mul(r, r), h3), self.scale(2, v))
        return x3, sub(mul(r, sub(v, x3)), mul(s1, h3)), mul(h, mul(p[2], q[2]))

    def add_affine(self, p: Jacobian, q: Affine) -> Jacobian:
        """p + q for an affine q."""
        mul, sub = self.multiply, self.subtract
        if p[2] == self.zero:
            return (*q, self.one)
        z2 = mul(p[2], p[2])
        h, r = sub(mul(q[0], z2), p[0]), sub(mul(q[1], mul(p[2], z2)), p[1])
        if h == self.zero:
            return self.double(p) if r == self.zero else self.infinity
        h2 = mul(h, h)
        h3, v = mul(h, h2), mul(p[0], h2)
        x3 = sub(sub(mul(r, r), h3), self.scale(2, v))
        return x3, sub(mul(r, sub(v, x3)), mul(p[1], h3)), mul(h, p[2])

    def affine(self, p: Jacobian) -> Affine | None:
        """The affine form, None for infinity."""
        if p[2] == self.zero:
            return None
        inverse = self.invert(p[2])
        square = self.multiply(inverse, inverse)
        return self.multiply(p[0], square), self.multiply(p[1], self.multiply(square, inverse))

    def linear(self, points: Sequence[Affine], scalars: Sequence[int]) -> Jacobian:
        """sum [scalars_i] points_i."""
        if len(points) <= _FEW:
            return self._together(points, scalars)
        width = max(2, len(points).bit_length() - 3)
        total = self.infinity
        for low in reversed(range(0, R.bit_length(), width)):
            for _ in range(width):
                total = self.double(total)
            buckets = [self.infinity] * (1 << width)
            for point, scalar in zip(points, scalars, strict=True):
                if digit := (scalar >> low) & ((1 << width) - 1):
                    buckets[digit] = self.add_affine(buckets[digit], point)
            running = window = self.infinity
            for bucket in reversed(buckets[1:]):
                running = self.add(running, bucket)
                window = self.add(window, running)
            total = self.add(total, window)
        return total

    def _together(self, points: Sequence[Affine], scalars: Sequence[int]) -> Jacobian:
        """Double and add, the doublings shared."""
        total = self.infinity
        for bit in reversed(range(max(s.bit_length() for s in scalars))):
            total = self.double(total)
            for point, scalar in zip(points, scalars, strict=True):
                if (scalar >> bit) & 1:
                    total = self.add_affine(total, point)
        return total

    def multiples(self, base: Affine, scalars: Sequence[int]) -> list[Affine | None]:
        """[scalars_i] base, from a table of windows."""
        tables, step = [], (*base, self.one)
        for _ in range(0, R.bit_length(), _WINDOW):
            row, current = [self.infinity], self.infinity
            for _ in range((1 << _WINDOW) - 1):
                current = self.add(current, step)
                row.append(current)
            tables.append([self.affine(p) for p in row])
            step = self.add(current, step)
        out = []
        for scalar in scalars:
            total = self.infinity
            for i, table in enumerate(tables):
                entry = table[(scalar >> (_WINDOW * i)) & ((1 << _WINDOW) - 1)]
                if entry is not None:
                    total = self.add_affine(total, entry)
            out.append(self.affine(total))
        return out


_G1 = _Curve(
    mpz(1),
    mpz(0),
    lambda a, b: a * b % _Q,
    lambda a, b: (a - b) % _Q,
    lambda k, a: k * a % _Q,
    lambda a: invert(a, _Q),
)
_G2 = _Curve(
    fq2((1, 0)),
    fq2((0, 0)),
    multiply2,
    lambda a, b: ((a[0] - b[0]) % _Q, (a[1] - b[1]) % _Q),
    lambda k, a: (k * a[0] % _Q, k * a[1] % _Q),
    inverse2,
)


def _to_g1(point: Affine | None) -> G1:
    return G1_INFINITY if point is None else G1(int(point[0]), int(point[1]))


def _to_g2(point: Affine | None) -> G2:
    if point is None:
        return G2_INFINITY
    (x0, x1), (y0, y1) = point
    return G2((int(x0), int(x1)), (int(y0), int(y1)))


class GmpBackend(PointwiseBackend):
    """alt_bn128 in Python over gmpy2, which this project depends on anyway."""

    name = "gmpy2"

    def linear_g1(self, points: Sequence[G1], scalars: Sequence[int]) -> G1:
        return _to_g1(_G1.affine(_G1.linear([(mpz(p.x), mpz(p.y)) for p in points], scalars)))

    def linear_g2(self, points: Sequence[G2], scalars: Sequence[int]) -> G2:
        return _to_g2(_G2.affine(_G2.linear([(fq2(p.x), fq2(p.y)) for p in points], scalars)))

    def multiples_g1(self, base: G1, scalars: Limbs, *, threads: int | None = None) -> Limbs:
        if base.is_infinity or len(scalars) <= _FEW:
            return super().multiples_g1(base, scalars, threads=threads)
        points = _G1.multiples((mpz(base.x), mpz(base.y)), from_limbs(scalars))
        return g1_array([_to_g1(p) for p in points])

    def multiples_g2(self, base: G2, scalars: Limbs, *, threads: int | None = None) -> Limbs:
        if base.is_infinity or len(scalars) <= _FEW:
            return super().multiples_g2(base, scalars, threads=threads)
        points = _G2.multiples((fq2(base.x), fq2(base.y)), from_limbs(scalars))
        return g2_array([_to_g2(p) for p in points])

    def pairs_are_one(self, pairs: Sequence[tuple[G1, G2]]) -> bool:
        return bool(final_exponentiation(miller_loop(pairs)) == ONE)
