"""A plan: the terms together with who takes part and which keys and model they start from."""

import dataclasses
import hashlib
import json
import math
from dataclasses import dataclass
from functools import lru_cache

from chain_adapter.merkle import Member
from fl.plan.terms import Terms, build, terms_from_dict
from fl.privacy.noise import Noise
from fl.seeds import generator
from mpc.codec import Codec
from mpc.errors import DecodeError
from mpc.json_text import read_json

__all__ = ["Contracts", "Plan", "update_codec", "update_noise"]

_FORMAT = "eppml-plan-2"
_MAX_PLAN_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Contracts:
    """Where the plan is registered: it stops a plan's messages from counting on another chain or deployment."""

    chain_id: int
    rounds_contract: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Terms, members and starting points; frozen for the whole run and hashed onto the ledger.

    A member is its ledger address, its Ed25519 identity and its weight: the number of samples it trains on, or 1 where
    all weigh the same. `records` is the largest number of samples that a member has. `parameters` is the model's size;
    what rounds hand on, from `initial_model` to the last, is the model and behind it whatever the algorithm's server
    keeps. `committee` holds the identities (hexadecimal) of those who decrypt or hold shares of sums, and
    `committee_key` the CID of their key, where there are any.
    Leakage: weights are public; where they are sample counts, so are these.
    """

    terms: Terms
    members: tuple[Member, ...]
    dataset_sha256: str
    records: int
    verifying_key: str
    parameters: int
    initial_model: str
    contracts: Contracts
    committee: tuple[str, ...] = ()
    committee_key: str = ""

    @property
    def hash(self) -> bytes:
        """SHA-256 of the canonical bytes."""
        return hashlib.sha256(self.to_bytes()).digest()

    @property
    def total_samples(self) -> int:
        return sum(member.samples for member in self.members)

    def proves(self, round_number: int, client: int) -> bool:
        """Whether `client` (from 1) has to prove its update of this round; everybody can tell beforehand."""
        proofs, terms = self.terms.proofs, self.terms
        if proofs.kind != "sample":
            return proofs.kind == "all"
        if proofs.rounds:
            chosen = generator(terms.seed, "proven rounds").permutation(terms.rounds)[: proofs.rounds]
            if round_number not in chosen:
                return False
        if not proofs.clients:
            return True
        order = generator(terms.seed, "proven clients", round_number).permutation(terms.clients)
        return client - 1 in order[: proofs.clients]

    def codec(self) -> Codec:
        """The one codec of the run; its construction proves that no sum of all members can wrap modulo 2^32."""
        return update_codec(self.terms, max(member.samples for member in self.members))

    def noise(self, dim: int) -> Noise | None:
        """A member's share of the noise on `dim` coordinates, if the plan promises differential privacy."""
        return update_noise(self.terms, dim, max(member.samples for member in self.members), self.records)

    def l2_bound(self, dim: int) -> tuple[int, int]:
        """The bound on an encoded update of the largest member, and what rounding and noise may add to any member's.

        Rounding moves each of `dim` coordinates by at most one half, hence the allowance of sqrt(dim) / 2.
        """
        codec, noise = self.codec(), self.noise(dim)
        allowed = math.ceil(math.sqrt(dim) / 2) + (noise.noise_bound if noise else 0)
        return math.ceil(self.terms.update.l2_clip / codec.step), allowed

    def l2_bound_sq(self, samples: int, dim: int) -> int:
        """The largest squared integer norm that a member with `samples` may commit to.

        A member's encoding is scaled by its share of the largest member's samples, so its bound is as well; in
        integers, because the ledger's contract computes the same number.
        """
        bound, slack = self.l2_bound(dim)
        scaled = -(-bound * samples // self.codec().max_weight)
        return (scaled + slack) * (scaled + slack)

    def to_bytes(self) -> bytes:
        body = {"format": _FORMAT, **dataclasses.asdict(self)}
        body["members"] = [[m.address, m.identity.hex(), m.samples] for m in self.members]
        return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Plan":
        """Decode a plan. Raises: DecodeError unless `data` is canonical."""
        try:
            body = read_json(data, max_bytes=_MAX_PLAN_BYTES)
            if not isinstance(body, dict) or body.pop("format", None) != _FORMAT:
                raise DecodeError(f"not an {_FORMAT} document")
            members = tuple(
                Member(address, bytes.fromhex(identity), samples)
                for address, identity, samples in body.pop("members")
            )
            body["committee"] = tuple(body["committee"])
            plan = cls(
                terms=terms_from_dict(body.pop("terms")),
                members=members,
                contracts=build(Contracts, body.pop("contracts"), "contracts"),
                **body,
            )
        except (ValueError, TypeError, KeyError) as error:
            raise DecodeError(f"malformed plan: {error}") from error
        strings = (
            plan.dataset_sha256,
            plan.verifying_key,
            plan.initial_model,
            plan.committee_key,
            *plan.committee,
        )
        typed = (
            all(type(text) is str for text in strings) and type(plan.parameters) is type(plan.records) is int
        )
        if not typed or plan.to_bytes() != data:
            raise DecodeError("the plan's bytes are not canonical")
        return plan


def update_codec(terms: Terms, max_weight: int) -> Codec:
    """The codec for `terms` when the largest client has `max_weight` samples. Raises: CodecError when sums could wrap."""
    bounds = terms.update
    return Codec(
        clip=bounds.clip, bits=bounds.bits, max_clients=terms.clients, max_weight=max_weight, modulus=2**32
    )


@lru_cache(maxsize=16)
def update_noise(terms: Terms, dim: int, max_weight: int, records: int) -> Noise | None:
    """A client's share of the noise for `terms`, whose noise multiplier is found already; None without privacy.

    Raises: ParameterError when codec, clip and clients cannot keep the promise, saying which.
    """
    if not terms.privacy.enabled:
        return None
    return Noise.of(
        terms.privacy,
        codec=update_codec(terms, max_weight),
        clients=terms.clients,
        min_clients=terms.aggregation.min_clients,
        l2_clip=terms.update.l2_clip,
        dim=dim,
        records=records,
    )
