"""Draw docs/explain/img/secagg-costs.svg from runs: how secure aggregation grows with clients and
coordinates.

python scripts/plot_secagg_costs.py          # a few minutes: every point is a whole aggregation
"""

import sys
from math import log10
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.secagg_peers import Ours, complete_graph, sparse_graph  # noqa: E402

GRAPHS = {
    "complete": ("every client with every other", "#c1642d", complete_graph),
    "sparse": ("neighbours drawn: 20 % corrupt, 10 % lost, 40 bits", "#1b6ca8", sparse_graph),
}
CLIENTS, COORDINATES = [10, 32, 100, 316], [1_000, 10_000, 100_000, 1_000_000]
WIDTH, HEIGHT, LEFT, TOP, GAP = 210, 190, 60, 40, 60

Series = dict[str, list[tuple[float, float]]]


def measure(n: int, dim: int, graph: str) -> dict[str, float]:
    """Seconds of a client and of the server, and the bytes a client sends beside its vector."""
    run = Ours(GRAPHS[graph][2](n, dim), range(n - n // 10 + 1, n + 1))
    client = sorted(run.client_seconds() for _ in range(3))[1]
    return {
        "client": client * 1000,
        "server": run.server_seconds() * 1000,
        "overhead": run.upload_bytes - 4 * dim,
    }


def panel(at: int, title: str, xlabel: str, series: Series) -> list[str]:
    """One log-log plot, its origin `at` pixels from the left."""
    points = [point for line in series.values() for point in line]
    xs, ys = sorted({x for x, _ in points}), [y for _, y in points]
    x0, x1 = log10(xs[0]), log10(xs[-1])
    y0, y1 = int(log10(min(ys)) // 1), int(log10(max(ys)) // 1) + 1

    def place(x: float, y: float) -> tuple[float, float]:
        across = at + (log10(x) - x0) / (x1 - x0) * WIDTH
        return round(across, 1), round(TOP + HEIGHT - (log10(y) - y0) / (y1 - y0) * HEIGHT, 1)

    out = [
        f'<text x="{at}" y="{TOP - 14}" font-weight="bold">{title}</text>',
        f'<text x="{at + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle">{xlabel}</text>',
    ]
    for power in range(y0, y1 + 1):
        y = place(xs[0], 10**power)[1]
        out.append(f'<line x1="{at}" x2="{at + WIDTH}" y1="{y}" y2="{y}" stroke="#ddd"/>')
        out.append(f'<text x="{at - 6}" y="{y + 4}" text-anchor="end">{10**power:,}</text>')
    for x in xs:
        out.append(
            f'<text x="{place(x, 10**y0)[0]}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{int(x):,}</text>'
        )
    for graph, line in series.items():
        colour = GRAPHS[graph][1]
        path = [place(*point) for point in line]
        joined = " ".join(f"{x},{y}" for x, y in path)
        out.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2"/>')
        out += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in path]
    return out


def main() -> None:
    """Measure, draw, write."""
    over_n = {g: [(n, measure(n, 10_000, g)) for n in CLIENTS] for g in GRAPHS}
    over_d = {g: [(d, measure(100, d, g)) for d in COORDINATES] for g in GRAPHS}

    def pick(data: dict[str, list[tuple[int, dict[str, float]]]], what: str) -> Series:
        return {g: [(float(x), values[what]) for x, values in line] for g, line in data.items()}

    panels = [
        ("client: bytes beside its vector", "clients n", pick(over_n, "overhead")),
        ("client: ms, d = 10,000", "clients n", pick(over_n, "client")),
        ("client: ms, n = 100", "coordinates d", pick(over_d, "client")),
        ("server: ms, n = 100, 10 lost", "coordinates d", pick(over_d, "server")),
    ]
    total = LEFT + len(panels) * (WIDTH + GAP)
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {TOP + HEIGHT + 90}" '
        'font-family="sans-serif" font-size="11" fill="#333" role="img" '
        'aria-label="Secure aggregation: bytes and processor time over the number of clients and coordinates">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for place, (title, xlabel, series) in enumerate(panels):
        out += panel(LEFT + place * (WIDTH + GAP), title, xlabel, series)
    for place, (label, colour, _) in enumerate(GRAPHS.values()):
        x, y = LEFT + place * 260, TOP + HEIGHT + 66
        out.append(f'<rect x="{x}" y="{y - 9}" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{x + 15}" y="{y}">{label}</text>')
    target = ROOT / "docs" / "explain" / "img" / "secagg-costs.svg"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text("\n".join([*out, "</svg>"]) + "\n", encoding="utf-8")
    for title, _, series in panels:
        for graph, line in series.items():
            print(f"{title}, {graph}: " + ", ".join(f"{x:,.0f}: {y:,.1f}" for x, y in line))


if __name__ == "__main__":
    main()
