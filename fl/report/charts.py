"""Lines and stacked bars over the rounds, as inline SVG.

Colours and letter sizes come from the style sheet by class, so that one drawing serves light and dark, wide and
narrow. Every round carries a title for the pointer; the same numbers stand in a table under the chart.
"""

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from fl.report.markup import Content, Html, join, tag
from fl.report.tables import table

__all__ = ["Series", "bar_chart", "line_chart", "nice_ticks"]

_WIDTH, _HEIGHT = 480.0, 250.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 14.0, 16.0, 42.0
_MOST_DOTS = 60
_MOST_LABELS = 10


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of a bar chart; `key` names the colour in the style sheet."""

    name: str
    key: str
    values: tuple[float, ...]


def nice_ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers, evenly apart, from one that is at most `low` to one that is at least `high`.

    >>> nice_ticks(0.62, 0.94)
    [0.6, 0.7, 0.8, 0.9, 1.0]
    """
    scale = max(abs(low), abs(high))
    span = high - low if high - low > 1e-9 * scale else scale
    span = span if span > 1e-99 else 1.0
    power = 10 ** math.floor(math.log10(span / wanted))
    step = next(power * factor for factor in (1, 2, 5, 10) if span / wanted <= power * factor * (1 + 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{step * place:.12g}") for place in range(first, max(last, first + 1) + 1)]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The plot area: where a value and a round lie on it. Each round owns a slot of the same width."""

    rounds: int
    ticks: Sequence[float]

    @property
    def slot(self) -> float:
        return (_WIDTH - _LEFT - _RIGHT) / max(self.rounds, 1)

    def x(self, place: int) -> float:
        return _LEFT + (place + 0.5) * self.slot

    def y(self, value: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def axes(self, show: Callable[[float], str]) -> Html:
        right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
        every = max(1, math.ceil(self.rounds / _MOST_LABELS))
        across = [
            tag("line", x1=_LEFT, x2=right, y1=self.y(t), y2=self.y(t), class_="base" if i == 0 else "rule")
            for i, t in enumerate(self.ticks)
        ]
        values = [
            tag("text", _trimmed(show(t)), x=_LEFT - 8, y=self.y(t), class_="tick left") for t in self.ticks
        ]
        rounds = [
            tag("text", str(place), x=self.x(place), y=bottom + 18, class_="tick")
            for place in range(0, self.rounds, every)
        ]
        name = tag("text", "round", x=(_LEFT + right) / 2, y=_HEIGHT - 5, class_="axis")
        return join(*across, *values, *rounds, name)

    def hover(self, place: int, title: str, *marks: Content) -> Html:
        """The slot of a round: its marks, and a title for the whole height of it."""
        area = tag(
            "rect",
            x=self.x(place) - self.slot / 2,
            y=_TOP,
            width=self.slot,
            height=_HEIGHT - _TOP - _BOTTOM,
            class_="hit",
        )
        return tag("g", tag("title", title), area, *marks, class_="slot")


def line_chart(
    title: str,
    key: str,
    values: Sequence[float],
    show: Callable[[float], str],
    *,
    low: float | None = None,
    high: float | None = None,
    hollow: Collection[int] = (),
) -> Html:
    """One value over the rounds; the places in `hollow` are drawn as rings. `low` and `high` are limits of the axis."""
    ticks = nice_ticks(min(values) if low is None else low, max(values))
    if high is not None:
        ticks = [tick for tick in ticks if tick <= high] or ticks
    frame = _Frame(len(values), ticks)
    points = [(frame.x(place), frame.y(value)) for place, value in enumerate(values)]
    path = "M" + "L".join(f"{x:.2f} {y:.2f}" for x, y in points)
    floor = _HEIGHT - _BOTTOM
    area = f"{path}L{points[-1][0]:.2f} {floor:.2f}L{points[0][0]:.2f} {floor:.2f}Z"
    dots = len(values) <= _MOST_DOTS
    slots = []
    for place, (x, y) in enumerate(points):
        ring = place in hollow
        note = ", nothing was summed" if ring else ""
        dot = tag("circle", cx=x, cy=y, r=4, class_="ring" if ring else "dot") if dots or ring else None
        slots.append(frame.hover(place, f"Round {place}: {show(values[place])}{note}", dot))
    plot = join(
        frame.axes(show), tag("path", d=area, class_="area"), tag("path", d=path, class_="line"), *slots
    )
    numbers = table(
        f"{title} by round",
        ["Round", title],
        ([str(p), show(v)] for p, v in enumerate(values)),
        numeric=(1,),
    )
    summary = f"{title} by round: from {show(values[0])} to {show(values[-1])}"
    return tag(
        "figure",
        tag("figcaption", tag("span", title, class_="name"), tag("strong", show(values[-1]))),
        _drawing(summary, plot, f"series-{key}"),
        _numbers(numbers),
        class_="card chart",
    )


def bar_chart(
    title: str,
    note: Content,
    series: Sequence[Series],
    show: Callable[[float], str],
    *,
    reference: tuple[str, float] | None = None,
) -> Html:
    """Parts of a whole over the rounds, one bar a round; `reference` is a named value drawn as a dashed line."""
    totals = [sum(parts) for parts in zip(*(s.values for s in series), strict=True)]
    frame = _Frame(len(totals), nice_ticks(0.0, max([*totals, reference[1] if reference else 0.0])))
    bars = [_bar(frame, place, total, series, show) for place, total in enumerate(totals)]
    line = None
    if reference:
        y = frame.y(reference[1])
        line = tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="reference")
    keys = [tag("li", _swatch(s.key), s.name) for s in series]
    if reference:
        keys.append(tag("li", _swatch("reference"), reference[0]))
    several = len(series) > 1
    headings = ["Round", *(s.name for s in series), *(["Together"] if several else [])]
    rows = (
        [str(p), *(show(s.values[p]) for s in series), *([show(total)] if several else [])]
        for p, total in enumerate(totals)
    )
    numbers = table(f"{title} by round", headings, rows, numeric=range(1, len(headings)))
    mean = sum(totals) / len(totals)
    return tag(
        "figure",
        tag(
            "figcaption",
            tag("span", title, class_="name"),
            tag(
                "strong", show(mean), tag("small", " a round" if len(totals) == 1 else " a round, on average")
            ),
        ),
        tag("p", note, class_="note") if note else None,
        _drawing(f"{title} by round, {show(mean)} on average", join(frame.axes(show), *bars, line), "bars"),
        tag("ul", *keys, class_="legend"),
        _numbers(numbers),
        class_="card chart",
    )


def _bar(
    frame: _Frame, place: int, total: float, series: Sequence[Series], show: Callable[[float], str]
) -> Html:
    width = min(frame.slot * 0.72, 54.0)
    below, parts, lines = 0.0, [], [f"Round {place}: {show(total)}"]
    for s in series:
        value = s.values[place]
        if not value:
            continue
        top = frame.y(below + value)
        x, height = frame.x(place) - width / 2, frame.y(below) - top
        parts.append(tag("rect", x=x, y=top, width=width, height=height, class_=f"fill-{s.key}"))
        lines.append(f"{s.name}: {show(value)}")
        below += value
    return frame.hover(place, "\n".join(lines if len(series) > 1 else lines[:1]), *parts)


def _trimmed(text: str) -> str:
    """A label of the axis without zeros that say nothing: 4.00 s is 4 s."""
    return re.sub(r"\.0+(?!\d)|(\.\d*[1-9])0+(?!\d)", r"\1", text)


def _drawing(summary: str, plot: Html, class_: str) -> Html:
    return tag(
        "svg", plot, viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}", role="img", aria_label=summary, class_=class_
    )


def _swatch(key: str) -> Html:
    shape = tag("rect", width=12, height=12, rx=3, class_=f"fill-{key}")
    if key == "reference":
        shape = tag("line", x1=0, x2=12, y1=6, y2=6, class_="reference")
    return tag("svg", shape, viewBox="0 0 12 12", class_="swatch", aria_hidden="true")


def _numbers(numbers: Html) -> Html:
    return tag("details", tag("summary", "The numbers"), numbers, class_="numbers")
