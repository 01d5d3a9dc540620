"""Reading JSON by type: a value of another type is an error that names the file and the field."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

from mpc.errors import DecodeError, EppmlError
from mpc.json_text import read_json

_MAX_BYTES = 256 << 20

__all__ = ["Fields", "ReportError", "load"]


class ReportError(EppmlError):
    """The run directory lacks something that a report needs, or holds something that is not a run's."""


class Fields:
    """A JSON object; each method gives one of its values in the type it names, or `default` when it is absent."""

    __slots__ = ("_values", "_where")

    def __init__(self, where: str, values: Any) -> None:
        if not isinstance(values, dict):
            raise ReportError(f"{where} must be a JSON object")
        self._where = where
        self._values: Mapping[str, Any] = values

    @property
    def values(self) -> Mapping[str, Any]:
        return self._values

    def text(self, key: str, default: str | None = None) -> str:
        value = self._get(key, default)
        return value if isinstance(value, str) else self._refuse(key, "a string")

    def whole(self, key: str, default: int | None = None) -> int:
        value = self._get(key, default)
        return value if type(value) is int else self._refuse(key, "a whole number")

    def number(self, key: str, default: float | None = None) -> float:
        value = self._get(key, default)
        return float(value) if _is_number(value) else self._refuse(key, "a number")

    def fraction(self, key: str) -> float:
        value = self.number(key)
        return value if 0 <= value <= 1 else self._refuse(key, "between 0 and 1")

    def flag(self, key: str) -> bool:
        value = self._get(key, None)
        return value if isinstance(value, bool) else self._refuse(key, "true or false")

    def optional(self, key: str) -> Any:
        """The value as it is; None when absent."""
        return self._values.get(key)

    def amounts(self, key: str) -> dict[str, float]:
        """An object of numbers that are not negative."""
        value = self._get(key, {})
        if not isinstance(value, dict) or not all(_is_number(v) and v >= 0 for v in value.values()):
            self._refuse(key, "an object of numbers that are not negative")
        return {name: float(amount) for name, amount in value.items()}

    def wholes(self, key: str) -> tuple[int, ...]:
        value = self._get(key, None)
        if not isinstance(value, list) or not all(type(v) is int for v in value):
            self._refuse(key, "a list of whole numbers")
        return tuple(value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._get(key, [])
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self._refuse(key, "a list of strings")
        return tuple(value)

    def object(self, key: str) -> "Fields":
        return Fields(f"{self._where}: {key}", self._get(key, {}))

    def objects(self, key: str) -> "list[Fields]":
        value = self._get(key, [])
        if not isinstance(value, list):
            self._refuse(key, "a list")
        return [Fields(f"{self._where}: {key}[{place}]", item) for place, item in enumerate(value)]

    def _get(self, key: str, default: Any) -> Any:
        value = self._values.get(key)
        return default if value is None else value

    def _refuse(self, key: str, wanted: str) -> NoReturn:
        raise ReportError(f"{self._where}: {key} must be {wanted}")


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e30 and math.isfinite(value)


def load(path: Path) -> Fields:
    """One JSON file. Raises: ReportError when it is absent, unreadable or not a JSON object."""
    where = f"{path.parent.name}/{path.name}"
    try:
        return Fields(where, read_json(path.read_bytes(), max_bytes=_MAX_BYTES))
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from error
    except DecodeError as error:
        raise ReportError(f"{where} is not valid JSON: {error}") from error
