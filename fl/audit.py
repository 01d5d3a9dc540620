"""A stranger's check of a run: every round again, from the ledger and the block store alone.

    plan        the body hashes to what is registered, and the registered terms are the plan's
    updates     every leaf is a member's message of this plan and round, signed by that member
    proofs      all of a round's proofs, verified as one batch; rejections for a bad proof are checked as well
    root        the leaves hash to the committed root
    sum         the opened sum opens the sum of the commitments of exactly the clients it counts
    model       the next model is the last one plus the decoded sum, and its CID is the recorded one
    rewards     every claim is the share the samples earn, no one is paid twice or for nothing

Not checked, because ledger and store do not hold it: accuracy (needs the data) and what went over the network.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from rich.console import Console
from rich.table import Table

from chain_adapter import BlockCorrupt, BlockMissing, Chain, Deployment, LedgerCorrupt, LocalStore
from chain_adapter.events import (
    AggregateRecorded,
    ClientRejected,
    Event,
    PlanRegistered,
    RewardClaimed,
    RoundCommitted,
    RoundSkipped,
)
from chain_adapter.merkle import MerkleTree, member_leaf
from fl.aggregate.paillier import paillier_parameters
from fl.checks import Reason, check_update, check_updates, failing_proofs
from fl.models import from_safetensors, to_safetensors
from fl.plan import Plan
from fl.publish import read_leaf_list, reward
from fl.record import RoundRecord
from fl.rundir import RunDirectory, RunDirectoryError
from fl.setting import Committee, RoundSetting
from fl.sums import SumCall
from fl.update import SignedUpdate
from he.aggregate import Record
from he.aggregate import audit as audit_decryption
from mpc.errors import DecodeError, ParameterError, ProtocolError
from mpc.json_text import read_json
from zk.key_bytes import decode_verifier_key
from zk.statements import NormBound, UpdateProof

E = TypeVar("E", bound=Event)

__all__ = ["Audit", "Failure", "audit_run"]

_MAX_MANIFEST = 1 << 20
ASPECTS = ("updates", "proofs", "root", "sum", "model", "rewards", "files")


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that does not hold: in which round, about which client (None: not about one), and what."""

    aspect: str
    what: str
    round: int | None = None
    client: int | None = None

    def __str__(self) -> str:
        where = ["the plan" if self.round is None else f"round {self.round}"]
        if self.client is not None:
            where.append(f"client {self.client}")
        return f"{', '.join(where)}: {self.what}"


@dataclass
class Audit:
    """What was looked at and what did not hold; `counts[round][aspect]` says how many things were checked."""

    rounds_planned: int = 0
    counts: dict[int, dict[str, int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.failures

    def count(self, number: int, aspect: str, amount: int = 1) -> None:
        row = self.counts.setdefault(number, {})
        row[aspect] = row.get(aspect, 0) + amount

    def fail(self, aspect: str, what: str, number: int | None = None, client: int | None = None) -> None:
        self.failures.append(Failure(aspect, what, number, client))

    def require(
        self, holds: bool, aspect: str, what: str, number: int | None = None, client: int | None = None
    ) -> None:
        if number is not None:
            self.count(number, aspect)
        if not holds:
            self.fail(aspect, what, number, client)

    @contextmanager
    def guarded(self, aspect: str, number: int | None, client: int | None, what: str) -> Iterator[None]:
        """Turn damage met inside into a failure, so that the audit goes on with the rest."""
        try:
            yield
        except (BlockCorrupt, BlockMissing, DecodeError, ParameterError, ProtocolError) as error:
            self.fail(aspect, f"{what}: {error}", number, client)

    def as_dict(self) -> dict[str, Any]:
        return {
            "passed": self.passed,
            "rounds": {str(number): row for number, row in sorted(self.counts.items())},
            "rounds_planned": self.rounds_planned,
            "failures": [asdict(failure) | {"text": str(failure)} for failure in self.failures],
        }

    def print(self, console: Console) -> None:
        table = Table(title="what was checked", title_justify="left")
        table.add_column("round", justify="right")
        for aspect in ASPECTS:
            table.add_column(aspect, justify="right")
        bad = {(failure.round, failure.aspect) for failure in self.failures}
        for number, row in sorted(self.counts.items()):
            cells = ["FAILED" if (number, a) in bad else f"{row[a]} ok" if a in row else "-" for a in ASPECTS]
            table.add_row(str(number), *cells)
        console.print(table)
        for failure in self.failures:
            console.print(f"FAILED  {failure}", highlight=False, markup=False, soft_wrap=True)
        done = len(self.counts)
        if done < self.rounds_planned:
            console.print(f"{done} of {self.rounds_planned} planned rounds are on the ledger")
        console.print("everything holds" if self.passed else f"{len(self.failures)} checks failed")


def audit_run(run_directory: Path, *, chain: str | None = None, deployment: Path | None = None) -> Audit:
    """Audit the run in `run_directory`, or the one that `deployment` on `chain` and its block store hold.

    Raises: RunDirectoryError when there is nothing to audit; ChainUnreachable, WrongChain, NotDeployed.
    """
    directory, audit = RunDirectory(run_directory), Audit()
    if not run_directory.is_dir():
        raise RunDirectoryError(f"there is no run directory {run_directory}")
    store = LocalStore(directory.blocks)
    if deployment:
        manifest = read_json(deployment.read_bytes(), max_bytes=_MAX_MANIFEST)
    else:
        manifest = directory.read_json("deployment.json")
    url = chain or _chain_of(directory)
    try:
        with Chain.connect(url) if url else Chain.embedded(directory.chain_log) as ledger:
            _Auditor(audit, store, ledger.attach(manifest)).run()
    except LedgerCorrupt as error:
        number, client, act = _what_stood_in(directory, error.block)
        audit.fail("ledger", f"the ledger's log was changed: {error}{act}", number, client)
    _check_files(audit, directory, store)
    return audit


def _chain_of(directory: RunDirectory) -> str | None:
    """The URL a run used, or None for the embedded ledger."""
    if not directory.exists():
        return None
    chain = directory.read_json("run.json").get("chain")
    return None if chain == "embedded" else chain


def _what_stood_in(directory: RunDirectory, block: int | None) -> tuple[int | None, int | None, str]:
    """Round, client and act of a damaged block, by the copy of the ledger's events in the run directory."""
    if block is None or not (directory.path / "ledger.json").is_file():
        return None, None, ""
    for event in directory.read_json("ledger.json")["events"]:
        if event["block"] == block:
            return event["round"], event["client"], f" (it held {event['event']}: {event['summary']})"
    return None, None, ""


def _check_files(audit: Audit, directory: RunDirectory, store: LocalStore) -> None:
    """The copies for people in the run directory: records by round, and the final model."""
    last = None
    for number in range(directory.rounds_done()):
        with audit.guarded("files", number, None, "the record in block storage cannot be read"):
            document = directory.read_json(directory.round_file(number))
            record = RoundRecord.from_bytes(store.get(document["record_cid"]))
            last = record
            for client, path in _differences(record.as_json(), document["record"]):
                audit.fail(
                    "files",
                    f"{directory.round_file(number)} differs from the record at {path}",
                    number,
                    client,
                )
            audit.count(number, "files")
    if last is not None and (directory.path / "model.safetensors").is_file():
        with audit.guarded("files", last.round, None, "the final model cannot be read"):
            same = directory.read("model.safetensors") == store.get(last.model)
            audit.require(same, "files", "model.safetensors is not the recorded final model", last.round)


def _differences(record: dict[str, Any], copy: dict[str, Any]) -> Iterator[tuple[int | None, str]]:
    """Where two records differ: the client concerned, and the field."""
    for name in sorted(record.keys() | copy.keys()):
        if record.get(name) == copy.get(name):
            continue
        if name != "clients" or len(record[name]) != len(copy.get(name, ())):
            yield None, name
            continue
        for ours, theirs in zip(record[name], copy[name], strict=True):
            yield from ((ours["client"], f"clients.{key}") for key in ours if ours[key] != theirs.get(key))


class _Auditor:
    """Walks the rounds of the one plan whose body is in the store."""

    def __init__(self, audit: Audit, store: LocalStore, deployment: Deployment) -> None:
        self._audit, self._store, self._deployment = audit, store, deployment

    def run(self) -> None:
        events = list(self._deployment.events())
        plans = [e for e in events if isinstance(e, PlanRegistered) and self._store.has(e.plan_cid)]
        if not plans:
            raise RunDirectoryError("no plan on this ledger has its body in this block store")
        for registered in plans:
            with self._audit.guarded("plan", None, None, "the plan cannot be read"):
                self._plan(registered, [e for e in events if getattr(e, "plan", None) == registered.plan])

    def _plan(self, registered: PlanRegistered, events: list[Event]) -> None:
        audit = self._audit
        body = self._store.get(registered.plan_cid)
        plan = Plan.from_bytes(body)
        self._registration(plan, body, registered)
        key = decode_verifier_key(self._store.get(plan.verifying_key))
        dim = len(from_safetensors(self._store.get(plan.initial_model)))
        statement = NormBound(dim=dim, bits=plan.terms.update.bits)
        circuit, _ = statement.circuit()
        audit.require(
            key.circuit == circuit.digest, "plan", "the verifying key is of another circuit than the plan's"
        )
        committee = Committee.of(plan, self._store)
        if committee is None and plan.terms.aggregation.mode == "paillier":
            raise DecodeError("the plan names no committee to decrypt its sums")
        audit.rounds_planned += plan.terms.rounds
        model, banned = plan.initial_model, set[int]()
        for number in range(plan.terms.rounds):
            mine = [e for e in events if getattr(e, "round", None) == number]
            if not mine:
                return
            setting = RoundSetting(
                plan=plan,
                plan_hash=registered.plan,
                number=number,
                statement=statement,
                key=key,
                domain=self._deployment.domain,
                members={i: m for i, m in enumerate(plan.members, start=1) if i not in banned},
                committee=committee,
            )
            with audit.guarded("root", number, None, "the round's record cannot be read"):
                record = _RoundAuditor(audit, self._store, setting, mine, model).run()
                if record is None:
                    return
                model = record.model
                banned |= set(record.convicted)

    def _registration(self, plan: Plan, body: bytes, registered: PlanRegistered) -> None:
        audit, terms, domain = self._audit, registered.terms, self._deployment.domain
        bound, slack = plan.l2_bound(len(from_safetensors(self._store.get(plan.initial_model))))
        members = MerkleTree([member_leaf(member) for member in plan.members]).root
        for holds, what in (
            (sha256(body).digest() == registered.plan, "its body does not hash to the registered hash"),
            (members == registered.members_root, "its members are not the registered ones"),
            (terms.rounds == plan.terms.rounds, "the registered number of rounds is another"),
            (
                terms.min_clients == plan.terms.aggregation.min_clients,
                "the registered min_clients is another",
            ),
            (terms.reward_per_round == plan.terms.rewards.per_round, "the registered reward is another"),
            ((terms.l2_bound, terms.l2_slack) == (bound, slack), "the registered norm bound is another"),
            (terms.max_weight == plan.codec().max_weight, "the registered largest weight is another"),
            (plan.contracts.chain_id == domain.chain_id, "it was made for another chain"),
            (
                plan.contracts.rounds_contract == domain.verifying_contract,
                "it was made for another deployment",
            ),
        ):
            audit.require(holds, "plan", what)


class _RoundAuditor:
    """One round: its events against its record, and the record against everything it refers to."""

    def __init__(
        self, audit: Audit, store: LocalStore, setting: RoundSetting, events: list[Event], model: str
    ) -> None:
        self._audit, self._store, self._setting, self._events, self._model = (
            audit,
            store,
            setting,
            events,
            model,
        )
        self._number = setting.number

    def run(self) -> RoundRecord | None:
        aggregate, skipped = self._one(AggregateRecorded), self._one(RoundSkipped)
        if aggregate is None and skipped is None:
            return None  # committed and not yet finished: the run goes on or was left here
        cid = aggregate.record_cid if aggregate is not None else skipped.record_cid if skipped else ""
        record = RoundRecord.from_bytes(self._store.get(cid))
        same = (bytes.fromhex(record.plan), record.round) == (self._setting.plan_hash, self._number)
        self._require(same, "root", "the record is of another plan or round")
        self._require(
            record.previous_model == self._model, "model", "it does not start from the last round's model"
        )
        updates = self._updates(record)
        self._proofs(record, updates)
        self._rejections(record)
        if aggregate is not None:
            self._root(record, aggregate, updates)
            self._sum(record, aggregate, updates)
            if self._setting.plan.terms.aggregation.mode == "paillier":
                self._evidence(record)
        self._model_follows(record, aggregate)
        self._rewards(record)
        return record

    def _require(self, holds: bool, aspect: str, what: str, client: int | None = None) -> None:
        self._audit.require(holds, aspect, what, self._number, client)

    def _one(self, kind: type[E]) -> E | None:
        return next((event for event in self._events if isinstance(event, kind)), None)

    def _updates(self, record: RoundRecord) -> dict[int, SignedUpdate]:
        """Every leaf's message, checked as the coordinator has to check it before the proofs."""
        leaves = read_leaf_list(self._store.get(record.leaves))
        updates: dict[int, SignedUpdate] = {}
        for client, cid in leaves.items():
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
        proofs = [(client, UpdateProof.from_bytes(update.proof)) for client, update in updates.items()]
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
                _, faults = check_updates(self._setting, {entry.client: self._store.get(entry.update)})
                self._require(
                    entry.client in faults,
                    "updates",
                    "rejected although its update is in order",
                    entry.client,
                )
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
        """Under Paillier: every ciphertext, addition and partial decryption behind the sums that count."""
        setting = self._setting
        total, counted = np.zeros(setting.statement.dim, dtype=np.int64), set[int]()
        for entry in record.opened:
            with self._audit.guarded(
                "sum", self._number, None, f"the decrypted sum over {len(entry.group)} clients"
            ):
                call = SumCall(entry.stage, entry.place, entry.group)
                evidence = Record.from_bytes(self._store.get(entry.evidence))
                summed = audit_decryption(evidence, paillier_parameters(setting, call), setting.identities)
                self._require(
                    summed == entry.included, "sum", "the committee decrypted a sum of other clients"
                )
                if entry.matches and entry.stage == record.stage:
                    total, counted = total + np.array(evidence.total), counted | set(summed)
        same = counted == set(record.included) and np.array_equal(
            total, _total(self._store.get(record.total))
        )
        self._require(same, "sum", "the opened sum is not what the committee decrypted")

    def _model_follows(self, record: RoundRecord, aggregate: AggregateRecorded | None) -> None:
        with self._audit.guarded("model", self._number, None, "the model cannot be recomputed"):
            before = from_safetensors(self._store.get(record.previous_model))
            data = self._store.get(record.model)
            if aggregate is None:
                self._require(data == to_safetensors(before), "model", "it changed in a round without a sum")
                return
            mean = self._setting.plan.codec().decode_sum(
                _total(self._store.get(record.total)), record.total_samples
            )
            after = to_safetensors((before + mean).astype(np.float32))
            self._require(after == data, "model", "it is not the last model plus the mean update")
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
            if entry.status == "included":
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


def _scalars(texts: Iterable[str]) -> list[int]:
    try:
        return [int(text) for text in texts]
    except ValueError as error:
        raise DecodeError("a blinding is a decimal number") from error
