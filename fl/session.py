"""An open run: the parties, keys, ledger and plan of a run directory, and its rounds, one machine playing everybody."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from chain_adapter import Deployment, LocalStore, Member
from fl.aggregate.paillier import committee_round
from fl.cache import cache_directory
from fl.cheats import misbehave
from fl.client import Prepared, client_round, prepare
from fl.federation import Federation
from fl.ledger import open_ledger
from fl.memory import Memories
from fl.models import Vector, from_safetensors, to_safetensors
from fl.parties import Parties, gather_parties
from fl.plan import Contracts, Plan
from fl.privacy import BudgetExceeded, NoiseOverflow
from fl.progress import Display
from fl.publish import Publisher
from fl.record import RoundRecord
from fl.resources import DEFAULT, Resources
from fl.round import RoundOutcome, coordinator_round
from fl.rundir import RunDirectory, RunDirectoryError
from fl.scores import Scored, Scores
from fl.screening import remembers
from fl.seeds import generator
from fl.setting import COORDINATOR, Committee, RoundSetting, taking_part
from fl.shared.servers import server_round
from fl.spending import Spending
from fl.update import SignedUpdate
from mpc.errors import DecodeError
from mpc.runtime import Cost, Network, Protocol, run_local
from zk.commit_prove import Keys
from zk.key_bytes import encode_verifier_key
from zk.keycache import load_or_create

if TYPE_CHECKING:  # Ray is an extra
    from fl.engine import LocalEngine
    from fl.scale.ray_engine import RayEngine

__all__ = ["Session", "open_session"]

# a client that vanishes does so before one of the first messages of the round, whichever the seed says
_VANISH_BEFORE = 10
_PROVERS = 2


@contextmanager
def open_session(
    federation: Federation,
    directory: RunDirectory,
    chain: str,
    display: Display,
    *,
    resources: Resources = DEFAULT,
) -> Iterator["Session"]:
    """Secrets, keys, ledger and plan of the run in `directory`: made at the first start, found again later.

    Raises: RunDirectoryError when the directory is damaged or another plan's; ChainError.
    """
    torch.set_num_threads(1)  # one thread: the same sums in the same order, whatever the machine has
    display.stage("secrets")
    parties = gather_parties(directory, federation.terms, display.stage)
    display.stage("proving and verifying keys")
    keys = load_or_create(federation.statement, cache_directory() / "keys", unsafe_single_party=True)
    store = LocalStore(directory.blocks)
    display.stage("ledger")
    with (
        resources.open(federation) as engine,
        open_ledger(chain, directory, parties.coordinator.signer) as deployment,
    ):
        plan = _plan(federation, directory, store, keys, parties, deployment)
        session = Session(federation, directory, store, keys, parties, deployment, plan, engine)
        session.publisher.register()
        yield session


def _plan(
    federation: Federation,
    directory: RunDirectory,
    store: LocalStore,
    keys: Keys,
    parties: Parties,
    deployment: Deployment,
) -> Plan:
    committee = parties.committee
    plan = Plan(
        terms=federation.terms,
        members=tuple(
            Member(secret.address, secret.identity.public().raw, weight)
            for secret, weight in zip(parties.clients.values(), federation.weights, strict=True)
        ),
        dataset_sha256=federation.dataset.sha256,
        records=max(map(len, federation.shards)),
        verifying_key=store.put(encode_verifier_key(keys.vk)),
        parameters=federation.model.size,
        initial_model=store.put(to_safetensors(federation.initial_state())),
        contracts=Contracts(deployment.domain.chain_id, deployment.domain.verifying_contract),
        committee=tuple(m.identity.public().raw.hex() for m in committee.members) if committee else (),
        committee_key=store.put(committee.key.to_bytes()) if committee and committee.shares else "",
    )
    if (directory.path / "plan.json").is_file() and directory.read("plan.json") != plan.to_bytes():
        raise RunDirectoryError(
            f"{directory.path} was started with other data, keys or contracts than there are now: "
            "its plan cannot be continued"
        )
    directory.write("plan.json", plan.to_bytes())
    return plan


class Session:
    """Everything a round needs, and what carries over from one round to the next."""

    def __init__(
        self,
        federation: Federation,
        directory: RunDirectory,
        store: LocalStore,
        keys: Keys,
        parties: Parties,
        deployment: Deployment,
        plan: Plan,
        engine: "LocalEngine | RayEngine",
    ) -> None:
        self.federation, self.directory, self.store, self.keys = federation, directory, store, keys
        self.parties, self.deployment, self.plan = parties, deployment, plan
        self.publisher = Publisher(plan, federation.statement, keys.vk, store, deployment)
        self.engine = engine
        self._committee = Committee.of(plan, store)
        noise = plan.noise(federation.statement.dim)
        self.private = noise is not None
        self._spending = Spending(directory, plan, noise)
        self._memories = Memories(directory, federation.algorithm.memory_size(federation.model.size))
        self._scores = Scores(directory, remembers(federation.terms))
        self.records: list[RoundRecord] = []
        for number in range(directory.rounds_done()):
            document = directory.read_json(directory.round_file(number))
            try:
                self.records.append(RoundRecord.from_bytes(store.get(document["record_cid"])))
            except (KeyError, TypeError, DecodeError) as error:
                raise RunDirectoryError(f"round {number} of {directory.path} is damaged: {error}") from error

    @property
    def caveats(self) -> tuple[str, ...]:
        """What has to be said beside every figure of this run."""
        said = [
            f"{file} is not the published file of {self.federation.dataset.name}: figures are not comparable"
            for file in self.federation.dataset.unverified
        ]
        if not self.engine.work.reproducible:
            said.append("trained in a way that does not give the same bits again (a GPU, or bfloat16)")
        return tuple(said)

    @property
    def model_cid(self) -> str:
        return self.records[-1].model if self.records else self.plan.initial_model

    def play_round(self, number: int, display: Display) -> dict[str, Any]:
        """Play round `number` from training to the ledger; returns what the run directory keeps of it."""
        states = self._states()
        before = states[0]
        setting = self._setting(number, before)
        clock = perf_counter()
        display.stage(f"round {number}: training")
        memories = self._memories.before(number)
        results = self.federation.train(self.engine, number, tuple(setting.members), states, memories)
        updates = {index: made.payload for index, made in results.items() if made.payload is not None}
        silent = {index: made.reason for index, made in results.items() if made.payload is None}
        trained = perf_counter()
        display.stage(f"round {number}: proving")
        prepared = self._prepare(setting, updates, silent, display)
        proved = perf_counter()
        display.stage(f"round {number}: aggregating")
        outcome, costs = self._exchange(setting, prepared)
        exchanged = perf_counter()
        display.stage(f"round {number}: writing to the ledger")
        after = before
        if outcome.total is not None:
            samples = sum(setting.members[index].samples for index in outcome.included)
            mean = self.plan.codec().decode_sum(outcome.total, total_weight=samples)
            share = len(outcome.included) / len(self.plan.members)
            after = self.federation.algorithm.step(before, mean, share, number)
        record, record_cid, gas = self.publisher.publish(
            setting, outcome, self.model_cid, after, self.federation.evaluate(after), self._banned(), silent
        )
        self._memories.keep(number + 1, memories | {index: made.memory for index, made in results.items()})
        self.records.append(record)
        display.advance(len(self.plan.members) - len(setting.members))
        clients = [costs[index] for index in prepared]
        committee = [costs[party] for party in setting.committee_parties]
        server = costs[COORDINATOR]
        return {
            "record": record.as_dict(),
            "record_cid": record_cid,
            "seconds": {
                "train": trained - clock,
                "prove": proved - trained,
                "verify": outcome.seconds["verify"],
                "mask": sum(cost.compute_seconds for cost in clients),
                "aggregate": server.compute_seconds - outcome.seconds["verify"],
                "decrypt": sum(cost.compute_seconds for cost in committee),
                "chain": perf_counter() - exchanged,
            },
            "bytes": {
                "update_message": max((len(p.signed.to_bytes()) for p in prepared.values()), default=0),
                "sent_per_client": max((cost.bytes_sent for cost in clients), default=0),
                "received_per_client": max((cost.bytes_received for cost in clients), default=0),
                "coordinator_sent": server.bytes_sent,
                "coordinator_received": server.bytes_received,
                "float32_update": 4 * self.federation.statement.dim,
            },
            "rounds_of_messages": server.rounds,
            "gas": gas,
            # how many coordinates were cut depends on data: nothing that privacy accounts for
            **({} if self.private else {"saturated": sum(p.saturated for p in prepared.values())}),
        }

    def finish(self) -> str:
        """Write the final model, without what the algorithm's server keeps beside it; returns the state's CID."""
        state = from_safetensors(self.store.get(self.model_cid))
        self.directory.write("model.safetensors", to_safetensors(state[: self.plan.parameters]))
        return self.model_cid

    def _states(self) -> list[Vector]:
        """The state now, the one before, and as many more as a starting point may lie behind; the newest first."""
        cids = [self.plan.initial_model, *(record.model for record in self.records)]
        wanted = cids[::-1][: max(self.plan.terms.participation.staleness, 1) + 1]
        return [from_safetensors(self.store.get(cid)) for cid in wanted]

    def _setting(self, number: int, state: Vector) -> RoundSetting:
        return RoundSetting(
            plan=self.plan,
            plan_hash=self.plan.hash,
            number=number,
            statement=self.federation.statement,
            key=self.keys.vk,
            domain=self.deployment.domain,
            members=taking_part(self.plan, number, self._banned()),
            committee=self._committee,
            directions=self.federation.directions(state),
            one_process=True,
        )

    def _banned(self) -> set[int]:
        """Offenders of earlier rounds: named for certain once, they do not take part again."""
        return {client for record in self.records for client in record.convicted}

    def _prepare(
        self,
        setting: RoundSetting,
        updates: Mapping[int, NDArray[np.float32]],
        silent: dict[int, str],
        display: Display,
    ) -> dict[int, Prepared]:
        """Prove for all clients; the multi-exponentiations release the interpreter, so two threads use two cores.

        Who sits the round out for its privacy is added to `silent`.
        """

        def one(index: int) -> Prepared | str:
            secrets, update, key = self.parties.clients[index], updates[index], self.keys.pk
            kind = self.federation.cheats.get(index)
            try:
                if kind is None:
                    message = prepare(setting, index, secrets, update, key)
                else:
                    message = misbehave(kind, setting, index, secrets, update, key, self._previous(index))
                self._spending.spend(index, setting.number, message.signed.to_bytes())
            except (NoiseOverflow, BudgetExceeded) as error:
                return str(error)
            return message

        prepared: dict[int, Prepared] = {}
        with ThreadPoolExecutor(_PROVERS) as pool:
            for index, message in zip(updates, pool.map(one, updates), strict=True):
                if isinstance(message, str):
                    silent[index] = message
                else:
                    prepared[index] = message
                display.advance()
        return prepared

    def _previous(self, index: int) -> SignedUpdate | None:
        """The client's message of the round before, as everybody can read it."""
        if not self.records:
            return None
        cid = self.records[-1].clients[index - 1].update
        return SignedUpdate.from_bytes(self.store.get(cid)) if cid else None

    def _exchange(
        self, setting: RoundSetting, prepared: Mapping[int, Prepared]
    ) -> tuple[RoundOutcome, dict[int, Cost]]:
        """The messages of the round, between all parties, over a network in which some clients vanish."""
        seed, clients = self.federation.terms.seed, self.parties.clients
        beacon = generator(seed, "beacon", setting.number).bytes(32)

        def judging(party: int) -> RoundSetting:
            return replace(setting, past=self._scores.before(setting.number, party))

        parties: dict[int, Protocol[Any]] = {COORDINATOR: coordinator_round(judging(COORDINATOR), beacon)}
        parties |= {i: client_round(setting, i, clients[i], message) for i, message in prepared.items()}
        if (committee := self.parties.committee) and not committee.shares:
            servers = zip(setting.committee_parties, committee.members, strict=True)
            parties |= {p: server_round(judging(p), p, secrets) for p, secrets in servers}
        elif committee:
            decryptors = zip(setting.committee_parties, committee.members, committee.shares, strict=True)
            parties |= {p: committee_round(setting, p, secrets, share) for p, secrets, share in decryptors}
        rng = generator(seed, "vanish", setting.number)
        chances = {index: (rng.random(), int(rng.integers(1, _VANISH_BEFORE + 1))) for index in clients}
        vanish = {
            i: first
            for i, (chance, first) in chances.items()
            if chance < self.federation.drop and i in prepared
        }
        result = run_local(parties, network=Network(vanish=vanish))
        if COORDINATOR in result.errors:
            raise result.errors[COORDINATOR]
        outcome: RoundOutcome = result.results[COORDINATOR]
        said = result.results | {COORDINATOR: outcome.scored}
        self._scores.keep(
            setting.number, {p: notes for p, notes in said.items() if isinstance(notes, Scored)}
        )
        return outcome, result.costs
