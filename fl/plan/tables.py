"""The tables of a plan: one frozen dataclass each, checked where it is made.

Every field is a string, a number or a truth value, so that a plan is one TOML file and one canonical JSON document.
What two tables together cannot do is refused by `fl.plan.terms`.
"""

from dataclasses import dataclass

from fl.plan.absences import parse_absences
from mpc.errors import ParameterError

__all__ = [
    "AGGREGATIONS",
    "Aggregation",
    "CommitteeTerms",
    "Compression",
    "Participation",
    "Partition",
    "Proofs",
    "Rewards",
    "Robustness",
    "Server",
    "Training",
    "UpdateBounds",
    "require",
]

AGGREGATIONS = ("secagg", "paillier", "shares", "plain")
_PARTITIONS = ("dirichlet", "iid", "shards", "size-skew")
_AUGMENTS = ("none", "flip-crop", "shift")
_COMPRESSIONS = ("none", "top-k", "random-k", "deep-gradient", "quantized")
_PROOFS = ("all", "sample", "none")


def require(condition: bool, message: str) -> None:
    """Raises: ParameterError with `message` unless `condition` holds."""
    if not condition:
        raise ParameterError(message)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    require(value in allowed, f"{name} must be one of {', '.join(allowed)}, not {value!r}")


def _within(name: str, value: float, low: float, high: float) -> None:
    require(low <= value <= high, f"{name} must be between {low:g} and {high:g}, got {value:g}")


@dataclass(frozen=True, slots=True)
class Partition:
    """How the training data is spread over the clients.

    `alpha` is the Dirichlet concentration (lower: less alike), `classes` how many classes a client sees under `shards`,
    `skew` how unequal the sizes are under `size-skew`.
    """

    kind: str = "dirichlet"
    alpha: float = 0.5
    classes: int = 2
    skew: float = 1.0

    def __post_init__(self) -> None:
        _one_of("partition.kind", self.kind, _PARTITIONS)
        require(0 < self.alpha < 1e6, f"partition.alpha must be a positive number, got {self.alpha}")
        _within("partition.classes", self.classes, 1, 1000)
        _within("partition.skew", self.skew, 0, 10)


@dataclass(frozen=True, slots=True)
class Training:
    """What a client does with its data: `algorithm` names the method, the rest is its local part.

    `momentum` is the local momentum, `prox` the weight of the proximal term (FedProx, FedDyn, DANE), `ridge` that of the
    squared weights in ridge regression. `sparse` has Federated SVRG count in which records and at which clients features
    occur, and scale its steps by that.
    """

    algorithm: str = "fedavg"
    epochs: int = 2
    batch: int = 16
    learning_rate: float = 0.3
    momentum: float = 0.0
    prox: float = 0.0
    ridge: float = 1e-5
    augment: str = "none"
    sparse: bool = False

    def __post_init__(self) -> None:
        _within("training.epochs", self.epochs, 1, 1000)
        _within("training.batch", self.batch, 1, 1 << 20)
        require(
            0 < self.learning_rate < 1e4, f"training.learning_rate must be positive, got {self.learning_rate}"
        )
        require(0 <= self.momentum < 1, f"training.momentum must be in [0, 1), got {self.momentum}")
        require(0 <= self.prox < 1e6, f"training.prox must not be negative, got {self.prox}")
        require(0 <= self.ridge < 1e6, f"training.ridge must not be negative, got {self.ridge}")
        _one_of("training.augment", self.augment, _AUGMENTS)


@dataclass(frozen=True, slots=True)
class Server:
    """What is done with the mean: `learning_rate` scales it, `momentum` is the server's (Adam's first moment),
    `second_momentum` and `tau` belong to FedAdam."""

    learning_rate: float = 1.0
    momentum: float = 0.0
    second_momentum: float = 0.99
    tau: float = 1e-3

    def __post_init__(self) -> None:
        require(
            0 < self.learning_rate < 1e6, f"server.learning_rate must be positive, got {self.learning_rate}"
        )
        require(0 <= self.momentum < 1, f"server.momentum must be in [0, 1), got {self.momentum}")
        require(
            0 <= self.second_momentum < 1,
            f"server.second_momentum must be in [0, 1), got {self.second_momentum}",
        )
        require(0 < self.tau < 1e3, f"server.tau must be positive, got {self.tau}")


@dataclass(frozen=True, slots=True)
class Participation:
    """Who trains when, all of it public: `fraction` of the members in a round, `churn` the chance that a member leaves
    or comes back between rounds, `absences` who is away when besides (`fl.plan.absences`: client 3 in rounds 2 to 5 is
    "3:2-5"), `staleness` the most rounds by which a client's starting model may lie behind."""

    fraction: float = 1.0
    churn: float = 0.0
    absences: str = ""
    staleness: int = 0
    staleness_exponent: float = 0.5

    def __post_init__(self) -> None:
        require(0 < self.fraction <= 1, f"participation.fraction must be in (0, 1], got {self.fraction}")
        _within("participation.churn", self.churn, 0, 0.9)
        parse_absences(self.absences)
        _within("participation.staleness", self.staleness, 0, 1000)
        _within("participation.staleness_exponent", self.staleness_exponent, 0, 10)


@dataclass(frozen=True, slots=True)
class Compression:
    """Which coordinates travel, the same for everybody so that masked sums still add up; or how coarse all of them are.

    `keep` is the fraction of coordinates, `momentum` that of Deep Gradient Compression's correction. Under `quantized`
    a coordinate has `bits` bits, sign included: it is rounded to a multiple of update.clip / (2^(update.bits - 1) - 1)
    times 2^(update.bits - bits).
    """

    kind: str = "none"
    keep: float = 0.1
    momentum: float = 0.5
    bits: int = 8

    def __post_init__(self) -> None:
        _one_of("compression.kind", self.kind, _COMPRESSIONS)
        _within("compression.bits", self.bits, 2, 16)
        require(
            self.kind == "quantized" or self.bits == 8,
            f"compression.bits belongs to compression.kind 'quantized', not {self.kind!r}",
        )
        require(
            self.kind != "quantized" or (self.keep, self.momentum) == (0.1, 0.5),
            "compression.keep and compression.momentum have no use under compression.kind 'quantized': all coordinates "
            "travel",
        )
        require(0 < self.keep <= 1, f"compression.keep must be in (0, 1], got {self.keep}")
        require(0 <= self.momentum < 1, f"compression.momentum must be in [0, 1), got {self.momentum}")


@dataclass(frozen=True, slots=True)
class UpdateBounds:
    """What a well-formed update is: every coordinate within `clip`, the whole within `l2_clip` (model units)."""

    clip: float = 2.0
    bits: int = 16
    l2_clip: float = 8.0

    def __post_init__(self) -> None:
        require(0 < self.clip < 1e9, f"update.clip must be a positive number, got {self.clip}")
        _within("update.bits", self.bits, 2, 24)
        require(0 < self.l2_clip < 1e9, f"update.l2_clip must be a positive number, got {self.l2_clip}")


@dataclass(frozen=True, slots=True)
class Aggregation:
    """How updates are summed, and what is assumed of the clients while they are.

    `corrupt` and `dropout` are fractions of the clients; `min_clients` is the fewest updates any opened sum may hold;
    `servers` is how many hold shares under `shares`.
    """

    mode: str = "secagg"
    min_clients: int = 3
    corrupt: float = 0.1
    dropout: float = 0.1
    security_bits: int = 40
    servers: int = 3

    def __post_init__(self) -> None:
        require(
            self.mode in AGGREGATIONS,
            f"aggregation must be one of {', '.join(AGGREGATIONS)}, not {self.mode!r}",
        )
        require(self.min_clients >= 2, f"aggregation.min_clients must be at least 2, got {self.min_clients}")
        require(0 <= self.corrupt < 0.5, f"aggregation.corrupt must be in [0, 0.5), got {self.corrupt}")
        require(0 <= self.dropout < 0.5, f"aggregation.dropout must be in [0, 0.5), got {self.dropout}")
        require(
            20 <= self.security_bits <= 128,
            f"aggregation.security_bits must be 20 to 128, got {self.security_bits}",
        )
        _within("aggregation.servers", self.servers, 2, 3)


@dataclass(frozen=True, slots=True)
class CommitteeTerms:
    """For aggregation by Paillier: any `needed` of `members` decrypt a sum; `bits` of the modulus."""

    members: int = 3
    needed: int = 2
    bits: int = 3072

    def __post_init__(self) -> None:
        require(1 <= self.members <= 64, f"committee.members must be 1 to 64, got {self.members}")
        require(
            1 <= self.needed <= self.members,
            f"committee.needed must be between 1 and committee.members, got {self.needed} of {self.members}",
        )
        require(2048 <= self.bits <= 8192, f"committee.bits must be 2048 to 8192, got {self.bits}")


@dataclass(frozen=True, slots=True)
class Robustness:
    """Which updates are left out of the sum for what they are, not for being ill-formed.

    `malicious` is the fraction of the clients that `rule` is to withstand; `root` is how many samples of each class the
    public root set of the cone test and of FLTrust has; `keep` is the largest weight that a client's earlier rounds have in
    its score under the cone test, 0 where each round judges for itself.
    """

    rule: str = "none"
    malicious: float = 0.2
    root: int = 10
    keep: float = 0.9

    def __post_init__(self) -> None:
        require(0 <= self.malicious < 1, f"robustness.malicious must be in [0, 1), got {self.malicious}")
        _within("robustness.root", self.root, 1, 1000)
        require(0 <= self.keep < 1, f"robustness.keep must be in [0, 1), got {self.keep}")


@dataclass(frozen=True, slots=True)
class Proofs:
    """Whose updates are proven: `all`, `none`, or a public sample of `rounds` rounds and `clients` clients in each.

    In a sample 0 stands for all of them. Commitments and signatures are always there; an update without a proof is not
    known to be within its bounds.
    """

    kind: str = "all"
    rounds: int = 0
    clients: int = 0

    def __post_init__(self) -> None:
        _one_of("proofs.kind", self.kind, _PROOFS)
        require(self.rounds >= 0 and self.clients >= 0, "proofs.rounds and proofs.clients count from 0")
        require(
            self.kind == "sample" or not (self.rounds or self.clients),
            f"proofs.rounds and proofs.clients belong to proofs.kind 'sample', not {self.kind!r}",
        )


@dataclass(frozen=True, slots=True)
class Rewards:
    """`per_round` wei are shared among the clients of a round's sum, in proportion to their samples."""

    per_round: int = 1_000_000

    def __post_init__(self) -> None:
        require(
            0 <= self.per_round < 1 << 96, f"rewards.per_round must be 0 to 2^96 wei, got {self.per_round}"
        )
