"""Memory that a computation uses again and again.

Large tensors that are allocated and freed at every step cost more in page faults than what is computed in them: for a
small convolution the faults took two thirds of the time.
"""

import threading
from math import prod

from torch import Tensor

__all__ = ["scratch"]

_LARGEST = 1 << 26
_held = threading.local()


def _flat(label: str, size: int, like: Tensor) -> Tensor:
    buffers = _held.__dict__
    key = f"{label} {like.dtype} {like.device}"
    held: Tensor | None = buffers.get(key)
    if held is None or held.numel() < size:
        held = buffers[key] = like.new_empty(size)
    return held[:size]


def scratch(label: str, shape: tuple[int, ...], like: Tensor) -> Tensor:
    """An uninitialised tensor of dtype and device of `like`; the next call with this `label` in this thread reuses it.

    So its contents end with the computation that asked for it, and nothing that is returned may live in it.
    """
    size = prod(shape)
    if size > _LARGEST:
        return like.new_empty(shape)
    return _flat(label, size, like).view(shape)
