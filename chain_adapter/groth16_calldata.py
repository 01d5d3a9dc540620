"""Verifying keys as the contract `Groth16Verifier` reads them, and the challenge it derives.

A key is the code of an account: a zero byte (so that nobody can call it), then 32-byte words. Anyone may deploy
it; a plan names it by its code hash. Points are the EVM's: 64 bytes in G1, 128 in G2 with the second coordinate
of each Fp2 element first. The layout is in the contract's own documentation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from chain_adapter.hashing import keccak256
from mpc.errors import ParameterError

__all__ = ["G1_BYTES", "G2_BYTES", "ORDER", "KeyBlob", "Statement", "challenge", "key_blob"]

G1_BYTES = 64
G2_BYTES = 128
ORDER = 21888242871839275222246405745257275088548364400416034343698204186575808495617
LARGEST_CODE = 24_576

_MAGIC = b"EPPML groth16 v1"
_CHALLENGE_TAG = b"EPPML groth16 challenge v1".ljust(32, b"\0")


@dataclass(frozen=True, slots=True)
class Statement:
    """What the contracts must know about a bounded-update statement to rebuild its public inputs.

    `padded`: the last chunk holds entries beyond the update. `share` and `eta` are the bases (64 bytes each) of the
    commitment to a chunk's share of the bound; only statements of several chunks have them.
    """

    chunks: int
    padded: bool
    max_norm_sq: int
    share: bytes = bytes(G1_BYTES)
    eta: bytes = bytes(G1_BYTES)

    def to_words(self) -> bytes:
        """Seven 32-byte words. Raises: ParameterError for no chunk, or a base of a wrong length."""
        if self.chunks < 1 or len(self.share) != G1_BYTES or len(self.eta) != G1_BYTES:
            raise ParameterError("a statement has at least one chunk, and bases of 64 bytes")
        numbers = (self.chunks, int(self.padded), self.max_norm_sq)
        return b"".join(n.to_bytes(32, "big") for n in numbers) + self.share + self.eta


@dataclass(frozen=True, slots=True)
class KeyBlob:
    """The words of one verifying key."""

    words: bytes

    @property
    def code(self) -> bytes:
        """What the account's code will be."""
        return b"\0" + self.words

    @property
    def key_hash(self) -> bytes:
        """The code hash by which a plan names the key."""
        return keccak256(self.code)

    @property
    def creation_code(self) -> bytes:
        """Code that deploys the key: return everything after these ten bytes."""
        return b"\x61" + len(self.code).to_bytes(2, "big") + bytes.fromhex("80600a3d393df3") + self.code


def key_blob(
    alpha: bytes,
    beta: bytes,
    gamma: bytes,
    delta: bytes,
    ic: Sequence[bytes],
    *,
    sigmas: Sequence[bytes] = (),
    has_challenge: bool = False,
    digest: bytes = bytes(32),
    statement: Statement | None = None,
) -> KeyBlob:
    """The blob of a key given as EVM points: `ic` for the constant and each public input, one sigma a commitment.

    `digest` names the whole key, bases of the commitments included, and goes into the challenge.

    Raises: ParameterError for points of a wrong length, a challenge without a commitment, or a key that no account can hold.
    """
    if any(len(point) != G1_BYTES for point in (alpha, *ic)):
        raise ParameterError(f"a point of G1 is {G1_BYTES} bytes")
    if any(len(point) != G2_BYTES for point in (beta, gamma, delta, *sigmas)):
        raise ParameterError(f"a point of G2 is {G2_BYTES} bytes")
    if len(digest) != 32:
        raise ParameterError("the digest of a key is 32 bytes")
    publics = len(ic) - 1
    if publics < 0 or len(sigmas) > 255 or (has_challenge and not (publics and sigmas)):
        raise ParameterError(
            "a key has an IC point for the constant, and a challenge only beside a commitment"
        )
    flags = int(has_challenge) | (statement is not None) << 1
    header = _MAGIC + (publics << 16 | len(sigmas) << 8 | flags).to_bytes(16, "big")
    tail = statement.to_words() if statement else b""
    gap = bytes(G1_BYTES)
    placed = [part for sigma in sigmas for part in (gap, sigma)]
    blob = KeyBlob(b"".join([alpha, beta, header, digest, gamma, gap, delta, *placed, *ic, tail]))
    if len(blob.code) > LARGEST_CODE:
        raise ParameterError(
            f"a key of {len(blob.code)} bytes is more than an account holds ({LARGEST_CODE})"
        )
    return blob


def challenge(digest: bytes, publics: Sequence[int], commitments: Sequence[bytes]) -> int:
    """The challenge the contract derives: 512 bits of SHA-256 over key digest, public inputs and all commitments."""
    text = b"".join([_CHALLENGE_TAG, digest, *(x.to_bytes(32, "big") for x in publics), *commitments])
    return int.from_bytes(sha256(b"\x00" + text).digest() + sha256(b"\x01" + text).digest(), "big") % ORDER
