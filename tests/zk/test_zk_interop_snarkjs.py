"""Both ways with snarkjs and circom as programs: their keys and witnesses prove here, ours prove and verify there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.prg import Stream
from zk import groth16
from zk.circuit import Circuit
from zk.corpus import Case, load_corpus
from zk.formats import circom as circom_files
from zk.formats import evm, load_proof, load_publics
from zk.formats import snarkjs as text
from zk.formats.r1cs_file import decode_r1cs, encode_r1cs
from zk.formats.wtns import decode_witness, encode_witness
from zk.formats.zkey import encode_zkey, read_proving_key

VECTORS = Path(__file__).parents[1] / "vectors" / "groth16" / "external" / "snarkjs"
Program = Callable[..., Any]
pytestmark = pytest.mark.node


def stream(label: bytes) -> Stream:
    return Stream(bytes(32), label)


def test_proof_made_here_from_their_zkey_verifies_there(snarkjs: Program, tmp_path: Path) -> None:
    key = read_proving_key(VECTORS / "fx.zkey")
    proof, publics = circom_files.prove(key, decode_witness(VECTORS / "fx.wtns"), stream(b"here"))
    (tmp_path / "proof.json").write_bytes(text.encode_proof(proof))
    (tmp_path / "public.json").write_bytes(text.encode_publics(publics))
    files = VECTORS / "verification_key.json", tmp_path / "public.json", tmp_path / "proof.json"
    assert snarkjs("groth16", "verify", *files).returncode == 0
    (tmp_path / "public.json").write_bytes(text.encode_publics([*publics[:-1], publics[-1] + 1]))
    assert snarkjs("groth16", "verify", *files).returncode == 1


def test_zkey_written_here_proves_there(snarkjs: Program, tmp_path: Path) -> None:
    circuit, _ = decode_r1cs(VECTORS / "fx.r1cs")
    pk, vk = groth16.setup(circuit, stream(b"setup"), unsafe_single_party=True)
    (tmp_path / "ours.zkey").write_bytes(encode_zkey(pk))
    (tmp_path / "vk.json").write_bytes(text.encode_verifying_key(vk))
    made = tmp_path / "proof.json", tmp_path / "public.json"
    done = snarkjs("groth16", "prove", tmp_path / "ours.zkey", VECTORS / "fx.wtns", *made)
    assert done.returncode == 0, done.stdout
    groth16.verify(vk, load_publics(made[1]), load_proof(made[0]))
    assert snarkjs("groth16", "verify", tmp_path / "vk.json", made[1], made[0]).returncode == 0
    exported = tmp_path / "exported.json"
    assert snarkjs("zkey", "export", "verificationkey", tmp_path / "ours.zkey", exported).returncode == 0
    assert text.decode_verifying_key(exported.read_bytes()) == vk


def test_calldata_as_snarkjs_prints_it(snarkjs: Program, tmp_path: Path) -> None:
    key = read_proving_key(VECTORS / "fx.zkey")
    proof, publics = circom_files.prove(key, decode_witness(VECTORS / "fx.wtns"), stream(b"calldata"))
    (tmp_path / "proof.json").write_bytes(text.encode_proof(proof))
    (tmp_path / "public.json").write_bytes(text.encode_publics(publics))
    done = snarkjs("zkey", "export", "soliditycalldata", tmp_path / "public.json", tmp_path / "proof.json")
    assert done.returncode == 0
    assert evm.encode_calldata_text(proof, publics).decode() == done.stdout.strip()


def test_circuit_written_here_is_read_there(snarkjs: Program, tmp_path: Path) -> None:
    circuit, info = decode_r1cs(VECTORS / "fx.r1cs")
    (tmp_path / "ours.r1cs").write_bytes(encode_r1cs(circuit, info))
    (tmp_path / "ours.wtns").write_bytes(encode_witness(decode_witness(VECTORS / "fx.wtns")))
    done = snarkjs("r1cs", "info", tmp_path / "ours.r1cs")
    assert "# of Constraints: 241" in done.stdout and "# of Wires: 244" in done.stdout
    assert snarkjs("wtns", "check", tmp_path / "ours.r1cs", tmp_path / "ours.wtns").returncode == 0


def test_circuit_built_here_is_set_up_there_and_proved_here(snarkjs: Program, tmp_path: Path) -> None:
    """Our rows in a .r1cs, their setup from powers of tau with a contribution of theirs, our proof, their verifier."""
    circuit = Circuit()
    out = circuit.public("out")
    x = circuit.private("x", 1, lambda o: np.array([3], dtype=object), out)
    cube = circuit.multiply(circuit.multiply(x, x, "square"), x, "cube")
    circuit.equal(cube * 2 + x - 5, out, "result")
    r1cs, program = circuit.finish()
    witness = program.commit_phase({"out": [52]})
    (tmp_path / "ours.r1cs").write_bytes(encode_r1cs(r1cs))
    powers = VECTORS.parents[2] / "ceremony" / "external" / "snarkjs" / "pot6_prepared.ptau"
    first, second, vk = tmp_path / "0.zkey", tmp_path / "1.zkey", tmp_path / "vk.json"
    assert snarkjs("groth16", "setup", tmp_path / "ours.r1cs", powers, first).returncode == 0
    assert snarkjs("zkey", "contribute", first, second, "--name=Ada", "-e=some entropy").returncode == 0
    assert snarkjs("zkey", "export", "verificationkey", second, vk).returncode == 0
    key = read_proving_key(second)
    proof, publics = circom_files.prove(key, witness.tolist(), stream(b"proof"), circuit=r1cs)
    assert publics == [52]
    (tmp_path / "proof.json").write_bytes(text.encode_proof(proof))
    (tmp_path / "public.json").write_bytes(text.encode_publics(publics))
    assert snarkjs("groth16", "verify", vk, tmp_path / "public.json", tmp_path / "proof.json").returncode == 0


@pytest.mark.parametrize(
    "name",
    [
        "honest_proof",
        "rerandomised_by_scaling",
        "public_changed",
        "public_plus_r",
        "proof_A_negated",
        "proof_A_off_curve",
    ],
)
def test_snarkjs_on_the_corpus(snarkjs: Program, tmp_path: Path, name: str) -> None:
    """Our vectors mean outside this project what they say."""
    (case,) = (case for case in load_corpus() if case.name == name)
    assert (snarkjs("groth16", "verify", *_files(case, tmp_path)).returncode == 0) == case.accept


def _files(case: Case, folder: Path) -> list[Path]:
    assert case.public is not None
    bodies = {"vk": case.vk, "public": case.public, "proof": case.proof}
    for name, body in bodies.items():
        (folder / f"{name}.json").write_bytes(body)
    return [folder / f"{name}.json" for name in bodies]


@pytest.mark.solc
def test_calldata_in_the_contract_snarkjs_writes(snarkjs: Program, solc: Program, tmp_path: Path) -> None:
    """Our bytes, selector included, called on snarkjs's Solidity verifier in an EVM: true, and false when changed."""
    pyrevm = pytest.importorskip("pyrevm")
    source = tmp_path / "verifier.sol"
    assert snarkjs("zkey", "export", "solidityverifier", VECTORS / "fx.zkey", source).returncode == 0
    done = solc("--bin", "--optimize", "--base-path", tmp_path, "-o", tmp_path / "out", source)
    (binary,) = (tmp_path / "out").glob("*Groth16Verifier.bin")
    assert done.returncode == 0, done.stderr
    evm_machine = pyrevm.EVM()
    owner = "0x" + "11" * 20
    evm_machine.set_balance(owner, 10**18)
    contract = evm_machine.deploy(owner, bytes.fromhex(binary.read_text()))
    key = read_proving_key(VECTORS / "fx.zkey")
    proof, publics = circom_files.prove(key, decode_witness(VECTORS / "fx.wtns"), stream(b"evm"))

    def answer(inputs: list[int]) -> int:
        data = evm.encode_calldata(proof, inputs, call=True)
        return int.from_bytes(evm_machine.message_call(owner, contract, calldata=data), "big")

    assert answer(publics) == 1
    assert answer([*publics[:-1], publics[-1] + 1]) == 0
