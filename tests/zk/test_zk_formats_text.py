"""JSON and calldata: what is written is read back, and snarkjs agrees about it."""

import json
import os
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpc.errors import DecodeError
from zk.formats import evm, load_proof, load_publics, load_verifying_key, snarkjs, zokrates
from zk.formats.strict_json import decimal, fields, hexadecimal, items, parse
from zk.keccak import keccak256

EXTERNAL = Path(__file__).parents[1] / "vectors" / "groth16" / "external"
SNARKJS, ZOKRATES = EXTERNAL / "snarkjs", EXTERNAL / "zokrates"
KEY = snarkjs.decode_verifying_key((SNARKJS / "verification_key.json").read_bytes())
PROOF = snarkjs.decode_proof((SNARKJS / "proof.json").read_bytes())
PUBLICS = snarkjs.decode_publics((SNARKJS / "public.json").read_bytes())


def test_snarkjs_json_round_trip() -> None:
    assert snarkjs.decode_verifying_key(snarkjs.encode_verifying_key(KEY)) == KEY
    assert snarkjs.decode_proof(snarkjs.encode_proof(PROOF)) == PROOF
    assert snarkjs.decode_publics(snarkjs.encode_publics(PUBLICS)) == PUBLICS


@pytest.mark.parametrize("name", ["proof.json", "public.json"])
def test_snarkjs_files_are_written_as_snarkjs_writes_them(name: str) -> None:
    raw = (SNARKJS / name).read_bytes()
    again = snarkjs.encode_proof(PROOF) if name == "proof.json" else snarkjs.encode_publics(PUBLICS)
    assert again == raw


def test_zokrates_files_are_written_as_zokrates_writes_them() -> None:
    raw = (ZOKRATES / "proof.json").read_bytes()
    publics = zokrates.decode_publics(raw)
    assert publics == [5, 32]
    assert zokrates.encode_proof(zokrates.decode_proof(raw), publics) == raw
    key = (ZOKRATES / "verification.key").read_bytes()
    assert zokrates.encode_verifying_key(zokrates.decode_verifying_key(key)) == key


def test_calldata_text_is_what_snarkjs_prints() -> None:
    raw = (SNARKJS / "calldata.txt").read_bytes()
    proof, publics = evm.decode_calldata_text(raw)
    assert publics == PUBLICS
    assert evm.encode_calldata_text(proof, publics) == raw.rstrip()


def test_calldata_words_swap_the_halves() -> None:
    words = evm.encode_calldata(PROOF, PUBLICS)
    assert words[64:96] == PROOF.b.x[1].to_bytes(32, "big")
    assert evm.decode_calldata(words) == evm.decode_calldata(evm.encode_calldata(PROOF, PUBLICS, call=True))
    assert evm.decode_calldata(words) == (PROOF, PUBLICS)
    assert evm.selector(3) == keccak256(b"verifyProof(uint256[2],uint256[2][2],uint256[2],uint256[3])")[:4]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_pipes_are_read_once_and_to_a_limit(tmp_path: Path) -> None:
    """What a shell's <(command) hands over: a file without a size that cannot be opened twice."""
    for raw, load, want in (
        ((SNARKJS / "verification_key.json").read_bytes(), load_verifying_key, KEY),
        ((SNARKJS / "fx.zkey").read_bytes(), load_verifying_key, KEY),
        ((SNARKJS / "proof.json").read_bytes(), load_proof, PROOF),
    ):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        writer = Thread(target=pipe.write_bytes, args=(raw,))
        writer.start()
        assert load(pipe) == want
        writer.join()
        pipe.unlink()
    with pytest.raises(DecodeError, match="longer"):
        load_proof("/dev/zero")
    with pytest.raises(DecodeError, match="cannot read"):
        load_proof(tmp_path)
    with pytest.raises(DecodeError, match="keys only"):
        load_proof(SNARKJS / "fx.zkey")


def test_loaders_take_paths_and_bytes(tmp_path: Path) -> None:
    path = SNARKJS / "verification_key.json"
    assert (
        load_verifying_key(path)
        == load_verifying_key(str(path))
        == load_verifying_key(path.read_bytes())
        == KEY
    )
    assert load_proof(SNARKJS / "proof.json") == PROOF
    assert load_publics(SNARKJS / "public.json") == PUBLICS
    assert load_publics(ZOKRATES / "proof.json") == [5, 32]
    with pytest.raises(DecodeError, match="cannot read"):
        load_proof(tmp_path / "none.json")
    huge = tmp_path / "huge.json"
    with huge.open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(DecodeError, match="longer"):
        load_proof(huge)


@given(st.integers(min_value=0, max_value=2**256))
def test_decimal_has_one_spelling(value: int) -> None:
    assert decimal(str(value), 2**256 + 1, "x") == value
    for other in (f"0{value}", f"+{value}", f"{value} ", f"{value}.0", f"{value}e0", f"-{value}"):
        with pytest.raises(DecodeError):
            decimal(other, 2**256 + 1, "x")
    if value < 2**253:
        assert hexadecimal(f"0x{value:064x}", 2**253, "x") == value


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"1.0",
        b"1e2",
        b"NaN",
        b"Infinity",
        b"-1",
        b"1234567890",
        b'{"a":1,"a":2}',
        b"[1]x",
        b"\xff",
        b"[" * 4000,
        b"01",
    ],
)
def test_json_with_more_than_one_reading(text: bytes) -> None:
    with pytest.raises(DecodeError):
        parse(text)


def test_json_too_long() -> None:
    with pytest.raises(DecodeError):
        parse(b"[" + b" " * 100 + b"]", max_bytes=50)


@pytest.mark.parametrize("value", [[], 1, None, {"a": 1, "c": 2}, {}])
def test_fields_and_items(value: Any) -> None:
    with pytest.raises(DecodeError):
        fields(value, "it", ("a",))
    with pytest.raises(DecodeError):
        items(value, "it", 3)


def test_published_alias_of_a_public_input_is_refused_by_name() -> None:
    with pytest.raises(DecodeError, match="public input 2"):
        load_publics(SNARKJS / "bad_public_alias_plus_r.json")


def test_key_without_the_precomputed_pairing_is_the_same_key() -> None:
    document = json.loads((SNARKJS / "verification_key.json").read_bytes())
    del document["vk_alphabeta_12"]
    assert load_verifying_key(json.dumps(document).encode()) == KEY


def test_layout_of_the_text_does_not_matter() -> None:
    """Minified, spread out, keys in another order: the same JSON, loaded as the same tool's."""
    for folder, key, proof in (
        (SNARKJS, "verification_key.json", "proof.json"),
        (ZOKRATES, "verification.key", "proof.json"),
    ):
        for name, load in ((key, load_verifying_key), (proof, load_proof)):
            want = load(folder / name)
            document = json.loads((folder / name).read_bytes())
            for text in (
                json.dumps(document, separators=(",", ":")),
                json.dumps(document, indent=8),
                json.dumps(dict(reversed(document.items()))),
                "\n\t " + json.dumps(document) + "\r\n",
            ):
                assert load(text.encode()) == want
    calldata = (SNARKJS / "calldata.txt").read_bytes()
    assert evm.decode_calldata_text(calldata.replace(b" ", b"")) == (
        load_proof(calldata),
        load_publics(calldata),
    )
