"""What a plan says about privacy; only text and numbers, so it is written in TOML and hashed as canonical JSON."""

from dataclasses import dataclass

from mpc.errors import ParameterError

__all__ = ["KINDS", "MECHANISMS", "NEIGHBOURS", "PrivacyTerms"]

KINDS = ("none", "record", "client")
MECHANISMS = ("discrete-gaussian", "skellam")
NEIGHBOURS = ("zero-out", "replace-one")

# exp(64) times the samplers' inexactness is still far below any delta; and no larger epsilon says anything
_MAX_EPSILON = 64.0


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ParameterError(message)


@dataclass(frozen=True, slots=True)
class PrivacyTerms:
    """What is promised to whom, and by which noise.

    kind              none, or whose data is protected: one record, or everything of one client
    neighbours        zero-out: the unit's part of an upload is there or is zeros (who takes part and how many records
                      each client has are public, so nothing is added or removed); replace-one: it is another unit's
    epsilon, delta    the promise for the whole run
    l2_clip           the largest L2 norm of the unit's part of one upload, in the units of the upload: of one record's
                      gradient, or of a client's whole update (then the same as update.l2_clip)
    malicious         the fraction of all clients whose noise is not counted: they may leave it out or tell it to others
    noise_multiplier  noise_std / sensitivity of the smallest sum; 0 until the plan is made, see
                      `fl.privacy.accountant.resolve`

    Raises: ParameterError for a field out of range, or an epsilon without a clip.
    """

    kind: str = "none"
    mechanism: str = "discrete-gaussian"
    neighbours: str = "zero-out"
    epsilon: float = 0.0
    delta: float = 1e-5
    l2_clip: float = 0.0
    malicious: float = 0.1
    noise_multiplier: float = 0.0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("kind", self.kind, KINDS),
            ("mechanism", self.mechanism, MECHANISMS),
            ("neighbours", self.neighbours, NEIGHBOURS),
        ):
            _require(value in known, f"privacy.{name} must be one of {', '.join(known)}, not {value!r}")
        _require(0 <= self.malicious < 0.5, f"privacy.malicious must be in [0, 0.5), got {self.malicious}")
        _require(
            0 <= self.noise_multiplier < 1e6,
            f"privacy.noise_multiplier must be 0 to 1e6, got {self.noise_multiplier}",
        )
        if self.kind == "none":
            _require(
                self.epsilon == 0 and self.l2_clip == 0 and self.noise_multiplier == 0,
                "privacy.kind is 'none' but an epsilon, a clip or noise is given: say whether records or clients count",
            )
            return
        _require(
            0 < self.epsilon <= _MAX_EPSILON,
            f"privacy.epsilon must be above 0 and at most {_MAX_EPSILON:g}, got {self.epsilon}",
        )
        _require(0 < self.delta <= 0.01, f"privacy.delta must be above 0 and at most 0.01, got {self.delta}")
        _require(
            0 < self.l2_clip < 1e9,
            f"epsilon {self.epsilon:g} needs a clip: privacy.l2_clip must be a positive number, got {self.l2_clip}",
        )

    @property
    def enabled(self) -> bool:
        return self.kind != "none"

    def verify_update_clip(self, l2_clip: float) -> None:
        """Raises: ParameterError when clients are protected and the plan's update.l2_clip is another one."""
        _require(
            self.kind != "client" or l2_clip == self.l2_clip,
            f"privacy.l2_clip {self.l2_clip} must equal update.l2_clip {l2_clip} when whole clients are protected",
        )

    def verify_learning(self, *, algorithm: str, compression: str, rule: str) -> None:
        """Raises: ParameterError when what the plan does to updates is not covered by the accounting.

        A record's part of a payload is bounded only where single gradients are clipped; compression keeps what it does
        not send for later rounds, where it counts again; a rule that judges single updates shows something of each.
        """
        if not self.enabled:
            return
        _require(
            self.kind != "record" or (algorithm == "dp-fedsgd" and compression == "none"),
            f"privacy.kind 'record' needs training.algorithm 'dp-fedsgd' without compression, not {algorithm!r} with "
            f"compression {compression!r}: nothing else bounds what one record can do to an upload",
        )
        _require(
            rule in ("none", "norm"),
            f"robustness.rule {rule!r} shows who was left out for what single updates are, which privacy does not "
            "account for: use 'none' or 'norm'",
        )
