"""The suite's pictures, as inline SVG: curves over rounds, a heat map, bars."""

from collections.abc import Callable, Mapping, Sequence

from fl.report.charts import nice_ticks
from fl.report.markup import Html, join, tag

__all__ = ["bars", "curves", "heat_map"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 640.0, 320.0, 60.0, 40.0, 14.0, 14.0
_LINES = 8  # how many colours the style sheet has for lines


def curves(title: str, lines: Mapping[str, Sequence[float]], show: Callable[[float], str]) -> Html:
    """One line a name over the rounds, all on one axis; each line carries its name and its last value."""
    named = [(name, list(values)) for name, values in lines.items() if len(values)]
    everything = [value for _, values in named for value in values]
    ticks = nice_ticks(min(everything), max(everything))
    low, high = ticks[0], ticks[-1]
    longest = max(len(values) for _, values in named)

    def x(place: int) -> float:
        return _LEFT + place / max(longest - 1, 1) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _BOTTOM - _TOP)

    across = [
        join(
            tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y(t), y2=y(t), class_="rule"),
            tag("text", show(t), x=_LEFT - 8, y=y(t), class_="tick left"),
        )
        for t in ticks
    ]
    step = max(1, longest // 10)
    below = [
        tag("text", str(place), x=x(place), y=_HEIGHT - _BOTTOM + 18, class_="tick")
        for place in range(0, longest, step)
    ]
    drawn = []
    for number, (name, values) in enumerate(named):
        path = "M" + "L".join(f"{x(i):.1f} {y(v):.1f}" for i, v in enumerate(values))
        drawn.append(
            tag(
                "g",
                tag("title", f"{name}: {show(values[-1])} after {len(values)} rounds"),
                tag("path", d=path, class_=f"line line-{number % _LINES}"),
            )
        )
    axis = tag("text", "round", x=_WIDTH / 2, y=_HEIGHT - 4, class_="axis")
    keys = [
        tag("li", _line_swatch(number), f"{name} ", tag("b", show(values[-1])))
        for number, (name, values) in enumerate(named)
    ]
    plot = tag(
        "svg",
        *across,
        *below,
        *drawn,
        axis,
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        aria_label=title,
    )
    return tag(
        "figure",
        tag("figcaption", tag("span", title, class_="name")),
        plot,
        tag("ul", *keys, class_="legend"),
        class_="card chart",
    )


def _line_swatch(number: int) -> Html:
    line = tag("line", x1=0, x2=12, y1=6, y2=6, class_=f"line line-{number % _LINES}")
    return tag("svg", line, viewBox="0 0 12 12", class_="swatch", aria_hidden="true")


def heat_map(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    value: Callable[[str, str], float | None],
    show: Callable[[float], str],
) -> Html:
    """A table whose cells are shaded from 0 (clear) to 1 (full); the number stands in every cell."""
    head = tag("tr", tag("th"), *(tag("th", column, scope="col") for column in columns))
    body = []
    for row in rows:
        cells = []
        for column in columns:
            found = value(row, column)
            if found is None:
                cells.append(tag("td"))
                continue
            level = min(10, max(0, round(10 * found)))
            cells.append(tag("td", show(found), class_=f"heat heat-{level}"))
        body.append(tag("tr", tag("th", row, scope="row"), *cells))
    table = tag("table", tag("thead", head), tag("tbody", *body), class_="heatmap")
    return tag(
        "figure",
        tag("figcaption", tag("span", title, class_="name")),
        tag("div", table, class_="scroll", role="region", aria_label=title, tabindex=0),
        class_="card chart",
    )


def bars(
    title: str,
    groups: Sequence[tuple[str, Mapping[str, float]]],
    show: Callable[[float], str],
) -> Html:
    """One horizontal bar a group, stacked from its named parts."""
    names = list(dict.fromkeys(name for _, parts in groups for name in parts))
    most = max((sum(parts.values()) for _, parts in groups), default=0.0) or 1.0
    height = 34.0
    drawn = []
    for place, (label, parts) in enumerate(groups):
        top, x = place * height + 6, 180.0
        pieces = [tag("text", label, x=172, y=top + 11, class_="tick left")]
        for name, amount in parts.items():
            width = amount / most * (_WIDTH - 180 - 70)
            if width > 0:
                pieces.append(
                    tag(
                        "rect",
                        tag("title", f"{label}, {name}: {show(amount)}"),
                        x=x,
                        y=top,
                        width=width,
                        height=height - 14,
                        class_=f"bar-{names.index(name) % _LINES}",
                    )
                )
            x += width
        pieces.append(tag("text", show(sum(parts.values())), x=x + 6, y=top + 11, class_="tick start"))
        drawn.append(tag("g", *pieces))
    keys = [
        tag(
            "li",
            tag(
                "svg",
                tag("rect", width=12, height=12, rx=3, class_=f"bar-{i % _LINES}"),
                viewBox="0 0 12 12",
                class_="swatch",
                aria_hidden="true",
            ),
            name,
        )
        for i, name in enumerate(names)
    ]
    plot = tag(
        "svg",
        *drawn,
        viewBox=f"0 0 {_WIDTH:g} {height * len(groups) + 8:g}",
        role="img",
        aria_label=title,
    )
    return tag(
        "figure",
        tag("figcaption", tag("span", title, class_="name")),
        plot,
        tag("ul", *keys, class_="legend"),
        class_="card chart",
    )
