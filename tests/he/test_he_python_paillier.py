"""python-paillier's formats, against keys and numbers that its own program wrote."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from he import Decryptor, InvalidCiphertext, InvalidKey, KeyMismatch, TrivialCiphertext, encrypt_integers
from he.paillier import encryptor
from he.python_paillier import (
    Numbers,
    numbers_from_json,
    private_key_from_json,
    private_key_to_json,
    public_key_from_json,
    public_key_to_json,
)
from mpc.errors import DecodeError, InsecureError, ParameterError

VECTORS = Path(__file__).parents[1] / "vectors/paillier/external/python-paillier/keys_and_numbers.v1.json"


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(VECTORS.read_text())
    return loaded


def test_their_keys_and_numbers_open(theirs: dict[str, Any]) -> None:
    private = private_key_from_json(json.dumps(theirs["private_key"]))
    public = public_key_from_json(json.dumps(theirs["public_key"]))
    assert private.public == public and public.bits == 2048 and public.exponent_bits == 0
    numbers = numbers_from_json(json.dumps(theirs["list"]), public)
    assert numbers.decrypt(private).tolist() == theirs["list_values"]
    single = numbers_from_json(json.dumps(theirs["single"]), public)
    assert single.decrypt(private).tolist() == [theirs["single_value"]]
    assert json.loads(single.to_single_json()) == theirs["single"]
    assert json.loads(numbers.to_json()) == theirs["list"]


def test_our_keys_are_written_as_theirs(theirs: dict[str, Any]) -> None:
    private = private_key_from_json(json.dumps(theirs["private_key"]))
    ours = json.loads(private_key_to_json(private, kid=theirs["private_key"]["kid"]))
    ours["pub"]["kid"] = theirs["private_key"]["pub"]["kid"]
    assert {ours.pop("p"), ours.pop("q")} == {theirs["private_key"]["p"], theirs["private_key"]["q"]}
    assert ours == {k: v for k, v in theirs["private_key"].items() if k not in "pq"}
    public = json.loads(public_key_to_json(private.public, kid=theirs["public_key"]["kid"]))
    assert public == theirs["public_key"]


def test_their_numbers_become_a_vector(theirs: dict[str, Any]) -> None:
    private = private_key_from_json(json.dumps(theirs["private_key"]))
    numbers = numbers_from_json(json.dumps(theirs["list"]), private.public)
    vector, exponent = numbers.to_vector(bound=2**300)
    doubled = vector * 2
    got = [int(v) * 2.0 ** (4 * exponent) for v in doubled.decrypt_integers(private)]
    assert np.allclose(got, 2 * np.array(theirs["list_values"]), rtol=1e-15)
    with pytest.raises(ParameterError):
        numbers.to_vector(bound=2**2048)


def test_a_vector_becomes_their_numbers(theirs: dict[str, Any]) -> None:
    private = private_key_from_json(json.dumps(theirs["private_key"]))
    vector = encrypt_integers(private, [3, -5], bound=10, slots=1, headroom_bits=4) * 3
    numbers = Numbers.from_vector(vector, exponent=-1)
    assert numbers_from_json(numbers.to_json(), private.public).decrypt(private).tolist() == [
        9 / 16,
        -15 / 16,
    ]
    assert set(numbers.ciphertexts).isdisjoint(vector.ciphertexts)  # re-randomised before leaving
    with pytest.raises(ParameterError, match="slots=1"):
        Numbers.from_vector(encrypt_integers(private, [1, 2], bound=2))


def test_their_library_reads_ours(theirs: dict[str, Any]) -> None:
    phe = pytest.importorskip("phe", reason="python-paillier is a benchmark peer, not a dependency")
    private = private_key_from_json(json.dumps(theirs["private_key"]))
    public = phe.PaillierPublicKey(int(private.public.n))
    secret = phe.PaillierPrivateKey(public, int(private.p), int(private.q))
    for c, m in zip(encryptor(private).encrypt([0, 17, -(2**80)]), [0, 17, -(2**80)], strict=True):
        assert secret.decrypt(phe.EncryptedNumber(public, int(c), 0)) == m
    encrypted = public.encrypt(-99)
    assert Decryptor(private).decrypt([encrypted.ciphertext()]) == [-99]


def test_bad_keys_are_named(theirs: dict[str, Any]) -> None:
    public, private = theirs["public_key"], theirs["private_key"]
    for bad in (
        "",
        "[]",
        "{}",
        json.dumps(public | {"kty": "RSA"}),
        json.dumps(public | {"alg": "PAI"}),
        json.dumps(public | {"n": 15}),
        json.dumps(public | {"n": ""}),
        json.dumps(public | {"n": "***"}),
        json.dumps(public | {"n": "A" * 10_000}),
        json.dumps({k: v for k, v in public.items() if k != "n"}),
        "[" * 100_000,
    ):
        with pytest.raises(DecodeError):
            public_key_from_json(bad)
    for bad in (json.dumps(public), json.dumps(private | {"pub": 1}), json.dumps(private | {"p": None})):
        with pytest.raises(DecodeError):
            private_key_from_json(bad)
    with pytest.raises(InvalidKey):
        private_key_from_json(json.dumps(private | {"p": private["q"]}))
    with pytest.raises(InsecureError):
        public_key_from_json(json.dumps(public | {"n": "_____________________w"}))


def test_bad_numbers_are_named(theirs: dict[str, Any]) -> None:
    public = public_key_from_json(json.dumps(theirs["public_key"]))
    n, value = int(public.n), theirs["single"]["v"]

    def listed(*entry: object) -> str:
        return json.dumps({"public_key": {"n": n}, "values": [list(entry)]})

    for bad in (
        "{}",
        "5",
        listed(value),
        listed(value, "-1"),
        listed(value, 2.0),
        listed(value, True),
        listed(value, 10**6),
        listed(value, 301),
        listed(int(value), 0),
        listed("-" + value, 0),
        listed(value + " ", 0),
        listed("٣", 0),
        listed("9" * 5000, 0),
        json.dumps({"public_key": {"n": str(n)}, "values": []}),
        json.dumps({"public_key": {"n": n}, "values": 3}),
        json.dumps({"v": value}),
    ):
        with pytest.raises(DecodeError):
            numbers_from_json(bad, public)
    with pytest.raises(KeyMismatch):
        numbers_from_json(json.dumps({"public_key": {"n": n + 2}, "values": []}), public)
    with pytest.raises(InvalidCiphertext):
        numbers_from_json(listed("0", 0), public)
    with pytest.raises(TrivialCiphertext):
        numbers_from_json(listed(str(1 + 5 * n), 0), public)


def test_mantissas_that_overflowed_are_not_read(theirs: dict[str, Any]) -> None:
    private = private_key_from_json(json.dumps(theirs["private_key"]))
    n = private.public.n
    (c,) = encryptor(private).encrypt([n // 2 - 5])
    with pytest.raises(DecodeError, match="overflowed"):
        Numbers(private.public, (c,), (0,)).decrypt(private)
    (c,) = encryptor(private).encrypt([1])
    with pytest.raises(DecodeError, match="range of floats"):
        Numbers(private.public, (c,), (300,)).decrypt(private)
    assert Numbers(private.public, (c,), (-300,)).decrypt(private).tolist() == [0.0]
    with pytest.raises(ParameterError):
        Numbers(private.public, (c,), ())
    with pytest.raises(ParameterError):
        Numbers(private.public, (), ()).to_single_json()
