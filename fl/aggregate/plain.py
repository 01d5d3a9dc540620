"""Updates in the clear: what federated learning without secure aggregation does.

The one mode in which the coordinator can apply any rule that judges whole updates, since it sees them all; that it
judged as the rule says is its word.

Leakage: the coordinator sees every update. The commitments still bind each client to what it proved.
"""

import numpy as np

from fl.aggregate.contribution import Contribution
from fl.member import MemberSecrets
from fl.screening import refuse
from fl.setting import COORDINATOR, RoundSetting
from fl.sums import Sum, SumCall
from mpc.runtime import Protocol
from zk.field import R

__all__ = ["Plain"]

_SCALAR = 32


class Plain:
    """The baseline of every comparison."""

    clients_judge = False

    def client(
        self,
        setting: RoundSetting,
        index: int,
        secrets: MemberSecrets,
        call: SumCall,
        contribution: Contribution,
    ) -> Protocol[None]:
        blinding = b"".join(scalar.to_bytes(_SCALAR, "big") for scalar in contribution.blinding)
        yield {COORDINATOR: contribution.values.astype("<i8").tobytes() + blinding}

    def coordinator(self, setting: RoundSetting, call: SumCall) -> Protocol[Sum]:
        dim, chunks = setting.statement.dim, setting.statement.chunks
        inbox = yield {}
        sent = {c: inbox[c] for c in call.group if len(inbox.get(c, b"")) == 8 * dim + _SCALAR * chunks}
        updates = {c: np.frombuffer(message, dtype="<i8", count=dim) for c, message in sent.items()}
        refused, scored = ({}, None) if call.stage else refuse(setting, updates)
        included = tuple(c for c in sent if c not in refused)
        total = np.zeros(dim, dtype=np.int64)
        blinding = [0] * chunks
        for client in included:
            total += updates[client]
            for chunk in range(chunks):
                start = 8 * dim + _SCALAR * chunk
                scalar = int.from_bytes(sent[client][start : start + _SCALAR], "big")
                blinding[chunk] = (blinding[chunk] + scalar) % R
        return Sum(total, blinding, included, refused=refused, scored=scored)
