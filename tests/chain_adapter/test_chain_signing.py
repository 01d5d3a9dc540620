"""Keys, signatures and trees against other people's implementations, and every malformed signature there is."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from chain_support import CLIENTS, UPDATES
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from chain_adapter import (
    Domain,
    LocalSigner,
    Member,
    MerkleTree,
    Update,
    recover_update,
    sign_update,
    update_leaf,
    verify_path,
    verify_update,
)
from chain_adapter import (
    Path as MerklePath,
)
from chain_adapter.addresses import address_bytes
from chain_adapter.hashing import keccak256
from chain_adapter.merkle import is_valid_path, member_leaf
from chain_adapter.transactions import SECP256K1_ORDER, Fees, decode_transaction
from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream

ROOT = Path(__file__).parents[2]
ROUNDS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
HERE = Domain(31337, ROUNDS)
SIGNER = CLIENTS[0]
UPDATE = UPDATES[0]
TYPES = {
    "Update": [
        {"name": "plan", "type": "bytes32"}, {"name": "round", "type": "uint64"}, {"name": "client", "type": "address"},
        {"name": "samples", "type": "uint32"}, {"name": "digest", "type": "bytes32"},
    ]
}  # fmt: skip


@settings(max_examples=25)
@given(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(1, 2**40),
)
def test_typed_signatures_are_those_of_eth_account(
    plan: bytes, round: int, samples: int, chain_id: int
) -> None:
    update = Update(plan, round, SIGNER.address, samples, plan[::-1])
    fields = {"name": "EPPML", "version": "1", "chainId": chain_id, "verifyingContract": ROUNDS}
    values = {
        "plan": plan,
        "round": round,
        "client": SIGNER.address,
        "samples": samples,
        "digest": plan[::-1],
    }
    message = encode_typed_data(fields, TYPES, values)
    ours = sign_update(SIGNER, Domain(chain_id, ROUNDS), update)
    assert ours == Account.from_key(bytes([2]) * 32).sign_message(message).signature
    assert Account.recover_message(message, signature=ours) == SIGNER.address
    assert recover_update(Domain(chain_id, ROUNDS), update, ours) == SIGNER.address


def changes() -> list[tuple[Domain, Update]]:
    u = UPDATE
    return [
        (Domain(1, ROUNDS), u),
        (Domain(31337, CLIENTS[1].address), u),
        (HERE, Update(bytes(32), u.round, u.client, u.samples, u.digest)),
        (HERE, Update(u.plan, u.round + 1, u.client, u.samples, u.digest)),
        (HERE, Update(u.plan, u.round, u.client, u.samples + 1, u.digest)),
        (HERE, Update(u.plan, u.round, u.client, u.samples, bytes(32))),
        (HERE, Update(u.plan, u.round, CLIENTS[1].address, u.samples, u.digest)),
    ]


@pytest.mark.parametrize(
    "change", changes(), ids=["chain", "deployment", "plan", "round", "samples", "digest", "client"]
)
def test_a_signature_is_worth_nothing_anywhere_else(change: tuple[Domain, Update]) -> None:
    signature = sign_update(SIGNER, HERE, UPDATE)
    verify_update(HERE, UPDATE, signature)
    with pytest.raises(ProofRejected):
        verify_update(*change, signature)


def malformed() -> dict[str, bytes]:
    good = sign_update(SIGNER, HERE, UPDATE)
    r, s, v = good[:32], int.from_bytes(good[32:64], "big"), good[64]
    high = (SECP256K1_ORDER - s).to_bytes(32, "big")
    return {
        "high s, the other valid spelling": r + high + bytes([55 - v]),
        "high s": r + high + bytes([v]),
        "v as parity": good[:64] + bytes([v - 27]),
        "v of a chain": good[:64] + bytes([v + 10]),
        "short": good[:64],
        "long": good + b"\0",
        "empty": b"",
        "compact of EIP-2098": r + (s | (v - 27) << 255).to_bytes(32, "big"),
        "r zero": bytes(32) + good[32:],
        "s zero": r + bytes(32) + bytes([v]),
        "r is the order": SECP256K1_ORDER.to_bytes(32, "big") + good[32:],
        "r is no coordinate": (5).to_bytes(32, "big") + good[32:],
    }


@pytest.mark.parametrize("name", malformed())
def test_a_signature_has_one_spelling(name: str) -> None:
    with pytest.raises((DecodeError, ProofRejected)):
        verify_update(HERE, UPDATE, malformed()[name])


@pytest.mark.parametrize(
    "fields",
    [
        (bytes(31), 0, SIGNER.address, 1, bytes(32)), (bytes(32), 2**64, SIGNER.address, 1, bytes(32)),
        (bytes(32), -1, SIGNER.address, 1, bytes(32)), (bytes(32), 0, SIGNER.address, 2**32, bytes(32)),
        (bytes(32), 0, "0x12", 1, bytes(32)), (bytes(32), 0, SIGNER.address, 1, bytes(33)),
        (bytes(32), 0, SIGNER.address.swapcase().replace("X", "x"), 1, bytes(32)),
    ],
)  # fmt: skip
def test_fields_that_do_not_fit_solidity_are_refused(fields: tuple[Any, ...]) -> None:
    with pytest.raises(ParameterError):
        Update(*fields)


def test_addresses_carry_their_checksum() -> None:
    for address in (
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    ):
        assert address_bytes(address) == address_bytes(address.lower())  # both from EIP-55 itself
        with pytest.raises(ParameterError, match="mistyped"):
            address_bytes(address.replace("B", "b", 1))
    for bad in (
        "",
        "0x",
        "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed00",
        "0x" + "g" * 40,
        "0x" + " " * 40,
        "0x" + "1 " * 20,
    ):
        with pytest.raises(ParameterError):
            address_bytes(bad)


@settings(max_examples=25)
@given(st.integers(0, 2**40), st.integers(0, 2**64), st.binary(max_size=80), st.booleans())
def test_transactions_are_signed_as_eth_account_signs_them(
    nonce: int, value: int, data: bytes, creates: bool
) -> None:
    to = None if creates else ROUNDS
    raw = SIGNER.sign_transaction(
        chain_id=5, nonce=nonce, fees=Fees(30, 2), gas=99_999, to=to, value=value, data=data
    )
    fields = {"type": 2, "chainId": 5, "nonce": nonce, "gas": 99_999, "value": value, "data": data}
    fields |= {"maxFeePerGas": 30, "maxPriorityFeePerGas": 2} | ({} if creates else {"to": ROUNDS})
    assert raw == bytes(Account.sign_transaction(fields, bytes([2]) * 32).raw_transaction)
    decoded = decode_transaction(raw)
    assert (decoded.sender, decoded.nonce, decoded.value, decoded.data) == (
        SIGNER.address,
        nonce,
        value,
        data,
    )
    assert (decoded.to, decoded.hash) == (to, keccak256(raw))


def test_legacy_transactions_need_a_chain_id() -> None:
    fields = {"nonce": 1, "gas": 21_000, "gasPrice": 7, "to": ROUNDS, "value": 3, "data": b""}
    signed = Account.sign_transaction({**fields, "chainId": 5}, bytes([2]) * 32).raw_transaction
    assert decode_transaction(bytes(signed)).sender == SIGNER.address
    with pytest.raises(DecodeError, match="replayed on any chain"):
        decode_transaction(bytes(Account.sign_transaction(fields, bytes([2]) * 32).raw_transaction))


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_transaction_is_refused_or_is_somebody_elses(position: int, change: int) -> None:
    raw = SIGNER.sign_transaction(
        chain_id=5, nonce=0, fees=Fees(9, 1), gas=21_000, to=ROUNDS, value=1, data=b"hello"
    )
    position %= len(raw)
    changed = raw[:position] + bytes([raw[position] ^ change]) + raw[position + 1 :]
    try:
        assert decode_transaction(changed).sender != SIGNER.address
    except DecodeError:
        pass
    with pytest.raises(DecodeError):
        decode_transaction(raw[: position or 1])


def test_keys_stay_out_of_sight() -> None:
    secret = bytes(range(1, 33))
    signer = LocalSigner(secret)
    for shown in (repr(signer), str(signer), f"{signer}", repr([signer]), repr({"signer": signer})):
        assert secret.hex() not in shown and signer.address in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(signer)
    assert not hasattr(signer, "__dict__")
    for bad in (b"", bytes(31), bytes(32), SECP256K1_ORDER.to_bytes(32, "big"), b"\xff" * 32):
        with pytest.raises(ParameterError, match="private key is 32 bytes"):
            LocalSigner(bad)
    assert LocalSigner.generate(Stream(bytes(32))).address == LocalSigner.generate(Stream(bytes(32))).address


def test_a_keystore_of_another_program_opens(tmp_path: Path) -> None:
    """The test vector of the Web3 Secret Storage definition."""
    vector = ROOT / "tests/vectors/keystore/external/web3-secret-storage/pbkdf2.v1.json"
    signer = LocalSigner.from_keystore(vector, "testpassword")
    key = bytes.fromhex("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")
    assert signer.address == LocalSigner(key).address
    for text in ("", "{}", "[]", '{"version": 3}', '{"version": 1, "crypto": {}}'):
        (tmp_path / "bad").write_text(text)
        with pytest.raises(DecodeError, match="not a keystore"):
            LocalSigner.from_keystore(tmp_path / "bad", "x")
    with pytest.raises(ParameterError, match="needs a password"):
        signer.save_keystore(tmp_path / "new", "")
    signer.save_keystore(tmp_path / "new", "pass", light=True)
    assert key.hex() not in (tmp_path / "new").read_text()
    assert LocalSigner.from_keystore(tmp_path / "new", "pass").address == signer.address


@given(st.integers(1, 70), st.data())
def test_every_leaf_has_a_path_and_no_other_does(size: int, data: st.DataObject) -> None:
    leaves = [keccak256(bytes([i])) for i in range(size)]
    tree = MerkleTree(leaves)
    i = data.draw(st.integers(0, size - 1))
    path = tree.path(i)
    verify_path(tree.root, leaves[i], path)
    j = data.draw(st.integers(0, 1 << len(path.siblings)))
    assert is_valid_path(tree.root, leaves[i], MerklePath(j, path.siblings)) == (i == j)
    assert not is_valid_path(tree.root, keccak256(b"other"), path)
    assert not is_valid_path(tree.root, leaves[i], MerklePath(i, (*path.siblings, bytes(32))))
    if path.siblings:
        assert not is_valid_path(tree.root, leaves[i], MerklePath(i >> 1, path.siblings[1:]))


def test_a_node_is_no_leaf_the_padding_is_no_leaf_a_member_is_no_update() -> None:
    leaves = [update_leaf(u) for u in UPDATES]
    tree = MerkleTree(leaves)
    inner = keccak256(b"\x01", leaves[0], leaves[1])
    short = MerklePath(0, tree.path(0).siblings[1:])
    assert is_valid_path(tree.root, inner, short)  # as far as hashes go: but no update hashes to a node
    assert all(update_leaf(u) != inner for u in UPDATES)
    assert not is_valid_path(tree.root, bytes(32), MerklePath(7, tree.path(4).siblings))
    member = Member(UPDATE.client, UPDATE.plan, UPDATE.samples)
    assert member_leaf(member) not in leaves
    with pytest.raises(ProofRejected, match="does not lead to the root"):
        verify_path(tree.root, leaves[0], tree.path(1))
    for bad in ([], [bytes(32)], [bytes(31)]):
        with pytest.raises(ParameterError):
            MerkleTree(bad)
    with pytest.raises(ParameterError):
        tree.path(5)


def test_the_package_imports_without_its_extra_and_says_what_is_missing() -> None:
    program = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("web3", "pyrevm", "torch", "eth_account", "eth_keys", "eth_hash", "eth_abi", "eth_utils",
                                  "rlp", "coincurve", "requests", "urllib3"):
            raise ImportError(f"no module {name}")
sys.meta_path.insert(0, Refuse())
import chain_adapter, chain_adapter.cli, chain_adapter.audit
print(chain_adapter.cid_of(b""))
for attempt in (lambda: chain_adapter.Chain.embedded(None), lambda: chain_adapter.Chain.connect("http://127.0.0.1:1"),
                lambda: chain_adapter.LocalSigner(bytes(31) + b"1")):
    try:
        attempt()
    except chain_adapter.errors.ParameterError as error:
        print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.count("eppml[chain]") == 3, done.stdout + done.stderr
    assert "bafkrei" in done.stdout
