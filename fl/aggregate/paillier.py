"""Updates encrypted to a committee: the coordinator adds ciphertexts, the committee decrypts the sum (`he.aggregate`).

Leakage: the coordinator learns the sum. So does the committee together; `needed` corrupt members of it learn every update.
Assumes: the dealer of the committee's key was honest; see `he.threshold`.
"""

from collections.abc import Generator

from fl.aggregate.contribution import Contribution
from fl.member import MemberSecrets
from fl.setting import COORDINATOR, RoundSetting
from fl.sums import Sum, SumCall, receive_from
from he.aggregate import Parameters, client, coordinator, member
from he.threshold import KeyShare
from mpc.errors import ParameterError, ProtocolError
from mpc.runtime import Inbox, Outbox, Protocol
from zk.field import R

__all__ = ["PaillierAggregation", "committee_round", "paillier_parameters"]


def paillier_parameters(setting: RoundSetting, call: SumCall) -> Parameters:
    """One aggregation under the committee's key, bound to the call's session."""
    if setting.committee is None:
        raise ParameterError("this plan has no committee to decrypt sums")
    return Parameters(
        key=setting.committee.key,
        clients=call.group,
        dim=setting.statement.dim,
        bound=setting.plan.codec().limit,
        field_dim=setting.statement.chunks,
        field=R,
        session=call.session(setting.plan_hash, setting.number),
        committee=setting.committee_parties,
    )


class PaillierAggregation:
    """Keeps every ciphertext and partial decryption as evidence, so that an auditor re-checks the sum."""

    def client(
        self,
        setting: RoundSetting,
        index: int,
        secrets: MemberSecrets,
        call: SumCall,
        contribution: Contribution,
    ) -> Protocol[None]:
        chosen = paillier_parameters(setting, call)
        randomness = secrets.sum_randomness(chosen.context, contribution.values.tobytes())
        yield from client(
            index,
            chosen,
            secrets.identity,
            contribution.values,
            contribution.blinding,
            randomness=randomness,
        )

    def coordinator(self, setting: RoundSetting, call: SumCall) -> Protocol[Sum]:
        chosen = paillier_parameters(setting, call)
        outcome = yield from coordinator(chosen, setting.identities)
        aggregate = outcome.aggregate
        return Sum(
            aggregate.total, list(aggregate.field_total), aggregate.included, outcome.record.to_bytes()
        )


def committee_round(
    setting: RoundSetting, party: int, secrets: MemberSecrets, share: KeyShare
) -> Generator[Outbox, Inbox, None]:
    """A committee member's side of one round: help to decrypt each sum that is called for, each session once."""
    answered: set[bytes] = set()
    while True:
        call = SumCall.from_bytes((yield from receive_from(COORDINATOR)))
        if not call.group:
            return
        chosen = paillier_parameters(setting, call)
        randomness = secrets.sum_randomness(chosen.context, b"committee")
        try:
            yield from member(
                party,
                chosen,
                share,
                secrets.identity,
                setting.identities,
                answered=answered,
                randomness=randomness,
            )
        except ProtocolError:
            continue
