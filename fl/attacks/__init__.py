"""What malicious clients do to a training: the attacks that robust rules (`fl.robust`) are measured against.

    base        Attack, Shard, View
    simple      sign flip, label flip, Gaussian noise, scaling
    colluding   ALIE, min-max, inner-product manipulation: inside the spread of the honest updates
    backdoor    a pixel trigger, with model replacement
    free_rider  nothing, noise, or the last global change sent back
    adaptive    inside the cone that the cone test accepts

These are measuring instruments for one's own federation, as the cited papers publish them. `fl.cheats` holds the
clients that break the protocol; the ones here follow it with a harmful update.
"""

from fl.attacks.adaptive import InsideCone
from fl.attacks.backdoor import Backdoor, stamp
from fl.attacks.base import Attack, Shard, View
from fl.attacks.colluding import ALittleIsEnough, InnerProduct, MinMax
from fl.attacks.free_rider import FreeRider
from fl.attacks.simple import Gaussian, LabelFlip, Scaling, SignFlip
from mpc.errors import ParameterError

__all__ = [
    "ATTACKS",
    "ALittleIsEnough",
    "Attack",
    "Backdoor",
    "FreeRider",
    "Gaussian",
    "InnerProduct",
    "InsideCone",
    "LabelFlip",
    "MinMax",
    "Scaling",
    "Shard",
    "SignFlip",
    "View",
    "attack_for",
    "stamp",
]

ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for attack in (
        SignFlip(),
        LabelFlip(),
        Gaussian(),
        Scaling(),
        ALittleIsEnough(),
        MinMax(),
        InnerProduct(),
        Backdoor(),
        FreeRider(),
        InsideCone(),
    )
}
"""Every attack with its default strength, by name."""


def attack_for(name: str) -> Attack:
    """The attack of that name. Raises: ParameterError when there is none.

    >>> attack_for("ipm").strength  # type: ignore[attr-defined]
    0.5
    """
    if name not in ATTACKS:
        raise ParameterError(f"unknown attack {name!r}: there are {', '.join(ATTACKS)}")
    return ATTACKS[name]
