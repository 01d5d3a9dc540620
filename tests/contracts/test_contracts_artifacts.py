"""The compiled contracts that ship with the package are what the sources compile to."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from chain_adapter.hashing import keccak256
from chain_adapter.interface import CONTRACTS

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "chain_adapter" / "contracts"
ARTIFACTS = sorted((SOURCES / "artifacts").glob("*.json"))


@pytest.mark.parametrize("path", ARTIFACTS, ids=lambda path: path.stem)
def test_an_artifact_was_made_from_these_sources(path: Path) -> None:
    artifact = json.loads(path.read_text())
    metadata = json.loads(artifact["metadata"])
    ours = {name: entry for name, entry in metadata["sources"].items() if name.startswith("contracts/")}
    assert f"contracts/{path.stem}.sol" in ours
    for name, entry in ours.items():
        assert entry["keccak256"] == "0x" + keccak256((SOURCES / Path(name).name).read_bytes()).hex(), name
    assert artifact["compiler"].startswith("0.8.37+") and metadata["settings"]["evmVersion"] == "cancun"
    assert len(artifact["deployedBytecode"]) // 2 - 1 <= 24_576


def test_every_contract_has_an_artifact() -> None:
    assert {path.stem for path in ARTIFACTS} == {"Suite", *CONTRACTS}


@pytest.mark.solc
def test_compiling_again_gives_the_same_bytes(programs: None) -> None:
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "build_contracts.py", "--check"], capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr


@pytest.mark.solc
def test_a_changed_source_is_noticed(programs: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import build_contracts

    copy = tmp_path / "contracts"
    copy.mkdir()
    for source in SOURCES.glob("*.sol"):
        (copy / source.name).write_text(source.read_text())
    mailbox = copy / "Mailbox.sol"
    mailbox.write_text(mailbox.read_text().replace("if (key == 0) revert WeakKey();", ""))
    monkeypatch.setattr(build_contracts, "CONTRACTS", copy)
    (artifact,) = build_contracts.compile_contracts(["Mailbox"]).values()
    (shipped,) = (json.loads(path.read_text()) for path in ARTIFACTS if path.stem == "Mailbox")
    assert artifact["deployedBytecode"] != shipped["deployedBytecode"]
    assert artifact["sourceHash"] != shipped["sourceHash"]
