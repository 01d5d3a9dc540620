"""The terms of a plan as the registry keeps them: fixed when the plan starts, for coordinator and members alike."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from chain_adapter.addresses import NOBODY, checksum_address
from chain_adapter.interface import artifact
from mpc.errors import ParameterError

__all__ = ["Terms"]

WIDTHS = {
    "start": 32, "rounds": 16, "collect_seconds": 24, "round_seconds": 24, "challenge_seconds": 32,
    "unbonding_seconds": 32, "claim_seconds": 32, "min_clients": 32, "member_count": 32, "l2_bound": 64,
    "l2_slack": 64, "max_weight": 32, "reward_per_round": 96, "member_stake": 96, "coordinator_stake": 96,
    "bond": 96, "challenger_share": 16, "epsilon_micro": 64, "delta_pico": 64,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Deadlines, stakes, rewards and bounds of one plan.

    Units: seconds; `reward_per_round`, stakes and `bond` in wei (or units of `token`); `challenger_share` in basis
    points of a slashed stake; `epsilon_micro` = epsilon * 10^6, `delta_pico` = delta * 10^12.
    Raises: ParameterError naming the first field that does not fit.
    """

    coordinator: str
    rounds: int
    min_clients: int
    member_count: int
    members_root: bytes
    key_hash: bytes
    reward_per_round: int = 0
    token: str = NOBODY
    start: int = 0
    collect_seconds: int = 0
    round_seconds: int = 86_400
    challenge_seconds: int = 0
    unbonding_seconds: int = 0
    claim_seconds: int = 0
    l2_bound: int = 0
    l2_slack: int = 0
    max_weight: int = 1
    member_stake: int = 0
    coordinator_stake: int = 0
    bond: int = 0
    challenger_share: int = 0
    epsilon_micro: int = 0
    delta_pico: int = 0

    def __post_init__(self) -> None:
        for name, bits in WIDTHS.items():
            if not 0 <= getattr(self, name) < 1 << bits:
                raise ParameterError(f"the plan's {name} lies in [0, 2**{bits}), got {getattr(self, name)}")
        if len(self.members_root) != 32 or len(self.key_hash) != 32:
            raise ParameterError("the root of the members and the hash of the key are 32 bytes each")

    @property
    def deposit(self) -> int:
        """What registering costs its sponsor, apart from gas: every round's reward and the coordinator's own stake."""
        return self.rounds * self.reward_per_round + self.coordinator_stake

    def to_tuple(self, names: Sequence[str]) -> tuple[Any, ...]:
        """The values in the order of the contract's field names."""
        return tuple(getattr(self, _snake(name)) for name in names)

    @classmethod
    def from_tuple(cls, values: Sequence[Any]) -> "Terms":
        """The terms in a contract's answer."""
        names = artifact("PlanRegistry").interface.components("register", 1)
        found = {_snake(name): value for name, value in zip(names, values, strict=True)}
        for name in ("coordinator", "token"):
            found[name] = checksum_address(found[name])
        return cls(**{name: found[name] for name in (f.name for f in fields(cls))})


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
