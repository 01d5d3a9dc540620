"""Masked updates: Bonawitz et al. 2017 on the sparse graph of Bell et al. 2020 (see `mpc.secagg`).

Leakage: the coordinator learns the sum over the surviving clients and which clients dropped out.
Assumes: the fractions of corrupt and dropping clients stay within the plan's; see the parameters' justification.
"""

from functools import lru_cache

from fl.aggregate.contribution import Contribution
from fl.plan import Aggregation
from fl.setting import RoundSetting
from fl.sums import Sum
from mpc.runtime import Protocol
from mpc.secagg import IdentityKey, Parameters, client, parameters, server
from zk.field import R

__all__ = ["SecureAggregation", "sum_parameters"]


@lru_cache(maxsize=256)
def sum_parameters(
    group: tuple[int, ...], terms: Aggregation, dim: int, chunks: int, session: bytes
) -> Parameters:
    """Graph and threshold for one sum; the updates go modulo 2^32 and the blindings modulo the proofs' scalar field."""
    return parameters(
        group,
        corrupt=terms.corrupt,
        dropout=terms.dropout,
        security_bits=terms.security_bits,
        dim=dim,
        field_dim=chunks,
        field=R,
        session=session,
        min_clients=terms.min_clients,
    )


def _parameters(setting: RoundSetting, session: bytes, group: tuple[int, ...]) -> Parameters:
    terms = setting.plan.terms.aggregation
    return sum_parameters(group, terms, setting.statement.dim, setting.statement.chunks, session)


class SecureAggregation:
    """The default mode."""

    def client(
        self,
        setting: RoundSetting,
        index: int,
        identity: IdentityKey,
        session: bytes,
        group: tuple[int, ...],
        contribution: Contribution,
    ) -> Protocol[None]:
        chosen = _parameters(setting, session, group)
        yield from client(
            index, chosen, identity, setting.identities, contribution.values, contribution.blinding
        )

    def coordinator(self, setting: RoundSetting, session: bytes, group: tuple[int, ...]) -> Protocol[Sum]:
        chosen = _parameters(setting, session, group)
        aggregate = yield from server(chosen, setting.identities)
        return Sum(aggregate.total, list(aggregate.field_total), aggregate.included)
