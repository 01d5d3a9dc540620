"""The audit of one round: its events against its record, and the record against everything it refers to."""

from collections.abc import Collection
from hashlib import sha256
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

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
from fl.aggregate.paillier import paillier_parameters
from fl.aggregate.shares import audit_statements
from fl.audit_findings import Audit
from fl.checks import Reason, check_update, check_updates, failing_proofs
from fl.models import from_safetensors, to_safetensors
from fl.optim import Algorithm
from fl.publish import read_leaf_list, reward
from fl.record import STATUSES, RoundRecord
from fl.round import judge_sums
from fl.setting import RoundSetting
from fl.sums import CallJudge, SumCall
from fl.update import SignedUpdate
from he.aggregate import Record
from he.aggregate import audit as audit_decryption
from mpc.errors import DecodeError, FaultyParty
from zk.field import R
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
        self._opened(record, leaves)
        if aggregate is not None:
            self._root(record, aggregate, updates)
            self._sum(record, aggregate, updates)
            if self._setting.plan.terms.aggregation.mode in ("paillier", "shares"):
                self._evidence(record)
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

    def _opened(self, record: RoundRecord, leaves: dict[int, str]) -> None:
        """Only sums were opened that clients allow, and who is accused of lying in them is whom they accuse.

        Whether a sum that does not count matched is the coordinator's word; see `fl.audit`.
        """
        fewest = self._setting.plan.terms.aggregation.min_clients
        judge, beacon = CallJudge(fewest), _beacon(record.beacon)
        for entry in record.opened:
            call = SumCall(entry.stage, entry.place, entry.group, beacon)
            allowed = len(entry.included) >= call.fewest(fewest) and set(entry.included) <= set(entry.group)
            try:
                judge.admit(call)
            except FaultyParty:
                allowed = False
            if entry.stage == 0:
                allowed = allowed and entry.group == tuple(leaves)
                judge.settle(entry.included)
            self._require(allowed, "sum", f"place {entry.place} of stage {entry.stage} must not be opened")
        suspects, convicted = judge_sums(record.opened)
        for client in record.clients:
            accused = client.status == "rejected" and client.reason == "mismatch"
            same = accused == (client.client in suspects)
            if accused:
                same = same and client.certain == (client.client in convicted)
            self._require(
                same, "sum", "what the opened sums say about it is not what is recorded", client.client
            )
        if record.included:
            self._require(
                record.stage is not None, "sum", "no opened sums cover exactly the clients it counts"
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

    def _sum(
        self, record: RoundRecord, aggregate: AggregateRecorded, updates: dict[int, SignedUpdate]
    ) -> None:
        statement, members = self._setting.statement, self._setting.members
        samples = sum(members[client].samples for client in record.included if client in members)
        self._require(
            record.total_samples == samples == aggregate.total_samples, "sum", "the sample counts differ"
        )
        self._require(
            record.commitment_sum == aggregate.commitment_sum.hex(),
            "sum",
            "the sum of commitments is not the ledger's",
        )
        if not set(record.included) <= set(updates):
            return  # a message is missing or changed, which is a failure already
        with self._audit.guarded("sum", self._number, None, "the opened sum"):
            combined = statement.combine(
                [UpdateProof.from_bytes(updates[c].proof).commitment for c in record.included]
            )
            self._require(
                combined == aggregate.commitment_sum,
                "sum",
                "the commitments do not add up to the ledger's sum",
            )
            statement.open_sum(
                self._setting.key, combined, _total(self._store.get(record.total)), _scalars(record.blinding)
            )

    def _evidence(self, record: RoundRecord) -> None:
        """Under Paillier: every ciphertext, addition and partial decryption behind the sums that count. Under shares:
        what every server signed, and that it adds up."""
        setting = self._setting
        total, counted = np.zeros(setting.statement.dim, dtype=np.int64), set[int]()
        for entry in record.opened:
            with self._audit.guarded(
                "sum", self._number, None, f"the decrypted sum over {len(entry.group)} clients"
            ):
                call = SumCall(entry.stage, entry.place, entry.group, _beacon(record.beacon))
                summed, signed = self._behind(call, self._store.get(entry.evidence))
                self._require(
                    summed == entry.included, "sum", "the committee decrypted a sum of other clients"
                )
                if entry.matches and entry.stage == record.stage:
                    total, counted = total + signed, counted | set(summed)
        same = counted == set(record.included) and np.array_equal(
            total, _total(self._store.get(record.total))
        )
        self._require(same, "sum", "the opened sum is not what the committee decrypted")

    def _behind(self, call: SumCall, evidence: bytes) -> tuple[tuple[int, ...], NDArray[np.int64]]:
        """Over whom and what the sum is that this evidence shows. Raises: DecodeError, ProtocolError when it shows none."""
        setting = self._setting
        if setting.plan.terms.aggregation.mode == "shares":
            summed = audit_statements(setting, call, evidence)
            return summed.included, summed.total
        record = Record.from_bytes(evidence)
        included = audit_decryption(record, paillier_parameters(setting, call), setting.identities)
        return included, np.array(record.total)

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
                _total(self._store.get(record.total)), record.total_samples
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


def _total(data: bytes) -> np.ndarray[Any, Any]:
    """An opened sum. Raises: DecodeError unless it is whole 64-bit integers."""
    if len(data) % 8:
        raise DecodeError("an opened sum is a whole number of 64-bit integers")
    return np.frombuffer(data, dtype="<i8").astype(np.int64)


def _scalars(texts: tuple[str, ...]) -> list[int]:
    try:
        scalars = [int(text) for text in texts]
    except ValueError as error:
        raise DecodeError("a blinding is a decimal number") from error
    if [str(scalar % R) for scalar in scalars] != list(texts):
        raise DecodeError("a blinding is a reduced decimal number")
    return scalars


def _beacon(text: str) -> bytes:
    try:
        beacon = bytes.fromhex(text)
    except ValueError as error:
        raise DecodeError("a beacon is hexadecimal") from error
    if len(beacon) != 32 or beacon.hex() != text:
        raise DecodeError("a beacon is 32 bytes in lower-case hexadecimal")
    return beacon
