"""snarkjs's proofs on every ledger: the good ones hold, each bad one is refused, from Python through the contract."""

import json
from pathlib import Path
from typing import Any

import pytest
from chain_ledgers import Backend
from chain_support import COORDINATOR

from chain_adapter import TransactionReverted
from chain_adapter.groth16_calldata import ORDER, KeyBlob, key_blob
from mpc.errors import ProofRejected

VECTORS = Path(__file__).parents[1] / "vectors/groth16/external/snarkjs"
BAD = ["bad_proof_A_offcurve", "bad_proof_C_infinity", "bad_proof_negA"]
GOOD = ["proof", "proof_second_same_statement", "malleated_negA_negB_VALID"]


def load(name: str) -> Any:
    return json.loads((VECTORS / f"{name}.json").read_text())


def g1(point: list[str]) -> bytes:
    return b"".join(int(x).to_bytes(32, "big") for x in point[:2])


def g2(point: list[list[str]]) -> bytes:
    return b"".join(int(x).to_bytes(32, "big") for pair in point[:2] for x in reversed(pair))


def blob(key: dict[str, Any]) -> KeyBlob:
    points = (g1(key["vk_alpha_1"]), g2(key["vk_beta_2"]), g2(key["vk_gamma_2"]), g2(key["vk_delta_2"]))
    return key_blob(*points, [g1(p) for p in key["IC"]])


def proof_bytes(proof: dict[str, Any]) -> bytes:
    return g1(proof["pi_a"]) + g2(proof["pi_b"]) + g1(proof["pi_c"])


def test_proofs_of_snarkjs_are_verified_by_the_chain(backend: Backend) -> None:
    backend.fund(COORDINATOR.address, 10**18)
    deployment = backend.open().deploy(COORDINATOR)
    key = blob(load("verification_key"))
    address = deployment.deploy_key(key)
    assert deployment.deploy_key(key) == address
    publics = [int(x) for x in load("public")]
    slow = backend.name == "eth-tester"  # py-evm takes a second a pairing product
    for name in GOOD[: 1 if slow else None]:
        deployment.verify_proof(address, publics, proof_bytes(load(name)))
    good = proof_bytes(load("proof"))
    for name in BAD[: 1 if slow else None]:
        with pytest.raises(ProofRejected):
            deployment.verify_proof(address, publics, proof_bytes(load(name)))
    for position in range(1 if slow else len(publics)):
        for change, error in ((1, ProofRejected), (ORDER, TransactionReverted)):
            wrong = [x + change * (i == position) for i, x in enumerate(publics)]
            with pytest.raises(error):
                deployment.verify_proof(address, wrong, good)
    with pytest.raises(TransactionReverted, match="BadLength"):
        deployment.verify_proof(address, publics[:-1], good)
    with pytest.raises(TransactionReverted, match="BadLength"):
        deployment.verify_proof(address, publics, good + bytes(64))
    with pytest.raises(TransactionReverted, match="BadKey"):
        deployment.verify_proof(COORDINATOR.address, publics, good)
