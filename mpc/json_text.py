"""JSON from outside, with its size and nesting bounded before the parser sees it.

The standard parser recurses on the C stack, and libraries in common use raise Python's recursion limit so far that a
deeply nested document crashes the process instead of raising. Repeated keys, NaN and infinities are refused as well:
two readers must not be able to see two documents in one text.
"""

import json
import re
from typing import Any, NoReturn

from mpc.errors import DecodeError

__all__ = ["MAX_DEPTH", "bound_nesting", "read_json"]

MAX_DEPTH = 32
# a string that never ends is one token too, so no input makes the scan start over
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)


def read_json(data: bytes | str, *, max_bytes: int, max_depth: int = MAX_DEPTH) -> Any:
    """The value that `data` spells.

    Raises: DecodeError for more than `max_bytes`, deeper nesting than `max_depth`, a repeated key, NaN, or no JSON at all.

    >>> read_json(b'{"a": [1, 2]}', max_bytes=100)
    {'a': [1, 2]}
    """
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    if len(raw) > max_bytes:
        raise DecodeError(f"{len(raw)} bytes of JSON where at most {max_bytes} are read")
    bound_nesting(raw, max_depth)
    try:
        return json.loads(raw, object_pairs_hook=_object, parse_constant=_refuse)
    except DecodeError:
        raise
    except ValueError as error:
        raise DecodeError(f"not JSON: {error}") from None


def bound_nesting(data: bytes, max_depth: int = MAX_DEPTH) -> None:
    """Raises: DecodeError when brackets and braces outside strings are nested more than `max_depth` deep."""
    depth = 0
    for token in _TOKENS.finditer(data):
        first = token[0][:1]
        if first != b'"':
            depth += 1 if first in b"[{" else -1
            if depth > max_depth:
                raise DecodeError(f"JSON nested more than {max_depth} levels deep")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DecodeError("a key appears twice in one JSON object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise DecodeError(f"{constant} is not a number of JSON")
