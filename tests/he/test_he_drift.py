"""Drift: the same streams give the same keys, ciphertexts and proofs as when the vectors were written.

`python tests/he/test_he_drift.py` writes them anew; a change in them is a change of a format or a protocol.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from he import deal, encrypt, keygen, partial_decrypt, prove_public_key
from he.aggregate import Parameters, make_upload
from he.paillier import encryptor
from he.proofs import ModpGroup, prove_equality, prove_multiplication, prove_plaintexts, prove_range
from mpc.codec import Codec
from mpc.prg import Stream
from mpc.secagg import IdentityKey

VECTORS = Path(__file__).parents[1] / "vectors/paillier/drift.v1.json"


def made() -> dict[str, Any]:
    stream = Stream(bytes(range(32)), b"drift")
    out: dict[str, str] = {}
    for exponent in ("half", "textbook"):
        public, private = keygen(768, exponent=exponent, stream=stream.derive(exponent), allow_insecure=True)
        (c,), (r,) = encryptor(public).encrypt_opened([-5], stream.derive(exponent, "c"))
        (d,), (s,) = encryptor(public).encrypt_opened([5], stream.derive(exponent, "d"))
        vector = encrypt(
            public, Codec(1.0, 8, 3), np.linspace(-1, 1, 60), stream=stream.derive(exponent, "v")
        )
        group, fresh = ModpGroup(), stream.derive(exponent, "proofs")
        out |= {
            f"{exponent} public key": public.to_bytes().hex(),
            f"{exponent} private key": private.to_bytes().hex(),
            f"{exponent} vector": vector.to_bytes().hex(),
            f"{exponent} key proof": prove_public_key(private, fresh).to_bytes().hex(),
            f"{exponent} plaintexts": prove_plaintexts(public, [c], [-5], [r], stream=fresh).to_bytes().hex(),
            f"{exponent} range": prove_range(public, c, -5, r, low=-8, bits=4, stream=fresh).to_bytes().hex(),
            f"{exponent} product": prove_multiplication(public, c, d, c, -5, r, s, stream=fresh)
            .to_bytes()
            .hex(),
            f"{exponent} equality": prove_equality(
                public, group, d, group.commit(5, 7), 5, s, 7, bits=3, stream=fresh
            )
            .to_bytes()
            .hex(),
        }
    key, shares = deal(2, 3, min_contributions=2, bits=256, stream=stream.derive("deal"), allow_insecure=True)
    (c,) = encryptor(key.public).encrypt([9], stream.derive("threshold"))
    part = partial_decrypt(shares[0], [c], contributions=2, stream=stream.derive("part"))
    key2, _ = deal(2, 3, min_contributions=2, bits=768, stream=stream.derive("deal 2"), allow_insecure=True)
    params = Parameters(key2, (1, 2), 5, bound=100, field_dim=1, session=b"drift")
    upload = make_upload(
        1, params, IdentityKey(bytes(32)), np.arange(5), [7], randomness=stream.derive("upload")
    )
    out |= {
        "key share": shares[0].to_bytes().hex(),
        "partial decryption": part.to_bytes(key.public).hex(),
        "parameters": params.to_bytes().hex(),
        "upload": upload.hex(),
    }
    return {
        name: data if len(data) < 3000 else "sha256 " + sha256(data.encode()).hexdigest()
        for name, data in out.items()
    }


def test_nothing_has_drifted() -> None:
    assert made() == json.loads(VECTORS.read_text())


if __name__ == "__main__":
    VECTORS.write_text(json.dumps(made(), indent=1) + "\n")
