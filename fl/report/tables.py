"""Tables that scroll inside their box, definition lists, and any JSON value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fl.report.markup import Content, Html, join, tag
from fl.report.phrases import count, short

__all__ = ["any_value", "box", "definitions", "clipped", "heading", "nothing", "section", "table"]

_DEEPEST = 5
_LOOKS_LIKE_A_HASH = 40
_LONGEST_TEXT = 1000


def section(key: str, title: str, lead: Content, *body: Content) -> Html:
    """One part of the page: a heading, a sentence that says what it shows, and the body."""
    head = tag("div", tag("h2", title, id=f"{key}-title"), tag("p", lead, class_="lead"), class_="head")
    return tag("section", head, *body, id=key, aria_labelledby=f"{key}-title")


def heading(title: str, note: Content = None) -> Html:
    return join(tag("h3", title), tag("p", note, class_="note") if note else None)


def nothing(text: str) -> Html:
    """What stands where there is nothing to show."""
    return tag("p", text, class_="card nothing")


def box(label: str, body: Html, class_: str = "") -> Html:
    """A box that scrolls by itself, with the keyboard as well."""
    return tag("div", body, class_=f"scroll {class_}".strip(), role="region", aria_label=label, tabindex=0)


def table(
    label: str, headings: Sequence[str], rows: Iterable[Sequence[Content]], numeric: Iterable[int] = ()
) -> Html:
    """A table; the columns numbered in `numeric` are set right."""
    right = frozenset(numeric)

    def cell(name: str, place: int, content: Content) -> Html:
        scope = {"th": "col", "td": None}[name]
        return tag(name, content, class_="num" if place in right else None, scope=scope)

    head = tag("tr", *(cell("th", place, text) for place, text in enumerate(headings)))
    body = (tag("tr", *(cell("td", place, content) for place, content in enumerate(row))) for row in rows)
    return box(label, tag("table", tag("thead", head), tag("tbody", *body)))


def definitions(pairs: Iterable[tuple[str, Content]]) -> Html:
    return tag("dl", *(tag("div", tag("dt", term), tag("dd", value)) for term, value in pairs))


def any_value(value: Any, depth: int = 0) -> Content:
    """A JSON value as a person reads it: objects as definitions, lists of objects as tables."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if abs(value) < 1e18 else short(str(value))
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        hash_like = len(value) >= _LOOKS_LIKE_A_HASH and not any(map(str.isspace, value))
        return short(value) if hash_like else clipped(value)
    if depth >= _DEEPEST:
        return "\u2026"
    if isinstance(value, Mapping):
        return definitions((_words(key), any_value(item, depth + 1)) for key, item in value.items())
    return _list(value, depth)


def clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}\u2026"


def _list(values: Sequence[Any], depth: int) -> Content:
    if not values:
        return "none"
    if all(isinstance(item, Mapping) for item in values):
        columns = sorted({key for item in values for key in item}, key=_column)
        rows = [[any_value(item[c], depth + 1) if c in item else None for c in columns] for item in values]
        numeric = [
            p for p, c in enumerate(columns) if all(type(item.get(c)) in (int, float) for item in values)
        ]
        return table("Values", [_words(column) for column in columns], rows, numeric)
    return tag("ul", *(tag("li", any_value(item, depth + 1)) for item in values))


def _column(key: str) -> tuple[bool, str]:
    """What a row is about comes first, the rest by name: files may hold their keys in any order."""
    return key not in ("what", "who", "name"), key


def _words(key: str) -> str:
    return key.replace("_", " ")
