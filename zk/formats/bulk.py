"""Many points or numbers at once off a binary file: canonical, and on the curve, before anybody computes with them."""

import mmap
import os
from pathlib import Path

import numpy as np

from mpc.errors import DecodeError
from zk.curve import G1, G2, Q, on_g1, on_twist, parse_g1, parse_g2
from zk.formats.named import named
from zk.limbs import Limbs, g1_points, g2_points

__all__ = ["all_below", "g1", "g1_bulk", "g2", "g2_bulk", "map_file", "number_rows"]


def map_file(source: str | os.PathLike[str] | bytes | memoryview) -> memoryview:
    """The bytes of a file, mapped and not read.

    Raises: DecodeError for a file that cannot be read or is empty.
    """
    if isinstance(source, bytes | memoryview):
        return memoryview(source)
    path = Path(source)
    try:
        with path.open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError:
        raise DecodeError(f"{path} is empty") from None
    except OSError as error:
        raise DecodeError(f"cannot read {path}: {error.strerror}") from None


def all_below(rows: Limbs, modulus: int) -> bool:
    """Whether every 256-bit number is below `modulus`.

    Shapes: rows (n, 4), least significant limb first.
    """
    less, equal = np.zeros(len(rows), dtype=bool), np.ones(len(rows), dtype=bool)
    for i in range(3, -1, -1):
        limb = np.uint64(modulus >> 64 * i & (1 << 64) - 1)
        less |= equal & (rows[:, i] < limb)
        equal &= rows[:, i] == limb
    return bool(less.all())


def number_rows(view: memoryview, modulus: int, what: str) -> Limbs:
    """32-byte little-endian numbers below `modulus`, as a read-only array over `view`.

    Shapes: result (n, 4).
    Raises: DecodeError for a ragged length or a number that is not reduced.
    """
    if len(view) % 32:
        raise DecodeError(f"{what}: {len(view)} bytes are not a list of 32-byte numbers")
    # the sections of these files start at any byte, arithmetic wants them on a word
    rows: Limbs = np.require(np.frombuffer(view, dtype="<u8").reshape(-1, 4), requirements="A")
    if not all_below(rows, modulus):
        raise DecodeError(f"{what}: a number is not reduced modulo the field")
    return rows


def _bulk(view: memoryview, count: int, width: int, what: str) -> Limbs:
    if len(view) != count * width * 32:
        raise DecodeError(f"{what}: {count} points take {count * width * 32} bytes, got {len(view)}")
    return number_rows(view, Q, what).reshape(count, 4 * width)


def g1_bulk(view: memoryview, count: int, what: str, *, infinity: bool = False, check: bool = True) -> Limbs:
    """`count` points of G1 in Montgomery form, on the curve unless `check` is off.

    Shapes: result (count, 8).
    Raises: DecodeError for unreduced coordinates, points off the curve, or infinity where it is not allowed.
    """
    array = _bulk(view, count, 2, what)
    if check:
        for i, point in enumerate(g1_points(array)):
            if not (infinity if point.is_infinity else on_g1(*point)):
                raise DecodeError(f"{what}: point {i} is infinity or not on the curve")
    return array


def g2_bulk(view: memoryview, count: int, what: str, *, infinity: bool = False, check: bool = True) -> Limbs:
    """`count` points of the twist in Montgomery form, on it unless `check` is off; their order is not tested.

    Shapes: result (count, 16).
    Raises: DecodeError for unreduced coordinates, points off the twist, or infinity where it is not allowed.
    """
    array = _bulk(view, count, 4, what)
    if check:
        for i, point in enumerate(g2_points(array)):
            if not (infinity if point.is_infinity else on_twist(*point)):
                raise DecodeError(f"{what}: point {i} is infinity or not on the twist")
    return array


def g1(view: memoryview, what: str) -> G1:
    """One point of G1 in Montgomery form."""
    (point,) = g1_points(_bulk(view, 1, 2, what))
    with named(what):
        return parse_g1(*point)


def g2(view: memoryview, what: str) -> G2:
    """One point of G2 in Montgomery form, of the right order."""
    (point,) = g2_points(_bulk(view, 1, 4, what))
    with named(what):
        return parse_g2(*point)
