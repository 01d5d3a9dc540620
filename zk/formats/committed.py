"""JSON of commit-and-prove keys and proofs, so that other verifiers can be tried on them.

    key     the key of Groth16 as snarkjs writes it, and the bases, blinding base and sigma of each commitment
    proof   commitments, A, B, C and the proof of knowledge; public inputs stay in a snarkjs `public.json`

Points are the bytes of EIP-196 and EIP-197 in lower-case hexadecimal. Challenges are not among the public inputs: the
verifier derives them (`zk.commit_prove.challenge`).
"""

import json
from typing import Any

from mpc.errors import DecodeError
from zk.commit_prove import CommitmentKey, CommittedProof, VerifierKey
from zk.curve import G1, G2, decode_g1, decode_g2
from zk.formats import snarkjs
from zk.formats.named import named
from zk.formats.strict_json import fields, hex_bytes, items, parse
from zk.limbs import g1_array, g1_points

__all__ = [
    "KEY_FORMAT",
    "PROOF_FORMAT",
    "decode_proof",
    "decode_verifier_key",
    "encode_proof",
    "encode_verifier_key",
    "proof_of",
    "verifier_key_of",
]

KEY_FORMAT, PROOF_FORMAT = "eppml commit-and-prove key", "eppml commit-and-prove proof"
MAX_GROUPS, MAX_CHALLENGES = 16, 16


def _g1(value: Any, what: str) -> G1:
    with named(what):
        return decode_g1(hex_bytes(value, what, 64))


def _g2(value: Any, what: str) -> G2:
    with named(what):
        return decode_g2(hex_bytes(value, what, 128))


def _version(document: dict[str, Any], format: str) -> None:
    if (document["format"], document["version"]) != (format, 1):
        raise DecodeError(f"not a document of the format {format!r}, version 1")


def decode_verifier_key(data: bytes) -> VerifierKey:
    """The key of a document, checked.

    Raises: DecodeError for anything but one canonical, sound key.
    """
    return verifier_key_of(parse(data))


def verifier_key_of(document: object) -> VerifierKey:
    """As `decode_verifier_key`, from parsed JSON."""
    found = fields(document, "key", ("format", "version", "circuit", "challenges", "base", "groups"))
    _version(found, KEY_FORMAT)
    challenges = found["challenges"]
    if type(challenges) is not int or not 0 <= challenges <= MAX_CHALLENGES:
        raise DecodeError(f"challenges must be a whole number up to {MAX_CHALLENGES}")
    groups = items(found["groups"], "groups")
    if not 1 <= len(groups) <= MAX_GROUPS:
        raise DecodeError(f"a key has 1 to {MAX_GROUPS} groups, got {len(groups)}")
    base = snarkjs.verifying_key_of(found["base"])
    if len(base.ic) - 1 < challenges:
        raise DecodeError("more challenges than public inputs")
    circuit = hex_bytes(found["circuit"], "circuit", 32)
    key = VerifierKey(base, tuple(_group(entry) for entry in groups), challenges, circuit)
    key.check()
    return key


def _group(value: object) -> CommitmentKey:
    found = fields(value, "group", ("name", "bases", "eta", "sigma_g2"))
    name = found["name"]
    if not isinstance(name, str) or not name.isprintable() or len(name) > 80:
        raise DecodeError("the name of a group has at most 80 printable characters")
    bases = [_g1(point, f"base {i} of {name!r}") for i, point in enumerate(items(found["bases"], "bases"))]
    if not bases:
        raise DecodeError(f"the group {name!r} has no bases")
    return CommitmentKey(name, g1_array(bases), _g1(found["eta"], "eta"), _g2(found["sigma_g2"], "sigma_g2"))


def decode_proof(data: bytes) -> CommittedProof:
    """The proof of a document.

    Raises: DecodeError for anything but canonical, finite points of the right groups.
    """
    return proof_of(parse(data))


def proof_of(document: object) -> CommittedProof:
    """As `decode_proof`, from parsed JSON."""
    found = fields(document, "proof", ("format", "version", "commitments", "a", "b", "c", "pok"))
    _version(found, PROOF_FORMAT)
    commitments = items(found["commitments"], "commitments")
    return CommittedProof(
        commitments=tuple(_g1(point, f"commitment {i}") for i, point in enumerate(commitments)),
        a=_g1(found["a"], "a"),
        b=_g2(found["b"], "b"),
        c=_g1(found["c"], "c"),
        pok=_g1(found["pok"], "pok"),
    )


def _dump(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1).encode("ascii")


def encode_verifier_key(key: VerifierKey) -> bytes:
    """The document `decode_verifier_key` reads."""
    groups = [
        {
            "name": group.name,
            "bases": [point.to_bytes().hex() for point in g1_points(group.bases)],
            "eta": group.eta.to_bytes().hex(),
            "sigma_g2": group.sigma_g2.to_bytes().hex(),
        }
        for group in key.groups
    ]
    return _dump(
        {
            "format": KEY_FORMAT,
            "version": 1,
            "circuit": key.circuit.hex(),
            "challenges": key.challenges,
            "base": json.loads(snarkjs.encode_verifying_key(key.base)),
            "groups": groups,
        }
    )


def encode_proof(proof: CommittedProof) -> bytes:
    """The document `decode_proof` reads."""
    points = {
        "a": proof.a.to_bytes(),
        "b": proof.b.to_bytes(),
        "c": proof.c.to_bytes(),
        "pok": proof.pok.to_bytes(),
    }
    return _dump(
        {
            "format": PROOF_FORMAT,
            "version": 1,
            "commitments": [point.to_bytes().hex() for point in proof.commitments],
            **{name: data.hex() for name, data in points.items()},
        }
    )
