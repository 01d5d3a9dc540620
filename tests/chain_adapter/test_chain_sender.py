"""Sending to a real node that misbehaves: reorgs, restarts, fee spikes, stolen nonces, many threads."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from chain_kill_worker import PAYER, TARGET
from chain_ledgers import Anvil
from test_chain_crash import KEYS, run_and_kill

from chain_adapter import Chain, ChainUnreachable, LocalSigner, WrongChain
from chain_adapter.errors import FeeCapReached, NotMined
from chain_adapter.outbox import Outbox
from chain_adapter.receipts import integer
from chain_adapter.rpc import HttpRpc
from chain_adapter.sender import FeePolicy, Sender
from mpc.errors import ParameterError

pytestmark = pytest.mark.anvil

ETHER = 10**18
OTHER = LocalSigner(bytes([0x55]) * 32)


def sender_on(
    anvil: Anvil, outbox: Path | None = None, fees: FeePolicy | None = None, **options: int
) -> Sender:
    anvil.rpc.request("anvil_setBalance", PAYER.address, hex(100 * ETHER))
    box = Outbox(outbox, "test")
    return Sender(anvil.rpc, 31337, PAYER, box, fees=fees, poll=0.02, **options)


def balance(anvil: Anvil, address: str = TARGET) -> int:
    return integer(anvil.rpc.request("eth_getBalance", address, "latest"))


def nonce(anvil: Anvil) -> int:
    return integer(anvil.rpc.request("eth_getTransactionCount", PAYER.address, "latest"))


def test_a_thousand_transactions_from_sixteen_threads_none_lost_none_doubled(
    anvil: Anvil, tmp_path: Path
) -> None:
    sender = sender_on(anvil, tmp_path / "outbox.sqlite")
    with ThreadPoolExecutor(16) as threads:
        # every key twice: threads race for the same business key as well
        receipts = list(
            threads.map(lambda i: sender.send(f"wei {i // 2}", TARGET, b"", 1, 21_000), range(2000))
        )
    assert balance(anvil) == 1000
    assert nonce(anvil) == 1000
    assert len({r.transaction for r in receipts}) == 1000
    assert all(receipts[i] == receipts[i + 1] for i in range(0, 2000, 2))


def test_two_processes_worth_of_senders_share_one_outbox(anvil: Anvil, tmp_path: Path) -> None:
    senders = [sender_on(anvil, tmp_path / "outbox.sqlite") for _ in range(2)]
    with ThreadPoolExecutor(4) as threads:
        receipts = list(
            threads.map(lambda i: senders[i % 2].send(f"wei {i // 2}", TARGET, b"", 1, 21_000), range(100))
        )
    assert balance(anvil) == nonce(anvil) == 50
    assert len({r.transaction for r in receipts}) == 50


def test_a_killed_sender_neither_loses_nor_doubles(anvil: Anvil, tmp_path: Path) -> None:
    anvil.rpc.request("anvil_setBalance", PAYER.address, hex(100 * ETHER))
    for after in (1, 7, 20):
        run_and_kill(anvil.url, tmp_path / "outbox.sqlite", after)
    assert run_and_kill(anvil.url, tmp_path / "outbox.sqlite", 10 * KEYS)[-1] == "done"
    assert balance(anvil) == KEYS
    assert nonce(anvil) == KEYS


def test_transactions_lost_in_a_reorganisation_are_told_and_sent_again(anvil: Anvil) -> None:
    sender = sender_on(anvil)
    receipts = [sender.send(f"wei {i}", TARGET, b"", 1) for i in range(4)]
    assert sender.watch() == []
    anvil.rpc.request("anvil_reorg", 3, [])
    lost = sender.watch()
    assert [entry.key for entry in lost] == ["wei 1", "wei 2", "wei 3"]
    assert [entry.transaction for entry in lost] == [r.transaction for r in receipts[1:]]
    again = [sender.send(f"wei {i}", TARGET, b"", 1) for i in range(4)]
    assert [r.transaction for r in again] == [r.transaction for r in receipts]
    assert balance(anvil) == 4
    assert sender.watch() == []


def test_confirmations_wait_for_blocks_on_top(anvil: Anvil) -> None:
    sender = sender_on(anvil, confirmations=3)
    intent = sender.submit("wei", TARGET, b"", 1)
    with pytest.raises(NotMined):
        sender.wait(intent, timeout=0.3)
    anvil.rpc.request("anvil_mine", "0x2")
    assert sender.wait(intent, timeout=5).success


def test_a_fee_spike_is_outbid_by_at_least_an_eighth(anvil_factory: Callable[..., Anvil]) -> None:
    anvil = anvil_factory("--no-mining")
    sender = sender_on(anvil, fees=FeePolicy(bump_after=0.3))
    intent = sender.submit("wei", TARGET, b"", 1)
    anvil.rpc.request("anvil_setNextBlockBaseFeePerGas", hex(3 * intent.broadcasts[0].cap))
    anvil.rpc.request("evm_mine")
    assert balance(anvil) == 0
    anvil.rpc.request("evm_setIntervalMining", 1)
    receipt = sender.wait(intent, timeout=20)
    versions = sender.find("wei").broadcasts
    assert len(versions) >= 2
    for before, after in zip(versions, versions[1:], strict=False):
        assert after.cap * 8 >= before.cap * 9 and after.priority * 8 >= before.priority * 9
    assert receipt.transaction in {v.hash for v in versions}
    assert balance(anvil) == 1 and nonce(anvil) == 1


def test_a_transaction_the_node_dropped_is_sent_again(anvil_factory: Callable[..., Anvil]) -> None:
    anvil = anvil_factory("--no-mining")
    sender = sender_on(anvil, fees=FeePolicy(bump_after=0.2))
    intent = sender.submit("wei", TARGET, b"", 1)
    anvil.rpc.request("anvil_dropAllTransactions")
    anvil.rpc.request("evm_setIntervalMining", 1)
    assert sender.wait(intent, timeout=20).success
    assert balance(anvil) == nonce(anvil) == 1


def test_a_transaction_whose_block_goes_away_before_it_is_confirmed_is_sent_again(anvil: Anvil) -> None:
    sender = sender_on(anvil, fees=FeePolicy(bump_after=0.2), confirmations=3)
    intent = sender.submit("wei", TARGET, b"", 1)
    with pytest.raises(NotMined):
        sender.wait(intent, timeout=0.1)
    anvil.rpc.request("anvil_reorg", 1, [])
    assert balance(anvil) == 0
    anvil.rpc.request("evm_setIntervalMining", 1)
    receipt = sender.wait(intent, timeout=20)
    assert receipt.success and balance(anvil) == nonce(anvil) == 1


def test_a_waiting_thread_counts_the_offers_of_another_as_its_own(
    anvil_factory: Callable[..., Anvil],
) -> None:
    """One thread's raised offer is mined; the other, which knows the first offer only, must not send once more."""
    anvil = anvil_factory("--no-mining")
    hasty, patient = (sender_on(anvil, fees=FeePolicy(bump_after=s)) for s in (0.1, 100.0))
    patient._outbox = hasty._outbox
    intent = hasty.submit("wei", TARGET, b"", 1)
    with ThreadPoolExecutor(2) as threads:
        waiting = [threads.submit(sender.wait, intent, 20) for sender in (hasty, patient)]
        while len(hasty.find("wei").broadcasts) < 3:
            assert not any(w.done() for w in waiting)
        anvil.rpc.request("evm_mine")
        receipts = [w.result() for w in waiting]
    assert receipts[0] == receipts[1] and receipts[0].transaction != intent.broadcasts[0].hash
    anvil.rpc.request("evm_mine")
    assert balance(anvil) == nonce(anvil) == 1


def test_a_price_above_the_cap_is_refused_before_anything_is_signed(anvil: Anvil) -> None:
    sender = sender_on(anvil, fees=FeePolicy(largest_cap=10**9, largest_priority=10**8))
    anvil.rpc.request("anvil_setNextBlockBaseFeePerGas", hex(10**10))
    anvil.rpc.request("evm_mine")
    with pytest.raises(FeeCapReached):
        sender.send("wei", TARGET, b"", 1)
    assert sender.find("wei") is None
    with pytest.raises(ParameterError, match=r"12\.5 %"):
        FeePolicy(bump_percent=10)


def test_a_transaction_whose_nonce_somebody_took_is_sent_under_another(
    anvil_factory: Callable[..., Anvil],
) -> None:
    anvil = anvil_factory("--no-mining")
    sender, thief = sender_on(anvil), sender_on(anvil)
    intent = sender.submit("wei", TARGET, b"", 1)
    anvil.rpc.request("anvil_dropTransaction", "0x" + intent.broadcasts[0].hash.hex())
    thief.submit("stolen", OTHER.address, b"", 1)
    anvil.rpc.request("evm_mine")
    anvil.rpc.request("evm_setAutomine", True)
    assert sender.wait(intent, timeout=20).success
    assert balance(anvil) == 1 and balance(anvil, OTHER.address) == 1
    assert nonce(anvil) == 2


def test_a_node_killed_and_restarted_from_its_state_goes_on(
    anvil_factory: Callable[..., Anvil], tmp_path: Path
) -> None:
    state = tmp_path / "state.json"
    anvil = anvil_factory("--state", str(state), "-s", "1")
    sender = sender_on(anvil, tmp_path / "outbox.sqlite")
    first = sender.send("wei 0", TARGET, b"", 1)
    saved = time.monotonic() + 20
    while not state.exists() or anvil_height(state) < first.block:
        assert time.monotonic() < saved
        time.sleep(0.1)
    anvil.kill()
    with pytest.raises(ChainUnreachable, match="does not answer"):
        sender.submit("wei 1", TARGET, b"", 1)
    anvil.start()
    assert sender.send("wei 0", TARGET, b"", 1) == first
    assert sender.send("wei 1", TARGET, b"", 1).success
    assert balance(anvil) == 2


def anvil_height(state: Path) -> int:
    import json

    try:
        return int(json.loads(state.read_text())["best_block_number"])
    except (ValueError, KeyError, TypeError):  # anvil is writing it
        return -1


def test_two_chains_at_once_do_not_mix(anvil_factory: Callable[..., Anvil], tmp_path: Path) -> None:
    """The papers' side chains: one account, one outbox file, two chains, two plans."""
    from chain_support import COORDINATOR, run_round

    outbox = tmp_path / "outbox.sqlite"
    nodes = [anvil_factory("--chain-id", "4001"), anvil_factory("--chain-id", "4002")]
    chains = [Chain.connect(n.url, expect_chain_id=4001 + i, outbox=outbox) for i, n in enumerate(nodes)]
    deployments = []
    for chain in chains:
        chain.fund(COORDINATOR.address, ETHER)
        deployments.append(chain.deploy(COORDINATOR))
        run_round(deployments[-1])
    assert deployments[0].domain != deployments[1].domain
    with pytest.raises(WrongChain):
        chains[0].attach(deployments[1].manifest())
    with pytest.raises(WrongChain, match="4001, chain 4002 was expected"):
        Chain.connect(nodes[0].url, expect_chain_id=4002)


def test_an_address_where_nothing_listens_is_one_sentence() -> None:
    from chain_ledgers import free_port

    with pytest.raises(ChainUnreachable) as failed:
        Chain.connect(f"http://127.0.0.1:{free_port()}/secret-key")
    assert "does not answer" in str(failed.value) and "secret-key" not in str(failed.value)
    with pytest.raises(ParameterError, match="not an http"):
        Chain.connect("localhost:8545")
    assert "secret" not in repr(HttpRpc("http://user:secret@127.0.0.1:1/secret"))
