"""What the documentation says about gas is what was measured."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/explain/ledger.md").read_text(encoding="utf-8")


def test_the_gas_table_of_the_documentation_is_the_measured_one() -> None:
    measured = json.loads((ROOT / "chain_adapter/contracts/gas.json").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| (.+?) \| ([\d,]+) \|", PAGE, re.M)
    assert len(rows) > 40
    for name, gas in rows:
        told = int(gas.replace(",", ""))
        assert abs(told - measured[name]) <= 0.02 * measured[name], f"{name}: print the table again"
