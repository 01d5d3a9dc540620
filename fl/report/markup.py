"""HTML elements whose text is escaped by construction: a `str` is always text, only an `Html` is markup."""

import html
import unicodedata
from dataclasses import dataclass

__all__ = ["Content", "Html", "join", "tag"]

_VOID = frozenset({"br", "link", "meta"})


@dataclass(frozen=True, slots=True)
class Html:
    """Markup that is safe to put on the page as it is."""

    text: str

    def __bool__(self) -> bool:
        return bool(self.text)


Content = Html | str | None


def tag(name: str, /, *children: Content, **attributes: str | int | float | bool | None) -> Html:
    """One element; in attribute names `_` stands for `-` and a last `_` is dropped, None and False leave one out.

    >>> tag("td", "<script>", class_="note", colspan=2).text
    '<td class="note" colspan="2">&lt;script&gt;</td>'
    """
    opening = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{opening}>")
    return Html(f"<{name}{opening}>{join(*children).text}</{name}>")


def join(*children: Content, by: str = "") -> Html:
    """The children one after the other, with `by` between those that are not empty."""
    parts = (child.text if isinstance(child, Html) else _escape(child or "") for child in children)
    return Html(_escape(by).join(part for part in parts if part))


def _attribute(key: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    if value is True:
        return f" {name}"
    if isinstance(value, float):
        value = f"{value:.2f}".rstrip("0").rstrip(".")
    return f' {name}="{_escape(str(value))}"'


def _escape(text: str) -> str:
    return html.escape("".join(map(_visible, text)))


def _visible(character: str) -> str:
    # control characters and bidirectional overrides could make a text read as another, lone surrogates cannot be
    # encoded: all of them are shown as what they are
    if character in "\n\t" or unicodedata.category(character) not in ("Cc", "Cf", "Cs"):
        return character
    return f"\\u{ord(character):04x}"
