"""Plans that pay and stake in an ERC-20: a plain one, and two that do not do what they say."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from chain_support import CLIENTS, COORDINATOR, LEAVES, MEMBERS, PLAN, TREE, UPDATES

from chain_adapter import Chain, TransactionReverted
from chain_adapter.deployment import Deployment, members_tree
from chain_adapter.interface import Interface
from chain_adapter.staking import Staking

pytestmark = pytest.mark.solc
ROOT = Path(__file__).parents[2]
STAKE = 50
SOURCE = """
// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;
contract Token {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;
    uint256 immutable FEE;
    bool public broken;
    constructor(uint256 fee) { FEE = fee; balanceOf[msg.sender] = 1e24; }
    function breakDown() external { broken = true; }
    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }
    function transfer(address to, uint256 amount) external returns (bool) { return _move(msg.sender, to, amount); }
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        allowance[from][msg.sender] -= amount;
        return _move(from, to, amount);
    }
    function _move(address from, address to, uint256 amount) private returns (bool) {
        if (broken) return false;
        balanceOf[from] -= amount;
        balanceOf[to] += amount - FEE;
        return true;
    }
}
"""
RUN = (
    "const solc = require(process.argv[1]); let text = '';"
    "process.stdin.on('data', (d) => { text += d; }).on('end', () => process.stdout.write(solc.compile(text)));"
)


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    modules = Path(os.environ.get("EPPML_NODE_MODULES", ROOT / "node_modules"))
    node = shutil.which("node")
    if node is None or not (modules / "solc").is_dir():
        message = "solc is not installed (npm install solc)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    output = {"*": {"*": ["abi", "evm.bytecode.object"]}}
    settings = {"evmVersion": "cancun", "outputSelection": output}
    question = {"language": "Solidity", "sources": {"T.sol": {"content": SOURCE}}, "settings": settings}
    command = [str(node), "-e", RUN, str((modules / "solc").resolve())]
    done = subprocess.run(
        command, input=json.dumps(question), capture_output=True, text=True, timeout=120, check=True
    )
    result: dict[str, Any] = json.loads(done.stdout)["contracts"]["T.sol"]["Token"]
    return result


class Token:
    """One token on one chain."""

    def __init__(self, chain: Chain, compiled: dict[str, Any], fee: int) -> None:
        self._chain, self._sender = chain, chain.sender(COORDINATOR)
        self._interface = Interface(compiled["abi"])
        code = bytes.fromhex(compiled["evm"]["bytecode"]["object"]) + fee.to_bytes(32, "big")
        created = self._sender.send(f"token {fee}", None, code).contract
        assert created is not None
        self.address: str = created

    def balance(self, account: str) -> int:
        answer = self._chain.call(self.address, self._interface.encode("balanceOf", account))
        return int(self._interface.decode("balanceOf", answer)[0])

    def give(self, account: str, amount: int) -> None:
        self._sender.send(
            f"give {account}", self.address, self._interface.encode("transfer", account, amount)
        )

    def break_down(self) -> None:
        self._sender.send("break down", self.address, self._interface.encode("breakDown"))


@pytest.fixture
def deployment() -> Deployment:
    return Chain.embedded(None).deploy(COORDINATOR)


def register(deployment: Deployment, token: Token) -> None:
    deployment.approve(PLAN, token.address, "PlanRegistry", 1000 + STAKE)
    deployment.register_plan(
        PLAN, plan_cid=LEAVES, key_hash=bytes(32), members=MEMBERS, rounds=1, min_clients=2, reward_per_round=1000,
        token=token.address, member_stake=STAKE, coordinator_stake=STAKE, round_seconds=600, unbonding_seconds=600,
    )  # fmt: skip


def test_rewards_and_stakes_in_a_token(deployment: Deployment, compiled: dict[str, Any]) -> None:
    token = Token(deployment.chain, compiled, 0)
    register(deployment, token)
    client = deployment.acting_as(CLIENTS[0])
    token.give(CLIENTS[0].address, STAKE)
    client.approve(PLAN, token.address, "Membership", STAKE)
    Staking(client).join_listed(PLAN, MEMBERS[0], members_tree(MEMBERS), 0)
    assert token.balance(CLIENTS[0].address) == 0
    deployment.commit_round(PLAN, 0, TREE.root, LEAVES, 5)
    deployment.record_aggregate(PLAN, 0, LEAVES, bytes(32), bytes(64), 60, LEAVES)
    for i in range(5):
        deployment.claim(UPDATES[i], TREE.path(i))
    assert [token.balance(u.client) for u in UPDATES] == [1000 * u.samples // 60 for u in UPDATES]
    Staking(client).start_leaving(PLAN)
    deployment.chain.rpc.request("evm_increaseTime", 601)
    Staking(client).withdraw(PLAN)
    assert token.balance(CLIENTS[0].address) == STAKE + 1000 * UPDATES[0].samples // 60


def test_a_plan_that_was_not_approved_or_whose_token_takes_a_fee_is_refused(
    deployment: Deployment, compiled: dict[str, Any]
) -> None:
    greedy = Token(deployment.chain, compiled, 1)
    with pytest.raises(TransactionReverted, match="TokenTookFee"):
        register(deployment, greedy)
    plain = Token(deployment.chain, compiled, 0)
    with pytest.raises(TransactionReverted):
        deployment.register_plan(
            PLAN, plan_cid=LEAVES, key_hash=bytes(32), members=MEMBERS, rounds=1, min_clients=2,
            reward_per_round=1000, token=plain.address,
        )  # fmt: skip
    assert not deployment.exists(PLAN)


def test_a_token_that_stops_paying_leaves_the_claim_open(
    deployment: Deployment, compiled: dict[str, Any]
) -> None:
    token = Token(deployment.chain, compiled, 0)
    register(deployment, token)
    deployment.commit_round(PLAN, 0, TREE.root, LEAVES, 5)
    deployment.record_aggregate(PLAN, 0, LEAVES, bytes(32), bytes(64), 60, LEAVES)
    token.break_down()
    with pytest.raises(TransactionReverted, match="SafeERC20FailedOperation"):
        deployment.claim(UPDATES[0], TREE.path(0))
    assert deployment.ask("Rounds", "isClaimable", PLAN, 0, 0)[0]
