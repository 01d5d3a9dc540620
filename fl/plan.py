"""The federated-learning plan: what everybody agrees on before the first round.

`Terms` is what a person writes (a TOML file or a bundled preset). `Plan` is the terms together with who takes part
and which keys and model they start from; its canonical bytes go into block storage and their SHA-256 on the ledger.
Both encodings are canonical: a plan that decodes encodes to the same bytes again, or `DecodeError` is raised.
"""

import dataclasses
import hashlib
import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from chain_adapter.merkle import Member
from mpc.codec import Codec
from mpc.errors import DecodeError, ParameterError
from mpc.json_text import read_json

__all__ = [
    "Aggregation",
    "CommitteeTerms",
    "Contracts",
    "Partition",
    "Plan",
    "Rewards",
    "Terms",
    "Training",
    "UpdateBounds",
    "load_terms",
    "preset_names",
    "terms_from_dict",
]

_MAX_PLAN_BYTES = 8 << 20
AGGREGATIONS = ("secagg", "paillier", "plain")
PARTITIONS = ("dirichlet", "iid")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ParameterError(message)


@dataclass(frozen=True, slots=True)
class Partition:
    """How the training data is spread over the clients; `alpha` is the Dirichlet concentration (lower: less alike)."""

    kind: str = "dirichlet"
    alpha: float = 0.5

    def __post_init__(self) -> None:
        _require(
            self.kind in PARTITIONS,
            f"partition.kind must be one of {', '.join(PARTITIONS)}, not {self.kind!r}",
        )
        _require(0 < self.alpha < 1e6, f"partition.alpha must be a positive number, got {self.alpha}")


@dataclass(frozen=True, slots=True)
class Training:
    """Local training: plain minibatch SGD on the cross-entropy."""

    epochs: int = 2
    batch: int = 16
    learning_rate: float = 0.3

    def __post_init__(self) -> None:
        _require(1 <= self.epochs <= 1000, f"training.epochs must be between 1 and 1000, got {self.epochs}")
        _require(1 <= self.batch <= 1 << 20, f"training.batch must be at least 1, got {self.batch}")
        _require(
            0 < self.learning_rate < 1e4, f"training.learning_rate must be positive, got {self.learning_rate}"
        )


@dataclass(frozen=True, slots=True)
class UpdateBounds:
    """What a well-formed update is: every coordinate within `clip`, the whole within `l2_clip` (model units)."""

    clip: float = 2.0
    bits: int = 16
    l2_clip: float = 8.0

    def __post_init__(self) -> None:
        _require(0 < self.clip < 1e9, f"update.clip must be a positive number, got {self.clip}")
        _require(2 <= self.bits <= 24, f"update.bits must be between 2 and 24, got {self.bits}")
        _require(
            self.clip <= self.l2_clip * (1 + 1e-9),
            f"update.clip {self.clip} is above update.l2_clip {self.l2_clip}: one coordinate could break the norm bound",
        )


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How updates are summed, and what is assumed of the clients while they are.

    `corrupt` and `dropout` are fractions of the clients; `min_clients` is the fewest updates any opened sum may hold.
    """

    mode: str = "secagg"
    min_clients: int = 3
    corrupt: float = 0.1
    dropout: float = 0.1
    security_bits: int = 40

    def __post_init__(self) -> None:
        _require(
            self.mode in AGGREGATIONS,
            f"aggregation must be one of {', '.join(AGGREGATIONS)}, not {self.mode!r}",
        )
        _require(self.min_clients >= 2, f"aggregation.min_clients must be at least 2, got {self.min_clients}")
        _require(0 <= self.corrupt < 0.5, f"aggregation.corrupt must be in [0, 0.5), got {self.corrupt}")
        _require(0 <= self.dropout < 0.5, f"aggregation.dropout must be in [0, 0.5), got {self.dropout}")
        _require(
            20 <= self.security_bits <= 128,
            f"aggregation.security_bits must be 20 to 128, got {self.security_bits}",
        )


@dataclass(frozen=True, slots=True)
class CommitteeTerms:
    """For aggregation by Paillier: any `needed` of `members` decrypt a sum; `bits` of the modulus."""

    members: int = 3
    needed: int = 2
    bits: int = 3072

    def __post_init__(self) -> None:
        _require(1 <= self.members <= 64, f"committee.members must be 1 to 64, got {self.members}")
        _require(
            1 <= self.needed <= self.members,
            f"committee.needed must be between 1 and committee.members, got {self.needed} of {self.members}",
        )
        _require(2048 <= self.bits <= 8192, f"committee.bits must be 2048 to 8192, got {self.bits}")


@dataclass(frozen=True, slots=True)
class Rewards:
    """`per_round` wei are shared among the clients of a round's sum, in proportion to their samples."""

    per_round: int = 1_000_000

    def __post_init__(self) -> None:
        _require(
            0 <= self.per_round < 1 << 96, f"rewards.per_round must be 0 to 2^96 wei, got {self.per_round}"
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person decides about a run. Every field has a unit in `docs/reference/plan.md`."""

    name: str
    dataset: str
    clients: int
    rounds: int
    model: str = "softmax"
    seed: int = 1
    partition: Partition = field(default_factory=Partition)
    training: Training = field(default_factory=Training)
    update: UpdateBounds = field(default_factory=UpdateBounds)
    aggregation: Aggregation = field(default_factory=Aggregation)
    committee: CommitteeTerms = field(default_factory=CommitteeTerms)
    rewards: Rewards = field(default_factory=Rewards)

    def __post_init__(self) -> None:
        ok = 0 < len(self.name) <= 64 and all(c.isascii() and (c.isalnum() or c in "-_.") for c in self.name)
        _require(
            ok and self.name[0] not in "-.",
            f"a plan's name is letters, digits, '-', '_' and '.', got {self.name!r}",
        )
        _require(self.model == "softmax", f"model must be 'softmax', not {self.model!r}")
        _require(1 <= self.rounds <= 100_000, f"rounds must be between 1 and 100000, got {self.rounds}")
        _require(0 <= self.seed < 1 << 63, f"seed must be between 0 and 2^63, got {self.seed}")
        needed = self.aggregation.min_clients
        _require(
            self.clients >= needed,
            f"{self.clients} clients are too few: aggregation.min_clients asks for {needed} updates in every opened sum",
        )
        _require(self.clients <= 100_000, f"clients must be at most 100000, got {self.clients}")


@dataclass(frozen=True, slots=True)
class Contracts:
    """Where the plan is registered: it stops a plan's messages from counting on another chain or deployment."""

    chain_id: int
    rounds_contract: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Terms, members and starting points; frozen for the whole run and hashed onto the ledger.

    A member is its ledger address, its Ed25519 identity and the number of samples it trains on. `committee` holds the
    identities (hexadecimal) of those who decrypt sums, and `committee_key` the CID of their key, where there are any.
    Leakage: sample counts are public; they are the FedAvg weights and the measure of rewards.
    """

    terms: Terms
    members: tuple[Member, ...]
    dataset_sha256: str
    verifying_key: str
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

    def codec(self) -> Codec:
        """The one codec of the run; its construction proves that no sum of all members can wrap modulo 2^32."""
        return update_codec(self.terms, max(member.samples for member in self.members))

    def l2_bound(self, dim: int) -> tuple[int, int]:
        """The bound on an encoded update of the largest member, and what rounding may add to any member's.

        Rounding moves each of `dim` coordinates by at most one half, hence the allowance of sqrt(dim) / 2.
        """
        codec = self.codec()
        return math.ceil(self.terms.update.l2_clip / codec.step), math.ceil(math.sqrt(dim) / 2)

    def l2_bound_sq(self, samples: int, dim: int) -> int:
        """The largest squared integer norm that a member with `samples` may commit to.

        A member's encoding is scaled by its share of the largest member's samples, so its bound is as well; in
        integers, because the ledger's contract computes the same number.
        """
        bound, slack = self.l2_bound(dim)
        scaled = -(-bound * samples // self.codec().max_weight)
        return (scaled + slack) * (scaled + slack)

    def to_bytes(self) -> bytes:
        body = {"format": "eppml-plan-1", **dataclasses.asdict(self)}
        body["members"] = [[m.address, m.identity.hex(), m.samples] for m in self.members]
        return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Plan":
        """Decode a plan. Raises: DecodeError unless `data` is canonical."""
        try:
            body = read_json(data, max_bytes=_MAX_PLAN_BYTES)
            if not isinstance(body, dict) or body.pop("format", None) != "eppml-plan-1":
                raise DecodeError("not an eppml-plan-1 document")
            members = tuple(
                Member(address, bytes.fromhex(identity), samples)
                for address, identity, samples in body.pop("members")
            )
            body["committee"] = tuple(body["committee"])
            plan = cls(
                terms=terms_from_dict(body.pop("terms")),
                members=members,
                contracts=_build(Contracts, body.pop("contracts"), "contracts"),
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
        if not all(type(text) is str for text in strings) or plan.to_bytes() != data:
            raise DecodeError("the plan's bytes are not canonical")
        return plan


def update_codec(terms: Terms, max_weight: int) -> Codec:
    """The codec for `terms` when the largest client has `max_weight` samples. Raises: CodecError when sums could wrap."""
    bounds = terms.update
    return Codec(
        clip=bounds.clip, bits=bounds.bits, max_clients=terms.clients, max_weight=max_weight, modulus=2**32
    )


T = TypeVar("T")


def _build(cls: type[T], values: Any, where: str) -> T:
    """Make the dataclass `cls` from a mapping, refusing unknown keys and wrong types by name."""
    if not isinstance(values, Mapping):
        raise ParameterError(f"{where} must be a table")
    hints = get_type_hints(cls)
    kwargs: dict[str, Any] = {}
    for key, value in values.items():
        if key not in hints:
            raise ParameterError(f"{where} has no field {key!r}; it has {', '.join(sorted(hints))}")
        wanted = hints[key]
        path = f"{where}.{key}" if where != "terms" else key
        if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
            value = _build(wanted, value, path)
        elif wanted is float and type(value) is int:
            value = float(value)
        if type(value) is not wanted or (wanted is float and not math.isfinite(value)):
            raise ParameterError(f"{path} must be a {wanted.__name__}, got {value!r}")
        kwargs[key] = value
    missing = [f.name for f in dataclasses.fields(cls) if _required(f) and f.name not in kwargs]  # type: ignore[arg-type]
    if missing:
        raise ParameterError(f"{where} lacks {', '.join(missing)}")
    return cls(**kwargs)


def _required(f: "dataclasses.Field[Any]") -> bool:
    return f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING


def terms_from_dict(values: Mapping[str, Any]) -> Terms:
    """Terms from nested tables. Raises: ParameterError naming the field that is unknown, missing or of the wrong type."""
    return _build(Terms, values, "terms")


def preset_names() -> list[str]:
    """The bundled plans."""
    names = (entry.name for entry in resources.files("fl").joinpath("presets").iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_terms(source: str, overrides: Mapping[str, Any] | None = None) -> Terms:
    """Terms from a preset's name or a TOML file's path, with `overrides` (dotted keys) laid over them.

    Raises: ParameterError naming the field that is unknown, missing or of the wrong type.
    """
    if source.endswith(".toml"):
        path = Path(source)
        if not path.is_file():
            raise ParameterError(f"there is no plan file {source}")
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ParameterError(f"{source} is not a text file in UTF-8") from error
    elif source in preset_names():
        text = resources.files("fl").joinpath("presets", f"{source}.toml").read_text(encoding="utf-8")
    else:
        raise ParameterError(
            f"unknown dataset or plan {source!r}: give {', '.join(preset_names())} or a file ending in .toml"
        )
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ParameterError(f"{source} is not valid TOML: {error}") from error
    for dotted, value in (overrides or {}).items():
        *tables, key = dotted.split(".")
        table = values
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise ParameterError(f"{name} must be a table")
        table[key] = value
    return terms_from_dict(values)
