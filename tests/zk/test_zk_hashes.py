"""Poseidon, MiMC, BLAKE and Keccak against circomlibjs and published vectors."""

import json
from pathlib import Path
from typing import Any

import pytest

from mpc.errors import ParameterError
from zk.babyjubjub import P
from zk.blake import blake256, blake512
from zk.keccak import keccak256
from zk.mimc import constants, mimc7, mimc7_hash, mimc_feistel, mimc_sponge
from zk.poseidon import FULL_ROUNDS, MAX_INPUTS, parameters, permute, poseidon

VECTORS = Path(__file__).parents[1] / "vectors"
CIRCOM: dict[str, Any] = json.loads(
    (VECTORS / "babyjubjub" / "external" / "circomlibjs" / "vectors.v1.json").read_bytes()
)
HASHES: dict[str, Any] = json.loads(
    (VECTORS / "hashes" / "external" / "published" / "digests.v1.json").read_bytes()
)


@pytest.mark.parametrize("vector", CIRCOM["poseidon"], ids=lambda v: str(len(v["inputs"])))
def test_circomlibjs_poseidon(vector: dict[str, Any]) -> None:
    assert poseidon([int(x) for x in vector["inputs"]]) == int(vector["hash"])


def test_poseidon_parameters_of_the_paper_s_script() -> None:
    """First and last constant and matrix corner for width 3, as the authors' script prints them."""
    known = parameters(3)
    assert len(known.constants) == FULL_ROUNDS + 57
    assert known.constants[0][0] == 0x0EE9A592BA9A9518D05986D656F40C2114C4993C11BB29938D21D47304CD8E6E
    assert known.matrix[0][0] == 0x109B7F411BA0E4C9B2B70CAF5C36A7B194BE7C11AD24378BFEDB68592BA8118B


def test_poseidon_permutation_is_not_the_identity_and_keeps_its_width() -> None:
    assert len(permute([0, 1, 2])) == 3
    assert poseidon([1, 2], capacity=1) != poseidon([1, 2]) != poseidon([2, 1])


@pytest.mark.parametrize("bad", [[], [0] * (MAX_INPUTS + 1), [P], [-1]])
def test_poseidon_refuses(bad: list[int]) -> None:
    with pytest.raises(ParameterError):
        poseidon(bad)


@pytest.mark.parametrize("vector", CIRCOM["mimc7"], ids=lambda v: v["x"])
def test_circomlibjs_mimc7(vector: dict[str, str]) -> None:
    assert mimc7(int(vector["x"]), int(vector["k"])) == int(vector["hash"])


@pytest.mark.parametrize("vector", CIRCOM["mimc7_multi"], ids=lambda v: f"{len(v['inputs'])}-{v['key']}")
def test_circomlibjs_mimc7_hash(vector: dict[str, Any]) -> None:
    assert mimc7_hash([int(x) for x in vector["inputs"]], key=int(vector["key"])) == int(vector["hash"])


@pytest.mark.parametrize(
    "vector", CIRCOM["mimcsponge"], ids=lambda v: f"{len(v['inputs'])}-{len(v['outputs'])}"
)
def test_circomlibjs_mimc_sponge(vector: dict[str, Any]) -> None:
    want = [int(x) for x in vector["outputs"]]
    assert mimc_sponge([int(x) for x in vector["inputs"]], key=int(vector["key"]), outputs=len(want)) == want


def test_mimc_feistel_is_a_permutation() -> None:
    left, right = 3, 4
    for constant in constants(b"mimcsponge", 220):
        left, right = (right + pow(left + 5 + constant, 5, P)) % P, left
    assert mimc_feistel(3, 4, 5) == (right, left)
    assert len({mimc_feistel(a, b, 5) for a in range(4) for b in range(4)}) == 16


@pytest.mark.parametrize("bad", [P, -1, True])
def test_mimc_refuses(bad: Any) -> None:
    for call in (lambda: mimc7(bad, 0), lambda: mimc_sponge([bad]), lambda: mimc_feistel(0, bad, 0)):
        with pytest.raises(ParameterError):
            call()
    with pytest.raises(ParameterError):
        mimc_sponge([1], outputs=0)


@pytest.mark.parametrize("vector", HASHES["digests"], ids=lambda v: f"{v['hash']}-{v['length']}")
def test_digests(vector: dict[str, Any]) -> None:
    functions = {"blake256": blake256, "blake512": blake512, "keccak256": keccak256}
    data = bytes.fromhex(vector["byte"]) * vector["length"]
    assert functions[vector["hash"]](data).hex() == vector["digest"]
