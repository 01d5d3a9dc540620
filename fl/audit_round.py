"""The audit of one round: its events against its record, and the record against everything it refers to."""

from collections.abc import Collection
from hashlib import sha256
from typing import TypeVar

from chain_adapter import BlockCorrupt, BlockMissing, LocalStore
from chain_adapter.events import (
    AggregateRecorded,
    ClientRejected,
    Event,
    RewardClaimed,
    RoundCancelled,
    RoundCommitted,
    RoundSkipped,
)
from chain_adapter.merkle import MerkleTree
from fl.audit_findings import Audit
from fl.audit_sums import SumAuditor, total_of
from fl.checks import Reason, check_update, check_updates, failing_proofs
from fl.models import from_safetensors, to_safetensors
from fl.optim import Algorithm
from fl.publish import read_leaf_list, reward
from fl.record import STATUSES, RoundRecord
from fl.setting import RoundSetting
from fl.update import SignedUpdate
from mpc.errors import DecodeError
from zk.statements import UpdateProof

E = TypeVar("E", bound=Event)

__all__ = ["RoundAuditor"]


class RoundAuditor:
    """One round. `model` is the CID that the round before ended in, `excluded` whom earlier rounds convicted."""

    def __init__(
        self,
        audit: Audit,
        store: LocalStore,
        setting: RoundSetting,
        events: list[Event],
        model: str,
        algorithm: Algorithm,
        excluded: Collection[int] = (),
    ) -> None:
        self._audit, self._store, self._setting, self._events, self._model = (
            audit,
            store,
            setting,
            events,
            model,
        )
        self._number, self._excluded, self._algorithm = setting.number, excluded, algorithm

    def run(self) -> RoundRecord | None:
        aggregate, skipped = self._one(AggregateRecorded), self._one(RoundSkipped)
        if aggregate is None and skipped is None:
            return None  # committed and not yet finished: the run goes on or was left here
        cid = aggregate.record_cid if aggregate is not None else skipped.record_cid if skipped else ""
        record = RoundRecord.from_bytes(self._store.get(cid))
        self._audit.recorded.append((self._number, cid, record.model))
        same = (record.plan, record.round) == (self._setting.plan_hash.hex(), self._number)
        self._require(same, "root", "the record is of another plan or round")
        self._require(
            record.previous_model == self._model, "model", "it does not start from the last round's model"
        )
        self._require(self._one(RoundCancelled) is None, "root", "a dispute proved it wrong and cancelled it")
        self._require(
            record.epoch == self._setting.epoch.hex(),
            "root",
            "it names another membership than the plan's schedule",
        )
        self._members(record)
        leaves = read_leaf_list(self._store.get(record.leaves))
        updates = self._updates(leaves)
        self._proofs(record, updates)
        self._clients(record, leaves)
        self._rejections(record)
        sums = SumAuditor(self._audit, self._store, self._setting, record)
        sums.opened(leaves)
        if aggregate is not None:
            self._root(record, aggregate, updates)
            sums.counted(aggregate, updates)
            if self._setting.plan.terms.aggregation.mode in ("paillier", "shares"):
                sums.evidence()
        self._model_follows(record, aggregate)
        self._rewards(record)
        return record

    def _require(self, holds: bool, aspect: str, what: str, client: int | None = None) -> None:
        self._audit.require(holds, aspect, what, self._number, client)

    def _one(self, kind: type[E]) -> E | None:
        return next((event for event in self._events if isinstance(event, kind)), None)

    def _members(self, record: RoundRecord) -> None:
        """The record speaks about every member of the plan, once. Raises: DecodeError; nothing else can be checked."""
        listed = [(entry.client, entry.address) for entry in record.clients]
        members = [(i, member.address) for i, member in enumerate(self._setting.plan.members, start=1)]
        reasons = {reason.name.lower() for reason in Reason}
        for entry in record.clients:
            known = entry.status in STATUSES and (entry.status == "rejected") == (entry.reason in reasons)
            if not known or (entry.reason and entry.status != "rejected"):
                raise DecodeError(f"client {entry.client} has the status {entry.status!r} {entry.reason!r}")
        if listed != members:
            raise DecodeError("it does not list the members of the plan")

    def _clients(self, record: RoundRecord, leaves: dict[int, str]) -> None:
        """What became of each client agrees with the leaves and with the convictions of earlier rounds."""
        for entry in record.clients:
            out = entry.client in self._excluded
            self._require(
                (entry.status == "excluded") == out,
                "updates",
                "takes part although an earlier round excluded it"
                if out
                else "is excluded and was never convicted",
                entry.client,
            )
            away = not out and entry.client not in self._setting.members
            self._require(
                (entry.status == "absent") == away,
                "updates",
                "takes part although the plan does not ask for it in this round"
                if away
                else "is left out of a round that the plan asks it for",
                entry.client,
            )
            leaf = leaves.get(entry.client)
            accepted = entry.status in ("included", "unsummed") or entry.reason in ("mismatch", "outlier")
            self._require(
                (leaf is not None) == accepted and leaf in (None, entry.update),
                "updates",
                f"recorded as {entry.status}, which its leaf contradicts",
                entry.client,
            )

    def _updates(self, leaves: dict[int, str]) -> dict[int, SignedUpdate]:
        """Every leaf's message, checked as the coordinator has to check it before the proofs."""
        updates: dict[int, SignedUpdate] = {}
        for client, cid in leaves.items():
            if client not in self._setting.members:
                self._audit.fail(
                    "updates", "a leaf of one who is no member, or excluded", self._number, client
                )
                continue
            try:
                data = self._store.get(cid)
            except BlockMissing as error:
                self._audit.fail(
                    "updates", f"its update message is not in the block store ({error})", self._number, client
                )
                continue
            except BlockCorrupt as error:
                self._audit.fail("updates", self._damage(client, error), self._number, client)
                continue
            update, fault = check_update(self._setting, client, data)
            self._require(fault is None, "updates", fault.detail if fault else "", client)
            if update is not None:
                updates[client] = update
        return updates

    def _damage(self, client: int, error: BlockCorrupt) -> str:
        """Which part of a changed message is the changed one."""
        update, fault = check_update(self._setting, client, self._store.damaged(error.cid))
        part = "message"
        if update is not None:
            with_proof = [(client, UpdateProof.from_bytes(update.proof))]
            if failing_proofs(self._setting, with_proof):
                part = "proof or commitment"
            elif fault is not None and fault.reason is Reason.SIGNATURE:
                part = "signature"
        return f"its update was changed after it was recorded, in its {part} ({error})"

    def _proofs(self, record: RoundRecord, updates: dict[int, SignedUpdate]) -> None:
        proofs = [
            (client, UpdateProof.from_bytes(update.proof))
            for client, update in updates.items()
            if self._setting.plan.proves(self._number, client)
        ]
        self._audit.count(self._number, "proofs", len(proofs))
        for client, reason in failing_proofs(self._setting, proofs).items():
            self._audit.fail("proofs", reason, self._number, client)
        self._audit.counts[self._number].setdefault("proofs", 0)

    def _rejections(self, record: RoundRecord) -> None:
        """Every rejection is on the ledger, and one for a message's content is deserved by that content."""
        said = {e.client: e for e in self._events if isinstance(e, ClientRejected)}
        for entry in record.clients:
            event = said.pop(entry.address, None)
            if entry.status != "rejected":
                self._require(
                    event is None, "updates", "rejected on the ledger, not in the record", entry.client
                )
                continue
            reason = Reason[entry.reason.upper()]
            named = event is not None and event.reason == reason
            self._require(named, "updates", "rejected in the record, not on the ledger", entry.client)
            if reason.in_tree:
                continue
            with self._audit.guarded("updates", self._number, entry.client, "the evidence cannot be read"):
                if not entry.update:
                    # a message that nobody can read is no evidence; its client comes back in the next round
                    self._require(
                        reason is Reason.MALFORMED and not entry.certain,
                        "updates",
                        "convicted without evidence",
                        entry.client,
                    )
                    continue
                if entry.client not in self._setting.members:
                    raise DecodeError("it was excluded already")
                _, faults = check_updates(self._setting, {entry.client: self._store.get(entry.update)})
                fault = faults.get(entry.client)
                if fault is None:
                    what = "rejected although its update is in order"
                else:
                    what = (
                        f"rejected for its {entry.reason}, but the evidence shows {fault.reason.name.lower()}"
                    )
                deserved = fault is not None and (fault.reason, fault.certain) == (reason, entry.certain)
                self._require(deserved, "updates", what, entry.client)
        for address in said:
            self._require(False, "updates", f"{address} is rejected on the ledger and is not a member")

    def _root(
        self, record: RoundRecord, aggregate: AggregateRecorded, updates: dict[int, SignedUpdate]
    ) -> None:
        committed = self._one(RoundCommitted)
        if committed is None:
            self._require(False, "root", "the ledger has no root for it")
            return
        self._require(record.root == committed.root.hex(), "root", "the record's root is not the ledger's")
        self._require(
            record.leaves == committed.leaves_cid, "root", "the record's leaves are not the ledger's"
        )
        leaves = read_leaf_list(self._store.get(record.leaves))
        self._require(len(leaves) == committed.count, "root", "the number of leaves is not the ledger's")
        if len(updates) == len(leaves):  # otherwise the missing ones are failures already
            root = MerkleTree([updates[client].leaf for client in leaves]).root
            self._require(root == committed.root, "root", "the leaves do not hash to the committed root")
        places = {client: place for place, client in enumerate(leaves)}
        included = tuple(places.get(client, -1) for client in record.included)
        self._require(included == aggregate.included, "sum", "the ledger counts other clients into the sum")

    def _model_follows(self, record: RoundRecord, aggregate: AggregateRecorded | None) -> None:
        with self._audit.guarded("model", self._number, None, "the model cannot be recomputed"):
            before = from_safetensors(self._store.get(record.previous_model))
            data = self._store.get(record.model)
            if aggregate is None:
                self._require(
                    not record.included, "sum", "clients are counted into a sum that was not recorded"
                )
                self._require(data == to_safetensors(before), "model", "it changed in a round without a sum")
                return
            mean = self._setting.plan.codec().decode_sum(
                total_of(self._store.get(record.total)), record.total_samples
            )
            share = len(record.included) / len(self._setting.plan.members)
            after = to_safetensors(self._algorithm.step(before, mean, share, self._number))
            self._require(
                after == data,
                "model",
                "it is not what the plan's algorithm makes of the last one and the sum",
            )
            self._require(record.model == aggregate.model_cid, "model", "its CID is not the ledger's")
            self._require(
                sha256(data).digest() == aggregate.model_digest, "model", "its digest is not the ledger's"
            )

    def _rewards(self, record: RoundRecord) -> None:
        per_round = self._setting.plan.terms.rewards.per_round
        paid: dict[str, int] = {}
        for event in self._events:
            if isinstance(event, RewardClaimed):
                paid[event.client] = paid.get(event.client, 0) + event.amount
        for entry in record.clients:
            owed = 0
            if (
                entry.status == "included"
                and record.total_samples > 0
                and entry.client in self._setting.members
            ):
                owed = reward(per_round, self._setting.members[entry.client].samples, record.total_samples)
            self._require(
                entry.reward == owed, "rewards", f"recorded {entry.reward} wei, earned {owed}", entry.client
            )
            got = paid.pop(entry.address, 0)
            self._require(got in (0, owed), "rewards", f"paid {got} wei, earned {owed}", entry.client)
        for address, amount in paid.items():
            self._require(False, "rewards", f"{amount} wei were paid to {address}, who is not a member")
