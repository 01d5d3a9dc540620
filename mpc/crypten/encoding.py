"""Tensors and small values as canonical bytes, so that nothing a peer sends is ever unpickled.

    tensor    dtype (1) | axes (1) | sizes (8 each) | little-endian elements
    value     tag (1) | ...                            None, booleans, numbers, text, tensors, lists, dicts

Integers are big-endian. A size is believed only as far as the bytes for it are there.
"""

import math
import struct
from typing import Any

import numpy as np
import torch

from mpc.errors import DecodeError, ParameterError

__all__ = ["decode_tensor", "decode_value", "encode_tensor", "encode_value"]

_DTYPES: tuple[tuple[torch.dtype, str], ...] = (
    (torch.int64, "<i8"),
    (torch.int32, "<i4"),
    (torch.int16, "<i2"),
    (torch.int8, "<i1"),
    (torch.uint8, "<u1"),
    (torch.float32, "<f4"),
    (torch.float64, "<f8"),
    (torch.bool, "?"),
)
_CODES = {dtype: code for code, (dtype, _) in enumerate(_DTYPES)}
_MAX_AXES = 16
_MAX_DEPTH = 24


def encode_tensor(tensor: torch.Tensor) -> bytes:
    """A tensor's dtype, shape and elements.

    Raises: ParameterError for a dtype or a number of axes that does not travel.
    """
    if tensor.dtype not in _CODES or tensor.dim() > _MAX_AXES:
        raise ParameterError(f"a {tensor.dtype} tensor of {tensor.dim()} axes does not travel")
    code = _CODES[tensor.dtype]
    head = bytes([code, tensor.dim()]) + b"".join(size.to_bytes(8, "big") for size in tensor.shape)
    return head + tensor.detach().cpu().contiguous().numpy().astype(_DTYPES[code][1], copy=False).tobytes()


def decode_tensor(data: memoryview) -> tuple[torch.Tensor, memoryview]:
    """The tensor at the beginning of `data`, and what follows it.

    Raises: DecodeError unless `encode_tensor` could have made it.
    """
    if len(data) < 2 or data[0] >= len(_DTYPES) or data[1] > _MAX_AXES or len(data) < 2 + 8 * data[1]:
        raise DecodeError("not a tensor")
    dtype, layout = _DTYPES[data[0]]
    body = 2 + 8 * data[1]
    shape = struct.unpack(f">{data[1]}Q", data[2:body])
    end = body + math.prod(shape) * np.dtype(layout).itemsize
    if end > len(data) or any(size >= 2**48 for size in shape):
        raise DecodeError(f"a tensor of {shape} where {len(data) - body} bytes follow")
    array = np.frombuffer(data[body:end], dtype="u1" if layout == "?" else layout).reshape(shape)
    if layout == "?" and array.size and int(array.max()) > 1:
        raise DecodeError("a truth value that is neither 0 nor 1")
    # a copy of its own: what arrived is read-only
    return torch.from_numpy(array.astype(np.dtype(layout).newbyteorder("="))).to(dtype), data[end:]


def encode_value(value: Any) -> bytes:
    """Anything made of None, truth values, numbers, text, tensors, tuples, lists and dicts with text keys.

    Raises: ParameterError for anything else: a module travels as its parameters, never as an object.
    """
    if value is None:
        return b"N"
    if isinstance(value, bool):
        return b"T" if value else b"F"
    if isinstance(value, int):
        return b"i" + _sized(value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, float):
        return b"f" + struct.pack(">d", value)
    if isinstance(value, str):
        return b"s" + _sized(value.encode())
    if isinstance(value, torch.Tensor):
        return b"x" + encode_tensor(value)
    if isinstance(value, torch.Size):
        return b"S" + len(value).to_bytes(4, "big") + b"".join(map(encode_value, value))
    if isinstance(value, (tuple, list)):
        tag = b"t" if isinstance(value, tuple) else b"l"
        return tag + len(value).to_bytes(4, "big") + b"".join(map(encode_value, value))
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        items = [_sized(key.encode()) + encode_value(item) for key, item in value.items()]
        return b"d" + len(items).to_bytes(4, "big") + b"".join(items)
    raise ParameterError(f"a {type(value).__name__} does not travel between parties")


def decode_value(data: bytes) -> Any:
    """What `encode_value` wrote.

    Raises: DecodeError for anything else.
    """
    value, rest = _decode(memoryview(data), 0)
    if len(rest):
        raise DecodeError(f"{len(rest)} bytes behind a value")
    return value


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def _take(data: memoryview, size: int) -> tuple[bytes, memoryview]:
    if len(data) < size:
        raise DecodeError("a value that is cut off")
    return bytes(data[:size]), data[size:]


def _take_sized(data: memoryview) -> tuple[bytes, memoryview]:
    size, data = _take(data, 4)
    return _take(data, int.from_bytes(size, "big"))


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise DecodeError("text that is no UTF-8") from None


def _decode(data: memoryview, depth: int) -> tuple[Any, memoryview]:
    if depth > _MAX_DEPTH:
        raise DecodeError("a value nested too deeply")
    tag, data = _take(data, 1)
    match tag:
        case b"N":
            return None, data
        case b"T" | b"F":
            return tag == b"T", data
        case b"i":
            raw, data = _take_sized(data)
            value = int.from_bytes(raw, "big", signed=True)
            if len(raw) != value.bit_length() // 8 + 1:
                raise DecodeError("an integer that is not in its shortest form")
            return value, data
        case b"f":
            raw, data = _take(data, 8)
            return struct.unpack(">d", raw)[0], data
        case b"s":
            raw, data = _take_sized(data)
            return _text(raw), data
        case b"x":
            return decode_tensor(data)
        case b"t" | b"l" | b"S":
            return _decode_sequence(tag, data, depth)
        case b"d":
            return _decode_dict(data, depth)
    raise DecodeError(f"no value begins with {tag!r}")


def _decode_sequence(tag: bytes, data: memoryview, depth: int) -> tuple[Any, memoryview]:
    size, data = _take(data, 4)
    items = []
    for _ in range(int.from_bytes(size, "big")):
        item, data = _decode(data, depth + 1)
        items.append(item)
    if tag == b"S":
        if any(type(item) is not int or not 0 <= item < 2**48 for item in items):
            raise DecodeError("a shape that is none")
        return torch.Size(items), data
    return (items if tag == b"l" else tuple(items)), data


def _decode_dict(data: memoryview, depth: int) -> tuple[dict[str, Any], memoryview]:
    size, data = _take(data, 4)
    items: dict[str, Any] = {}
    for _ in range(int.from_bytes(size, "big")):
        raw, data = _take_sized(data)
        key = _text(raw)
        if key in items:
            raise DecodeError(f"the key {key!r} twice")
        items[key], data = _decode(data, depth + 1)
    return items, data
