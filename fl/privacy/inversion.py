"""Vectors of exact integer noise at numpy's speed: a table of buckets, then rejection inside the bucket.

    64-bit word --thresholds--> bucket of `width` integers --word--> one of them, kept with probability p(x) / p(peak)

The thresholds are cumulative probabilities to 256 bits; a word that equals the first 64 bits of one is extended by 192
more. The acceptance is compared in floats, and in `PRECISION`-bit arithmetic whenever the floats are too close to tell,
so the outcome never depends on a float's rounding: all decisions are those of the exact comparison.

What is not exact, together at most 2^-160 in statistical distance for one sample: the tails cut off by the law (at most
2^-161), the thresholds' rounding (2^-250 a bucket) and an acceptance undecided after 256 bits (2^-250).

Source: inversion and rejection are Devroye, "Non-uniform random variate generation" (1986), II.2 and II.3; the lazy
refinement is Knuth and Yao, "The complexity of nonuniform random number generation" (1976).
"""

from bisect import bisect_right
from typing import Any, Protocol

import gmpy2
import numpy as np
import numpy.typing as npt

from mpc.prg import Stream

__all__ = ["DISTANCE_BITS", "PRECISION", "TAIL_BITS", "Law", "Sampler", "bucket_width"]

Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DISTANCE_BITS = 160
"""A sample is within 2^-DISTANCE_BITS of its law, in statistical distance."""
TAIL_BITS = DISTANCE_BITS + 2
PRECISION = 384
_WORD = 64
_THRESHOLD_BITS = 256
# floats closer than this are compared again in high precision
_CLOSE = 2.0**-34


class Law(Protocol):
    """A distribution on the integers, falling on both sides of `mode`, whose mass outside [low, high] is negligible.

    `log_ratio` is accurate to an absolute `error`; `exact_log` is log p(k) up to a constant, correct to about 2^-300.
    """

    mode: int
    low: int
    high: int
    error: float

    def log_ratio(self, k: Int64s, peak: Int64s) -> Floats: ...

    def exact_log(self, k: int) -> Any: ...


def bucket_width(deviation: float) -> int:
    """A power of two, between 1/64 and 1/32 of the standard deviation: few buckets, and under 2 % rejected."""
    return 1 << max(0, int(deviation / 32).bit_length() - 1)


class Sampler:
    """Draws from one law; making it costs one high-precision exponential a bucket, so keep it.

    `close` is the distance under which floats are not trusted; tests set it to 2 to compare everything exactly.
    """

    def __init__(self, law: Law, width: int, close: float = _CLOSE) -> None:
        self._law, self._shift = law, width.bit_length() - 1
        # the bits of the uniform number that were not drawn yet are as good as an error of it
        self._close = max(close, 2.0 ** (self._shift - _WORD + 2)) + 2 * law.error
        below, above = -(-(law.mode - law.low) // width), -(-(law.high + 1 - law.mode) // width)
        starts = [law.mode + i * width for i in range(-below, above)]
        peaks = [start if start >= law.mode else start + width - 1 for start in starts]
        self._starts, self._peaks = np.array(starts, dtype=np.int64), np.array(peaks, dtype=np.int64)
        with gmpy2.context(precision=PRECISION):
            top = law.exact_log(law.mode)
            heights = [gmpy2.exp(law.exact_log(peak) - top) for peak in peaks]
            total, running = sum(heights), gmpy2.mpfr(0)
            self._thresholds = []
            for height in heights:
                running += height
                self._thresholds.append(int(gmpy2.floor(gmpy2.mul_2exp(running / total, _THRESHOLD_BITS))))
        self._thresholds[-1] = 1 << _THRESHOLD_BITS
        cut = _THRESHOLD_BITS - _WORD
        # the last threshold is 1, and in far tails others round to it: the largest word is a tie with those
        first = [min(t >> cut, (1 << _WORD) - 1) for t in self._thresholds[:-1]]
        self._words = np.array(first, dtype=np.uint64)

    def draw(self, stream: Stream, n: int) -> Int64s:
        """`n` independent samples; the same stream position always gives the same."""
        out = np.empty(n, dtype=np.int64)
        done = 0
        while done < n:
            want = n - done
            kept = self._candidates(stream, want + want // 32 + 8 if self._shift else want)[:want]
            out[done : done + len(kept)] = kept
            done += len(kept)
        return out

    def _candidates(self, stream: Stream, n: int) -> Int64s:
        buckets = self._buckets(stream, n)
        if not self._shift:
            chosen: Int64s = self._starts[buckets]
            return chosen
        words = stream.uint64(n)
        offsets = (words & np.uint64((1 << self._shift) - 1)).astype(np.int64)
        samples, peaks = self._starts[buckets] + offsets, self._peaks[buckets]
        known = words >> np.uint64(self._shift)
        bits = _WORD - self._shift
        uniform = known.astype(np.float64) * 2.0**-bits
        chance = np.exp(self._law.log_ratio(samples, peaks))
        accepted = uniform < chance
        for i in np.flatnonzero(np.abs(uniform - chance) < self._close):
            accepted[i] = self._accept(stream, int(samples[i]), int(peaks[i]), int(known[i]), bits)
        kept: Int64s = samples[accepted]
        return kept

    def _buckets(self, stream: Stream, n: int) -> npt.NDArray[np.intp]:
        words = stream.uint64(n)
        buckets: npt.NDArray[np.intp] = np.searchsorted(self._words, words, side="right")
        # a word that starts like a threshold may lie on either side of it
        tied = np.flatnonzero((buckets > 0) & (self._words[buckets - 1] == words))
        for i in tied:
            extended = int(words[i]) << 192 | int.from_bytes(stream.bytes(24), "little")
            buckets[i] = bisect_right(self._thresholds, extended)
        return buckets

    def _accept(self, stream: Stream, sample: int, peak: int, known: int, bits: int) -> bool:
        """Whether the uniform number that starts with `bits` bits `known` lies under p(sample) / p(peak)."""
        with gmpy2.context(precision=PRECISION):
            ratio = gmpy2.exp(self._law.exact_log(sample) - self._law.exact_log(peak))
            chance = int(gmpy2.floor(gmpy2.mul_2exp(ratio, _THRESHOLD_BITS)))
        while bits < _THRESHOLD_BITS:
            first = known << (_THRESHOLD_BITS - bits)
            if first + (1 << (_THRESHOLD_BITS - bits)) <= chance:
                return True
            if first > chance:
                return False
            known, bits = known << _WORD | int(stream.uint64(1)[0]), bits + _WORD
        return known >> (bits - _THRESHOLD_BITS) < chance
