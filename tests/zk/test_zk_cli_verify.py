"""`eppml verify` on files other tools wrote."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from zk.cli import verify
from zk.formats import committed
from zk.key_bytes import encode_verifier_key

EXTERNAL = Path(__file__).parents[1] / "vectors" / "groth16" / "external"
SNARKJS, ZOKRATES = EXTERNAL / "snarkjs", EXTERNAL / "zokrates"
app = typer.Typer()
app.command()(verify)


def run(*args: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in args])
    return result.exit_code, result.output


def snarkjs(
    vk: str = "verification_key.json", proof: str = "proof.json", public: str = "public.json"
) -> tuple[int, str]:
    return run("--vk", SNARKJS / vk, "--proof", SNARKJS / proof, "--public", SNARKJS / public)


@pytest.mark.parametrize(
    "proof", ["proof.json", "proof_second_same_statement.json", "malleated_negA_negB_VALID.json"]
)
def test_valid_snarkjs_proofs(proof: str) -> None:
    assert snarkjs(proof=proof) == (0, "valid: a Groth16 proof about 3 public inputs\n")


@pytest.mark.parametrize("vk", ["verification_key.json", "fx.zkey"])
def test_key_from_either_file(vk: str) -> None:
    assert snarkjs(vk=vk)[0] == 0


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        ({"proof": "bad_proof_A_offcurve.json"}, 2, "pi_a: point not on the curve"),
        ({"proof": "bad_proof_C_infinity.json"}, 2, "pi_c is the point at infinity"),
        ({"proof": "bad_proof_negA.json"}, 1, "pairing equation"),
        ({"public": "bad_public_alias_plus_r.json"}, 2, "public input 2 is not reduced"),
        ({"public": "bad_public_plus1.json"}, 1, "pairing equation"),
        ({"public": "bad_public_short.json"}, 2, "want 3 public inputs, got 2"),
        ({"vk": "bad_vk_delta_eq_gamma.json"}, 2, "gamma equals delta"),
    ],
)
def test_bad_files_are_refused_and_named(files: dict[str, str], code: int, words: str) -> None:
    found, text = snarkjs(**files)
    assert found == code
    assert words in text


def test_every_bad_file_of_the_folder_is_covered() -> None:
    bad = {path.name for path in SNARKJS.glob("bad_*")}
    assert len(bad) == 7


def test_zokrates_carries_its_inputs() -> None:
    assert run("--vk", ZOKRATES / "verification.key", "--proof", ZOKRATES / "proof.json")[0] == 0
    assert (
        run("--vk", ZOKRATES / "verification.key", "--proof", ZOKRATES / "proof_tampered_input.json")[0] == 1
    )


def test_calldata_carries_its_inputs() -> None:
    assert run("--vk", SNARKJS / "verification_key.json", "--proof", SNARKJS / "calldata.txt")[0] == 0


def test_json_report() -> None:
    code, text = run("--vk", SNARKJS / "verification_key.json", "--proof", SNARKJS / "calldata.txt", "--json")
    assert code == 0
    assert json.loads(text)["verdict"] == "valid"


def test_missing_files_and_missing_options() -> None:
    code, text = snarkjs(proof="no_such_file.json")
    assert code == 2 and "no_such_file.json" in text
    assert run("--vk", SNARKJS / "verification_key.json")[0] == 2
    assert snarkjs(public="proof.json")[0] == 2


def test_corpus_passes_and_a_careless_program_fails_it() -> None:
    code, text = run("--corpus", "--format", "zokrates")
    assert code == 0 and "FAIL" not in text
    code, text = run("--corpus", "--format", "zokrates", "--command", "true {vk} {proof}")
    assert code == 1 and "FAIL zokrates_input_plus_r: accepted" in text


def test_corpus_report_is_json() -> None:
    code, text = run("--corpus", "--format", "calldata", "--json")
    assert code == 0 and all(entry["passed"] for entry in json.loads(text))


def test_corpus_refuses_what_it_cannot_run() -> None:
    assert run("--corpus", "--format", "no such format")[0] == 2
    assert run("--corpus", "--command", "true")[0] == 2
    assert run("--corpus", "--format", "arkworks", "--command", "no-such-program {vk} {proof}")[0] == 2


@pytest.mark.parametrize("kind", ["simple", "challenge"])
def test_our_own_keys_as_json_and_as_bytes(tmp_path: Path, kind: str) -> None:
    folder = EXTERNAL.parent / "own" / "commit_and_prove" / kind
    raw = tmp_path / "key.bin"
    raw.write_bytes(encode_verifier_key(committed.decode_verifier_key((folder / "key.json").read_bytes())))
    for key in (folder / "key.json", raw):
        for proof in ("proof.json", "other.json"):
            files = ("--vk", key, "--proof", folder / proof, "--public", folder / "public.json")
            assert run(*files)[0] == 0
        assert run("--vk", key, "--proof", folder / "proof.json")[0] == 2
    raw.write_bytes(raw.read_bytes() + b"\0")
    assert run("--vk", raw, "--proof", folder / "proof.json", "--public", folder / "public.json")[0] == 2


def test_committed_json_round_trip() -> None:
    folder = EXTERNAL.parent / "own" / "commit_and_prove" / "challenge"
    for name, decode, encode in (
        ("key.json", committed.decode_verifier_key, committed.encode_verifier_key),
        ("proof.json", committed.decode_proof, committed.encode_proof),
    ):
        raw = (folder / name).read_bytes()
        assert encode(decode(raw)) == raw  # type: ignore[operator]
