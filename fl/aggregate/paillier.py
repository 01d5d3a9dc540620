"""Updates encrypted to a committee: the coordinator adds ciphertexts, the committee decrypts the sum (`he.aggregate`).

Leakage: the coordinator learns the sum. So does the committee together; `needed` corrupt members of it learn every update.
Assumes: the dealer of the committee's key was honest; see `he.threshold`.
"""

from collections.abc import Generator

from fl.aggregate.contribution import Contribution
from fl.member import MemberSecrets
from fl.setting import COORDINATOR, RoundSetting
from fl.sums import CallJudge, Sum, SumCall, receive_from
from he.aggregate import Parameters, client, coordinator, member
from he.aggregate.messages import read_proposal
from he.threshold import KeyShare
from mpc.errors import FaultyParty, ParameterError, ProtocolError
from mpc.runtime import Inbox, Outbox, Protocol
from zk.field import R

__all__ = ["PaillierAggregation", "committee_round", "paillier_parameters"]


def paillier_parameters(setting: RoundSetting, call: SumCall) -> Parameters:
    """One aggregation under the committee's key, bound to the call's session."""
    if setting.committee is None or setting.committee.key is None:
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

    clients_judge = False

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
    """A committee member's side of one round: help to decrypt each sum that may be opened, each session once."""
    answered: set[bytes] = set()
    judge = CallJudge(setting.plan.terms.aggregation.min_clients)
    while True:
        call = SumCall.from_bytes((yield from receive_from(COORDINATOR)))
        if not call.group:
            return
        chosen = paillier_parameters(setting, call)
        randomness = secrets.sum_randomness(chosen.context, b"committee")
        try:
            judge.admit(call)
            helping = member(
                party,
                chosen,
                share,
                secrets.identity,
                setting.identities,
                answered=answered,
                randomness=randomness,
            )
            included = yield from (_only_whole(helping, chosen) if call.stage else helping)
        except ProtocolError:
            continue
        if call.stage == 0:
            judge.settle(included)


def _only_whole(helping: Protocol[tuple[int, ...]], chosen: Parameters) -> Protocol[tuple[int, ...]]:
    """Pass on a member's messages until the coordinator proposes a sum that leaves a client of the line out."""
    outbox = next(helping)
    inbox = yield outbox
    while True:
        try:
            outbox = helping.send(inbox)
        except StopIteration as ended:
            result: tuple[int, ...] = ended.value
            return result
        inbox = yield outbox
        if (
            not outbox
            and COORDINATOR in inbox
            and set(read_proposal(inbox[COORDINATOR], chosen)) != set(chosen.clients)
        ):
            raise FaultyParty(COORDINATOR, "it wants the sum of a line without all of its clients")
