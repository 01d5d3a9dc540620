"""The tutorial on a real chain, on a real chain."""

import re
from pathlib import Path

import pytest
from chain_ledgers import Anvil

PAGE = Path(__file__).parents[2] / "docs/tutorials/05-on-a-real-chain.md"


@pytest.mark.anvil
def test_the_tutorial_runs_on_anvil(anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPPML_CHAIN", anvil.url)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.M | re.S)
    assert len(blocks) >= 7
    exec("\n".join(blocks), {"__name__": "tutorial"})
    assert int(str(anvil.rpc.request("eth_blockNumber")), 16) > 10
