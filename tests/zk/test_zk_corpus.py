"""Every shipped attack against our verifier, and the corpus against the script that writes it."""

import json
from importlib.resources import files
from pathlib import Path

import pytest

from mpc.errors import ParameterError
from zk.backends import available
from zk.cli import decide_case
from zk.corpus import Case, external_verifier, load_corpus, run_corpus
from zk.corpus.build import build
from zk.corpus.committed_base import write

VECTORS = Path(__file__).parents[1] / "vectors" / "groth16"
CASES = load_corpus()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_attack(case: Case) -> None:
    found = decide_case(case)
    assert found.exit_code == case.exit_code, found
    assert found.reason


def test_shipped_corpus_is_what_the_script_writes() -> None:
    assert build(VECTORS) == (files("zk.corpus") / "groth16.v1.json").read_bytes()


def test_honest_commitments_are_what_the_script_writes(tmp_path: Path) -> None:
    """A change of keys, challenges or circuits shows here: then `python -m zk.corpus.committed_base`, and build anew."""
    stored = VECTORS / "own" / "commit_and_prove"
    write(tmp_path)
    names = sorted(path.relative_to(stored) for path in stored.rglob("*.json"))
    assert len(names) == 8
    for name in names:
        assert (tmp_path / name).read_bytes() == (stored / name).read_bytes(), name


def test_names_are_unique_and_both_answers_occur() -> None:
    assert len({case.name for case in CASES}) == len(CASES) > 120
    assert {case.exit_code for case in CASES} == {0, 1, 2}


def test_runner_tells_good_from_bad_verifiers() -> None:
    def careless(case: Case) -> bool:
        return True

    failed = [o.case.name for o in run_corpus(careless, CASES) if not o.passed]
    assert "public_plus_r" in failed and "honest_proof" not in failed


def test_external_program_sees_the_three_files() -> None:
    (honest,) = (case for case in CASES if case.name == "honest_proof")
    assert external_verifier("grep -q pi_a {proof} {vk}")(honest)
    assert not external_verifier("grep -q no_such_word {proof} {vk} {public}")(honest)


def test_external_command_needs_its_places() -> None:
    with pytest.raises(ParameterError):
        external_verifier("snarkjs groth16 verify")


def test_corpus_is_plain_json() -> None:
    document = json.loads((files("zk.corpus") / "groth16.v1.json").read_bytes())
    assert document["version"] == 1


TOUCHING_THE_LIBRARY = [
    "honest_proof",
    "public_changed",
    "proof_B_outside_subgroup",
    "zokrates_honest_proof",
    "committed_simple_honest",
    "committed_simple_D_shifted_by_IC_1",
]


@pytest.mark.parametrize("backend", ["mcl", "zksnake", "gmpy2", "py_ecc"])
@pytest.mark.parametrize("name", TOUCHING_THE_LIBRARY)
def test_every_backend_answers_alike(monkeypatch: pytest.MonkeyPatch, backend: str, name: str) -> None:
    if not dict((n, usable) for n, usable, _ in available())[backend]:
        pytest.skip(f"{backend} does not work here")
    monkeypatch.setenv("ZK_BACKEND", backend)
    (case,) = (case for case in CASES if case.name == name)
    assert decide_case(case).exit_code == case.exit_code
