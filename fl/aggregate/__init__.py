"""How a sum is taken: one module a mode, chosen by the plan.

secagg   masked updates: the coordinator sees the sum and nothing else
plain    updates in the clear: a baseline for measuring, stamped as such in the receipt
"""

from typing import Protocol as Interface

from fl.aggregate.contribution import Contribution
from fl.aggregate.plain import Plain
from fl.aggregate.secagg import SecureAggregation
from fl.plan import Plan
from fl.setting import RoundSetting
from fl.sums import Sum
from mpc.runtime import Protocol
from mpc.secagg import IdentityKey

__all__ = ["Contribution", "Mode", "mode_of"]


class Mode(Interface):
    """Both sides of one sum over `group`; `session` binds it to plan, round, stage and group."""

    def client(
        self,
        setting: RoundSetting,
        index: int,
        identity: IdentityKey,
        session: bytes,
        group: tuple[int, ...],
        contribution: Contribution,
    ) -> Protocol[None]: ...

    def coordinator(self, setting: RoundSetting, session: bytes, group: tuple[int, ...]) -> Protocol[Sum]: ...


def mode_of(plan: Plan) -> Mode:
    modes: dict[str, Mode] = {"secagg": SecureAggregation(), "plain": Plain()}
    return modes[plan.terms.aggregation.mode]
