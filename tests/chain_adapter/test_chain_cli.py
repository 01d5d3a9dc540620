"""`eppml chain` on an embedded ledger: deploy, status, fund, accounts, and what it says to bad input."""

import json
from pathlib import Path

import pytest
from chain_ledgers import Anvil
from chain_support import COORDINATOR, run_round
from typer.testing import CliRunner

from chain_adapter import Chain, LocalSigner
from chain_adapter.cli import app
from mpc.errors import EppmlError

runner = CliRunner()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EPPML_PRIVATE_KEY", "01" * 32)
    monkeypatch.setenv("EPPML_KEYSTORE_PASSWORD", "correct horse")


def call(*arguments: str) -> str:
    result = runner.invoke(app, list(arguments), catch_exceptions=True)
    if isinstance(result.exception, EppmlError):
        raise result.exception
    assert result.exit_code == 0, (result.output, result.exception)
    return result.output


def test_deploy_then_status(monkeypatch: pytest.MonkeyPatch) -> None:
    call("deploy", "--chain", "ledger.sqlite")
    manifest = json.loads(Path("deployment.json").read_text())
    with Chain.embedded("ledger.sqlite") as chain:
        chain.fund(COORDINATOR.address, 10**18)
        run_round(chain.attach(manifest, COORDINATOR))
    told = json.loads(call("status", "--chain", "ledger.sqlite", "--json"))
    assert told["events"]["RewardClaimed"] == 4 and told["suite"] == manifest["suite"]
    assert "all contracts are this version's" in call("status", "--chain", "ledger.sqlite")
    with pytest.raises(EppmlError, match=r"deployment\.json exists"):
        call("deploy", "--chain", "ledger.sqlite")


def test_fund_by_decree_and_from_an_account(monkeypatch: pytest.MonkeyPatch) -> None:
    Chain.embedded("ledger.sqlite").close()
    monkeypatch.delenv("EPPML_PRIVATE_KEY")
    there = COORDINATOR.address
    assert "has 500 wei" in call("fund", there, "500", "--chain", "ledger.sqlite")
    monkeypatch.setenv("EPPML_PRIVATE_KEY", "01" * 32)
    other = LocalSigner(bytes([9]) * 32).address
    assert "has 200 wei" in call("fund", other, "200", "--chain", "ledger.sqlite")
    with Chain.embedded("ledger.sqlite") as chain:
        assert chain.balance(there) == 300
    for bad in ("0x12", other[:-1] + "0"):
        with pytest.raises(EppmlError, match="address"):
            call("fund", bad, "1", "--chain", "ledger.sqlite")


def test_accounts_are_made_encrypted_and_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    from chain_adapter import keys

    monkeypatch.setattr(
        keys, "FULL_ROUNDS", keys.LIGHT_ROUNDS
    )  # a guesser's 3 seconds are a test's 3 seconds
    row = json.loads(call("accounts", "--new", "key.json", "--json"))[0]
    assert LocalSigner.from_keystore(Path("key.json"), "correct horse").address == row["address"]
    assert row["address"] in call("accounts", "key.json")
    assert Path("key.json").stat().st_mode & 0o077 == 0
    with pytest.raises(EppmlError, match="never overwritten"):
        call("accounts", "--new", "key.json")
    with pytest.raises(EppmlError, match="password does not open"):
        LocalSigner.from_keystore(Path("key.json"), "wrong")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["deploy", "--chain", "http://127.0.0.1:1"], "does not answer"),
        (["deploy", "--chain", "ftp://somewhere"], "not an http"),
        (["status", "--chain", "nothing.sqlite"], "cannot read deployment.json"),
        (["fund", "0x" + "11" * 20, "5", "--chain", "nothing.sqlite"], "no ledger file"),
        (["fund", "0x" + "11" * 20, "0", "--chain", "nothing.sqlite"], "positive number"),
        (["deploy", "--chain", "l.sqlite", "--keystore", "nothing.json"], "cannot read the keystore"),
    ],
)
def test_bad_input_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(EppmlError, match=sentence) as refused:
        call(*arguments)
    assert "\n" not in str(refused.value)


def test_a_key_is_never_repeated_in_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EPPML_PRIVATE_KEY", "0123456789abcdef" * 3 + "zz")
    with pytest.raises(EppmlError) as refused:
        call("deploy", "--chain", "ledger.sqlite")
    assert "0123456789" not in str(refused.value)
    assert refused.value.__cause__ is None
    monkeypatch.delenv("EPPML_PRIVATE_KEY")
    with pytest.raises(EppmlError, match="name a key"):
        call("deploy", "--chain", "ledger.sqlite")


@pytest.mark.anvil
def test_the_whole_command_on_a_real_node(anvil: Anvil, monkeypatch: pytest.MonkeyPatch) -> None:
    from chain_adapter import keys

    monkeypatch.setattr(keys, "FULL_ROUNDS", keys.LIGHT_ROUNDS)
    where = ["--chain", anvil.url]
    address = json.loads(call("accounts", "--new", "key.json", "--json"))[0]["address"]
    monkeypatch.delenv("EPPML_PRIVATE_KEY")
    with pytest.raises(EppmlError, match="has not enough coins"):
        call("deploy", *where, "--keystore", "key.json")
    call("fund", address, str(10**18), *where)
    assert f"{10**18} wei" in call("accounts", "key.json", *where)
    with pytest.raises(EppmlError, match="chain 1 was expected"):
        call("deploy", *where, "--keystore", "key.json", "--chain-id", "1")
    call("deploy", *where, "--keystore", "key.json", "--chain-id", "31337")
    assert "nothing has happened yet" in call("status", *where)
    anvil.rpc.request("anvil_setCode", json.loads(Path("deployment.json").read_text())["contracts"]["Rewards"]["address"],
                      "0x00")  # fmt: skip
    with pytest.raises(EppmlError, match="not this version's Rewards"):
        call("status", *where)
