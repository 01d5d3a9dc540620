"""Whatever bytes arrive, a reader answers with a value or with DecodeError, and says the same thing twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mpc.errors import EppmlError
from zk.cli import decide
from zk.formats import evm, load_proof, load_publics, load_verifying_key
from zk.formats.ptau import decode_powers
from zk.formats.r1cs_file import decode_r1cs
from zk.formats.wtns import decode_witness
from zk.formats.zkey import read_proving_key

VECTORS = Path(__file__).parents[1] / "vectors"
GROTH16, CEREMONY = VECTORS / "groth16" / "external", VECTORS / "ceremony" / "external" / "snarkjs"

READERS: dict[str, tuple[Callable[[bytes], Any], Path]] = {
    "key": (load_verifying_key, GROTH16 / "snarkjs" / "verification_key.json"),
    "proof": (load_proof, GROTH16 / "snarkjs" / "proof.json"),
    "publics": (load_publics, GROTH16 / "snarkjs" / "public.json"),
    "calldata": (evm.decode_calldata_text, GROTH16 / "snarkjs" / "calldata.txt"),
    "zokrates-key": (load_verifying_key, GROTH16 / "zokrates" / "verification.key"),
    "zokrates-proof": (load_proof, GROTH16 / "zokrates" / "proof.json"),
    "zkey": (read_proving_key, CEREMONY / "cube_before_contributions.zkey"),
    "wtns": (decode_witness, CEREMONY / "cube.wtns"),
    "r1cs": (decode_r1cs, CEREMONY / "cube.r1cs"),
    "ptau": (decode_powers, CEREMONY / "pot6.ptau"),
}
edits = st.lists(
    st.tuples(
        st.sampled_from(["set", "insert", "delete", "cut", "repeat"]), st.floats(0, 1), st.binary(max_size=9)
    ),
    min_size=1,
    max_size=3,
)


def edited(data: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for kind, where, value in changes:
        at = int(where * len(data))
        if kind == "set":
            data = data[:at] + value + data[at + len(value) :]
        elif kind == "insert":
            data = data[:at] + value + data[at:]
        elif kind == "delete":
            data = data[:at] + data[at + max(1, len(value)) :]
        elif kind == "cut":
            data = data[:at]
        else:
            data = data[:at] + data[at // 2 :]
    return data


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None)
@given(changes=edits)
def test_edited_files(name: str, changes: list[tuple[str, float, bytes]]) -> None:
    read, path = READERS[name]
    data = edited(path.read_bytes(), changes)
    try:
        read(data)
    except EppmlError as error:
        assert str(error)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=700))
def test_any_bytes(data: bytes) -> None:
    for read in (load_verifying_key, load_proof, load_publics):
        try:
            read(data)
        except EppmlError as error:
            assert str(error)
    assert decide(data, data, data).exit_code == 2


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("1"),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "protocol",
                    "curve",
                    "pi_a",
                    "pi_b",
                    "pi_c",
                    "nPublic",
                    "IC",
                    "scheme",
                    "proof",
                    "inputs",
                    "a",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(json_values)
def test_any_json(value: Any) -> None:
    data = json.dumps(value).encode("utf-8")
    for read in (load_verifying_key, load_proof, load_publics):
        try:
            read(data)
        except EppmlError as error:
            assert str(error)
