"""Fq2 and Fq12 on gmpy2 integers, for the pairing in `zk.backends.ate`.

Fq12 = Fq2[w] / (w^6 - xi), xi = 9 + i; an element is the tuple of its six coefficients. Products are summed before they are
reduced: a reduction costs as much as a product, and gmpy2 does not mind the size.

Source: Devegili, Scott, Dahab 2007 (BN curves); squaring: Granger, Scott 2010 (eprint 2009/565), section 3.2.
"""

from typing import Any, TypeAlias

from gmpy2 import invert, mpz

from zk.curve import Q

__all__ = [
    "ONE",
    "Fq2",
    "Fq12",
    "conjugate",
    "cyclotomic_square",
    "fq2",
    "frobenius",
    "inverse2",
    "inverse12",
]
__all__ += ["multiply2", "multiply12", "multiply_line", "power_of_u", "square12"]

Fq2: TypeAlias = "tuple[Any, Any]"
Fq12: TypeAlias = "tuple[Fq2, ...]"

_Q = mpz(Q)
_U = 4965661367192848881


def fq2(value: tuple[int, int]) -> Fq2:
    """An element of Fq2 in gmpy2 integers."""
    return mpz(value[0]), mpz(value[1])


_ZERO, _UNIT = fq2((0, 0)), fq2((1, 0))
ONE: Fq12 = (_UNIT, _ZERO, _ZERO, _ZERO, _ZERO, _ZERO)


def multiply2(a: Fq2, b: Fq2) -> Fq2:
    """The product in Fq2."""
    a0, a1 = a
    b0, b1 = b
    return (a0 * b0 - a1 * b1) % _Q, (a0 * b1 + a1 * b0) % _Q


def inverse2(a: Fq2) -> Fq2:
    """The inverse in Fq2."""
    norm = invert(a[0] * a[0] + a[1] * a[1], _Q)
    return a[0] * norm % _Q, -a[1] * norm % _Q


def _xi(a: Fq2) -> Fq2:
    return 9 * a[0] - a[1], a[0] + 9 * a[1]


def multiply12(f: Fq12, g: Fq12) -> Fq12:
    """The product in Fq12."""
    re, im = [mpz(0)] * 11, [mpz(0)] * 11
    for i, (a0, a1) in enumerate(f):
        for k, (b0, b1) in enumerate(g, i):
            re[k] += a0 * b0 - a1 * b1
            im[k] += a0 * b1 + a1 * b0
    return _folded(re, im)


def square12(f: Fq12) -> Fq12:
    """The square in Fq12."""
    re, im = [mpz(0)] * 11, [mpz(0)] * 11
    for i, (a0, a1) in enumerate(f):
        re[2 * i] += a0 * a0 - a1 * a1
        im[2 * i] += 2 * a0 * a1
        a0, a1 = 2 * a0, 2 * a1
        for j in range(i + 1, 6):
            b0, b1 = f[j]
            re[i + j] += a0 * b0 - a1 * b1
            im[i + j] += a0 * b1 + a1 * b0
    return _folded(re, im)


def _folded(re: list[Any], im: list[Any]) -> Fq12:
    """Replace w^6 by xi."""
    head = [
        ((re[k] + 9 * re[k + 6] - im[k + 6]) % _Q, (im[k] + re[k + 6] + 9 * im[k + 6]) % _Q) for k in range(5)
    ]
    return (*head, (re[5] % _Q, im[5] % _Q))


def multiply_line(f: Fq12, constant: Any, first: Fq2, third: Fq2) -> Fq12:
    """f * (constant + first w + third w^3) with a constant in Fq."""
    p0, p1 = first
    q0, q1 = third
    shifted = (_xi(f[3]), _xi(f[4]), _xi(f[5]), f[0], f[1], f[2])
    before = (shifted[2], f[0], f[1], f[2], f[3], f[4])
    return tuple(
        (
            (x0 * constant + y0 * p0 - y1 * p1 + z0 * q0 - z1 * q1) % _Q,
            (x1 * constant + y0 * p1 + y1 * p0 + z0 * q1 + z1 * q0) % _Q,
        )
        for (x0, x1), (y0, y1), (z0, z1) in zip(f, before, shifted, strict=True)
    )


def conjugate(f: Fq12) -> Fq12:
    """f^(q^6), the inverse of an element of the cyclotomic subgroup."""
    return (f[0], _negative(f[1]), f[2], _negative(f[3]), f[4], _negative(f[5]))


def _negative(a: Fq2) -> Fq2:
    return -a[0], -a[1]


def inverse12(f: Fq12) -> Fq12:
    """The inverse in Fq12: f * conj(f) lies in Fq6 = Fq2[w^2], where there is a formula."""
    norm = multiply12(f, conjugate(f))
    a, b, c = norm[0], norm[2], norm[4]
    bc, ab, ac = multiply2(b, c), multiply2(a, b), multiply2(a, c)
    t0, t1, t2 = (
        _minus(multiply2(a, a), _xi(bc)),
        _minus(_xi(multiply2(c, c)), ab),
        _minus(multiply2(b, b), ac),
    )
    ct, bt = multiply2(c, t1), multiply2(b, t2)
    at = multiply2(a, t0)
    tail = _xi((ct[0] + bt[0], ct[1] + bt[1]))
    scale = inverse2(((at[0] + tail[0]) % _Q, (at[1] + tail[1]) % _Q))
    inside = (multiply2(t0, scale), _ZERO, multiply2(t1, scale), _ZERO, multiply2(t2, scale), _ZERO)
    return multiply12(conjugate(f), inside)


def _minus(a: Fq2, b: Fq2) -> Fq2:
    return a[0] - b[0], a[1] - b[1]


def _power2(a: Fq2, exponent: int) -> Fq2:
    out = _UNIT
    for bit in bin(exponent)[2:]:
        out = multiply2(out, out)
        if bit == "1":
            out = multiply2(out, a)
    return out


_GAMMA = [_power2(fq2((9, 1)), k * (Q - 1) // 6) for k in range(6)]


def frobenius(f: Fq12) -> Fq12:
    """f^q."""
    return tuple(multiply2((a[0], -a[1]), gamma) for a, gamma in zip(f, _GAMMA, strict=True))


def cyclotomic_square(f: Fq12) -> Fq12:
    """The square of an element whose inverse is its conjugate."""
    out: list[Fq2] = [_ZERO] * 6
    squares = []
    for k in range(3):
        (a0, a1), (b0, b1) = f[k], f[k + 3]
        ab0, ab1 = a0 * b0 - a1 * b1, a0 * b1 + a1 * b0
        s0, s1 = (b0 + b1) * (b0 - b1), 2 * b0 * b1
        squares.append(((a0 + a1) * (a0 - a1) + 9 * s0 - s1, 2 * a0 * a1 + s0 + 9 * s1, 2 * ab0, 2 * ab1))
    for k, (source, sign) in enumerate(((0, -1), (2, 1), (1, -1))):
        r0, r1, t0, t1 = squares[source]
        if k == 1:
            r0, r1, t0, t1 = 9 * t0 - t1, t0 + 9 * t1, r0, r1
        (a0, a1), (b0, b1) = f[k], f[k + 3]
        out[k] = (3 * r0 + 2 * sign * a0) % _Q, (3 * r1 + 2 * sign * a1) % _Q
        out[k + 3] = (3 * t0 - 2 * sign * b0) % _Q, (3 * t1 - 2 * sign * b1) % _Q
    return tuple(out)


def power_of_u(f: Fq12) -> Fq12:
    """f^u for the curve's parameter u, in the cyclotomic subgroup."""
    out = f
    for bit in bin(_U)[3:]:
        out = cyclotomic_square(out)
        if bit == "1":
            out = multiply12(out, f)
    return out
