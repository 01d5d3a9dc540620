"""The scalar field of alt_bn128 on plain Python integers: what a circuit computes in.

Vectors of many elements live in `zk.limbs`; this file is the plain twin they are tested against.
"""

from collections.abc import Iterable, Sequence

from mpc.errors import DecodeError, ParameterError

__all__ = [
    "R",
    "TWO_ADICITY",
    "as_scalar",
    "batch_inverse",
    "from_signed",
    "inverse",
    "root_of_unity",
    "to_signed",
]

R = 21888242871839275222246405745257275088548364400416034343698204186575808495617
TWO_ADICITY = 28
_GENERATOR = 5


def as_scalar(value: object) -> int:
    """`value` if it is a canonical scalar.

    Raises: DecodeError for anything but an int in [0, R); a bool is not an int here.
    """
    if type(value) is not int:
        raise DecodeError(f"a scalar must be an int, got {type(value).__name__}")
    if not 0 <= value < R:
        raise DecodeError("scalar not reduced modulo the group order")
    return value


def inverse(value: int) -> int:
    """The inverse of `value` modulo R.

    Raises: ParameterError for zero.
    """
    if value % R == 0:
        raise ParameterError("zero has no inverse")
    return pow(value, -1, R)


def batch_inverse(values: Sequence[int]) -> list[int]:
    """Inverses of all `values` for the price of one inversion and three products each (Montgomery's trick).

    Raises: ParameterError if one of them is zero.
    """
    prefix, acc = [], 1
    for value in values:
        prefix.append(acc)
        acc = acc * value % R
    acc = inverse(acc)
    out = [0] * len(values)
    for i in range(len(values) - 1, -1, -1):
        out[i] = acc * prefix[i] % R
        acc = acc * values[i] % R
    return out


def root_of_unity(log_size: int) -> int:
    """The primitive 2**log_size-th root of unity that snarkjs and arkworks use.

    Raises: ParameterError if the field has none.

    >>> pow(root_of_unity(3), 4, R) == R - 1
    True
    """
    if not 0 <= log_size <= TWO_ADICITY:
        raise ParameterError(
            f"the scalar field has roots of unity of order 2^0 to 2^{TWO_ADICITY}, not 2^{log_size}"
        )
    return pow(_GENERATOR, (R - 1) >> log_size, R)


def from_signed(values: Iterable[int]) -> list[int]:
    """Residues of signed integers."""
    return [int(v) % R for v in values]


def to_signed(value: int) -> int:
    """The representative of `value` nearest to zero."""
    return value - R if value > R // 2 else value
