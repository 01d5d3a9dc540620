"""BLAKE-256 and BLAKE-512, the SHA-3 finalists (not BLAKE2): circomlib derives keys, nonces and bases with them.

Source: Aumasson, Henzen, Meier, Phan, "SHA-3 proposal BLAKE" (2010), section 2.
"""

from math import isqrt

from gmpy2 import const_pi

__all__ = ["blake256", "blake512"]

_SIGMA = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
    (14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3),
    (11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4),
    (7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8),
    (9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13),
    (2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9),
    (12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11),
    (13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10),
    (6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5),
    (10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0),
)
_STEPS = (
    (0, 4, 8, 12),
    (1, 5, 9, 13),
    (2, 6, 10, 14),
    (3, 7, 11, 15),
    (0, 5, 10, 15),
    (1, 6, 11, 12),
    (2, 7, 8, 13),
    (3, 4, 9, 14),
)
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19)


class _Blake:
    """One word size of the family: its constants are the digits of pi, its start the roots of primes as in SHA-2."""

    def __init__(self, word: int, rounds: int, rotations: tuple[int, int, int, int]) -> None:
        self.word, self.rounds, self.rotations = word, rounds, rotations
        self.mask = (1 << word) - 1
        numerator, denominator = const_pi(16 * word + 64).as_integer_ratio()
        digits = int((numerator << 16 * word) // denominator)
        self.pi = [digits >> (15 - i) * word & self.mask for i in range(16)]
        self.start = [isqrt(prime << 2 * word) & self.mask for prime in _PRIMES]

    def _compress(self, state: list[int], block: bytes, counter: int) -> list[int]:
        word, mask, pi = self.word, self.mask, self.pi
        r1, r2, r3, r4 = self.rotations
        size = word // 8
        m = [int.from_bytes(block[i * size : (i + 1) * size], "big") for i in range(16)]
        low, high = counter & mask, counter >> word
        v = state + [pi[0], pi[1], pi[2], pi[3], low ^ pi[4], low ^ pi[5], high ^ pi[6], high ^ pi[7]]

        def turn(value: int, by: int) -> int:
            return (value >> by | value << (word - by)) & mask

        for index in range(self.rounds):
            sigma = _SIGMA[index % 10]
            for step, (a, b, c, d) in enumerate(_STEPS):
                first, second = sigma[2 * step], sigma[2 * step + 1]
                v[a] = (v[a] + v[b] + (m[first] ^ pi[second])) & mask
                v[d] = turn(v[d] ^ v[a], r1)
                v[c] = (v[c] + v[d]) & mask
                v[b] = turn(v[b] ^ v[c], r2)
                v[a] = (v[a] + v[b] + (m[second] ^ pi[first])) & mask
                v[d] = turn(v[d] ^ v[a], r3)
                v[c] = (v[c] + v[d]) & mask
                v[b] = turn(v[b] ^ v[c], r4)
        return [h ^ v[i] ^ v[i + 8] for i, h in enumerate(state)]

    def digest(self, data: bytes) -> bytes:
        size = self.word // 8
        block, tail = 16 * size, 2 * size
        zeros = -(len(data) + 1 + tail) % block
        padding = bytearray(1 + zeros)
        padding[0] |= 0x80
        padding[-1] |= 0x01
        padded = data + bytes(padding) + (8 * len(data)).to_bytes(tail, "big")
        state = self.start
        for at in range(0, len(padded), block):
            # a block without message bits counts none
            counted = 8 * min(at + block, len(data)) if at < len(data) else 0
            state = self._compress(state, padded[at : at + block], counted)
        return b"".join(word.to_bytes(size, "big") for word in state)


_BLAKE256 = _Blake(32, 14, (16, 12, 8, 7))
_BLAKE512 = _Blake(64, 16, (32, 25, 16, 11))


def blake256(data: bytes) -> bytes:
    """32 bytes of BLAKE-256.

    >>> blake256(bytes(1)).hex()[:16]
    '0ce8d4ef4dd7cd8d'
    """
    return _BLAKE256.digest(data)


def blake512(data: bytes) -> bytes:
    """64 bytes of BLAKE-512.

    >>> blake512(bytes(1)).hex()[:16]
    '97961587f6d970fa'
    """
    return _BLAKE512.digest(data)
