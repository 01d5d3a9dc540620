"""Draw docs/explain/img/protocol-costs.svg from runs: bytes a party sends, over the length and over the rows.

python scripts/plot_protocol_costs.py
"""

import sys
from collections.abc import Callable
from math import log10
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import numpy as np  # noqa: E402
from bench_protocols import run  # noqa: E402

from mpc.engine import Engine, as_words  # noqa: E402
from mpc.protocols import median, squared_norm  # noqa: E402
from mpc.runtime import Protocol  # noqa: E402

ENGINES = {
    "replicated": ("replicated, 3 parties", "#1b6ca8"),
    "dealer, 3 parties": ("dealt triples, 3 parties", "#c1642d"),
    "dealer, 2 parties": ("dealt triples, 2 parties", "#3a8f5c"),
    "transfer, 2 parties": ("oblivious transfer, 2 parties", "#7b4ea3"),
}
Series = dict[str, list[tuple[int, int]]]
WIDTH, HEIGHT, LEFT, TOP = 300, 220, 70, 40


def norm(d: int) -> Callable[[Engine], Protocol[Any]]:
    return lambda e: squared_norm(e, list(range(d)) if e.me == 1 else None, 1, d)


def median_of(n: int) -> Callable[[Engine], Protocol[Any]]:
    rows = np.arange(n * 64).reshape(n, 64)

    def body(engine: Engine) -> Protocol[Any]:
        shares = (yield from engine.inputs(as_words(rows) if engine.me == 1 else None, {1: rows.shape}))[1]
        return (yield from median(engine, [shares[..., i, :] for i in range(n)], bits=18))

    return body


def measured(sizes: list[int], body: Callable[[int], Callable[[Engine], Protocol[Any]]]) -> Series:
    return {
        engine: [(n, max(cost.bytes_sent for cost in run(engine, body(n)).costs.values())) for n in sizes]
        for engine in ENGINES
    }


def panel(at: int, title: str, xlabel: str, series: Series) -> list[str]:
    """One log-log plot, its origin `at` pixels from the left."""
    points = [point for line in series.values() for point in line]
    x0, x1 = log10(min(x for x, _ in points)), log10(max(x for x, _ in points))
    y0, y1 = int(log10(min(y for _, y in points))), int(log10(max(y for _, y in points))) + 1

    def place(x: float, y: float) -> str:
        across = at + (log10(x) - x0) / (x1 - x0) * WIDTH
        return f"{across:.1f},{TOP + HEIGHT - (log10(y) - y0) / (y1 - y0) * HEIGHT:.1f}"

    out = [
        f'<text x="{at}" y="{TOP - 14}" font-weight="bold">{title}</text>',
        f'<text x="{at + WIDTH / 2}" y="{TOP + HEIGHT + 36}" text-anchor="middle">{xlabel}</text>',
    ]
    for power in range(y0, y1 + 1):
        y = TOP + HEIGHT - (power - y0) / (y1 - y0) * HEIGHT
        label = {3: "1 kB", 4: "10 kB", 5: "100 kB", 6: "1 MB", 7: "10 MB", 8: "100 MB", 9: "1 GB"}.get(
            power, f"{10**power} B"
        )
        out.append(f'<line x1="{at}" x2="{at + WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{at - 6}" y="{y + 4:.1f}" text-anchor="end">{label}</text>')
    for x in sorted({x for x, _ in points}):
        across = place(x, 10**y0).split(",")[0]
        out.append(f'<text x="{across}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{x}</text>')
    for engine, line in series.items():
        colour = ENGINES[engine][1]
        path = " ".join(place(x, y) for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [
            f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="3" fill="{colour}"/>'
            for p in path.split()
        ]
    return out


def main() -> None:
    norms = measured([10, 100, 1000, 10000], norm)
    medians = measured([3, 5, 10, 20, 40], median_of)
    total = 2 * (LEFT + WIDTH) + 60
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {TOP + HEIGHT + 90}" '
        'font-family="sans-serif" font-size="11" fill="#333" role="img" '
        'aria-label="Bytes a party sends: a squared norm over d, a median over the number of rows">',
        '<rect width="100%" height="100%" fill="white"/>',
        *panel(LEFT, "squared norm: bytes a party sends", "length d", norms),
        *panel(2 * LEFT + WIDTH + 30, "median of 64 coordinates, 18 bits", "rows n", medians),
    ]
    for place, (label, colour) in enumerate(ENGINES.values()):
        x, y = LEFT + place * 175, TOP + HEIGHT + 66
        out.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{x + 15}" y="{y}">{label}</text>')
    target = ROOT / "docs" / "explain" / "img" / "protocol-costs.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join([*out, "</svg>"]) + "\n", encoding="utf-8")
    print(target.relative_to(ROOT))


if __name__ == "__main__":
    main()
