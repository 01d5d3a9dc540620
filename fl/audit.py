"""A stranger's check of a run: every round again, from the ledger and the block store alone.

    plan        the body hashes to what is registered, and the registered terms are the plan's
    updates     every leaf is a member's message of this plan and round, signed by that member
    proofs      all of a round's proofs, verified as one batch; rejections for a bad proof are checked as well
    root        the leaves hash to the committed root
    sum         the opened sum opens the sum of the commitments of exactly the clients it counts
    model       the next model is the last one plus the decoded sum, and its CID is the recorded one
    privacy     what each client released costs no more epsilon than the plan promises
    rewards     every claim is the share the samples earn, no one is paid twice or for nothing

    files       the copies for people: plan.json, the records in rounds/, model.safetensors

Not checked, because ledger and store do not hold it: accuracy (needs the data), what went over the network, and whether
a sum that does not count matched: under secure aggregation that a client lied in a sum is the coordinator's word, held
only against the sums it says it opened. Not checked in the run directory, because nothing is claimed by them: times and
costs in rounds/, run.json, receipt.json, ledger.json, report.html, secrets, scores, outbox and pins.
Assumes: that the ledger is the one people mean. A run directory brings its own, or names its node; compare the plan's
hash and the contract that an audit prints with what you were told, or give `chain` and `deployment` yourself.
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from chain_adapter import Chain, Deployment, LedgerCorrupt, LocalStore
from chain_adapter.events import Event, PlanRegistered
from chain_adapter.merkle import MerkleTree, member_leaf
from chain_adapter.update_key import update_key
from fl.audit_findings import Audit, Failure
from fl.audit_round import RoundAuditor
from fl.learning import algorithm_of
from fl.ledger import EMBEDDED
from fl.models import from_safetensors
from fl.parties import members_of_committee
from fl.plan import Plan
from fl.privacy import BudgetExceeded, Noise, check
from fl.record import RoundRecord
from fl.rundir import RunDirectory, RunDirectoryError
from fl.setting import Committee, RoundSetting, taking_part
from mpc.errors import DecodeError
from mpc.json_text import read_json
from zk.key_bytes import decode_verifier_key
from zk.statements import NormBound

__all__ = ["Audit", "Failure", "audit_run"]

_MAX_MANIFEST = 1 << 20


def audit_run(
    run_directory: Path,
    *,
    chain: str | None = None,
    deployment: Path | None = None,
    expected_plan: str | None = None,
) -> Audit:
    """Audit the run in `run_directory`, or the one that `deployment` on `chain` and its block store hold.

    `expected_plan` is the plan's hash as it was agreed on, in hexadecimal: an embedded ledger comes with its run, so
    without it a run that somebody invented from end to end passes as what it is, another run.

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
    else:
        if expected_plan is not None:
            agreed = expected_plan.lower().removeprefix("0x") in audit.plans
            audit.require(agreed, "plan", f"the ledger holds no run of the plan {expected_plan}")
        _check_plan_file(audit, directory)
        _check_final_model(audit, directory, store)
        _check_records(audit, directory, store)
    return audit


def _chain_of(directory: RunDirectory) -> str | None:
    """The URL a run used, or None for the embedded ledger."""
    if not directory.exists():
        return None
    run = directory.read_json("run.json")
    chain = run.get("chain") if isinstance(run, dict) else None
    if not isinstance(chain, str):
        raise RunDirectoryError(f"{directory.path / 'run.json'} does not say on which chain the run is")
    return None if chain == EMBEDDED else chain


def _what_stood_in(directory: RunDirectory, block: int | None) -> tuple[int | None, int | None, str]:
    """Round, client and act of a damaged block, by the copy of the ledger's events in the run directory."""
    try:
        for event in directory.read_json("ledger.json")["events"]:
            if block is not None and event["block"] == block:
                number, client = event["round"], event["client"]
                if type(number) in (int, type(None)) and type(client) in (int, type(None)):
                    return number, client, f" (it held {event['event']}: {event['summary']})"
    except (RunDirectoryError, KeyError, TypeError):
        pass  # the copy is a convenience: without it the failure names the block alone
    return None, None, ""


def _check_plan_file(audit: Audit, directory: RunDirectory) -> None:
    with audit.guarded("plan", None, None, "plan.json cannot be read"):
        if (directory.path / "plan.json").is_file():
            digest = sha256(directory.read("plan.json")).hexdigest()
            audit.require(digest in audit.plans, "plan", "plan.json is not the registered plan")


def _check_records(audit: Audit, directory: RunDirectory, store: LocalStore) -> None:
    """The copies of the records: each is the one that the ledger names for its round."""
    recorded = {(number, cid) for number, cid, _ in audit.recorded}
    for number in range(directory.rounds_done()):
        name = directory.round_file(number)
        with audit.guarded("files", number, None, "the copy of its record cannot be read"):
            document = directory.read_json(name)
            cid = document.get("record_cid") if isinstance(document, dict) else None
            if not isinstance(cid, str) or not isinstance(document.get("record"), dict):
                raise DecodeError(f"{name} is not a round's file")
            audit.require(
                (number, cid) in recorded, "files", f"{name} names another record than the ledger", number
            )
            record = RoundRecord.from_bytes(store.get(cid))
            for client, path in _differences(record.as_json(), document["record"]):
                audit.fail("files", f"{name} differs from the record at {path}", number, client)


def _check_final_model(audit: Audit, directory: RunDirectory, store: LocalStore) -> None:
    if not (directory.path / "model.safetensors").is_file():
        return
    last = max((number for number, _, _ in audit.recorded), default=None)
    with audit.guarded("files", last, None, "the final model cannot be read"):
        states = [from_safetensors(store.get(model)) for number, _, model in audit.recorded if number == last]
        mine = from_safetensors(directory.read("model.safetensors"))
        # the state begins with the model; what the algorithm's server keeps behind it is not part of the file
        same = any(np.array_equal(state[: len(mine)], mine) for state in states) and len(mine) in audit.sizes
        audit.require(same, "files", "model.safetensors is not the recorded final model", last)


def _differences(record: dict[str, Any], copy: dict[str, Any]) -> Iterator[tuple[int | None, str]]:
    """Where two records differ: the client concerned, and the field."""
    for name in sorted(record.keys() | copy.keys()):
        if record.get(name) == copy.get(name):
            continue
        ours, theirs = record.get(name), copy.get(name)
        comparable = isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs)
        if name != "clients" or not comparable or not all(isinstance(entry, dict) for entry in theirs or ()):
            yield None, name
            continue
        for mine, other in zip(ours or (), theirs or (), strict=True):
            yield from (
                (mine["client"], f"clients.{key}")
                for key in sorted(mine.keys() | other.keys())
                if mine.get(key) != other.get(key)
            )


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
        audit, domain = self._audit, self._deployment.domain
        audit.plans.add(registered.plan.hex())
        body = self._store.get(registered.plan_cid)
        plan = Plan.from_bytes(body)
        audit.subjects.append(
            f"plan {registered.plan.hex()} ({plan.terms.name}) on chain {domain.chain_id}, "
            f"contract {domain.verifying_contract}"
        )
        key = decode_verifier_key(self._store.get(plan.verifying_key))
        audit.sizes.add(plan.parameters)
        algorithm = algorithm_of(plan.terms)
        state = len(from_safetensors(self._store.get(plan.initial_model)))
        audit.require(
            state == algorithm.state_size(plan.parameters),
            "plan",
            "its first model is of another size than its terms say",
        )
        statement = NormBound(dim=algorithm.payload_size(plan.parameters), bits=plan.terms.update.bits)
        self._registration(plan, body, registered, statement.dim)
        circuit, _ = statement.circuit()
        audit.require(
            key.circuit == circuit.digest, "plan", "the verifying key is of another circuit than the plan's"
        )
        audit.require(
            update_key(statement, key).key_hash == registered.terms.key_hash,
            "plan",
            "the verifying key is not the registered one",
        )
        committee = Committee.of(plan, self._store)
        mode = plan.terms.aggregation.mode
        if mode == "paillier" and (committee is None or committee.key is None):
            raise DecodeError("the plan names no committee to decrypt its sums")
        if mode == "shares" and len(plan.committee) != members_of_committee(plan.terms):
            raise DecodeError("the plan does not name the servers that hold shares of updates")
        audit.rounds_planned += plan.terms.rounds
        model, banned = plan.initial_model, set[int]()
        took_part: dict[int, list[int]] = {}
        for number in range(plan.terms.rounds):
            mine = [e for e in events if getattr(e, "round", None) == number]
            if not mine:
                break
            setting = RoundSetting(
                plan=plan,
                plan_hash=registered.plan,
                number=number,
                statement=statement,
                key=key,
                domain=self._deployment.domain,
                members=taking_part(plan, number, banned),
                committee=committee,
            )
            with audit.guarded("root", number, None, "the round's record cannot be read"):
                record = RoundAuditor(audit, self._store, setting, mine, model, algorithm, banned).run()
                if record is None:
                    break
                model = record.model
                banned |= set(record.convicted)
                for entry in record.clients:
                    if entry.update:
                        took_part.setdefault(entry.client, []).append(number)
        self._budgets(plan.noise(statement.dim), took_part)

    def _budgets(self, noise: Noise | None, took_part: Mapping[int, list[int]]) -> None:
        """What each member released costs no more than the plan promises; the cost follows from public data alone."""
        if noise is None:
            return
        spent: dict[int, str] = {}
        for client, rounds in sorted(took_part.items()):
            if len(rounds) not in spent:
                try:
                    check(noise, rounds)
                    spent[len(rounds)] = ""
                except BudgetExceeded as error:
                    spent[len(rounds)] = str(error)
            self._audit.require(not spent[len(rounds)], "privacy", spent[len(rounds)], None, client)

    def _registration(self, plan: Plan, body: bytes, registered: PlanRegistered, dim: int) -> None:
        audit, terms, domain = self._audit, registered.terms, self._deployment.domain
        bound, slack = plan.l2_bound(dim)
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
