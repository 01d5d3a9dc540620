"""One step of a ceremony: the secrets' new public images, and proof that somebody knew the factors.

    shown     [delta], [eta_k], [sigma_k] after the step
    proof     knowledge of d, e_k, s_k with delta' = d delta, eta_k' = e_k eta_k, sigma_k' = s_k sigma_k, all at once,
              over a transcript that has heard the digest of everything before and the contributor's name

A beacon's factors are public: instead of a proof there is the value they come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from mpc.errors import DecodeError, ParameterError, ProofRejected
from mpc.prg import Stream
from mpc.transcript import Transcript
from zk import backends
from zk.curve import G1, G1_GENERATOR, G2, G2_GENERATOR, R, decode_g1, decode_g2
from zk.formats.strict_json import fields, hex_bytes, items
from zk.phase2 import Factors, SetupKeys
from zk.sigma import BN254_G1, LinearProof, LinearStatement

__all__ = ["Beacon", "Contribution", "Shown", "check_name", "contribution_statement"]

MAX_NAME = 80
MAX_ROUNDS_LOG2 = 24


def check_name(name: object) -> str:
    """The name of a contributor, if it can be printed on one line.

    Raises: DecodeError for an empty, long or unprintable name.
    """
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise DecodeError(f"a contributor's name has 1 to {MAX_NAME} printable characters")
    return name


@dataclass(frozen=True, slots=True)
class Shown:
    """Public images of the secrets a ceremony builds up."""

    delta_g1: G1
    delta_g2: G2
    eta: tuple[G1, ...]
    sigma_g1: tuple[G1, ...]
    sigma_g2: tuple[G2, ...]

    @classmethod
    def start(cls, n_groups: int) -> "Shown":
        """All secrets one."""
        g1, g2 = (G1_GENERATOR,) * n_groups, (G2_GENERATOR,) * n_groups
        return cls(G1_GENERATOR, G2_GENERATOR, g1, g1, g2)

    def times(self, factors: Factors) -> "Shown":
        """The images after a step."""
        lib = backends.get()
        return Shown(
            lib.g1_mul(self.delta_g1, factors.delta),
            lib.g2_mul(self.delta_g2, factors.delta),
            tuple(lib.g1_mul(p, e) for p, e in zip(self.eta, factors.eta, strict=True)),
            tuple(lib.g1_mul(p, s) for p, s in zip(self.sigma_g1, factors.sigma, strict=True)),
            tuple(lib.g2_mul(p, s) for p, s in zip(self.sigma_g2, factors.sigma, strict=True)),
        )

    @property
    def g1_points(self) -> tuple[G1, ...]:
        """One image in G1 of each secret."""
        return (self.delta_g1, *self.eta, *self.sigma_g1)

    def check_groups(self) -> None:
        """Check that delta and sigma are the same numbers in both groups.

        Raises: ProofRejected if one is not.
        """
        lib = backends.get()
        for p, q in [(self.delta_g1, self.delta_g2), *zip(self.sigma_g1, self.sigma_g2, strict=True)]:
            if not lib.pairing_product_is_one([(p, G2_GENERATOR), (-G1_GENERATOR, q)]):
                raise ProofRejected("delta or sigma differs between the groups")

    def matches(self, keys: SetupKeys) -> bool:
        """Whether these are the images that `keys` hold."""
        key, groups = keys
        mine = (self.delta_g1, self.delta_g2, self.eta, self.sigma_g2)
        return mine == (
            key.delta_g1,
            key.delta_g2,
            tuple(g.eta for g in groups),
            tuple(g.sigma_g2 for g in groups),
        )

    def to_json(self) -> dict[str, Any]:
        """Points as hexadecimal bytes of EIP-196 and EIP-197."""
        return {
            "delta_g1": self.delta_g1.to_bytes().hex(),
            "delta_g2": self.delta_g2.to_bytes().hex(),
            "eta": [p.to_bytes().hex() for p in self.eta],
            "sigma_g1": [p.to_bytes().hex() for p in self.sigma_g1],
            "sigma_g2": [p.to_bytes().hex() for p in self.sigma_g2],
        }

    @classmethod
    def from_json(cls, value: object, n_groups: int) -> "Shown":
        """The points of parsed JSON.

        Raises: DecodeError unless all are canonical, finite and in their groups.
        """
        found = fields(value, "shown", ("delta_g1", "delta_g2", "eta", "sigma_g1", "sigma_g2"))
        eta, sigma_g1, sigma_g2 = (items(found[k], k, n_groups) for k in ("eta", "sigma_g1", "sigma_g2"))
        return cls(
            decode_g1(hex_bytes(found["delta_g1"], "delta_g1", 64)),
            decode_g2(hex_bytes(found["delta_g2"], "delta_g2", 128)),
            tuple(decode_g1(hex_bytes(p, "eta", 64)) for p in eta),
            tuple(decode_g1(hex_bytes(p, "sigma_g1", 64)) for p in sigma_g1),
            tuple(decode_g2(hex_bytes(p, "sigma_g2", 128)) for p in sigma_g2),
        )


@dataclass(frozen=True, slots=True)
class Beacon:
    """A public value nobody could foresee, hashed 2^rounds_log2 times so that nobody could grind it.

    Raises: DecodeError for a value of no bytes or over 64, or rounds beyond 2^24.
    """

    value: bytes
    rounds_log2: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.value) <= 64:
            raise DecodeError("a beacon has 1 to 64 bytes")
        if type(self.rounds_log2) is not int or not 0 <= self.rounds_log2 <= MAX_ROUNDS_LOG2:
            raise DecodeError(f"a beacon is hashed 2^0 to 2^{MAX_ROUNDS_LOG2} times")

    def factors(self, previous: bytes, n_groups: int) -> Factors:
        """The factors everybody computes."""
        digest = sha256(self.value).digest()
        for _ in range(1 << self.rounds_log2):
            digest = sha256(digest).digest()
        return Factors.draw(Stream(digest, b"zk ceremony beacon" + previous), n_groups)


def _transcript(previous: bytes, name: str) -> Transcript:
    transcript = Transcript(b"zk ceremony contribution")
    transcript.absorb(b"previous", previous)
    transcript.absorb(b"name", name.encode("utf-8"))
    return transcript


def contribution_statement(before: Shown, after: Shown) -> LinearStatement[G1]:
    """I know all factors that lead from `before` to `after`."""
    bases, images = before.g1_points, after.g1_points
    rows = tuple(tuple(base if i == j else None for j in range(len(bases))) for i, base in enumerate(bases))
    return LinearStatement(BN254_G1, b"ceremony contribution", rows, images)


@dataclass(frozen=True, slots=True)
class Contribution:
    """A step with its evidence: a proof, or the beacon its factors come from."""

    name: str
    shown: Shown
    proof: LinearProof | None
    beacon: Beacon | None

    @classmethod
    def make(
        cls, name: str, before: Shown, previous: bytes, factors: Factors, randomness: Stream
    ) -> "Contribution":
        """The step these factors make, with a proof of knowing them."""
        after = before.times(factors)
        secrets = [factors.delta, *factors.eta, *factors.sigma]
        statement = contribution_statement(before, after)
        proof = statement.prove(secrets, _transcript(previous, check_name(name)), randomness)
        return cls(name, after, proof, None)

    @classmethod
    def of_beacon(cls, name: str, before: Shown, previous: bytes, beacon: Beacon) -> "Contribution":
        """The step a beacon makes."""
        after = before.times(beacon.factors(previous, len(before.eta)))
        return cls(check_name(name), after, None, beacon)

    def verify(self, before: Shown, previous: bytes) -> None:
        """Check the step from `before`.

        Raises: ProofRejected unless its evidence holds.
        """
        if self.beacon is not None:
            if before.times(self.beacon.factors(previous, len(before.eta))) != self.shown:
                raise ProofRejected(f"{self.name}: these are not the factors of the beacon")
            return
        self.shown.check_groups()
        if self.proof is None:
            raise ProofRejected(f"{self.name}: no proof of knowing the factors")
        try:
            contribution_statement(before, self.shown).verify(self.proof, _transcript(previous, self.name))
        except (ParameterError, ProofRejected):
            raise ProofRejected(f"{self.name}: the proof of knowing the factors does not verify") from None

    def digest(self, previous: bytes) -> bytes:
        """32 bytes that name this step and all before it: what its contributor announces in public."""
        transcript = _transcript(previous, self.name)
        for point in self.shown.g1_points:
            transcript.absorb(b"g1", point.to_bytes())
        for twisted in (self.shown.delta_g2, *self.shown.sigma_g2):
            transcript.absorb(b"g2", twisted.to_bytes())
        transcript.absorb(b"proof", b"" if self.proof is None else self.proof.to_bytes())
        seed = b"" if self.beacon is None else bytes([self.beacon.rounds_log2]) + self.beacon.value
        transcript.absorb(b"beacon", seed)
        return transcript.challenge_bytes(b"digest", 32)

    def to_json(self) -> dict[str, Any]:
        """The entry of a transcript."""
        beacon = self.beacon and {"value": self.beacon.value.hex(), "rounds_log2": self.beacon.rounds_log2}
        proof = self.proof and self.proof.to_bytes().hex()
        return {"name": self.name, "shown": self.shown.to_json(), "proof": proof, "beacon": beacon}

    @classmethod
    def from_json(cls, value: object, n_groups: int) -> "Contribution":
        """The step of a transcript's entry.

        Raises: DecodeError unless it is canonical and has a proof or a beacon, not both.
        """
        found = fields(value, "contribution", ("name", "shown", "proof", "beacon"))
        if (found["proof"] is None) == (found["beacon"] is None):
            raise DecodeError("a contribution has either a proof or a beacon")
        proof, beacon = None, None
        if found["proof"] is not None:
            n = 1 + 2 * n_groups
            proof = LinearProof.from_bytes(hex_bytes(found["proof"], "proof", 32 * (1 + n)), R, n)
        else:
            given = fields(found["beacon"], "beacon", ("value", "rounds_log2"))
            text = given["value"]
            size = len(text) // 2 if isinstance(text, str) else 0
            beacon = Beacon(hex_bytes(text, "beacon", size), given["rounds_log2"])
        return cls(check_name(found["name"]), Shown.from_json(found["shown"], n_groups), proof, beacon)


def replay(contributions: Sequence[Contribution], start: bytes, n_groups: int) -> tuple[Shown, bytes]:
    """The images and the digest after all steps, unchecked."""
    shown, digest = Shown.start(n_groups), start
    for step in contributions:
        shown, digest = step.shown, step.digest(digest)
    return shown, digest
