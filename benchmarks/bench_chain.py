"""The ledger: transactions a second through web3.py, a proof's verification, reopening, sending, storing.

Times are of this machine. Gas is the snapshot that `scripts/gas_table.py` takes from anvil's receipts and CI compares:
the embedded EVM only bounds it from below.
"""

import json
import tempfile
from importlib.resources import files
from itertools import count
from pathlib import Path
from typing import Any

from chain_adapter import Chain, LocalSigner, LocalStore, Update, cid_of, sign_update, verify_update
from chain_adapter.eip712 import Domain
from chain_adapter.groth16_calldata import key_blob
from chain_adapter.merkle import MerkleTree, update_leaf
from chain_adapter.transactions import Fees

PAYER = LocalSigner(bytes(31) + b"\1")
TARGET = "0x" + "11" * 20
MANY = 400


def _signed(chain: Chain, count: int) -> list[bytes]:
    first = int(chain.rpc.request("eth_getTransactionCount", PAYER.address, "latest"), 16)
    return [
        PAYER.sign_transaction(
            chain_id=chain.chain_id,
            nonce=first + i,
            fees=Fees(0, 0),
            gas=21_000,
            to=TARGET,
            value=1,
            data=b"",
        )
        for i in range(count)
    ]


class Embedded:
    """An embedded ledger in a file."""

    number = 1
    repeat = 5
    warmup_time = 0

    def setup(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.file = Path(self._directory.name) / "ledger.sqlite"
        self.chain = Chain.embedded(self.file)
        self.chain.fund(PAYER.address, 10**18)
        # asv may call a benchmark again without a new setup: each call takes transactions nobody has sent
        signed = _signed(self.chain, 4 * MANY)
        self.batches = [signed[i : i + MANY] for i in range(0, len(signed), MANY)]
        self.acts = count()

    def teardown(self) -> None:
        self.chain.close()
        self._directory.cleanup()

    def time_400_transactions_through_web3(self) -> None:
        send = self.chain.w3.eth.send_raw_transaction
        for raw in self.batches.pop(0):
            send(raw)

    def time_400_transactions_direct(self) -> None:
        for raw in self.batches.pop(0):
            self.chain.rpc.request("eth_sendRawTransaction", "0x" + raw.hex())

    def time_100_acts_through_the_sender(self) -> None:
        sender = self.chain.sender(PAYER)
        for _ in range(100):
            sender.send(f"wei {next(self.acts)}", TARGET, b"", 1)


class Reopen:
    """Replaying a ledger, every hash checked and every transaction executed again."""

    number = 1
    repeat = 3
    timeout = 300

    def setup_cache(self) -> str:
        file = Path(tempfile.mkdtemp()) / "ledger.sqlite"
        with Chain.embedded(file) as chain:
            chain.fund(PAYER.address, 10**18)
            for raw in _signed(chain, 2_000):
                chain.rpc.request("eth_sendRawTransaction", "0x" + raw.hex())
        return str(file)

    def time_reopen_2000_transactions(self, file: str) -> None:
        Chain.embedded(file).close()

    def track_bytes_per_transaction(self, file: str) -> float:
        return Path(file).stat().st_size / 2_000


class Signing:
    """What one client and one coordinator compute for a round."""

    def setup(self) -> None:
        self.domain = Domain(31337, TARGET)
        self.update = Update(bytes(32), 0, PAYER.address, 10, bytes(32))
        self.signature = sign_update(PAYER, self.domain, self.update)
        self.leaves = [update_leaf(Update(bytes(32), i, PAYER.address, 1, bytes(32))) for i in range(1_000)]

    def time_sign_update(self) -> None:
        sign_update(PAYER, self.domain, self.update)

    def time_verify_update(self) -> None:
        verify_update(self.domain, self.update, self.signature)

    def time_tree_of_1000(self) -> Any:
        return MerkleTree(self.leaves).path(500)


class Storage:
    """Content identifiers and the block store, 16 MiB."""

    number = 1

    def setup(self) -> None:
        self._directory = tempfile.TemporaryDirectory()
        self.data = bytes(range(256)) * 65_536
        self.store = LocalStore(Path(self._directory.name))
        self.cid = self.store.put(self.data)

    def teardown(self) -> None:
        self._directory.cleanup()

    def time_cid(self) -> None:
        cid_of(self.data)

    def time_get_verified(self) -> None:
        self.store.get(self.cid)

    def peakmem_get(self) -> None:
        self.store.get(self.cid)


class Proof:
    """A Groth16 proof over three inputs, verified by the contract in the embedded EVM."""

    def setup(self) -> None:
        self.chain = Chain.embedded(None)
        self.chain.fund(PAYER.address, 10**18)
        self.deployment = self.chain.deploy(PAYER)
        vectors = Path(__file__).parents[1] / "tests/vectors/groth16/external/snarkjs"
        key = json.loads((vectors / "verification_key.json").read_text())
        proof = json.loads((vectors / "proof.json").read_text())
        self.publics = [int(x) for x in json.loads((vectors / "public.json").read_text())]
        self.proof = _g1(proof["pi_a"]) + _g2(proof["pi_b"]) + _g1(proof["pi_c"])
        points = [_g2(key[f"vk_{name}_2"]) for name in ("beta", "gamma", "delta")]
        self.key = self.deployment.deploy_key(
            key_blob(_g1(key["vk_alpha_1"]), *points, [_g1(p) for p in key["IC"]])
        )

    def time_verify_on_chain(self) -> None:
        self.deployment.verify_proof(self.key, self.publics, self.proof)


class Gas:
    """What a client costs in a round of a hundred, beside one transaction each."""

    unit = "gas"

    def setup(self) -> None:
        snapshot = files("chain_adapter.contracts") / "gas.json"
        self.gas: dict[str, int] = json.loads(snapshot.read_text(encoding="utf-8"))

    def track_client_one_root_a_round(self) -> float:
        return self.gas["a round's updates: one root / 100 clients"] / 100

    def track_client_whole_round(self) -> float:
        return self.gas["a whole round: root and record / 100 clients"] / 100

    def track_client_one_transaction_each(self) -> float:
        return self.gas["a round's updates: one transaction each / 100 clients"] / 100

    def track_claim(self) -> float:
        return self.gas["Rewards.claim / 100 clients"]

    def track_verify_plain(self) -> float:
        return self.gas["Groth16Verifier.verify / 3 inputs"]


def _g1(point: list[str]) -> bytes:
    return b"".join(int(x).to_bytes(32, "big") for x in point[:2])


def _g2(point: list[list[str]]) -> bytes:
    return b"".join(int(x).to_bytes(32, "big") for pair in point[:2] for x in reversed(pair))
