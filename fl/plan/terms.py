"""The terms of a plan: what a person writes, as a TOML file or a bundled preset, and what its tables allow together."""

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from fl.plan.absences import parse_absences
from fl.plan.tables import (
    Aggregation,
    CommitteeTerms,
    Compression,
    Participation,
    Partition,
    Proofs,
    Rewards,
    Robustness,
    Server,
    Training,
    UpdateBounds,
    require,
)
from fl.privacy.terms import PrivacyTerms
from mpc.errors import ParameterError

__all__ = ["Terms", "build", "load_terms", "preset_names", "terms_from_dict"]

_WEIGHTS = ("samples", "equal")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person decides about a run. Every field has a unit in `docs/reference/plan.md`."""

    name: str
    dataset: str
    clients: int
    rounds: int
    model: str = "softmax"
    seed: int = 1
    weights: str = "samples"
    partition: Partition = field(default_factory=Partition)
    training: Training = field(default_factory=Training)
    server: Server = field(default_factory=Server)
    participation: Participation = field(default_factory=Participation)
    compression: Compression = field(default_factory=Compression)
    update: UpdateBounds = field(default_factory=UpdateBounds)
    aggregation: Aggregation = field(default_factory=Aggregation)
    committee: CommitteeTerms = field(default_factory=CommitteeTerms)
    privacy: PrivacyTerms = field(default_factory=PrivacyTerms)
    robustness: Robustness = field(default_factory=Robustness)
    proofs: Proofs = field(default_factory=Proofs)
    rewards: Rewards = field(default_factory=Rewards)

    def __post_init__(self) -> None:
        ok = 0 < len(self.name) <= 64 and all(c.isascii() and (c.isalnum() or c in "-_.") for c in self.name)
        require(
            ok and self.name[0] not in "-.",
            f"a plan's name is letters, digits, '-', '_' and '.', got {self.name!r}",
        )
        require(1 <= self.rounds <= 100_000, f"rounds must be between 1 and 100000, got {self.rounds}")
        require(0 <= self.seed < 1 << 63, f"seed must be between 0 and 2^63, got {self.seed}")
        require(
            self.weights in _WEIGHTS, f"weights must be one of {', '.join(_WEIGHTS)}, not {self.weights!r}"
        )
        needed = self.aggregation.min_clients
        require(
            self.clients >= needed,
            f"{self.clients} clients are too few: aggregation.min_clients asks for {needed} updates in every opened sum",
        )
        require(self.clients <= 100_000, f"clients must be at most 100000, got {self.clients}")
        taking_part = math.floor(self.participation.fraction * self.clients)
        require(
            taking_part >= needed,
            f"participation.fraction {self.participation.fraction:g} leaves {taking_part} of {self.clients} clients in a "
            f"round, and aggregation.min_clients asks for {needed}",
        )
        require(
            self.privacy.enabled or self.update.clip <= self.update.l2_clip * (1 + 1e-9),
            f"update.clip {self.update.clip} is above update.l2_clip {self.update.l2_clip}: one coordinate could break "
            "the norm bound, and only noise needs that room",
        )
        self.privacy.verify_update_clip(self.update.l2_clip)
        self.privacy.verify_learning(
            algorithm=self.training.algorithm, compression=self.compression.kind, rule=self.robustness.rule
        )
        require(
            not self.privacy.enabled or self.participation.staleness == 0,
            "privacy with participation.staleness is not accounted for: set one of them to nothing",
        )
        for absence in parse_absences(self.participation.absences):
            require(
                1 <= absence.client <= self.clients,
                f"participation.absences names client {absence.client}, and there are clients 1 to {self.clients}",
            )
            require(
                absence.first < self.rounds,
                f"participation.absences: client {absence.client} is away from round {absence.first} on, and the rounds "
                f"are 0 to {self.rounds - 1}",
            )
        _require_compression(self)
        require(
            not self.training.sparse or self.weights == "samples",
            "training.sparse needs weights 'samples': how often a feature occurs is a mean over records",
        )
        require(
            not (self.training.sparse and self.privacy.enabled),
            "training.sparse with privacy makes no sense: steps are divided by counts of features, and those would be noise",
        )
        require(
            self.proofs.rounds <= self.rounds and self.proofs.clients <= self.clients,
            f"proofs cannot sample {self.proofs.rounds} of {self.rounds} rounds and {self.proofs.clients} of "
            f"{self.clients} clients",
        )


def _require_compression(terms: Terms) -> None:
    """Raises: ParameterError when the rest of the plan takes away what `compression` promises."""
    kind, bits = terms.compression.kind, terms.compression.bits
    if kind == "quantized":
        require(
            bits <= terms.update.bits,
            f"compression.bits {bits} is above update.bits {terms.update.bits}: the codec would round once more",
        )
        require(
            terms.weights == "equal",
            "compression.kind quantized needs weights 'equal': scaled by its samples, an update leaves the grid and the "
            "codec rounds once more",
        )
        require(
            terms.participation.staleness == 0,
            "compression.kind quantized needs participation.staleness 0: scaled by its age, an update leaves the grid",
        )
    require(
        terms.participation.staleness == 0 or kind in ("none", "random-k"),
        f"compression.kind {kind} chooses coordinates from the newest state, so participation.staleness must be 0",
    )


T = TypeVar("T")


def build(cls: type[T], values: Any, where: str) -> T:
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
            value = build(wanted, value, path)
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
    return build(Terms, values, "terms")


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
