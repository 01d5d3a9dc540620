"""Published vectors, other libraries' answers, and files that notice when our own bytes change."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from secagg_cases import Case

from mpc import packed, shamir
from mpc.field import FIELD61
from mpc.prg import Keystream, Stream
from mpc.runtime import Network
from mpc.secagg import IdentityKey
from mpc.secagg.keys import AgreementKey
from mpc.shares import Share
from mpc.threshold import Threshold

VECTORS = Path(__file__).resolve().parents[1] / "vectors"


def load(name: str) -> Any:
    return json.loads((VECTORS / name).read_text())


def xor(a: bytes, b: bytes) -> str:
    return bytes(x ^ y for x, y in zip(a, b, strict=True)).hex()


def test_nists_aes256_in_counter_mode() -> None:
    case = load("prg/external/nist/aes256ctr.v1.json")
    plain = bytes.fromhex(case["plaintext"])
    stream = Keystream("aes256ctr", bytes.fromhex(case["key"]), bytes.fromhex(case["nonce"]))
    assert xor(plain, stream.bytes(len(plain))) == case["ciphertext"]


def test_the_rfcs_chacha20() -> None:
    cases = load("prg/external/rfc8439/chacha20.v1.json")
    for case in cases["blocks"]:
        stream = Keystream("chacha20", bytes.fromhex(case["key"]), bytes.fromhex(case["nonce"]))
        assert stream.bytes(64).hex() == case["keystream"]
    case = cases["message"]
    plain = case["plaintext"].encode()
    stream = Keystream("chacha20", bytes.fromhex(case["key"]), bytes.fromhex(case["nonce"]))
    assert xor(plain, stream.bytes(len(plain))) == case["ciphertext"]


def test_the_rfcs_key_agreement_and_identity() -> None:
    case = load("keys/external/rfc7748/x25519.v1.json")
    for mine, other in (("alice", "bob"), ("bob", "alice")):
        key = AgreementKey(bytes.fromhex(case[f"{mine}_private"]))
        assert key.public.hex() == case[f"{mine}_public"]
        assert key.agree(bytes.fromhex(case[f"{other}_public"])).hex() == case["shared"]
    case = load("keys/external/rfc8032/ed25519.v1.json")
    assert IdentityKey(bytes.fromhex(case["private"])).public().raw.hex() == case["public"]


def test_shares_of_ours_reconstruct_in_mpyc() -> None:
    thresha, finfields = pytest.importorskip("mpyc.thresha"), pytest.importorskip("mpyc.finfields")
    secret = FIELD61.elements(np.arange(20) ** 9)
    shares = shamir.share(secret, Threshold(4, 7), Stream(bytes(32)))
    points = [(s.index, s.values.values.astype(object)) for s in shares[2:6]]
    assert (
        thresha.np_recombine(finfields.GF(FIELD61.modulus), points).value.tolist() == secret.values.tolist()
    )


def test_shares_of_mpyc_reconstruct_here() -> None:
    thresha, finfields = pytest.importorskip("mpyc.thresha"), pytest.importorskip("mpyc.finfields")
    field = finfields.GF(FIELD61.modulus)
    rows = thresha.np_random_split(field, field.array(np.arange(20).astype(object)), 3, 7)
    for points in ((1, 2, 3, 4), (2, 4, 6, 7)):
        for column in range(20):
            shares = {x: int(rows[x - 1][column]) for x in points}
            assert shamir.reconstruct_secret(shares, 4, FIELD61.modulus) == column


def test_shares_of_shamirs_reconstruct_here_and_ours_there() -> None:
    shamirs = pytest.importorskip("shamirs")
    theirs = shamirs.shares(123456789, quantity=5, modulus=FIELD61.modulus, threshold=3)
    assert shamir.reconstruct_secret({s.index: s.value for s in theirs[1:4]}, 3, FIELD61.modulus) == 123456789
    ours = shamir.share_secret(987654321, 3, range(1, 6), Stream(bytes(32)), FIELD61.modulus)
    assert (
        shamirs.interpolate([shamirs.share(i, v, FIELD61.modulus) for i, v in ours.items()][2:]) == 987654321
    )


def secagg_digests() -> dict[str, str]:
    """A run with two dropouts, every message in order."""
    result = Case(n=6, dim=9).run(network=Network(vanish={2: 3, 5: 5}), record=True)
    out: dict[str, str] = {}
    for m in result.messages:
        out[f"round {m.round}: {m.sender} to {m.receiver}"] = sha256(m.data).hexdigest()[:32]
    return out


def test_the_bytes_of_secure_aggregation_do_not_drift() -> None:
    assert secagg_digests() == load("secagg/run.v1.json")


def share_bytes() -> dict[str, str]:
    """Shares from a fixed stream."""
    stream = Stream(bytes(32), b"vector")
    secret = FIELD61.elements([[1, -2], [3, 4]])
    dealt = {"shamir": shamir.share(secret, Threshold(2, 3), stream)}
    dealt["packed by 2"] = packed.share(secret, Threshold(3, 4), 2, stream)
    return {f"{name} {s.index}": s.to_bytes().hex() for name, shares in dealt.items() for s in shares}


def test_the_bytes_of_shares_do_not_drift() -> None:
    stored = load("shamir/share.v1.json")
    assert share_bytes() == stored
    decoded = [Share.from_bytes(bytes.fromhex(stored[f"shamir {i}"])) for i in (1, 3)]
    assert shamir.reconstruct(decoded).lifted().tolist() == [[1, -2], [3, 4]]
