"""Products of powers: prod_i base_i ^ exponent_i, with signs, by Pippenger's buckets and one inversion."""

from collections.abc import Sequence

from gmpy2 import gcd, invert, mpz, powmod

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


def _window(terms: int, bits: int) -> int:
    """The bucket width for which `terms` exponents of `bits` bits cost the fewest multiplications."""

    def cost(width: int) -> int:
        windows = bits // width + 1  # one bit more, for the carry of the signed digits
        return windows * (terms + 2 * (2 << (width - 1)) + 2 * width)

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


def _bucket_sum(buckets: list[mpz | None], modulus: int) -> mpz | None:
    """prod_d buckets[d]^d with two multiplications a bucket."""
    running: mpz | None = None
    total: mpz | None = None
    for bucket in reversed(buckets[1:]):
        if bucket is not None:
            running = bucket if running is None else running * bucket % modulus
        if running is not None:
            total = running if total is None else total * running % modulus
    return total


def multi_exponent(bases: Sequence[int], exponents: Sequence[int], modulus: int) -> mpz:
    """prod_i bases[i] ^ exponents[i] mod `modulus`, for exponents of any sign.

    Signed digits go to two sets of buckets, those with a minus to the denominator, which is inverted once.

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
    bits = max((abs(e).bit_length() for e in powers), default=0)
    if bits == 0:
        return mpz(1) % modulus
    if len(bases) == 1:
        return _power(bases[0], powers[0], modulus)
    width = _window(len(bases), bits)
    count = bits // width + 1
    digits = [_signed_digits(abs(e), width, count) for e in powers]
    numerator, denominator = mpz(1), mpz(1)
    for window in range(count - 1, -1, -1):
        if window < count - 1:
            numerator = powmod(numerator, 1 << width, modulus)
            denominator = powmod(denominator, 1 << width, modulus)
        over: list[mpz | None] = [None] * ((1 << (width - 1)) + 1)
        under: list[mpz | None] = [None] * ((1 << (width - 1)) + 1)
        for base, exponent, row in zip(bases, powers, digits, strict=True):
            digit = row[window]
            if digit:
                side, slot = (over if (digit > 0) == (exponent > 0) else under), abs(digit)
                held = side[slot]
                side[slot] = mpz(base) if held is None else held * base % modulus
        if (part := _bucket_sum(over, modulus)) is not None:
            numerator = numerator * part % modulus
        if (part := _bucket_sum(under, modulus)) is not None:
            denominator = denominator * part % modulus
    return numerator if denominator == 1 else numerator * _power(denominator, -1, modulus) % modulus


def _power(base: int, exponent: int, modulus: int) -> mpz:
    try:
        return powmod(mpz(base), mpz(exponent), modulus)
    except (ValueError, ZeroDivisionError):  # the one from gmpy2 2.3 on, the other before
        raise ParameterError("a base under a negative exponent has no inverse") from None
