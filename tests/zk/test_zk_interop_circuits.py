"""Signatures, hashes and commitments made here, checked inside ZoKrates and circom programs; their proofs, here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.prg import Stream
from zk import eddsa, eddsa_zokrates, groth16
from zk.cli import decide
from zk.field import R
from zk.formats import circom as circom_files
from zk.formats import load_publics
from zk.formats.r1cs_file import decode_r1cs
from zk.formats.wtns import decode_witness
from zk.pedersen_hash import zokrates_pedersen
from zk.poseidon import poseidon
from zk.r1cs import WitnessError

Program = Callable[..., Any]
HERE = Path(__file__).parent
EXAMPLE = HERE.parents[1] / "docs" / "examples" / "committed_update.zok"


def words(data: bytes) -> list[str]:
    return [str(int.from_bytes(data[i : i + 4], "big")) for i in range(0, len(data), 4)]


@pytest.mark.node
def test_zokrates_program_over_our_commitment(node_script: Program, tmp_path: Path) -> None:
    update = bytes(range(64))
    arguments = json.dumps([words(update), "7"])
    done = node_script("zokrates_prove.mjs", EXAMPLE, arguments, tmp_path, module="zokrates-js")
    assert done.returncode == 0, done.stderr
    packed = zokrates_pedersen(update, "test").to_zokrates()
    want = poseidon([int.from_bytes(packed[:16], "big"), int.from_bytes(packed[16:], "big"), 7])
    proof, key = tmp_path / "proof.json", tmp_path / "verification.key"
    assert load_publics(proof) == [7, want]
    assert decide(key, proof, None).exit_code == 0
    proof.write_text(proof.read_text().replace(f"{7:064x}", f"{8:064x}"))
    assert decide(key, proof, None).exit_code == 1


@pytest.mark.node
@pytest.mark.slow
def test_zokrates_checks_our_signature(node_script: Program, tmp_path: Path) -> None:
    """94,180 rows: the witness says true for our signature, and false for another message."""
    key, message = eddsa_zokrates.SigningKey(123456789), bytes(range(64))
    signature = key.sign(message)
    source = tmp_path / "verify.zok"
    source.write_text(
        'import "signatures/verifyEddsa" as verifyEddsa;\n'
        'import "ecc/babyjubjubParams" as context;\n'
        'from "ecc/babyjubjubParams" import BabyJubJubParams;\n'
        "def main(field[2] R, field S, field[2] A, u32[8] M0, u32[8] M1) -> bool {\n"
        "    BabyJubJubParams context = context();\n"
        "    return verifyEddsa(R, S, A, M0, M1, context);\n"
        "}\n"
    )
    point, public = signature.r, key.public
    for changed, want in ((message, "true"), (message[:-1] + b"\xff", "false")):
        m = words(changed)
        arguments = [
            [str(point.x), str(point.y)],
            str(signature.s),
            [str(public.x), str(public.y)],
            m[:8],
            m[8:],
        ]
        args = (source, json.dumps(arguments))
        done = node_script("zokrates_witness.mjs", *args, module="zokrates-js")
        assert done.stdout.strip() == want, done.stderr


CIRCUIT = """
pragma circom 2.1.6;
include "circomlib/eddsaposeidon.circom";
include "circomlib/poseidon.circom";
template Signed() {
    signal input a[2]; signal input r[2]; signal input s; signal input m; signal output digest;
    component check = EdDSAPoseidonVerifier();
    check.enabled <== 1;
    check.Ax <== a[0]; check.Ay <== a[1]; check.R8x <== r[0]; check.R8y <== r[1]; check.S <== s; check.M <== m;
    component hash = Poseidon(3);
    hash.inputs[0] <== a[0]; hash.inputs[1] <== a[1]; hash.inputs[2] <== m;
    digest <== hash.out;
}
component main {public [a, m]} = Signed();
"""


@pytest.mark.node
def test_circom_checks_our_signature_and_we_prove_its_circuit(
    circom: Program, snarkjs: Program, tmp_path: Path
) -> None:
    (tmp_path / "signed.circom").write_text(CIRCUIT)
    done = circom(tmp_path, "signed.circom", "--r1cs", "--wasm", "--O2")
    assert done.returncode == 0, done.stdout + done.stderr
    key = eddsa.SigningKey(bytes(range(32)))
    signature = key.sign(99)
    inputs = {
        "a": [str(key.public.x), str(key.public.y)],
        "r": [str(signature.r.x), str(signature.r.y)],
        "s": str(signature.s),
        "m": "99",
    }
    (tmp_path / "input.json").write_text(json.dumps(inputs))
    wasm = tmp_path / "signed_js" / "signed.wasm"
    assert snarkjs("wtns", "calculate", wasm, tmp_path / "input.json", tmp_path / "w.wtns").returncode == 0
    circuit, info = decode_r1cs(tmp_path / "signed.r1cs")
    witness = decode_witness(tmp_path / "w.wtns")
    circuit.check(np.array(witness, dtype=object))
    publics = [poseidon([key.public.x, key.public.y, 99]), key.public.x, key.public.y, 99]
    assert (circuit.n_public, info.n_outputs) == (4, 1)
    assert witness[1:5] == publics
    pk, vk = groth16.setup(circuit, Stream(bytes(32), b"setup"), unsafe_single_party=True)
    proof, found = circom_files.prove(pk, witness, Stream(bytes(32), b"proof"), circuit=circuit)
    assert found == publics
    groth16.verify(vk, publics, proof)
    witness[4] = 98
    with pytest.raises(WitnessError):
        circom_files.prove(pk, witness, Stream(bytes(32), b"proof"), circuit=circuit)
    (tmp_path / "input.json").write_text(json.dumps(inputs | {"s": str((signature.s + 1) % R)}))
    assert snarkjs("wtns", "calculate", wasm, tmp_path / "input.json", tmp_path / "bad.wtns").returncode != 0
