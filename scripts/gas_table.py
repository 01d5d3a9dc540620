"""What every entry point of the contracts costs, from receipts of a real node (anvil, hard fork Prague).

    python scripts/gas_table.py              # measure and print
    python scripts/gas_table.py --write      # measure and replace the snapshot, and the table in docs/explain
    python scripts/gas_table.py --check      # measure; exit 1 when something costs 2 % more than the snapshot,
                                             # more than its goal, or is not in the snapshot
    python scripts/gas_table.py --markdown   # print the snapshot as a table for the documentation

Proofs are real ones: three-input Groth16 and bounded updates from `zk`, made by the setup of this process. The
disputed update is a good proof of another client, so the chain rebuilds the public inputs and refuses it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from anvil_node import running

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gas_scenarios import measure  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
SNAPSHOT = ROOT / "chain_adapter" / "contracts" / "gas.json"
PAGE = ROOT / "docs" / "explain" / "ledger.md"
TABLE = re.compile(r"^\| what \| gas \| goal \|\n(?:\|.*\n)+", re.MULTILINE)
TOLERANCE = 0.02
# The most an entry may cost, whatever the snapshot says.
GOALS = {
    "a round's updates: one root / 100 clients": 50_000,
    "Rewards.claim / 10 clients": 60_000,
    "Rewards.claim / 100 clients": 60_000,
    "Rewards.claim / 1000 clients, first leaves": 60_000,
    "Groth16Verifier.verify / 3 inputs": 232_000,
    "Groth16Verifier.verifyCommitted / 1 commitment, 3 inputs, gamma is the generator": 300_000,
}


def compare(measured: dict[str, int], snapshot: dict[str, int]) -> list[str]:
    """One sentence for everything that must not be."""
    complaints = []
    for name, gas in measured.items():
        if name not in snapshot:
            complaints.append(f"{name}: {gas} gas, not in the snapshot")
        elif gas > snapshot[name] * (1 + TOLERANCE):
            complaints.append(f"{name}: {gas} gas, the snapshot says {snapshot[name]}")
        if gas > GOALS.get(name, gas):
            complaints.append(f"{name}: {gas} gas, the goal is {GOALS[name]}")
    complaints += [f"{name}: in the snapshot, but not measured" for name in snapshot if name not in measured]
    complaints += [
        f"{name}: a goal for something that is not measured" for name in GOALS if name not in measured
    ]
    return complaints


def markdown(table: dict[str, int]) -> str:
    """The table for the documentation."""
    rows = [f"| {name} | {gas:,} | {_goal(name)} |" for name, gas in table.items()]
    return "\n".join(["| what | gas | goal |", "|---|---:|---:|", *rows])


def page_is_stale(page: str, snapshot: dict[str, int]) -> bool:
    """Whether the documentation shows another table than the snapshot's."""
    found = TABLE.search(page)
    return found is None or found.group() != markdown(snapshot) + "\n"


def _goal(name: str) -> str:
    return f"{GOALS[name]:,}" if name in GOALS else ""


def main(arguments: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--write", action="store_true", help="replace the snapshot")
    parser.add_argument("--check", action="store_true", help="compare with the snapshot")
    parser.add_argument("--markdown", action="store_true", help="print the snapshot as a table")
    options = parser.parse_args(arguments)
    if options.markdown:
        print(markdown(json.loads(SNAPSHOT.read_text(encoding="utf-8"))))
        return 0
    with running() as node:
        measured = measure(node)
    if options.write:
        SNAPSHOT.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
        page = PAGE.read_text(encoding="utf-8")
        PAGE.write_text(TABLE.sub(lambda _: markdown(measured) + "\n", page), encoding="utf-8")
    if options.check:
        complaints = compare(measured, json.loads(SNAPSHOT.read_text(encoding="utf-8")))
        print("\n".join(complaints), file=sys.stderr)
        return 1 if complaints else 0
    print(markdown(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main())
