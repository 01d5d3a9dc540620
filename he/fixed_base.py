"""Powers of one fixed base by a Lim-Lee comb.

An exponent of L bits is laid out as a matrix of `rows` rows; each column picks one precomputed product, and
`tables` copies of the products, raised to powers of two, cut the squarings to L / (rows * tables). The
modulus is a square m^2, and numbers mod m^2 are kept as two digits in base m: a product then costs three
half-size multiplications and two half-size divisions, about a fifth less than a full one.

Source: Lim and Lee, "More flexible exponentiation with precomputation", Crypto 1994; HAC algorithm 14.117.
"""

from collections.abc import Sequence

import numpy as np
from gmpy2 import f_divmod, mpz

from mpc.errors import ParameterError

__all__ = ["FixedBase"]

Digits = tuple[mpz, mpz]


class FixedBase:
    """A comb table for base^e mod root^2 with 0 <= e < 2^exponent_bits.

    The sequence of multiplications does not depend on the exponent; the addresses read from the table do.

    Leakage: the exponent shows in the cache lines that are touched, to a process that shares the cache.
    Raises: ParameterError for a shape without meaning or an exponent out of range.

    >>> FixedBase(3, 1009, 64).powers([5, 2**64 - 1]) == [3**5, pow(3, 2**64 - 1, 1009**2)]
    True
    """

    __slots__ = ("_columns", "_root", "_rows", "_span", "_tables", "exponent_bits")

    def __init__(self, base: int, root: int, exponent_bits: int, *, rows: int = 8, tables: int = 4) -> None:
        if not (1 <= rows <= 16 and tables >= 1 and exponent_bits >= 1 and root > 1):
            raise ParameterError(f"no comb of {rows} rows and {tables} tables for {exponent_bits} bits")
        self.exponent_bits = exponent_bits
        self._rows, self._root = rows, mpz(root)
        self._span = -(-exponent_bits // (rows * tables))  # squarings
        self._columns = self._span * tables  # length of one row of the exponent
        modulus = self._root * self._root
        spine = [mpz(base) % modulus]
        for _ in range(rows * tables - 1):
            power = spine[-1]
            for _ in range(self._span):
                power = power * power % modulus
            spine.append(power)
        # spine[k] = base^(2^(span k)); row i of table j starts at bit (i * tables + j) * span
        self._tables: list[list[Digits]] = []
        for j in range(tables):
            products = [mpz(1)]
            for i in range(rows):
                factor = spine[i * tables + j]
                products += [product * factor % modulus for product in products]
            self._tables.append([self._split(product) for product in products])

    def _split(self, value: mpz) -> Digits:
        high, low = f_divmod(value, self._root)
        return low, high

    @property
    def memory_bytes(self) -> int:
        """What the tables hold, counting 32 bytes for the header of each number."""
        limbs = 2 * (int(self._root.bit_length()) + 7) // 8
        return sum(len(table) for table in self._tables) * (limbs + 2 * 32)

    def _picks(self, exponents: Sequence[int]) -> list[list[int]]:
        """For each exponent, the table index of each of its columns."""
        size = (self._rows * self._columns + 7) // 8
        try:
            raw = b"".join(int(e).to_bytes(size, "little") for e in exponents)
        except OverflowError:
            raise ParameterError("an exponent is negative or too long for this comb") from None
        if any(int(e).bit_length() > self.exponent_bits for e in exponents):
            raise ParameterError(f"an exponent has more than {self.exponent_bits} bits")
        bits = np.unpackbits(np.frombuffer(raw, dtype=np.uint8).reshape(-1, size), axis=1, bitorder="little")
        grid = bits[:, : self._rows * self._columns].reshape(len(exponents), self._rows, self._columns)
        weights = (1 << np.arange(self._rows)).astype(np.uint16)
        picks: list[list[int]] = np.einsum("erc,r->ec", grid.astype(np.uint16), weights).tolist()
        return picks

    def powers(self, exponents: Sequence[int]) -> list[mpz]:
        """base^e for each exponent, mod root^2."""
        root, span, tables = self._root, self._span, self._tables
        out = []
        for picks in self._picks(exponents):
            low, high = mpz(1), mpz(0)
            for k in range(span - 1, -1, -1):
                cross = low * high
                carry, low = f_divmod(low * low, root)
                high = (cross + cross + carry) % root
                for j, table in enumerate(tables):
                    a, b = table[picks[j * span + k]]
                    cross = low * b + high * a
                    carry, low = f_divmod(low * a, root)
                    high = (cross + carry) % root
            out.append(high * root + low)
        return out

    def power(self, exponent: int) -> mpz:
        """base^exponent mod root^2: the plain twin is `gmpy2.powmod`."""
        return self.powers([exponent])[0]
