"""Masked updates: Bonawitz et al. 2017 on the sparse graph of Bell et al. 2020 (see `mpc.secagg`).

Leakage: the coordinator learns the sum over the surviving clients and which clients dropped out.
Assumes: the fractions of corrupt and dropping clients stay within the plan's; see the parameters' justification.
"""

from functools import lru_cache

from fl.aggregate.contribution import Contribution
from fl.member import MemberSecrets
from fl.plan import Aggregation
from fl.setting import RoundSetting
from fl.sums import Sum, SumCall
from mpc.runtime import Protocol
from mpc.secagg import Parameters, client, parameters, server
from zk.field import R

__all__ = ["SecureAggregation", "sum_parameters"]


@lru_cache(maxsize=256)
def sum_parameters(
    group: tuple[int, ...], terms: Aggregation, dim: int, chunks: int, session: bytes, *, whole: bool = False
) -> Parameters:
    """Graph and threshold for one sum; the updates go modulo 2^32 and the blindings modulo the proofs' scalar field.

    A `whole` sum is over all of `group` or not opened; nobody may drop out of it, which leaves room for more corrupt.
    """
    return parameters(
        group,
        corrupt=terms.corrupt,
        dropout=0.0 if whole else terms.dropout,
        security_bits=terms.security_bits,
        dim=dim,
        field_dim=chunks,
        field=R,
        session=session,
        min_clients=len(group) if whole else terms.min_clients,
    )


def _parameters(setting: RoundSetting, call: SumCall) -> Parameters:
    terms, session = setting.plan.terms.aggregation, call.session(setting.plan_hash, setting.number)
    dim, chunks = setting.statement.dim, setting.statement.chunks
    return sum_parameters(call.group, terms, dim, chunks, session, whole=call.stage > 0)


class SecureAggregation:
    """The default mode."""

    clients_judge = True

    def client(
        self,
        setting: RoundSetting,
        index: int,
        secrets: MemberSecrets,
        call: SumCall,
        contribution: Contribution,
    ) -> Protocol[tuple[int, ...] | None]:
        chosen = _parameters(setting, call)
        report = yield from client(
            index, chosen, secrets.identity, setting.identities, contribution.values, contribution.blinding
        )
        return report.included

    def coordinator(self, setting: RoundSetting, call: SumCall) -> Protocol[Sum]:
        chosen = _parameters(setting, call)
        aggregate = yield from server(chosen, setting.identities)
        return Sum(aggregate.total, list(aggregate.field_total), aggregate.included)
