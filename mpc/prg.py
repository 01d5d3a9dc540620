"""Secret randomness: keystreams from 32-byte keys, written straight into numpy buffers.

    key (32 bytes) --label--> Stream --derive(...)--> independent child Streams
                                |
                                +-- bytes, below, uint32, uint64, field61, integers_below, unit, permutation

Every mask, share, key, blinding and noise value of the project comes from a `Stream` handed in as an
argument, so a run with a fixed key is reproducible and a run with `Stream.from_os()` is as good as the
operating system.
"""

import os
import sys
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256
from hmac import digest as hmac_digest
from typing import Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import ParameterError

__all__ = ["CIPHERS", "KEY_BYTES", "Keystream", "Stream", "add_streams", "encode_labels"]

KEY_BYTES = 32
CIPHERS = ("aes256ctr", "chacha20")
P61 = (1 << 61) - 1

# 256 KiB keeps the zeros, the keystream and the accumulator of a fused addition inside a core's second-level
# cache
_CHUNK = 1 << 18
_ZEROS = bytes(_CHUNK)
_PIECE = _CHUNK // 2
# some versions of `cryptography` want a block of slack after the output of update_into, even in CTR mode
_SLACK = 16

Label = bytes | int | str
UInt32s = npt.NDArray[np.uint32]
UInt64s = npt.NDArray[np.uint64]


class _Encryptor(Protocol):
    def update(self, data: bytes) -> bytes: ...
    def update_into(self, data: bytes | memoryview, buf: memoryview) -> int: ...


def _as_bytes(array: npt.NDArray[Any]) -> memoryview:
    flat: Any = array.reshape(-1)
    return memoryview(flat).cast("B")


class Keystream:
    """The raw keystream of AES-256-CTR or ChaCha20: what the published test vectors describe.

    `nonce` is the initial counter block: 16 bytes, big-endian counter for AES (SP 800-38A), and the
    little-endian 32-bit counter followed by the 96-bit nonce for ChaCha20.

    Raises: ParameterError for another cipher or wrong lengths.
    Source: NIST SP 800-38A section 6.5; RFC 8439 section 2.4.
    """

    __slots__ = ("_encryptor",)

    def __init__(self, cipher: str, key: bytes, nonce: bytes = bytes(16)) -> None:
        if len(key) != KEY_BYTES or len(nonce) != 16:
            raise ParameterError(
                f"a keystream wants a 32-byte key and a 16-byte nonce, got {len(key)} and {len(nonce)}"
            )
        if cipher == "aes256ctr":
            encryptor: Any = Cipher(algorithms.AES(key), modes.CTR(nonce)).encryptor()
        elif cipher == "chacha20":
            encryptor = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor()
        else:
            raise ParameterError(f"cipher must be one of {', '.join(CIPHERS)}, got {cipher!r}")
        self._encryptor: _Encryptor = encryptor

    def __repr__(self) -> str:
        return "Keystream(<secret>)"

    def bytes(self, n: int) -> bytes:
        """The next `n` bytes."""
        if n <= _CHUNK:
            return self._encryptor.update(_ZEROS[:n])
        out = bytearray(n)
        self.into(memoryview(out))
        return bytes(out)

    def into(self, out: memoryview) -> None:
        """Overwrite `out`, a contiguous view of bytes, with the next keystream bytes."""
        total = len(out)
        position = 0
        while total - position >= _CHUNK + _SLACK:
            self._encryptor.update_into(_ZEROS, out[position : position + _CHUNK + _SLACK])
            position += _CHUNK
        while position < total:
            n = min(_CHUNK, total - position)
            out[position : position + n] = self._encryptor.update(_ZEROS[:n])
            position += n


def encode_labels(labels: tuple[Label, ...]) -> bytes:
    """Labels as bytes, so that no two different tuples give the same bytes.

    >>> encode_labels(("ab", "c")) == encode_labels(("a", "bc"))
    False
    """
    parts = []
    for label in labels:
        if isinstance(label, bool):
            raise ParameterError("a label is bytes, str or int, not bool")
        if isinstance(label, bytes):
            tag, data = b"b", label
        elif isinstance(label, str):
            tag, data = b"s", label.encode()
        elif isinstance(label, int):
            tag, data = b"i", label.to_bytes(label.bit_length() // 8 + 1, "big", signed=True)
        else:
            raise ParameterError(f"a label is bytes, str or int, not {type(label).__name__}")
        parts.append(tag + len(data).to_bytes(8, "big") + data)
    return b"".join(parts)


@lru_cache(maxsize=256)
def _opening(cipher: str, label: bytes) -> bytes:
    return b"EPPML stream v1" + encode_labels((cipher, label))


class Stream:
    """A reproducible source of secret randomness with labelled, independent children.

    Drawing advances this stream only; `derive` depends on the key and the labels alone, never on how much was
    drawn, so the order of calls does not matter. A stream refuses to be copied or pickled: two holders of one
    position would reuse a mask.

    Raises: ParameterError for a key that is not 32 bytes, or an unknown cipher.
    Assumes: AES-256 (or ChaCha20) and HMAC-SHA256 are pseudorandom functions; the key is uniform.

    >>> a, b = Stream(bytes(32), b"doc"), Stream(bytes(32), b"doc")
    >>> a.derive("mask", 7).bytes(4) == b.derive("mask", 7).bytes(4) != b.derive("mask", 8).bytes(4)
    True
    """

    __slots__ = ("_cipher", "_keystream", "_secret")

    def __init__(self, key: bytes, label: bytes = b"", cipher: str = "aes256ctr") -> None:
        if len(key) != KEY_BYTES:
            raise ParameterError(f"a stream wants a {KEY_BYTES}-byte key, got {len(key)}")
        if cipher not in CIPHERS:
            raise ParameterError(f"cipher must be one of {', '.join(CIPHERS)}, got {cipher!r}")
        self._start(hmac_digest(key, _opening(cipher, label), sha256), cipher)

    def _start(self, secret: bytes, cipher: str) -> None:
        self._secret = secret
        self._cipher = cipher
        self._keystream: Keystream | None = None

    @classmethod
    def from_os(cls, label: bytes = b"", cipher: str = "aes256ctr") -> "Stream":
        """A fresh stream keyed by the operating system."""
        return cls(os.urandom(KEY_BYTES), label, cipher)

    def derive(self, *labels: Label) -> "Stream":
        """The independent child stream named by `labels`; the same labels always name the same child."""
        child = Stream.__new__(Stream)
        child._start(hmac_digest(self._secret, b"child" + encode_labels(labels), sha256), self._cipher)
        return child

    def __repr__(self) -> str:
        return f"Stream(<secret>, cipher={self._cipher!r})"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Stream is not copied or pickled: two copies would hand out the same masks")

    def _keys(self) -> Keystream:
        if self._keystream is None:
            self._keystream = Keystream(self._cipher, hmac_digest(self._secret, b"keystream", sha256))
        return self._keystream

    # --- bytes and integers

    def bytes(self, n: int) -> bytes:
        """The next `n` bytes."""
        if n < 0:
            raise ParameterError(f"cannot draw {n} bytes")
        return self._keys().bytes(n)

    def below(self, modulus: int) -> int:
        """Uniform in [0, modulus), by rejection: no bias."""
        if modulus < 1:
            raise ParameterError(f"modulus must be positive, got {modulus}")
        bits = (modulus - 1).bit_length()
        size, mask = (bits + 7) // 8, (1 << bits) - 1
        while True:
            value = int.from_bytes(self._keys().bytes(size), "little") & mask
            if value < modulus:
                return value

    def integers_below(self, modulus: int, n: int) -> list[int]:
        """What `n` calls of `below` would return, in one go."""
        if modulus < 1 or n < 0:
            raise ParameterError(f"cannot draw {n} integers below {modulus}")
        bits = (modulus - 1).bit_length()
        size, mask = (bits + 7) // 8, (1 << bits) - 1
        out: list[int] = []
        while len(out) < n:
            want = n - len(out)
            data = self._keys().bytes(want * size)
            for i in range(0, want * size, size) if size else [0] * want:
                value = int.from_bytes(data[i : i + size], "little") & mask
                if value < modulus:
                    out.append(value)
        return out

    def permutation(self, n: int) -> list[int]:
        """A uniform permutation of range(n).

        Source: Durstenfeld's form of the Fisher-Yates shuffle.
        """
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = self.below(i + 1)
            order[i], order[j] = order[j], order[i]
        return order

    # --- numpy

    def _fill(self, out: npt.NDArray[Any]) -> None:
        if not out.flags.c_contiguous:
            raise ParameterError("the buffer must be contiguous")
        if out.size == 0:
            return
        self._keys().into(_as_bytes(out))
        if sys.byteorder == "big":
            out.byteswap(inplace=True)

    def uint32_into(self, out: UInt32s) -> None:
        """Overwrite `out` with uniform 32-bit values."""
        if out.dtype != np.uint32:
            raise ParameterError(f"want a uint32 buffer, got {out.dtype}")
        self._fill(out)

    def uint64_into(self, out: UInt64s) -> None:
        """Overwrite `out` with uniform 64-bit values."""
        if out.dtype != np.uint64:
            raise ParameterError(f"want a uint64 buffer, got {out.dtype}")
        self._fill(out)

    def field61_into(self, out: UInt64s) -> None:
        """Overwrite `out` with uniform elements of the field of 2^61 - 1 elements, by rejection."""
        self.uint64_into(out)
        flat = out.reshape(-1)
        for start in range(0, flat.size, _CHUNK // 8):
            flat[start : start + _CHUNK // 8] >>= np.uint64(3)
        # one value in 2^61 is rejected; the maximum tells in one cheap pass whether any is
        while flat.size and int(flat.max()) == P61:
            where = np.flatnonzero(flat == P61)
            flat[where] = self.uint64(where.size) >> np.uint64(3)

    def uint32(self, n: int | tuple[int, ...]) -> UInt32s:
        """Uniform 32-bit values of shape `n`."""
        out = np.empty(n, dtype=np.uint32)
        self.uint32_into(out)
        return out

    def uint64(self, n: int | tuple[int, ...]) -> UInt64s:
        """Uniform 64-bit values of shape `n`."""
        out = np.empty(n, dtype=np.uint64)
        self.uint64_into(out)
        return out

    def field61(self, n: int | tuple[int, ...]) -> UInt64s:
        """Uniform elements of the field of 2^61 - 1 elements, of shape `n`."""
        out = np.empty(n, dtype=np.uint64)
        self.field61_into(out)
        return out

    def unit(self, n: int | tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Uniform multiples of 2^-53 in [0, 1), of shape `n`."""
        out: npt.NDArray[np.float64] = (self.uint64(n) >> np.uint64(11)).astype(np.float64)
        out *= 2.0**-53
        return out

    def add_uint32(self, total: UInt32s, *, subtract: bool = False) -> None:
        """Add to `total`, mod 2^32, what `uint32` would return, without holding it in memory as a whole."""
        add_streams(total, [(self, -1 if subtract else 1)])

    def add_uint64(self, total: UInt64s, *, subtract: bool = False) -> None:
        """Add to `total`, mod 2^64, what `uint64` would return, without holding it in memory as a whole."""
        add_streams(total, [(self, -1 if subtract else 1)])


def add_streams(total: npt.NDArray[Any], streams: Iterable[tuple[Stream, int]]) -> None:
    """Add to `total` (sign 1) or take from it (sign -1) the next words of every stream.

    All streams pass over one piece of `total` before the next piece is touched, so it stays in cache.

    Raises: ParameterError unless `total` is a vector of uint32 or uint64.
    """
    if total.dtype not in (np.uint32, np.uint64) or total.ndim != 1:
        raise ParameterError(f"want a vector of uint32 or uint64, got {total.dtype} of shape {total.shape}")
    steps = [
        (stream._keys()._encryptor.update_into, np.subtract if sign < 0 else np.add)
        for stream, sign in streams
    ]
    per_piece = _PIECE // total.itemsize
    pad = np.empty(min(per_piece, total.size) + _SLACK // total.itemsize, dtype=total.dtype)
    view = _as_bytes(pad)
    for start in range(0, total.size, per_piece):
        part = total[start : start + per_piece]
        mask = pad[: part.size]
        zeros = memoryview(_ZEROS)[: mask.nbytes]
        for fill, combine in steps:
            fill(zeros, view)
            if sys.byteorder == "big":
                mask.byteswap(inplace=True)
            combine(part, mask, out=part)
