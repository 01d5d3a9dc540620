"""How a sum is taken: one module a mode, chosen by the plan.

secagg    masked updates: the coordinator sees the sum and nothing else
paillier  updates encrypted to a committee, which decrypts the sum and nothing else
shares    updates shared among servers, which judge and add them without seeing one
plain     updates in the clear: a baseline for measuring, stamped as such in the receipt
"""

from typing import Protocol as Interface

from fl.aggregate.contribution import Contribution
from fl.aggregate.paillier import PaillierAggregation
from fl.aggregate.plain import Plain
from fl.aggregate.secagg import SecureAggregation
from fl.aggregate.shares import SharesAggregation
from fl.member import MemberSecrets
from fl.plan import Plan
from fl.setting import RoundSetting
from fl.sums import Sum, SumCall
from mpc.runtime import Protocol

__all__ = ["Contribution", "Mode", "mode_of"]


class Mode(Interface):
    """Both sides of the sum that `call` asks for.

    `client` returns who was in the sum, as far as the mode tells its clients. `clients_judge`: whether clients answer
    for which sums are opened (under Paillier the committee does, in the clear nobody can).
    """

    @property
    def clients_judge(self) -> bool: ...

    def client(
        self,
        setting: RoundSetting,
        index: int,
        secrets: MemberSecrets,
        call: SumCall,
        contribution: Contribution,
    ) -> Protocol[tuple[int, ...] | None]: ...

    def coordinator(self, setting: RoundSetting, call: SumCall) -> Protocol[Sum]: ...


def mode_of(plan: Plan) -> Mode:
    modes: dict[str, Mode] = {
        "secagg": SecureAggregation(),
        "paillier": PaillierAggregation(),
        "shares": SharesAggregation(),
        "plain": Plain(),
    }
    return modes[plan.terms.aggregation.mode]
