"""Who is away when, as one line of a plan: in `3:2-5, 7:4-` client 3 in rounds 2 to 5 and client 7 from round 4 on."""

import re
from dataclasses import dataclass

from mpc.errors import ParameterError

__all__ = ["Absence", "parse_absences"]

_ENTRY = re.compile(r"(\d{1,6}):(\d{1,6})(?:(-)(\d{1,6})?)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Absence:
    """`client` (from 1) is away in the rounds `first` to `last` (from 0, both included); to the end if `last` is None."""

    client: int
    first: int
    last: int | None

    def covers(self, number: int) -> bool:
        """Whether round `number` is one of these."""
        return self.first <= number and (self.last is None or number <= self.last)


def parse_absences(text: str) -> tuple[Absence, ...]:
    """What `participation.absences` says: entries CLIENT:FIRST-LAST, CLIENT:FIRST- or CLIENT:ROUND between commas.

    A client may have several; none at all is the empty text.
    Raises: ParameterError naming the entry that cannot be read, or a range that ends before it begins.

    >>> parse_absences("3:2-5, 7:4-")
    (Absence(client=3, first=2, last=5), Absence(client=7, first=4, last=None))
    """
    return tuple(_entry(part.strip()) for part in text.split(",")) if text.strip() else ()


def _entry(text: str) -> Absence:
    found = _ENTRY.fullmatch(text)
    if found is None:
        raise ParameterError(
            f"participation.absences wants CLIENT:FIRST-LAST between commas, for example 3:2-5, 7:4-, got {text[:40]!r}"
        )
    client, first, dash, end = found.groups()
    last = int(end) if end else None if dash else int(first)
    if last is not None and last < int(first):
        raise ParameterError(f"participation.absences: {text} ends before it begins")
    return Absence(int(client), int(first), last)
