"""Whether the programs from npm are there."""

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def programs() -> None:
    """node and npm's solc, forge and anvil; their absence fails in CI and skips on a developer's machine."""
    modules = Path(os.environ.get("EPPML_NODE_MODULES") or ROOT / "node_modules")
    wanted = ("solc", "@openzeppelin/contracts", "@foundry-rs/forge", "@foundry-rs/anvil")
    missing = [name for name in wanted if not (modules / name).is_dir()]
    if shutil.which("node") is None:
        missing.append("node")
    if missing:
        message = f"{', '.join(missing)} missing: run `npm install` in the repository root"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
