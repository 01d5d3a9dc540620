"""The same run on a chain behind a URL: an Ethereum node for developers, started here."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fl.audit import audit_run
from fl.cli import main


def ledgers() -> ModuleType:
    """The chain tests' helper, loaded by path."""
    path = Path(__file__).parents[1] / "chain_adapter" / "chain_ledgers.py"
    spec = importlib.util.spec_from_file_location("chain_ledgers_for_runs", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def url() -> Iterator[str]:
    node = ledgers().Anvil()
    yield node.url
    node.kill()


@pytest.mark.anvil
def test_a_run_on_anvil_is_audited_from_chain_and_blocks_alone(url: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ["--clients", "10", "--rounds", "2", "--cheat", "oversize=1,swap=1", "--chain", url, "--json"]
    assert main(["run", "digits", *options, "--out", str(out)]) == 0
    assert not (out / "chain.sqlite").exists()
    manifest = out / "deployment.json"
    audit = audit_run(out, chain=url, deployment=manifest)
    assert audit.passed and sorted(audit.counts) == [0, 1]
    assert main(["run", "digits", "--resume", "--out", str(out), "--json"]) == 0
    assert audit_run(out).passed


@pytest.mark.anvil
def test_an_account_without_coins_is_said_so(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A node that grants nothing by decree, which is every public one: the fauceting method is not there."""
    from chain_adapter.errors import RpcError
    from chain_adapter.rpc import HttpRpc

    asked = HttpRpc.request

    def without_faucet(self: HttpRpc, method: str, *parameters: object) -> object:
        if method.startswith("anvil_"):
            raise RpcError(method, -32601, "the method does not exist")
        return asked(self, method, *parameters)

    monkeypatch.setattr(HttpRpc, "request", without_faucet)
    assert main(["run", "digits", "--rounds", "1", "--chain", url, "--out", str(tmp_path / "run")]) == 2
    assert "has no coins" in capsys.readouterr().err


@pytest.mark.anvil
def test_the_account_in_the_environment_pays(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chain_adapter import Chain, LocalSigner

    key = (
        "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # anvil's first published account
    )
    monkeypatch.setenv("EPPML_PRIVATE_KEY", key)
    with Chain.connect(url) as chain:
        before = chain.balance(LocalSigner(bytes.fromhex(key)).address)
        assert (
            main(["run", "digits", "--rounds", "1", "--chain", url, "--out", str(tmp_path / "run"), "--json"])
            == 0
        )
        assert chain.balance(LocalSigner(bytes.fromhex(key)).address) < before
