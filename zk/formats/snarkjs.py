"""The JSON of snarkjs: verification key, proof and public inputs, all numbers as decimal strings.

A point of G1 is [x, y, "1"], one of G2 [[x.c0, x.c1], [y.c0, y.c1], ["1", "0"]]; infinity ([0, 1, 0]) is refused
wherever it stands. Keys come back checked (`VerifyingKey.check`).
"""

import json
from collections.abc import Sequence
from typing import Any

from mpc.errors import DecodeError
from zk.curve import G1, G2, Q, R, parse_g1, parse_g2
from zk.formats.named import named
from zk.formats.strict_json import decimal, fields, items, parse
from zk.groth16 import Proof, VerifyingKey

__all__ = [
    "decode_proof",
    "decode_publics",
    "decode_verifying_key",
    "encode_proof",
    "encode_publics",
    "encode_verifying_key",
]

MAX_PUBLICS = 1 << 16
_PROTOCOL, _CURVE = "groth16", "bn128"


def _g1(value: Any, what: str) -> G1:
    x, y, z = (decimal(c, Q, what) for c in items(value, what, 3))
    if z != 1:
        raise DecodeError(f"{what} is the point at infinity" if z == 0 else f"{what} is not affine")
    with named(what):
        return parse_g1(x, y)


def _pair(value: Any, what: str) -> tuple[int, int]:
    c0, c1 = (decimal(c, Q, what) for c in items(value, what, 2))
    return c0, c1


def _g2(value: Any, what: str) -> G2:
    x, y, z = (_pair(pair, what) for pair in items(value, what, 3))
    if z != (1, 0):
        raise DecodeError(f"{what} is the point at infinity" if z == (0, 0) else f"{what} is not affine")
    with named(what):
        return parse_g2(x, y)


def _protocol(document: dict[str, Any]) -> None:
    if document["protocol"] != _PROTOCOL:
        raise DecodeError(f"protocol {document['protocol']!r}, only {_PROTOCOL} is verified here")
    # early versions wrote no curve; the points themselves are checked against alt_bn128
    if document.get("curve", _CURVE) != _CURVE:
        raise DecodeError(f"curve {document['curve']!r}, only {_CURVE} is verified here")


def decode_verifying_key(data: bytes) -> VerifyingKey:
    """The key of a `verification_key.json`; its precomputed pairing, if any, is never used.

    Raises: DecodeError for anything but one canonical, sound key.
    """
    return verifying_key_of(parse(data))


def verifying_key_of(document: object) -> VerifyingKey:
    """As `decode_verifying_key`, from parsed JSON."""
    points = ("vk_alpha_1", "vk_beta_2", "vk_gamma_2", "vk_delta_2")
    key = fields(document, "key", ("protocol", "nPublic", *points, "IC"), ("curve", "vk_alphabeta_12"))
    _protocol(key)
    n_public = key["nPublic"]
    if type(n_public) is not int or not 0 <= n_public <= MAX_PUBLICS:
        raise DecodeError(f"nPublic must be a whole number up to {MAX_PUBLICS}")
    ic = items(key["IC"], "IC")
    if len(ic) != n_public + 1:
        raise DecodeError(f"IC must have nPublic + 1 = {n_public + 1} points, got {len(ic)}")
    if "vk_alphabeta_12" in key:
        _check_precomputed_shape(key["vk_alphabeta_12"])
    found = VerifyingKey(
        alpha_g1=_g1(key["vk_alpha_1"], "vk_alpha_1"),
        beta_g2=_g2(key["vk_beta_2"], "vk_beta_2"),
        gamma_g2=_g2(key["vk_gamma_2"], "vk_gamma_2"),
        delta_g2=_g2(key["vk_delta_2"], "vk_delta_2"),
        ic=tuple(_g1(point, f"IC[{i}]") for i, point in enumerate(ic)),
    )
    found.check()
    return found


def _check_precomputed_shape(value: object) -> None:
    for half in items(value, "vk_alphabeta_12", 2):
        for pair in items(half, "vk_alphabeta_12", 3):
            _pair(pair, "vk_alphabeta_12")


def decode_proof(data: bytes) -> Proof:
    """The proof of a `proof.json`.

    Raises: DecodeError for anything but three canonical, finite points of the right groups.
    """
    return proof_of(parse(data))


def proof_of(document: object) -> Proof:
    """As `decode_proof`, from parsed JSON."""
    proof = fields(document, "proof", ("protocol", "pi_a", "pi_b", "pi_c"), ("curve",))
    _protocol(proof)
    return Proof(a=_g1(proof["pi_a"], "pi_a"), b=_g2(proof["pi_b"], "pi_b"), c=_g1(proof["pi_c"], "pi_c"))


def decode_publics(data: bytes) -> list[int]:
    """The public inputs of a `public.json`.

    Raises: DecodeError for anything but a list of canonical decimal strings below R.
    """
    return publics_of(parse(data))


def publics_of(document: object) -> list[int]:
    """As `decode_publics`, from parsed JSON."""
    values = items(document, "public inputs")
    if len(values) > MAX_PUBLICS:
        raise DecodeError(f"{len(values)} public inputs, at most {MAX_PUBLICS} are read")
    return [decimal(value, R, f"public input {i}") for i, value in enumerate(values)]


def _g1_json(point: G1) -> list[str]:
    return [str(point.x), str(point.y), "1"]


def _g2_json(point: G2) -> list[list[str]]:
    return [[str(c) for c in point.x], [str(c) for c in point.y], ["1", "0"]]


def _dump(document: object) -> bytes:
    return json.dumps(document, indent=1).encode("ascii")


def encode_verifying_key(key: VerifyingKey) -> bytes:
    """A `verification_key.json` that snarkjs verifies with."""
    return _dump(
        {
            "protocol": _PROTOCOL,
            "curve": _CURVE,
            "nPublic": len(key.ic) - 1,
            "vk_alpha_1": _g1_json(key.alpha_g1),
            "vk_beta_2": _g2_json(key.beta_g2),
            "vk_gamma_2": _g2_json(key.gamma_g2),
            "vk_delta_2": _g2_json(key.delta_g2),
            "IC": [_g1_json(point) for point in key.ic],
        }
    )


def encode_proof(proof: Proof) -> bytes:
    """A `proof.json`."""
    points = {"pi_a": _g1_json(proof.a), "pi_b": _g2_json(proof.b), "pi_c": _g1_json(proof.c)}
    return _dump({**points, "protocol": _PROTOCOL, "curve": _CURVE})


def encode_publics(publics: Sequence[int]) -> bytes:
    """A `public.json`."""
    return _dump([str(value) for value in publics])
