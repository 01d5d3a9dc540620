"""Every comparison with a peer, one after the other in this process, as one table: `make bench`.

A comparison is a method `track_*` of a class whose name ends in `Ratios`: it runs a peer and this project on the same
work and returns how many times faster this project is (nan where the peer is not installed). Its `target` attribute,
if there is one, is what the project wants to reach. Arguments choose topics: `python -m benchmarks paillier zk`.
"""

import importlib
import inspect
import math
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table


def comparisons(topics: list[str]) -> Iterator[tuple[str, str, Callable[[], float]]]:
    """Topic, what is compared, and the measurement."""
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        topic = path.stem.removeprefix("bench_")
        if topics and topic not in topics:
            continue
        module = importlib.import_module(f"benchmarks.{path.stem}")
        for name, kind in inspect.getmembers(module, inspect.isclass):
            if name.endswith("Ratios") and kind.__module__ == module.__name__:
                holder = kind()
                if hasattr(holder, "setup"):
                    holder.setup()
                for method in sorted(n for n in dir(holder) if n.startswith("track_")):
                    yield topic, method.removeprefix("track_").replace("_", " "), getattr(holder, method)


def main() -> None:
    console = Console()
    table = Table(title="times faster than the peer, both measured in this run", title_justify="left")
    for heading in ("topic", "what", "ratio", "wanted", "seconds"):
        table.add_column(heading, justify="left" if heading in ("topic", "what") else "right")
    for topic, what, measure in comparisons(sys.argv[1:]):
        begin = time.perf_counter()
        ratio = measure()
        shown = "peer not installed" if math.isnan(ratio) else f"{ratio:,.1f}"
        wanted = getattr(measure, "target", None)
        table.add_row(
            topic, what, shown, f"{wanted:,}" if wanted else "", f"{time.perf_counter() - begin:.0f}"
        )
        console.print(f"{topic}: {what}: {shown}", highlight=False)
    console.print(table)


if __name__ == "__main__":
    main()
