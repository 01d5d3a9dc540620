"""Poseidon over the scalar field of alt_bn128, with the parameters circomlib uses (x^5, 8 full rounds).

The round constants and matrices are not shipped: they come out of the Grain LFSR the paper publishes, so anybody can
see that nothing was chosen. One width is generated in milliseconds and then kept.

Source: Grassi, Khovratovich, Rechberger, Roy, Schofnegger 2021 (ePrint 2019/458), section 4.2 and appendix F.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from gmpy2 import invert, mpz

from mpc.errors import ParameterError
from zk.babyjubjub import P

__all__ = [
    "FULL_ROUNDS",
    "MAX_INPUTS",
    "PARTIAL_ROUNDS",
    "PoseidonParameters",
    "parameters",
    "permute",
    "poseidon",
]

FULL_ROUNDS = 8
# by width - 2: the paper's table for 128 bits, rounded up as circomlib does
PARTIAL_ROUNDS = (56, 57, 56, 60, 60, 63, 64, 63, 60, 66, 60, 65, 70, 60, 64, 68)
MAX_INPUTS = len(PARTIAL_ROUNDS)
_FIELD_BITS = P.bit_length()
_P = mpz(P)


@dataclass(frozen=True, slots=True)
class PoseidonParameters:
    """What one width of the permutation needs.

    Shapes: constants: full + partial rounds rows of `width`; matrix: width x width.
    """

    width: int
    partial_rounds: int
    constants: tuple[tuple[int, ...], ...]
    matrix: tuple[tuple[int, ...], ...]


def _grain_bits(width: int, partial_rounds: int) -> Iterator[int]:
    """The self-shrinking output of the 80-bit Grain LFSR seeded with the instance's description."""
    seed = 0
    for value, bits in (
        (1, 2),
        (0, 4),
        (_FIELD_BITS, 12),
        (width, 12),
        (FULL_ROUNDS, 10),
        (partial_rounds, 10),
    ):
        seed = seed << bits | value
    seed = seed << 30 | (1 << 30) - 1
    # bit 0 of `state` is the oldest of the 80; the taps allow 16 new bits at a time
    state = int(f"{seed:080b}"[::-1], 2)
    produced, select = 0, None
    while True:
        new = state
        for tap in (13, 23, 38, 51, 62):
            new ^= state >> tap
        new &= 0xFFFF
        state = state >> 16 | new << 64
        for place in range(16):
            bit = new >> place & 1
            produced += 1
            if produced <= 160:
                continue
            # pairs: the first bit says whether the second is kept
            if select is None:
                select = bit
            else:
                if select:
                    yield bit
                select = None


def _number(bits: Iterator[int]) -> int:
    value = 0
    for _ in range(_FIELD_BITS):
        value = value << 1 | next(bits)
    return value


@lru_cache(maxsize=MAX_INPUTS)
def parameters(width: int) -> PoseidonParameters:
    """Round constants and MDS matrix for a state of `width` = inputs + 1 elements.

    Raises: ParameterError for a width outside 2..17.

    >>> hex(parameters(3).constants[0][0])[:18]
    '0xee9a592ba9a9518d'
    """
    if not 2 <= width <= MAX_INPUTS + 1:
        raise ParameterError(f"Poseidon has widths 2..{MAX_INPUTS + 1}, not {width}")
    partial = PARTIAL_ROUNDS[width - 2]
    bits = _grain_bits(width, partial)
    rounds = []
    for _ in range(FULL_ROUNDS + partial):
        row: list[int] = []
        while len(row) < width:
            if (candidate := _number(bits)) < P:
                row.append(candidate)
        rounds.append(tuple(row))
    return PoseidonParameters(width, partial, tuple(rounds), _cauchy_matrix(width, bits))


def _cauchy_matrix(width: int, bits: Iterator[int]) -> tuple[tuple[int, ...], ...]:
    while True:
        drawn = [_number(bits) % P for _ in range(2 * width)]
        rows, columns = drawn[:width], drawn[width:]
        if len(set(drawn)) == 2 * width and all((x + y) % P for x in rows for y in columns):
            return tuple(tuple(int(invert(mpz(x + y), _P)) for y in columns) for x in rows)


@lru_cache(maxsize=MAX_INPUTS)
def _fast_parameters(width: int) -> tuple[list[list[Any]], list[list[Any]]]:
    known = parameters(width)
    return [[mpz(c) for c in row] for row in known.constants], [[mpz(m) for m in row] for row in known.matrix]


def permute(state: Sequence[int]) -> list[int]:
    """The Poseidon permutation of 2 to 17 field elements."""
    width = len(state)
    constants, matrix = _fast_parameters(width)
    first_partial, first_late = FULL_ROUNDS // 2, len(constants) - FULL_ROUNDS // 2
    current = [mpz(element) for element in state]
    for index, row in enumerate(constants):
        current = [a + c for a, c in zip(current, row, strict=True)]
        boxed = 1 if first_partial <= index < first_late else width
        for i in range(boxed):
            a = current[i]
            square = a * a % _P
            current[i] = square * square % _P * a % _P
        current = [sum(m * a for m, a in zip(line, current, strict=True)) % _P for line in matrix]
    return [int(a) for a in current]


def poseidon(inputs: Sequence[int], *, capacity: int = 0) -> int:
    """The hash of 1 to 16 field elements, as circomlib's `Poseidon(n)` computes it.

    Raises: ParameterError for another number of inputs, or one that is not below P.

    >>> poseidon([1, 2])
    7853200120776062878684798364095072458815029376092732009249414926327459813530
    """
    if not 1 <= len(inputs) <= MAX_INPUTS:
        raise ParameterError(f"Poseidon takes 1..{MAX_INPUTS} inputs, not {len(inputs)}")
    if any(not 0 <= value < P for value in (*inputs, capacity)):
        raise ParameterError("Poseidon takes field elements: whole numbers below P")
    return permute([capacity, *inputs])[0]
