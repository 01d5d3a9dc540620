"""One suite for every ledger: embedded, anvil and py-evm must not be told apart by what a plan does on them."""

from dataclasses import fields
from typing import Any

import pytest
from chain_ledgers import Backend
from chain_support import CLIENTS, COORDINATOR, LEAVES, MEMBERS, PLAN, TREE, UPDATES, run_round
from eth_account import Account
from eth_tester.exceptions import TransactionFailed
from web3.exceptions import ContractLogicError, TransactionNotFound
from web3.middleware import SignAndSendRawMiddlewareBuilder

from chain_adapter import Chain, MerkleTree, TransactionReverted, Update, cid_of, update_leaf
from chain_adapter.deployment import Deployment
from chain_adapter.eip712 import sign_update, verify_update
from chain_adapter.errors import ChainError, NotEnoughCoins, RpcError
from chain_adapter.events import Event
from chain_adapter.interface import artifact
from chain_adapter.receipts import integer
from chain_adapter.transactions import Fees
from mpc.errors import ParameterError

ETHER = 10**18
WHERE = {"block", "block_hash", "transaction", "position", "terms"}


@pytest.fixture
def deployment(backend: Backend) -> Deployment:
    backend.fund(COORDINATOR.address, ETHER)
    return backend.open().deploy(COORDINATOR)


def told(event: Event) -> dict[str, Any]:
    return {"kind": type(event).__name__} | {
        f.name: getattr(event, f.name) for f in fields(event) if f.name not in WHERE
    }


def test_a_round_pays_and_tells_the_same_on_every_ledger(deployment: Deployment, backend: Backend) -> None:
    run_round(deployment)
    total = sum(u.samples for u in UPDATES[:4])
    paid = [1000 * u.samples // total for u in UPDATES[:4]]
    assert [deployment.chain.balance(u.client) for u in UPDATES] == [*paid, 0]

    reference = Chain.embedded(None)
    reference.fund(COORDINATOR.address, ETHER)
    there = reference.deploy(COORDINATOR)
    run_round(there)
    assert [told(e) for e in deployment.events()] == [told(e) for e in there.events()]


def test_the_chain_alone_names_the_members(deployment: Deployment, backend: Backend) -> None:
    run_round(deployment)
    assert backend.open().attach(deployment.manifest()).members(PLAN) == tuple(MEMBERS)
    with pytest.raises(ChainError, match="not put on the chain"):
        deployment.members(bytes(32))


def test_asked_twice_sent_once_with_and_without_an_outbox(deployment: Deployment, backend: Backend) -> None:
    first = run_round(deployment)
    nonce = deployment.chain.rpc.request("eth_getTransactionCount", COORDINATOR.address, "latest")
    assert run_round(deployment) == first
    assert run_round(backend.open().attach(deployment.manifest(), COORDINATOR)) == first
    assert deployment.chain.rpc.request("eth_getTransactionCount", COORDINATOR.address, "latest") == nonce


def test_contracts_refuse_by_name(deployment: Deployment, backend: Backend) -> None:
    run_round(deployment)
    stranger = CLIENTS[0]
    backend.fund(stranger.address, ETHER)
    attempts = [
        ("AlreadyCommitted", lambda: deployment.commit_round(PLAN, 0, bytes([5]) * 32, LEAVES, 5)),
        ("UnknownPlan", lambda: deployment.terms(bytes([8]) * 32)),
        (
            "NotCoordinator",
            lambda: deployment.acting_as(stranger).reject(PLAN, 0, CLIENTS[1].address, 1, LEAVES),
        ),
        ("OverClaimed", lambda: deployment.claim(UPDATES[4], TREE.path(4))),
    ]
    for name, attempt in attempts:
        with pytest.raises(TransactionReverted) as refused:
            attempt()
        assert refused.value.error == name


def test_a_claim_with_another_number_of_samples_or_for_another_client_is_refused(
    deployment: Deployment,
) -> None:
    run_round(deployment)
    thief = Update(PLAN, 0, CLIENTS[4].address, UPDATES[0].samples, UPDATES[0].digest)
    greedy = Update(PLAN, 0, UPDATES[0].client, UPDATES[0].samples + 1, UPDATES[0].digest)
    for forged in (thief, greedy):
        before = deployment.chain.balance(forged.client)
        with pytest.raises(TransactionReverted):
            deployment.chain.sender(COORDINATOR).send(
                f"forged {forged.client} {forged.samples}",
                deployment.addresses["Rewards"],
                artifact("Rewards").interface.encode(
                    "claim", PLAN, 0, forged.client, forged.samples, forged.digest, 0, TREE.path(0).siblings
                ),
            )
        assert deployment.chain.balance(forged.client) == before


def test_a_client_in_front_of_another_claim_cannot_take_it(deployment: Deployment, backend: Backend) -> None:
    """Whoever sends a claim first, the client named in the leaf is paid; the sender who comes second finds it done."""
    run_round(deployment)
    runner = CLIENTS[3]
    backend.fund(runner.address, ETHER)
    paid = deployment.chain.balance(UPDATES[0].client)
    receipt = deployment.acting_as(runner).claim(UPDATES[0], TREE.path(0))
    assert receipt == deployment.claim(UPDATES[0], TREE.path(0))
    assert deployment.chain.balance(UPDATES[0].client) == paid


def test_a_censored_client_commits_itself_and_a_silent_coordinator_loses_the_plan(
    deployment: Deployment, backend: Backend
) -> None:
    deployment.register_plan(
        PLAN, plan_cid=cid_of(b"plan"), key_hash=bytes(32), members=MEMBERS, rounds=2, min_clients=2,
        reward_per_round=1000, round_seconds=600,
    )  # fmt: skip
    backend.fund(CLIENTS[0].address, ETHER)
    client = deployment.acting_as(CLIENTS[0])
    receipt = client.commit_self(UPDATES[0], cid_of(b"update"))
    assert client.commit_self(UPDATES[0], cid_of(b"update")) == receipt
    with pytest.raises(TransactionReverted):
        client.abandon(PLAN, 0)
    backend.advance(700)
    client.abandon(PLAN, 0)
    before = deployment.chain.balance(deployment.addresses["Rewards"])
    deployment.refund(PLAN)
    assert before - deployment.chain.balance(deployment.addresses["Rewards"]) == 2000


def test_a_plan_of_many_clients_claims_across_bitmap_words(deployment: Deployment) -> None:
    updates = [Update(PLAN, 0, f"0x{i + 10**20:040x}", 1, i.to_bytes(32, "big")) for i in range(300)]
    tree = MerkleTree([update_leaf(u) for u in updates])
    deployment.register_plan(
        PLAN, plan_cid=cid_of(b"plan"), key_hash=bytes(32), members=MEMBERS, rounds=1, min_clients=2,
        reward_per_round=3000,
    )  # fmt: skip
    deployment.commit_round(PLAN, 0, tree.root, LEAVES, len(updates))
    deployment.record_aggregate(PLAN, 0, LEAVES, bytes(32), bytes(64), 300, LEAVES)
    (recorded,) = (e for e in deployment.events() if type(e).__name__ == "AggregateRecorded")
    assert recorded.included == tuple(range(300))
    for i in (0, 255, 256, 299):
        deployment.claim(updates[i], tree.path(i))
        assert deployment.chain.balance(updates[i].client) == 10


def test_transactions_out_of_order_or_of_another_chain_are_refused(
    deployment: Deployment, backend: Backend
) -> None:
    chain = deployment.chain
    nonce = integer(chain.rpc.request("eth_getTransactionCount", COORDINATOR.address, "latest"))
    fees = Fees(10**10, 0)
    attempts = [(chain.chain_id, -1), (chain.chain_id + 1, 0)]
    for chain_id, offset in attempts[: 1 if backend.name == "eth-tester" else 2]:  # it takes any chain's
        raw = COORDINATOR.sign_transaction(
            chain_id=chain_id,
            nonce=nonce + offset,
            fees=fees,
            gas=21_000,
            to=CLIENTS[0].address,
            value=1,
            data=b"",
        )
        with pytest.raises(RpcError):
            chain.rpc.request("eth_sendRawTransaction", "0x" + raw.hex())
    assert chain.balance(CLIENTS[0].address) == 0


def test_what_failed_on_the_chain_may_be_tried_again_under_its_name(deployment: Deployment) -> None:
    """The gas is given, so nothing is estimated and the failure is mined: it has no effect, and no claim on the key."""
    sender = deployment.chain.sender(COORDINATOR)
    rounds = deployment.addresses["Rounds"]
    payload = artifact("Rounds").interface.encode("abandon", PLAN, 0)
    for _attempt in range(2):
        before = deployment.chain.rpc.request("eth_getTransactionCount", COORDINATOR.address, "latest")
        with pytest.raises(TransactionReverted) as refused:
            sender.send("too early", rounds, payload, gas=200_000)
        assert refused.value.error in artifact_errors("Rounds")
        after = deployment.chain.rpc.request("eth_getTransactionCount", COORDINATOR.address, "latest")
        assert integer(after) == integer(before) + 1
    assert sender.send("too early", CLIENTS[0].address, b"", 1).success
    with pytest.raises(ParameterError, match="sent before with another content"):
        sender.send("too early", CLIENTS[0].address, b"", 2)


def artifact_errors(name: str) -> set[str]:
    return {entry.name for entry in artifact(name).interface.errors.values()}


def test_an_account_without_coins_is_told_so(deployment: Deployment, backend: Backend) -> None:
    """The embedded ledger's gas is free, so there only what is sent along can be too much."""
    poor = deployment.chain.sender(CLIENTS[2])
    with pytest.raises(NotEnoughCoins, match=CLIENTS[2].address):
        poor.send("too much", CLIENTS[1].address, b"", 1)
    assert poor.find("too much") is None
    backend.fund(CLIENTS[2].address, ETHER)
    assert poor.send("too much", CLIENTS[1].address, b"", 1).success


def test_a_signer_of_somebody_elses_making_is_enough(backend: Backend) -> None:
    """A device or service is three members; here eth-account stands for it."""

    class Device:
        def __init__(self) -> None:
            self._account = Account.from_key(bytes([0x44]) * 32)
            self.address: str = self._account.address

        def sign_digest(self, digest: bytes) -> bytes:
            return bytes(self._account.unsafe_sign_hash(digest).signature)

        def sign_transaction(self, *, fees: Fees, chain_id: int, to: str | None, **fields: Any) -> bytes:
            fields |= {
                "chainId": chain_id,
                "maxFeePerGas": fees.cap,
                "maxPriorityFeePerGas": fees.priority,
                "type": 2,
            }
            signed = self._account.sign_transaction(fields if to is None else {**fields, "to": to})
            return bytes(signed.raw_transaction)

    device = Device()
    backend.fund(device.address, ETHER)
    deployment = backend.open().deploy(device)
    assert len(run_round(deployment)) == 8
    verify_update(deployment.domain, mine := Update(PLAN, 0, device.address, 1, bytes(32)),
                  sign_update(device, deployment.domain, mine))  # fmt: skip


def test_web3_py_deploys_calls_and_reads_logs_itself(backend: Backend) -> None:
    """A user who knows web3.py needs nothing of ours."""
    backend.fund(COORDINATOR.address, ETHER)
    w3 = backend.open().w3
    factory = w3.eth.contract(abi=_abi("Suite"), bytecode=artifact("Suite").bytecode)
    draft = factory.constructor().build_transaction({"from": COORDINATOR.address, "nonce": 0})
    assert draft["chainId"] == w3.eth.chain_id
    raw = COORDINATOR.sign_transaction(
        chain_id=draft["chainId"], nonce=0, fees=Fees(draft["maxFeePerGas"], draft["maxPriorityFeePerGas"]),
        gas=draft["gas"], to=None, value=0, data=bytes.fromhex(draft["data"].removeprefix("0x")),
    )  # fmt: skip
    receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(raw))
    assert receipt["status"] == 1
    suite = w3.eth.contract(receipt["contractAddress"], abi=_abi("Suite"))
    assert suite.functions.deployer().call() == COORDINATOR.address
    assert w3.eth.get_transaction(receipt["transactionHash"])["from"] == COORDINATOR.address
    assert w3.eth.get_logs({"address": suite.address, "fromBlock": 0}) == []


def test_web3_py_signs_sends_and_reads_events_with_its_own_middleware(
    deployment: Deployment, backend: Backend
) -> None:
    account = Account.from_key(bytes([0x44]) * 32)
    backend.fund(account.address, ETHER)
    w3 = deployment.chain.w3
    w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(account), layer=0)
    box = w3.eth.contract(deployment.addresses["Mailbox"], abi=_abi("Mailbox"))
    digest = box.functions.publishKey(bytes([5]) * 32).transact({"from": account.address})
    receipt = w3.eth.wait_for_transaction_receipt(digest)
    (published,) = box.events.KeyPublished.get_logs(from_block=receipt["blockNumber"])
    assert (published["args"]["account"], published["args"]["key"]) == (account.address, bytes([5]) * 32)
    assert box.functions.keyOf(account.address).call() == bytes([5]) * 32
    assert w3.eth.get_transaction_count(account.address) == 1
    assert receipt["transactionHash"] in w3.eth.get_block(receipt["blockNumber"])["transactions"]
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction_receipt(bytes(32))
    with pytest.raises((ContractLogicError, TransactionFailed)):
        box.functions.publishKey(bytes(32)).transact({"from": account.address})


def _abi(name: str) -> Any:
    import json
    from importlib.resources import files

    path = files("chain_adapter.contracts") / "artifacts" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))["abi"]
