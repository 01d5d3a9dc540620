"""The canonical safetensors file of one flat model: the same vector always gives the same bytes.

Written here, not by the library, because the bytes are hashed onto a ledger and must not move between releases.
"""

import json

import numpy as np

from fl.models.base import Vector
from mpc.errors import DecodeError

__all__ = ["from_safetensors", "to_safetensors"]


def to_safetensors(parameters: Vector) -> bytes:
    """The one file that holds `parameters`."""
    header = {
        "parameters": {"dtype": "F32", "shape": [len(parameters)], "data_offsets": [0, 4 * len(parameters)]}
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + parameters.astype("<f4").tobytes()


def from_safetensors(data: bytes) -> Vector:
    """Read a model written by `to_safetensors`. Raises: DecodeError unless the bytes are exactly such a file."""
    body = data[8 + int.from_bytes(data[:8], "little") :]
    parameters = np.frombuffer(body[: len(body) // 4 * 4], dtype="<f4").astype(np.float32)
    if to_safetensors(parameters) != data:
        raise DecodeError("not a canonical model file")
    return parameters
