"""JSON that has one reading only: no duplicate keys, floats, NaN, huge or misspelt numbers.

Two verifiers that read one file differently can be played against each other, so every spelling but the
canonical one is refused: a number is "0" or starts with 1-9, in ASCII digits, and is below its modulus.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from mpc.errors import DecodeError
from mpc.json_text import bound_nesting

__all__ = ["decimal", "fields", "hex_bytes", "hexadecimal", "items", "parse"]

MAX_BYTES = 64 * 2**20
MAX_DECIMAL_DIGITS = 78
_DECIMAL = re.compile(r"0|[1-9][0-9]*", re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_HEX_DIGITS = set("0123456789abcdef")
_SMALL_INT = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


def _refuse(text: str) -> NoReturn:
    raise DecodeError(f"number {text[:32]!r} where only strings and small whole numbers may stand")


def _small_int(text: str) -> int:
    if not _SMALL_INT.fullmatch(text):
        _refuse(text)
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DecodeError(f"key {key!r} appears twice")
        found[key] = value
    return found


def parse(data: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """The value a JSON document holds, if it has exactly one reading.

    Raises: DecodeError for oversize or malformed text, repeated keys, floats and numbers of ten digits or more.

    >>> parse(b'{"nPublic": 3}')
    {'nPublic': 3}
    """
    if len(data) > max_bytes:
        raise DecodeError(f"{len(data)} bytes of JSON, at most {max_bytes} are read")
    bound_nesting(data)
    try:
        text = bytes(data).decode("utf-8")
        return json.loads(
            text, object_pairs_hook=_object, parse_float=_refuse, parse_int=_small_int, parse_constant=_refuse
        )
    except DecodeError:
        raise
    except ValueError as error:
        raise DecodeError(f"not JSON: {error}") from None


def decimal(value: object, modulus: int, what: str) -> int:
    """The number below `modulus` that a canonical decimal string spells.

    Raises: DecodeError for another type, a sign, leading zeros, underscores, non-ASCII digits, or >= modulus.

    >>> decimal("7", 11, "x")
    7
    """
    if not isinstance(value, str):
        raise DecodeError(f"{what} must be a decimal string, got {type(value).__name__}")
    if len(value) > MAX_DECIMAL_DIGITS or not _DECIMAL.fullmatch(value):
        raise DecodeError(f"{what} is not a canonical decimal number: {value[:32]!r}")
    return _below(int(value), modulus, what)


def hexadecimal(value: object, modulus: int, what: str) -> int:
    """The number below `modulus` that "0x" and exactly 64 lower-case digits spell.

    Raises: DecodeError for any other spelling and for numbers >= modulus.
    """
    if not isinstance(value, str):
        raise DecodeError(f"{what} must be a hexadecimal string, got {type(value).__name__}")
    if not _HEXADECIMAL.fullmatch(value):
        raise DecodeError(f"{what} is not 0x and 64 lower-case hexadecimal digits: {value[:32]!r}")
    return _below(int(value, 16), modulus, what)


def hex_bytes(value: object, what: str, size: int) -> bytes:
    """The `size` bytes that lower-case hexadecimal text spells.

    Raises: DecodeError for anything else.

    >>> hex_bytes("0aff", "x", 2)
    b'\\n\\xff'
    """
    if not isinstance(value, str) or len(value) != 2 * size or not set(value) <= _HEX_DIGITS:
        raise DecodeError(f"{what} must be {2 * size} lower-case hexadecimal digits")
    return bytes.fromhex(value)


def _below(number: int, modulus: int, what: str) -> int:
    if number >= modulus:
        raise DecodeError(f"{what} is not reduced modulo the field")
    return number


def fields(value: object, what: str, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Any]:
    """The object `value` with all `required` and no unknown keys.

    Raises: DecodeError when it is not an object, a key is missing, or a key is unknown.
    """
    if not isinstance(value, dict):
        raise DecodeError(f"{what} must be an object, got {type(value).__name__}")
    missing = [key for key in required if key not in value]
    if missing:
        raise DecodeError(f"{what} lacks {', '.join(missing)}")
    unknown = [key for key in value if key not in required and key not in optional]
    if unknown:
        raise DecodeError(f"{what} has unknown keys {', '.join(sorted(unknown))[:80]}")
    return value


def items(value: object, what: str, length: int | None = None) -> list[Any]:
    """The list `value`, of `length` items where one is given.

    Raises: DecodeError when it is not a list or has another length.
    """
    if not isinstance(value, list):
        raise DecodeError(f"{what} must be a list, got {type(value).__name__}")
    if length is not None and len(value) != length:
        raise DecodeError(f"{what} must have {length} items, got {len(value)}")
    return value
