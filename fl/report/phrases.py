"""Numbers, sizes and hashes as a person reads them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from fl.report.markup import Html, tag

__all__ = [
    "count",
    "data_size",
    "duration",
    "listing",
    "number",
    "percent",
    "plural",
    "short",
    "times",
    "when",
]

_SPACE = "\u00a0"  # a number stays with its unit
_LONGEST = 26


def count(value: float) -> str:
    """A whole number with its thousands apart.

    >>> count(45747)
    '45,747'
    """
    return f"{round(value):,}"


def number(value: float) -> str:
    """Three digits that matter.

    >>> number(0.31772), number(12.04), number(1234.5)
    ('0.318', '12.0', '1,234')
    """
    if value == 0 or abs(value) >= 1000:
        return f"{value:,.0f}"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}"


def percent(fraction: float) -> str:
    return f"{100 * fraction:.1f}{_SPACE}%"


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them."""
    if seconds and seconds < 0.0995:
        return f"{number(1000 * seconds)}{_SPACE}ms"
    if seconds < 120:
        return f"{number(seconds)}{_SPACE}s"
    return f"{number(seconds / 60)}{_SPACE}min"


def data_size(amount: float) -> str:
    """Bytes in powers of a thousand."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= size:
            return f"{number(amount / size)}{_SPACE}{unit}"
    return f"{count(amount)}{_SPACE}bytes"


def times(ratio: float) -> str:
    return f"{number(ratio)}{_SPACE}\u00d7"


def plural(amount: int, one: str, many: str = "") -> str:
    """The amount and its noun.

    >>> plural(1, "round"), plural(5, "round")
    ('1 round', '5 rounds')
    """
    return f"{count(amount)} {one if amount == 1 else many or one + 's'}"


def listing(words: Sequence[str]) -> str:
    """Words as a sentence lists them.

    >>> listing(["2", "5", "9"])
    '2, 5 and 9'
    """
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def short(text: str) -> Html:
    """A hash, address or identifier cut in the middle; the whole of it is in the title."""
    if len(text) <= _LONGEST:
        return tag("code", text)
    return tag("code", f"{text[:10]}\u2026{text[-6:]}", title=text)


def when(unix: float) -> Html | str:
    """A moment in UTC; the bare number when no calendar has it."""
    try:
        moment = datetime.fromtimestamp(unix, UTC)
    except (ValueError, OverflowError, OSError):
        return count(unix)
    return tag("time", f"{moment:%Y-%m-%d %H:%M:%S}", datetime=f"{moment:%Y-%m-%dT%H:%M:%SZ}")
