"""Ceremonies for plain and for commit-and-prove keys, and folders somebody tampered with."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mpc.errors import DecodeError, EppmlError, ParameterError, ProofRejected
from mpc.prg import Stream
from zk import ceremony, groth16, keycache
from zk.ceremony_cli import CircuitFile, app, statement_from
from zk.contribution import Beacon, Contribution, Shown
from zk.curve import G1, Q
from zk.formats import circom, load_verifying_key
from zk.formats.wtns import decode_witness
from zk.formats.zkey import read_proving_key
from zk.limbs import to_limbs
from zk.phase2 import Factors
from zk.statements import NormBound

SNARKJS = Path(__file__).parents[1] / "vectors" / "ceremony" / "external" / "snarkjs"
PTAU, CUBE = SNARKJS / "pot6.ptau", CircuitFile(SNARKJS / "cube.r1cs")
BOUND = NormBound(dim=3, bits=4, lookup=False)
VALUE = Beacon(bytes(range(32)), 4)


def stream(label: bytes) -> Stream:
    return Stream(bytes(32), label)


def finished(folder: Path, statement: keycache.Provable) -> Path:
    ceremony.new(folder, statement, PTAU)
    ceremony.contribute(folder, statement, "Ada", stream(b"Ada"))
    ceremony.contribute(folder, statement, "Blaise", stream(b"Blaise"))
    ceremony.beacon(folder, statement, "drand round 1", VALUE)
    return folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("plain"), CUBE)


@pytest.fixture(scope="module")
def committed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.mktemp("committed"), BOUND)


def copy_of(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to / "copy"))


def edit(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / ceremony.TRANSCRIPT
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_plain_ceremony_verifies_and_its_keys_prove(plain: Path) -> None:
    report = ceremony.verify(plain, CUBE, PTAU)
    assert [name for name, _ in report.contributors] == ["Ada", "Blaise", "drand round 1"]
    assert report.closed
    keys = ceremony.keys_of(plain, CUBE)
    circuit, _ = CUBE.circuit()
    witness = decode_witness(SNARKJS / "cube.wtns")
    proof, publics = circom.prove(keys.pk.base, witness, stream(b"proof"), circuit=circuit)
    groth16.verify(keys.vk.base, publics, proof)


def test_commit_and_prove_ceremony_verifies_and_its_keys_prove(committed: Path) -> None:
    assert ceremony.verify(committed, BOUND, PTAU).closed
    keys = ceremony.keys_of(committed, BOUND)
    values = np.array([1, -2, 3])
    given: dict[str, Any] = {"l2_bound_sq": 20, "context": b"round 1"}
    proof, blindings = BOUND.prove(keys.pk, values, randomness=stream(b"proof"), **given)
    BOUND.verify(keys.vk, proof, **given)
    with pytest.raises(ProofRejected):
        BOUND.verify(keys.vk, proof, l2_bound_sq=20, context=b"round 2")
    assert BOUND.commit(keys.vk, values, blindings) == proof.commitment


def test_two_commitments_and_a_challenge(tmp_path: Path) -> None:
    """Every commitment gets a sigma of its own: shared ones would let values move between commitments."""
    lookup = NormBound(dim=3, bits=4)
    ceremony.new(tmp_path, lookup, PTAU)
    with pytest.raises(DecodeError):
        ceremony.keys_of(tmp_path, lookup)
    ceremony.contribute(tmp_path, lookup, "Ada", stream(b"Ada"))
    ceremony.verify(tmp_path, lookup, PTAU)
    keys = ceremony.keys_of(tmp_path, lookup)
    assert len(keys.vk.groups) == 2 and keys.vk.challenges == 1
    assert len({group.sigma_g2 for group in keys.vk.groups}) == 2
    given: dict[str, Any] = {"l2_bound_sq": 20, "context": b"round 1"}
    proof, _ = lookup.prove(keys.pk, np.array([1, -2, 3]), randomness=stream(b"proof"), **given)
    lookup.verify(keys.vk, proof, **given)


def test_contributor_announces_what_the_report_lists(tmp_path: Path) -> None:
    ceremony.new(tmp_path, CUBE, PTAU)
    announced = ceremony.contribute(tmp_path, CUBE, "Ada", stream(b"Ada"))
    report = ceremony.verify(tmp_path, CUBE, PTAU)
    assert report.contributors == (("Ada", announced),)
    assert not report.closed


def test_nobody_contributes_after_the_beacon(plain: Path, tmp_path: Path) -> None:
    folder = copy_of(plain, tmp_path)
    with pytest.raises(ParameterError, match="closed"):
        ceremony.contribute(folder, CUBE, "late", stream(b"late"))
    with pytest.raises(ParameterError, match="closed"):
        ceremony.beacon(folder, CUBE, "again", VALUE)


def test_a_beacon_alone_is_public_and_refused(tmp_path: Path) -> None:
    ceremony.new(tmp_path, CUBE, PTAU)
    with pytest.raises(ParameterError, match="contribute first"):
        ceremony.beacon(tmp_path, CUBE, "beacon", VALUE)
    with pytest.raises(ProofRejected, match="nobody contributed"):
        ceremony.verify(tmp_path, CUBE, PTAU)


def test_ceremony_in_the_wrong_place_or_of_the_wrong_size(plain: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="already"):
        ceremony.new(plain, CUBE, PTAU)
    with pytest.raises(ParameterError, match="reach"):
        ceremony.new(tmp_path, NormBound(dim=100, bits=8, lookup=False), PTAU)
    with pytest.raises(DecodeError, match="nobody contributed"):
        ceremony.new(tmp_path, CUBE, SNARKJS / "pot6_untouched.ptau")
    with pytest.raises(DecodeError, match="another circuit"):
        ceremony.verify(plain, BOUND, PTAU)
    with pytest.raises(ProofRejected, match="other powers"):
        ceremony.verify(plain, CUBE, SNARKJS / "pot6_prepared.ptau")
    with pytest.raises(DecodeError, match="cannot read"):
        ceremony.verify(tmp_path / "none", CUBE, PTAU)


def test_a_contributor_removed(plain: Path, tmp_path: Path) -> None:
    """Dropping Blaise leaves Ada's and the beacon's steps: the beacon's no longer follows."""
    folder = copy_of(plain, tmp_path)
    edit(folder, lambda d: d["contributions"].pop(1))
    (folder / "keys-0003.zkkey").rename(folder / "keys-0002.zkkey")
    with pytest.raises(ProofRejected):
        ceremony.verify(folder, CUBE, PTAU)


def test_a_contributor_renamed(plain: Path, tmp_path: Path) -> None:
    folder = copy_of(plain, tmp_path)
    edit(folder, lambda d: d["contributions"][0].update(name="Mallory"))
    with pytest.raises(ProofRejected, match="Mallory: the proof"):
        ceremony.verify(folder, CUBE, PTAU)


def test_contributors_in_another_order(plain: Path, tmp_path: Path) -> None:
    folder = copy_of(plain, tmp_path)

    def swap(document: dict[str, Any]) -> None:
        steps = document["contributions"]
        steps[0], steps[1] = steps[1], steps[0]

    edit(folder, swap)
    with pytest.raises(ProofRejected):
        ceremony.verify(folder, CUBE, PTAU)


def test_a_step_that_throws_the_earlier_ones_away(tmp_path: Path) -> None:
    """The last one shows secrets of its own instead of multiples of the last: knowing them all, it could forge."""
    ceremony.new(tmp_path, CUBE, PTAU)
    ceremony.contribute(tmp_path, CUBE, "Ada", stream(b"Ada"))
    state, keys = ceremony._load(tmp_path, CUBE)
    start = Shown.start(0)
    factors = Factors.draw(stream(b"Mallory"), 0)
    digest = state.contributions[0].digest(state.start)
    step = Contribution.make("Mallory", start, digest, factors, stream(b"proof"))
    with pytest.raises(ProofRejected, match="Mallory"):
        step.verify(state.contributions[0].shown, digest)


def test_a_beacon_with_factors_of_somebody_s_choice(plain: Path, tmp_path: Path) -> None:
    folder = copy_of(plain, tmp_path)
    edit(folder, lambda d: d["contributions"][-1]["beacon"].update(value="00" * 32))
    with pytest.raises(ProofRejected, match="beacon"):
        ceremony.verify(folder, CUBE, PTAU)


def test_a_proof_replaced_by_a_claim_to_be_a_beacon(plain: Path, tmp_path: Path) -> None:
    folder = copy_of(plain, tmp_path)
    beacon = {"value": "00", "rounds_log2": 0}
    edit(folder, lambda d: d["contributions"][0].update(proof=None, beacon=beacon))
    with pytest.raises(ProofRejected):
        ceremony.verify(folder, CUBE, PTAU)


def test_a_proof_made_for_another_ceremony(plain: Path, committed: Path, tmp_path: Path) -> None:
    """Ada's step replayed where the history is another one."""
    folder = copy_of(plain, tmp_path)
    other = tmp_path / "other"
    ceremony.new(other, CUBE, SNARKJS / "pot6_prepared.ptau")
    ceremony.contribute(other, CUBE, "Ada", stream(b"another stream"))
    stolen = json.loads((other / ceremony.TRANSCRIPT).read_text())["contributions"][0]
    edit(folder, lambda d: d["contributions"].__setitem__(0, stolen))
    with pytest.raises(ProofRejected):
        ceremony.verify(folder, CUBE, PTAU)


@pytest.mark.parametrize("part", ["c", "h", "a", "delta_g1"])
def test_keys_swapped_for_others(plain: Path, tmp_path: Path, part: str) -> None:
    """The transcript is honest, the key file is not: one part comes from keys with secrets of somebody's own."""
    folder = copy_of(plain, tmp_path)
    _, (key, groups) = ceremony._load(folder, CUBE)
    value = getattr(key, part)
    forged = replace(key, **{part: -value if part == "delta_g1" else np.roll(value, 1, axis=0)})
    path = folder / "keys-0003.zkkey"
    path.unlink()
    keycache.save(path, ceremony._assembled((forged, groups), CUBE))
    with pytest.raises(EppmlError):
        ceremony.verify(folder, CUBE, PTAU)


@pytest.mark.parametrize("part", ["pok_bases", "bases", "eta", "eta_delta", "pok_eta"])
def test_commitment_bases_swapped_for_others(committed: Path, tmp_path: Path, part: str) -> None:
    folder = copy_of(committed, tmp_path)
    _, (key, groups) = ceremony._load(folder, BOUND)
    value = getattr(groups[0], part)
    changed = -value if isinstance(value, G1) else np.roll(value, 1, axis=0)
    forged = (replace(groups[0], **{part: changed}), *groups[1:])
    path = folder / "keys-0003.zkkey"
    path.unlink()
    keycache.save(path, ceremony._assembled((key, forged), BOUND))
    with pytest.raises(ProofRejected):
        ceremony.verify(folder, BOUND, PTAU)


def test_invalid_curve_points_never_meet_a_contributor_s_secret(tmp_path: Path) -> None:
    """(0, y) lies on y^2 = x^3 + y^2, a curve of another order: multiplied there, a factor leaks modulo its divisors."""
    ceremony.new(tmp_path, CUBE, PTAU)
    _, (key, groups) = ceremony._load(tmp_path, CUBE)
    poisoned = key.c.copy()
    poisoned[0] = to_limbs([0, 5], Q).reshape(8)
    path = tmp_path / "keys-0000.zkkey"
    path.unlink()
    keycache.save(path, ceremony._assembled((replace(key, c=poisoned), groups), CUBE))
    before = (tmp_path / ceremony.TRANSCRIPT).read_bytes()
    with pytest.raises(DecodeError, match="not on the curve"):
        ceremony.contribute(tmp_path, CUBE, "Ada", stream(b"Ada"))
    assert (tmp_path / ceremony.TRANSCRIPT).read_bytes() == before


CHANGES: dict[str, Callable[[dict[str, Any]], None]] = {
    "format": lambda d: d.update(format="something else"),
    "version": lambda d: d.update(version=2),
    "unknown_key": lambda d: d.update(more=1),
    "key_missing": lambda d: d.pop("start"),
    "start": lambda d: d.update(start="00" * 32),
    "powers_upper_case": lambda d: d.update(powers=d["powers"].upper()),
    "powers_short": lambda d: d.update(powers="00"),
    "contributions_an_object": lambda d: d.update(contributions={}),
    "name_empty": lambda d: d["contributions"][0].update(name=""),
    "name_with_newline": lambda d: d["contributions"][0].update(name="Ada\nBlaise"),
    "name_long": lambda d: d["contributions"][0].update(name="a" * 81),
    "neither_proof_nor_beacon": lambda d: d["contributions"][0].update(proof=None),
    "both": lambda d: d["contributions"][2].update(proof="00" * 64),
    "proof_short": lambda d: d["contributions"][0].update(proof="00" * 63),
    "proof_unreduced": lambda d: d["contributions"][0].update(proof="ff" * 64),
    "delta_infinity": lambda d: d["contributions"][0]["shown"].update(delta_g1="00" * 64),
    "delta_off_curve": lambda d: d["contributions"][0]["shown"].update(delta_g1="00" * 63 + "01"),
    "delta_of_two_minds": lambda d: d["contributions"][0]["shown"].update(
        delta_g2=d["contributions"][1]["shown"]["delta_g2"]
    ),
    "eta_too_many": lambda d: d["contributions"][0]["shown"].update(eta=["00" * 64]),
    "beacon_rounds_of_years": lambda d: d["contributions"][2]["beacon"].update(rounds_log2=60),
    "beacon_rounds_bool": lambda d: d["contributions"][2]["beacon"].update(rounds_log2=True),
    "beacon_empty": lambda d: d["contributions"][2]["beacon"].update(value=""),
    "beacon_not_hex": lambda d: d["contributions"][2]["beacon"].update(value="zz"),
    "beacon_a_number": lambda d: d["contributions"][2]["beacon"].update(value=5),
}


@pytest.mark.parametrize("name", CHANGES)
def test_transcript_tampered_with(plain: Path, tmp_path: Path, name: str) -> None:
    folder = copy_of(plain, tmp_path)
    edit(folder, CHANGES[name])
    with pytest.raises(EppmlError):
        ceremony.verify(folder, CUBE, PTAU)


def test_key_file_missing_or_damaged(plain: Path, tmp_path: Path) -> None:
    folder = copy_of(plain, tmp_path)
    path = folder / "keys-0003.zkkey"
    raw = bytearray(path.read_bytes())
    raw[-100] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(DecodeError, match="damaged"):
        ceremony.verify(folder, CUBE, PTAU)
    path.unlink()
    with pytest.raises(DecodeError, match="missing"):
        ceremony.verify(folder, CUBE, PTAU)


def test_factors_are_never_printed() -> None:
    factors = Factors.draw(stream(b"x"), 1)
    assert str(factors.delta) not in repr(factors) and "eta=" not in repr(factors)


def run(*args: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(a) for a in args])
    return result.exit_code, result.output


def test_commands(tmp_path: Path) -> None:
    folder, keys = tmp_path / "ceremony", tmp_path / "keys"
    circuit = ("--circuit", SNARKJS / "cube.r1cs")
    assert run("new", folder, "--powers", PTAU, *circuit)[0] == 0
    assert run("verify", folder, "--powers", PTAU, *circuit)[0] == 1
    code, text = run("contribute", folder, "--name", "Ada", *circuit)
    digest = text.split()[-1]
    assert code == 0 and len(digest) == 64
    close = ("--beacon", "0102", "--rounds-log2", "3")
    assert run("contribute", folder, "--name", "drand", *close, *circuit)[0] == 0
    code, text = run("verify", folder, "--powers", PTAU, *circuit)
    assert code == 0 and f"{digest}  Ada" in text and "closed by a beacon" in text
    assert run("export", folder, keys, *circuit)[0] == 0
    assert load_verifying_key(keys / "circuit.zkey") == load_verifying_key(keys / "verification_key.json")
    assert read_proving_key(keys / "circuit.zkey").n_public == 2
    assert run("contribute", folder, "--name", "late", *circuit)[0] == 2
    assert run("verify", tmp_path / "none", "--powers", PTAU, *circuit)[0] == 2


def test_commands_for_a_statement(tmp_path: Path) -> None:
    folder, keys = tmp_path / "ceremony", tmp_path / "keys"
    bound = ("--norm-bound", "3:4:bits")
    assert run("new", folder, "--powers", PTAU, *bound)[0] == 0
    assert run("contribute", folder, "--name", "Ada", *bound)[0] == 0
    code, text = run("verify", folder, "--powers", PTAU, *bound)
    assert code == 0 and "open: no beacon yet" in text
    assert run("export", folder, keys, *bound)[0] == 0
    loaded = keycache.load_or_create(BOUND, keys)
    loaded.vk.check()


@pytest.mark.parametrize("text", ["", "650", "650:16:lookups", "0:16", "-1:16", "650:016", "1:1"])
def test_statements_that_are_none(text: str) -> None:
    with pytest.raises(ParameterError):
        statement_from(None, text)
    with pytest.raises(ParameterError):
        statement_from(None, None)
    with pytest.raises(ParameterError):
        statement_from(SNARKJS / "cube.r1cs", "650:16")


def with_header(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Edit the header of a key file and mend its checksum, as somebody who means harm would."""
    raw = path.read_bytes()
    magic, size = raw[:9], int.from_bytes(raw[41:49], "big")
    header = json.loads(raw[49 : 49 + size])
    change(header)
    text = json.dumps(header).encode()
    arrays = raw[49 + size + -(49 + size) % 64 :]
    body = len(text).to_bytes(8, "big") + text + bytes(-(49 + len(text)) % 64) + arrays
    path.write_bytes(magic + sha256(body).digest() + body)


HEADERS: dict[str, Callable[[dict[str, Any]], None]] = {
    "array_missing": lambda h: h["arrays"].pop("c"),
    "array_renamed": lambda h: h["arrays"].update(d=h["arrays"].pop("c")),
    "rows_of_gigabytes": lambda h: h["arrays"]["b2"].update(sparse=True, rows=1 << 40),
    "rows_too_few": lambda h: h["arrays"]["h"].update(rows=1),
    "rows_negative": lambda h: h["arrays"]["a"].update(rows=-1),
    "rows_text": lambda h: h["arrays"]["a"].update(rows="all"),
    "offset_beyond_the_file": lambda h: h["arrays"]["a"].update(at=1 << 40),
    "offset_negative": lambda h: h["arrays"]["a"].update(at=-64),
    "sizes_empty": lambda h: h["arrays"]["a"].update(sizes=[]),
    "point_short": lambda h: h["points"].update(alpha_g1="00"),
    "point_not_hex": lambda h: h["points"].update(alpha_g1="zz" * 64),
    "point_missing": lambda h: h["points"].pop("beta_g2"),
    "point_more": lambda h: h["points"].update(epsilon_g1="00" * 64),
    "ic_short": lambda h: h["ic"].pop(),
    "ic_a_number": lambda h: h.update(ic=5),
    "groups_more": lambda h: h["groups"].append(["x"] * 5),
    "groups_missing": lambda h: h.pop("groups"),
    "not_an_object": lambda h: h.clear(),
}


@pytest.mark.parametrize("name", HEADERS)
def test_key_file_whose_header_lies(plain: Path, tmp_path: Path, name: str) -> None:
    folder = copy_of(plain, tmp_path)
    with_header(folder / "keys-0003.zkkey", HEADERS[name])
    with pytest.raises(DecodeError):
        ceremony.verify(folder, CUBE, PTAU)


def test_the_header_editor_itself_changes_nothing(plain: Path, tmp_path: Path) -> None:
    folder = copy_of(plain, tmp_path)
    with_header(folder / "keys-0003.zkkey", lambda h: None)
    ceremony.verify(folder, CUBE, PTAU)
