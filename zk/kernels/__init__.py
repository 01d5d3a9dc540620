"""Loops over limbs, compiled by numba where it is installed (the extra `fast`); each has a plain twin.

    words      two-word arithmetic, Montgomery multiplication
    base_field coordinates of points: read, written, inverted
    transform  Fourier transforms over the scalar field           twin: zk.fft
    points     multiples of fixed points                           twin: the backends
    buckets    sums of points times machine integers               twin: the backends

Elements are four 64-bit limbs in Montgomery form, as in `zk.limbs`. All loops release the interpreter lock. Nothing here
is imported before it is needed: loading numba takes half a second.
"""

from functools import cache
from importlib.util import find_spec

__all__ = ["available"]


@cache
def available() -> bool:
    """Whether numba is installed."""
    return find_spec("numba") is not None and find_spec("llvmlite") is not None
