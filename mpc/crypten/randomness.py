"""CrypTen's random numbers from our streams: full-length keys, all of the ring, nothing of torch's generators.

CrypTen seeds torch generators with 64 bits of which torch's Mersenne twister keeps 32 (seeds s and s + 7 * 2^32
give one stream), and its ring elements leave out the largest one. A `StreamGenerator` stands where CrypTen
passes a generator, and the two functions here stand in place of CrypTen's own.
"""

from hashlib import sha256
from typing import Any

import numpy as np
import torch

from mpc.crypten.compat import load
from mpc.errors import ParameterError
from mpc.prg import Stream

load()

from crypten.cuda import CUDALongTensor  # noqa: E402

__all__ = ["StreamGenerator", "random_bits", "random_ring_element", "uniform"]


class StreamGenerator:
    """A stream of ours where CrypTen expects a torch generator."""

    __slots__ = ("_seed", "_stream")

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._seed: int | None = None

    def __repr__(self) -> str:
        return "StreamGenerator(<secret>)"

    def manual_seed(self, seed: int) -> "StreamGenerator":
        """Start over from a small seed: for CrypTen's debug mode only, which is the one that calls this.

        All 64 bits of the seed count.
        """
        key = sha256(b"eppml/crypten/debug seed/1" + seed.to_bytes(16, "big", signed=True)).digest()
        self._stream = Stream(key)
        self._seed = seed
        return self

    def initial_seed(self) -> int:
        """What two parties compare to see that they hold the same stream; it says nothing else about it."""
        if self._seed is not None:
            return self._seed
        return int.from_bytes(self._stream.derive("fingerprint").bytes(8), "big", signed=True)

    def words(self, size: tuple[int, ...]) -> torch.Tensor:
        """Uniform elements of Z_2^64."""
        return torch.from_numpy(self._stream.uint64(size).view(np.int64))

    def unit(self, size: tuple[int, ...]) -> torch.Tensor:
        """Uniform numbers in [0, 1)."""
        return torch.from_numpy(self._stream.unit(size)).float()


def random_ring_element(
    size: Any, ring_size: int = 2**64, generator: StreamGenerator | None = None, **kwargs: Any
) -> Any:
    """What CrypTen's `generate_random_ring_element` should be: uniform in [-ring_size / 2, ring_size / 2).

    Raises: ParameterError for a ring that is no power of two up to 2^64.
    """
    bits = ring_size.bit_length() - 1
    if not 1 <= bits <= 64 or ring_size != 1 << bits:
        raise ParameterError(f"rings have a power of two up to 2^64 elements, not {ring_size}")
    return _placed(_words(size, generator, kwargs) >> (64 - bits), kwargs)


def random_bits(
    size: Any, bitlength: int | None = None, generator: StreamGenerator | None = None, **kwargs: Any
) -> Any:
    """What CrypTen's `generate_kbit_random_tensor` should be: uniform in [0, 2^bitlength), or all 64 bits."""
    words = _words(size, generator, kwargs)
    if bitlength is not None and not 1 <= bitlength <= 64:
        raise ParameterError(f"words have 1 to 64 bits, not {bitlength}")
    if bitlength is not None and bitlength < 64:
        words &= (1 << bitlength) - 1
    return _placed(words, kwargs)


def uniform(*size: Any, generator: StreamGenerator, device: Any = None) -> torch.Tensor:
    """What CrypTen's dropout takes from `torch.rand`: the mask that all parties know."""
    return generator.unit(_shape(size)).to(device)


def _words(size: Any, generator: StreamGenerator | None, kwargs: dict[str, Any]) -> torch.Tensor:
    if generator is None:
        import crypten

        generator = crypten.generators["local"][torch.device(kwargs.get("device") or "cpu")]
    if not isinstance(generator, StreamGenerator):
        raise ParameterError(f"shares are drawn from a stream, not from {type(generator).__name__}")
    return generator.words(_shape((size,)))


def _shape(size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and not isinstance(size[0], int):
        size = tuple(size[0])
    return tuple(int(n) for n in size)


def _placed(words: torch.Tensor, kwargs: dict[str, Any]) -> Any:
    device = torch.device(kwargs.get("device") or "cpu")
    return words if device.type == "cpu" else CUDALongTensor(words.to(device))
