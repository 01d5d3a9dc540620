"""From the outcome of a round to block storage and ledger.

Every block is content-addressed and every transaction idempotent, so publishing the same round again after a crash
changes nothing.
"""

import dataclasses
import json
from collections.abc import Mapping
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from chain_adapter import Deployment, LocalStore
from chain_adapter.merkle import MerkleTree
from chain_adapter.update_key import update_key
from fl.checks import Reason
from fl.models import Evaluation, to_safetensors
from fl.plan import Plan
from fl.record import ClientRecord, OpenedRecord, RoundRecord
from fl.round import RoundOutcome
from fl.setting import RoundSetting
from fl.update import SignedUpdate
from mpc.errors import DecodeError
from mpc.json_text import read_json
from zk.commit_prove import VerifierKey
from zk.statements import NormBound, UpdateProof

__all__ = ["Publisher", "leaf_list", "read_leaf_list", "reward"]


_MAX_LEAVES = 32 << 20


def reward(per_round: int, samples: int, total_samples: int) -> int:
    """What a client of the sum is owed for a round, rounded down as the contract does."""
    return per_round * samples // total_samples


def leaf_list(updates: Mapping[int, str]) -> bytes:
    """The block that says which update message stands behind each leaf: client and CID, in the order of the leaves."""
    return json.dumps(
        [[client, cid] for client, cid in sorted(updates.items())], separators=(",", ":")
    ).encode()


def read_leaf_list(data: bytes) -> dict[int, str]:
    """Raises: DecodeError unless `data` is a canonical leaf list."""
    try:
        leaves = {client: cid for client, cid in read_json(data, max_bytes=_MAX_LEAVES)}
        if (
            any(type(c) is not int or type(cid) is not str for c, cid in leaves.items())
            or leaf_list(leaves) != data
        ):
            raise DecodeError("the leaf list is not canonical")
    except (ValueError, TypeError) as error:
        raise DecodeError(f"malformed leaf list: {error}") from error
    return leaves


class Publisher:
    """Writes what a round came to, in the coordinator's name."""

    def __init__(
        self, plan: Plan, statement: NormBound, key: VerifierKey, store: LocalStore, deployment: Deployment
    ) -> None:
        self._plan, self._statement, self._key = plan, statement, key
        self._store, self._deployment = store, deployment

    def register(self) -> None:
        """Put the plan's hash on the ledger and its body into block storage."""
        plan = self._plan
        bound, slack = plan.l2_bound(self._statement.dim)
        self._deployment.register_plan(
            plan.hash,
            plan_cid=self._store.put(plan.to_bytes()),
            key_hash=update_key(self._statement, self._key).key_hash,
            members=plan.members,
            rounds=plan.terms.rounds,
            min_clients=plan.terms.aggregation.min_clients,
            reward_per_round=plan.terms.rewards.per_round,
            l2_bound=bound,
            l2_slack=slack,
            max_weight=plan.codec().max_weight,
        )

    def publish(
        self,
        setting: RoundSetting,
        outcome: RoundOutcome,
        previous_model: str,
        state: NDArray[np.float32],
        evaluation: Evaluation,
        banned: set[int],
        silent: Mapping[int, str],
    ) -> tuple[RoundRecord, str, dict[str, int]]:
        """Store and record the round; `silent` says why a member sent nothing, where it is known.

        Returns the record, its CID, and the gas used by entry point.
        """
        cids = {index: self._store.put(update.to_bytes()) for index, update in outcome.updates.items()}
        leaves = {i: u for i, u in sorted(outcome.updates.items()) if self._in_tree(i, outcome)}
        tree = MerkleTree([update.leaf for update in leaves.values()]) if outcome.included else None
        total_samples = sum(setting.members[index].samples for index in outcome.included)
        commitments = [UpdateProof.from_bytes(leaves[index].proof).commitment for index in outcome.included]
        record = RoundRecord(
            plan=setting.plan_hash.hex(),
            round=setting.number,
            clients=self._clients(setting, outcome, cids, total_samples, banned, silent),
            opened=tuple(
                OpenedRecord(
                    stage=opened.stage,
                    place=opened.place,
                    group=opened.group,
                    included=opened.included,
                    matches=opened.matches,
                    evidence=self._store.put(opened.evidence) if opened.evidence else "",
                )
                for opened in outcome.opened
            ),
            leaves=self._store.put(leaf_list({index: cids[index] for index in leaves})),
            root=tree.root.hex() if tree else "",
            total=self._store.put(outcome.total.astype("<i8").tobytes()) if outcome.total is not None else "",
            blinding=tuple(str(scalar) for scalar in outcome.blinding or ()),
            beacon=outcome.beacon.hex(),
            epoch=setting.epoch.hex(),
            commitment_sum=setting.statement.combine(commitments).hex() if commitments else "",
            total_samples=total_samples,
            previous_model=previous_model,
            model=self._store.put(to_safetensors(state)),
            accuracy=evaluation.accuracy,
            loss=evaluation.loss,
        )
        record_cid = self._store.put(record.to_bytes())
        return record, record_cid, self._transact(setting, record, record_cid, tree, leaves)

    @staticmethod
    def _in_tree(index: int, outcome: RoundOutcome) -> bool:
        """A leaf stands for every update that passed its own checks, also when its client lied in the sums later."""
        rejection = outcome.rejected.get(index)
        return rejection is None or rejection.reason.in_tree

    def _clients(
        self,
        setting: RoundSetting,
        outcome: RoundOutcome,
        cids: Mapping[int, str],
        total_samples: int,
        banned: set[int],
        silent: Mapping[int, str],
    ) -> tuple[ClientRecord, ...]:
        clients = []
        for index, member in enumerate(self._plan.members, start=1):
            entry = ClientRecord(index, member.address, "missing", cids.get(index, ""))
            if index in banned:
                entry = dataclasses.replace(entry, status="excluded")
            elif index not in setting.members:
                entry = dataclasses.replace(entry, status="absent")
            elif index in outcome.rejected:
                why = outcome.rejected[index]
                entry = dataclasses.replace(
                    entry,
                    status="rejected",
                    reason=why.reason.name.lower(),
                    detail=why.detail,
                    certain=why.certain,
                )
            elif index in outcome.included:
                owed = reward(self._plan.terms.rewards.per_round, member.samples, total_samples)
                entry = dataclasses.replace(entry, status="included", reward=owed)
            elif index in outcome.updates:
                entry = dataclasses.replace(entry, status="unsummed")
            else:
                entry = dataclasses.replace(entry, detail=silent.get(index, ""))
            clients.append(entry)
        return tuple(clients)

    def _transact(
        self,
        setting: RoundSetting,
        record: RoundRecord,
        record_cid: str,
        tree: MerkleTree | None,
        leaves: Mapping[int, SignedUpdate],
    ) -> dict[str, int]:
        ledger, plan_hash, number = self._deployment, setting.plan_hash, setting.number
        gas = {"commit_round": 0, "record_aggregate": 0, "reject": 0, "claim": 0, "skip_round": 0}
        for client in record.clients:
            if client.status == "rejected":
                reason = Reason[client.reason.upper()]
                sent = ledger.reject(plan_hash, number, client.address, reason, client.update or record_cid)
                gas["reject"] += sent.gas_used
        if tree is None:
            gas["skip_round"] += ledger.skip_round(plan_hash, number, record_cid).gas_used
            return gas
        sent = ledger.commit_round(plan_hash, number, tree.root, record.leaves, len(leaves))
        gas["commit_round"] += sent.gas_used
        places = {index: place for place, index in enumerate(leaves)}
        included = [places[index] for index in record.included]
        sent = ledger.record_aggregate(
            plan_hash,
            number,
            model_cid=record.model,
            model_digest=sha256(self._store.get(record.model)).digest(),
            commitment_sum=bytes.fromhex(record.commitment_sum),
            total_samples=record.total_samples,
            included=included,
            record_cid=record_cid,
        )
        gas["record_aggregate"] += sent.gas_used
        for index in record.included:
            sent = ledger.claim(leaves[index].typed, tree.path(places[index]))
            gas["claim"] += sent.gas_used
        return gas
