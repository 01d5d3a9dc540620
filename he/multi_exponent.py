"""Products of powers: prod_i base_i ^ exponent_i, with signs, by Pippenger's buckets and one inversion."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from gmpy2 import f_divmod, gcd, invert, mpz, powmod

from mpc.errors import ParameterError

__all__ = ["batch_inverse", "multi_exponent", "multi_exponent_plain", "product"]


def product(factors: Sequence[int], modulus: int) -> mpz:
    """The product of `factors` mod `modulus`."""
    result = mpz(1)
    for factor in factors:
        result = result * factor % modulus
    return result


def batch_inverse(values: Sequence[int], modulus: int) -> list[mpz]:
    """All inverses with one inversion and three multiplications each.

    Raises: ParameterError when one of them has no inverse.
    Source: Montgomery's trick.

    >>> [int(v) for v in batch_inverse([2, 3], 7)]
    [4, 5]
    """
    prefix = [mpz(1)]
    for value in values:
        prefix.append(prefix[-1] * value % modulus)
    if gcd(prefix[-1], modulus) != 1:
        raise ParameterError("a value has no inverse")
    inverse = invert(prefix[-1], modulus)
    out = [mpz(0)] * len(values)
    for i in range(len(values) - 1, -1, -1):
        out[i] = prefix[i] * inverse % modulus
        inverse = inverse * values[i] % modulus
    return out


def multi_exponent_plain(bases: Sequence[int], exponents: Sequence[int], modulus: int) -> mpz:
    """The plain twin of `multi_exponent`: one power and one inversion a term."""
    return product(
        [powmod(mpz(b), mpz(int(e)), modulus) for b, e in zip(bases, exponents, strict=True)], modulus
    )


class Arithmetic(NamedTuple):
    """A way to hold residues: how they enter, multiply and leave."""

    enter: Callable[[int], Any]
    multiply: Callable[[Any, Any], Any]
    leave: Callable[[Any], mpz]


def _windows(largest: int, width: int) -> int:
    """How many signed digits of `width` bits write every number up to `largest`."""
    count, reach = 1, 1 << (width - 1)
    while reach < largest:
        reach = (reach << width) + (1 << (width - 1))
        count += 1
    return count


def _best_width(terms: int, largest: int) -> int:
    """The bucket width for which `terms` exponents up to `largest` cost the fewest multiplications."""

    def cost(width: int) -> int:
        # a term enters a bucket or the running product, and every bucket below the highest is passed once
        return _windows(largest, width) * (terms + (1 << width) + 2 * width)

    return min(range(1, 17), key=cost)


def _signed_digits(exponent: int, width: int, count: int) -> list[int]:
    """Digits in (-2^(width-1), 2^(width-1)], lowest first."""
    digits, half, full, mask = [], 1 << (width - 1), 1 << width, (1 << width) - 1
    for _ in range(count):
        digit = exponent & mask
        exponent >>= width
        if digit > half:
            digit -= full
            exponent += 1
        digits.append(digit)
    return digits


def _plain(modulus: int) -> Arithmetic:
    def multiply(a: mpz, b: mpz) -> mpz:
        return a * b % modulus

    return Arithmetic(mpz, multiply, mpz)


def _in_digits(root: int) -> Arithmetic:
    """Numbers mod root^2 as two digits in base root: a product costs about a fifth less."""
    root = mpz(root)

    def split(value: int) -> tuple[mpz, mpz]:
        high, low = f_divmod(mpz(value), root)
        return low, high

    def multiply(a: tuple[mpz, mpz], b: tuple[mpz, mpz]) -> tuple[mpz, mpz]:
        (a_low, a_high), (b_low, b_high) = a, b
        carry, low = f_divmod(a_low * b_low, root)
        return low, (a_low * b_high + a_high * b_low + carry) % root

    return Arithmetic(split, multiply, lambda digits: digits[1] * root + digits[0])


def _bucket_sum(buckets: list[Any], multiply: Callable[[Any, Any], Any]) -> Any:
    """prod_d buckets[d]^d with two multiplications a bucket; None when all are empty."""
    running = total = None
    for bucket in reversed(buckets[1:]):
        if bucket is not None:
            running = bucket if running is None else multiply(running, bucket)
        if running is not None:
            total = running if total is None else multiply(total, running)
    return total


def multi_exponent(
    bases: Sequence[int], exponents: Sequence[int], modulus: int, *, root: int | None = None
) -> mpz:
    """prod_i bases[i] ^ exponents[i] mod `modulus`, for exponents of any sign.

    Signed digits go to two sets of buckets, those with a minus to the denominator, which is inverted once.
    With `root`, where modulus = root^2, the work is done in digits of base root and takes about a fifth less
    time.

    Leakage: time and memory accesses depend on the exponents.
    Raises: ParameterError when lengths differ, or a base under a negative exponent has no inverse.
    Source: Pippenger 1976, in the form of Bernstein, Doumen, Lange and Oosterwijk, Indocrypt 2012.

    >>> int(multi_exponent([2, 3], [3, -1], 7))
    5
    """
    if len(bases) != len(exponents):
        raise ParameterError(f"{len(bases)} bases but {len(exponents)} exponents")
    # a numpy integer would overflow in the digits below
    powers = [int(e) for e in exponents]
    largest = max(map(abs, powers), default=0)
    if largest == 0:
        return mpz(1) % modulus
    if len(bases) == 1:
        return _power(bases[0], powers[0], modulus)
    arithmetic = _plain(modulus) if root is None else _in_digits(root)
    multiply = arithmetic.multiply
    terms = [arithmetic.enter(base) for base in bases]
    width = _best_width(len(bases), largest)
    count = _windows(largest, width)
    digits = [_signed_digits(abs(e), width, count) for e in powers]
    sides: list[Any] = [None, None]  # numerator and denominator, while they are 1
    for window in range(count - 1, -1, -1):
        for _ in range(width):
            sides = [None if side is None else multiply(side, side) for side in sides]
        buckets: list[list[Any]] = [[None] * ((1 << (width - 1)) + 1) for _ in sides]
        for term, exponent, row in zip(terms, powers, digits, strict=True):
            digit = row[window]
            if digit:
                side, slot = buckets[(digit > 0) != (exponent > 0)], abs(digit)
                held = side[slot]
                side[slot] = term if held is None else multiply(held, term)
        for i, side in enumerate(buckets):
            part = _bucket_sum(side, multiply)
            if part is not None:
                sides[i] = part if sides[i] is None else multiply(sides[i], part)
    over, under = (mpz(1) if side is None else arithmetic.leave(side) for side in sides)
    return over % modulus if under == 1 else over * _power(under, -1, modulus) % modulus


def _power(base: int, exponent: int, modulus: int) -> mpz:
    try:
        return powmod(mpz(base), mpz(exponent), modulus)
    except (ValueError, ZeroDivisionError):  # the one from gmpy2 2.3 on, the other before
        raise ParameterError("a base under a negative exponent has no inverse") from None
