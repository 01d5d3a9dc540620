"""The JSON of ZoKrates (scheme g16, curve bn128): `verification.key` and `proof.json`, all numbers as 0x hex.

A point of G1 is [x, y], one of G2 [[x.c0, x.c1], [y.c0, y.c1]]. A proof file carries its public inputs, arguments
first, then the output. Keys come back checked (`VerifyingKey.check`).
"""

import json
from collections.abc import Sequence
from typing import Any

from mpc.errors import DecodeError
from zk.curve import G1, G2, Q, R, parse_g1, parse_g2
from zk.formats.named import named
from zk.formats.snarkjs import MAX_PUBLICS
from zk.formats.strict_json import fields, hexadecimal, items, parse
from zk.groth16 import Proof, VerifyingKey

__all__ = ["decode_proof", "decode_publics", "decode_verifying_key", "encode_proof", "encode_verifying_key"]

_SCHEME, _CURVE = "g16", "bn128"


def _pair(value: Any, what: str) -> tuple[int, int]:
    first, second = (hexadecimal(c, Q, what) for c in items(value, what, 2))
    return first, second


def _g1(value: Any, what: str) -> G1:
    x, y = _pair(value, what)
    with named(what):
        return parse_g1(x, y)


def _g2(value: Any, what: str) -> G2:
    x, y = (_pair(pair, what) for pair in items(value, what, 2))
    with named(what):
        return parse_g2(x, y)


def _scheme(document: dict[str, Any]) -> None:
    if document["scheme"] != _SCHEME:
        raise DecodeError(f"scheme {document['scheme']!r}, only {_SCHEME} is verified here")
    if document["curve"] != _CURVE:
        raise DecodeError(f"curve {document['curve']!r}, only {_CURVE} is verified here")


def decode_verifying_key(data: bytes) -> VerifyingKey:
    """The key of a ZoKrates `verification.key`.

    Raises: DecodeError for anything but one canonical, sound key.
    """
    return verifying_key_of(parse(data))


def verifying_key_of(document: object) -> VerifyingKey:
    """As `decode_verifying_key`, from parsed JSON."""
    key = fields(document, "key", ("scheme", "curve", "alpha", "beta", "gamma", "delta", "gamma_abc"))
    _scheme(key)
    ic = items(key["gamma_abc"], "gamma_abc")
    if not 1 <= len(ic) <= MAX_PUBLICS + 1:
        raise DecodeError(f"gamma_abc must have 1 to {MAX_PUBLICS + 1} points, got {len(ic)}")
    found = VerifyingKey(
        alpha_g1=_g1(key["alpha"], "alpha"),
        beta_g2=_g2(key["beta"], "beta"),
        gamma_g2=_g2(key["gamma"], "gamma"),
        delta_g2=_g2(key["delta"], "delta"),
        ic=tuple(_g1(point, f"gamma_abc[{i}]") for i, point in enumerate(ic)),
    )
    found.check()
    return found


def _proof_file(document: object) -> dict[str, Any]:
    found = fields(document, "proof file", ("scheme", "curve", "proof", "inputs"))
    _scheme(found)
    return found


def decode_proof(data: bytes) -> Proof:
    """The proof of a ZoKrates `proof.json`.

    Raises: DecodeError for anything but three canonical, finite points of the right groups.
    """
    return proof_of(parse(data))


def proof_of(document: object) -> Proof:
    """As `decode_proof`, from parsed JSON."""
    points = fields(_proof_file(document)["proof"], "proof", ("a", "b", "c"))
    return Proof(a=_g1(points["a"], "a"), b=_g2(points["b"], "b"), c=_g1(points["c"], "c"))


def decode_publics(data: bytes) -> list[int]:
    """The public inputs of a ZoKrates `proof.json`.

    Raises: DecodeError for anything but a list of canonical hexadecimal strings below R.
    """
    return publics_of(parse(data))


def publics_of(document: object) -> list[int]:
    """As `decode_publics`, from parsed JSON."""
    values = items(_proof_file(document)["inputs"], "inputs")
    if len(values) > MAX_PUBLICS:
        raise DecodeError(f"{len(values)} public inputs, at most {MAX_PUBLICS} are read")
    return [hexadecimal(value, R, f"input {i}") for i, value in enumerate(values)]


def _hex(value: int) -> str:
    return f"0x{value:064x}"


def _g1_json(point: G1) -> list[str]:
    return [_hex(point.x), _hex(point.y)]


def _g2_json(point: G2) -> list[list[str]]:
    return [[_hex(c) for c in point.x], [_hex(c) for c in point.y]]


def encode_verifying_key(key: VerifyingKey) -> bytes:
    """A `verification.key` that ZoKrates verifies with."""
    document = {
        "scheme": _SCHEME,
        "curve": _CURVE,
        "alpha": _g1_json(key.alpha_g1),
        "beta": _g2_json(key.beta_g2),
        "gamma": _g2_json(key.gamma_g2),
        "delta": _g2_json(key.delta_g2),
        "gamma_abc": [_g1_json(point) for point in key.ic],
    }
    return json.dumps(document, indent=1).encode("ascii")


def encode_proof(proof: Proof, publics: Sequence[int]) -> bytes:
    """A ZoKrates `proof.json` with its public inputs."""
    document = {
        "scheme": _SCHEME,
        "curve": _CURVE,
        "proof": {"a": _g1_json(proof.a), "b": _g2_json(proof.b), "c": _g1_json(proof.c)},
        "inputs": [_hex(value) for value in publics],
    }
    return json.dumps(document, indent=1).encode("ascii")
