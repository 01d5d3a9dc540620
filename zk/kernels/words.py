"""Arithmetic on words and on residues of four words.

Source: Montgomery 1985; multiplication without a final carry: gnark-crypto (Botrel, El Housni 2022, eprint 2022/1400).
"""

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["Element", "add", "compiled", "constants", "double", "is_zero", "mac", "multiply", "subtract"]

Element: TypeAlias = "tuple[np.uint64, np.uint64, np.uint64, np.uint64]"
_Function = TypeVar("_Function", bound=Callable[..., Any])

_WORD, _WIDE = ir.IntType(64), ir.IntType(128)
_PAIR: Any = cast(Any, types).UniTuple(types.uint64, 2)
_0 = np.uint64(0)


def compiled(function: _Function) -> _Function:
    """Compile on first use, keep the result beside the source, release the interpreter lock while running."""
    return cast(_Function, njit(nogil=True, cache=True)(function))


def constants(prime: int) -> tuple[np.uint64, ...]:
    """The four words of a prime, and -1/prime modulo 2**64."""
    words = [np.uint64((prime >> (64 * i)) % 2**64) for i in range(4)]
    return (*words, np.uint64(-pow(prime, -1, 2**64) % 2**64))


def _mac(_context: Any, t: Any, a: Any, b: Any, c: Any) -> Any:
    """t + a * b + c, low word first; it fits two words."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        t_, a_, b_, c_ = (builder.zext(v, _WIDE) for v in args)
        total = builder.add(builder.add(t_, builder.mul(a_, b_)), c_)
        high = builder.trunc(builder.lshr(total, ir.Constant(_WIDE, 64)), _WORD)
        return context.make_tuple(builder, signature.return_type, (builder.trunc(total, _WORD), high))

    return _PAIR(types.uint64, types.uint64, types.uint64, types.uint64), generate


def _subtract_with_borrow(_context: Any, a: Any, b: Any, borrow: Any) -> Any:
    """a - b - borrow, and the borrow out."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a_, b_, c_ = (builder.zext(v, _WIDE) for v in args)
        total = builder.sub(builder.sub(a_, b_), c_)
        high = builder.trunc(builder.lshr(total, ir.Constant(_WIDE, 127)), _WORD)
        return context.make_tuple(builder, signature.return_type, (builder.trunc(total, _WORD), high))

    return _PAIR(types.uint64, types.uint64, types.uint64), generate


def _add_with_carry(_context: Any, a: Any, b: Any, carry: Any) -> Any:
    """a + b + carry, and the carry out."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a_, b_, c_ = (builder.zext(v, _WIDE) for v in args)
        total = builder.add(builder.add(a_, b_), c_)
        high = builder.trunc(builder.lshr(total, ir.Constant(_WIDE, 64)), _WORD)
        return context.make_tuple(builder, signature.return_type, (builder.trunc(total, _WORD), high))

    return _PAIR(types.uint64, types.uint64, types.uint64), generate


mac: Any = intrinsic(_mac)
_sbb: Any = intrinsic(_subtract_with_borrow)
_adc: Any = intrinsic(_add_with_carry)


@compiled
def _reduced(t: Any, p: Any) -> Any:
    s0, b = _sbb(t[0], p[0], _0)
    s1, b = _sbb(t[1], p[1], b)
    s2, b = _sbb(t[2], p[2], b)
    s3, b = _sbb(t[3], p[3], b)
    if b:
        return t
    return s0, s1, s2, s3


@compiled
def multiply(x: Any, y: Any, p: Any) -> Any:
    """The Montgomery product of two residues."""
    t0, t1, t2, t3 = _0, _0, _0, _0
    for i in range(4):
        w = y[i]
        t0, a = mac(t0, x[0], w, _0)
        m = t0 * p[4]
        _, c = mac(t0, m, p[0], _0)
        t1, a = mac(t1, x[1], w, a)
        t0, c = mac(t1, m, p[1], c)
        t2, a = mac(t2, x[2], w, a)
        t1, c = mac(t2, m, p[2], c)
        t3, a = mac(t3, x[3], w, a)
        t2, c = mac(t3, m, p[3], c)
        t3 = a + c
    return _reduced((t0, t1, t2, t3), p)


@compiled
def add(x: Any, y: Any, p: Any) -> Any:
    """The sum of two residues (their prime leaves the top bit free)."""
    s0, c = _adc(x[0], y[0], _0)
    s1, c = _adc(x[1], y[1], c)
    s2, c = _adc(x[2], y[2], c)
    s3, c = _adc(x[3], y[3], c)
    return _reduced((s0, s1, s2, s3), p)


@compiled
def double(x: Any, p: Any) -> Any:
    """Twice a residue."""
    return add(x, x, p)


@compiled
def subtract(x: Any, y: Any, p: Any) -> Any:
    """The difference of two residues."""
    d0, b = _sbb(x[0], y[0], _0)
    d1, b = _sbb(x[1], y[1], b)
    d2, b = _sbb(x[2], y[2], b)
    d3, b = _sbb(x[3], y[3], b)
    if b:
        d0, c = _adc(d0, p[0], _0)
        d1, c = _adc(d1, p[1], c)
        d2, c = _adc(d2, p[2], c)
        d3, c = _adc(d3, p[3], c)
    return d0, d1, d2, d3


@compiled
def is_zero(x: Any) -> Any:
    """Whether all words are zero."""
    return (x[0] | x[1] | x[2] | x[3]) == _0
