"""One machine plays every member: data, models and secrets of all of them, and the rounds between them."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from chain_adapter import Deployment, LocalStore, Member
from fl import data
from fl.aggregate.secagg import sum_parameters
from fl.cache import cache_directory
from fl.cheats import misbehave
from fl.client import Prepared, client_round, prepare
from fl.ledger import open_ledger
from fl.member import MemberSecrets
from fl.models import SoftmaxRegression, from_safetensors, to_safetensors
from fl.partition import split
from fl.plan import Contracts, Plan, Terms, update_codec
from fl.progress import RunDisplay
from fl.publish import Publisher
from fl.record import RoundRecord
from fl.round import RoundOutcome, coordinator_round
from fl.rundir import RunDirectory, RunDirectoryError
from fl.seeds import generator
from fl.setting import COORDINATOR, RoundSetting
from fl.update import SignedUpdate
from mpc.errors import DecodeError
from mpc.prg import Stream
from mpc.runtime import Cost, Network, run_local
from zk.commit_prove import Keys
from zk.key_bytes import encode_verifier_key
from zk.keycache import load_or_create
from zk.statements import NormBound

__all__ = ["Federation", "Session"]

# a client that vanishes does so before one of the first messages of the round, whichever the seed says
_VANISH_BEFORE = 10
_PROVERS = 2


@dataclass(frozen=True)
class Federation:
    """Data and model of a run, and what is done to it: who cheats, how often clients vanish."""

    terms: Terms
    cheats: Mapping[int, str]
    drop: float
    dataset: data.Dataset
    shards: Sequence[NDArray[np.int64]]
    model: SoftmaxRegression
    statement: NormBound

    @classmethod
    def gather(
        cls, terms: Terms, cheats: Mapping[int, str], drop: float, directory: Path | None
    ) -> "Federation":
        """Load and split the data, and refuse terms that cannot work, before anything is written.

        Raises: ParameterError, CodecError (naming the missing bits).
        """
        dataset = data.load(terms.dataset, directory)
        shards = split(dataset.train_y, terms.clients, terms.partition, terms.seed, terms.training.batch)
        model = SoftmaxRegression(dataset.inputs, dataset.classes)
        update_codec(terms, max(map(len, shards)))
        statement = NormBound(dim=model.size, bits=terms.update.bits)
        if terms.aggregation.mode == "secagg":
            everyone = tuple(range(1, terms.clients + 1))
            sum_parameters(everyone, terms.aggregation, model.size, statement.chunks, bytes(32))
        return cls(terms, cheats, drop, dataset, shards, model, statement)

    @contextmanager
    def open(self, directory: RunDirectory, chain: str, display: RunDisplay) -> Iterator["Session"]:
        """Secrets, keys, ledger and plan of the run in `directory`: made at the first start, found again later."""
        torch.set_num_threads(1)  # one thread: the same sums in the same order, whatever the machine has
        coordinator, members = _secrets(directory, self.terms.clients)
        display.stage("proving and verifying keys")
        keys = load_or_create(self.statement, cache_directory() / "keys", unsafe_single_party=True)
        store = LocalStore(directory.blocks)
        display.stage("ledger")
        with open_ledger(chain, directory, coordinator.signer) as deployment:
            plan = self._plan(directory, store, keys, members, deployment)
            session = Session(self, directory, store, keys, members, deployment, plan)
            session.publisher.register()
            yield session

    def _plan(
        self,
        directory: RunDirectory,
        store: LocalStore,
        keys: Keys,
        members: Mapping[int, MemberSecrets],
        deployment: Deployment,
    ) -> Plan:
        plan = Plan(
            terms=self.terms,
            members=tuple(
                Member(secret.address, secret.identity.public().raw, len(shard))
                for secret, shard in zip(members.values(), self.shards, strict=True)
            ),
            dataset_sha256=self.dataset.sha256,
            verifying_key=store.put(encode_verifier_key(keys.vk)),
            initial_model=store.put(to_safetensors(self.model.initial(self.terms.seed))),
            contracts=Contracts(deployment.domain.chain_id, deployment.domain.verifying_contract),
        )
        if (directory.path / "plan.json").is_file() and directory.read("plan.json") != plan.to_bytes():
            raise RunDirectoryError(
                f"{directory.path} was started with other data, keys or contracts than there are now: "
                "its plan cannot be continued"
            )
        directory.write("plan.json", plan.to_bytes())
        return plan


def _secrets(directory: RunDirectory, clients: int) -> tuple[MemberSecrets, dict[int, MemberSecrets]]:
    """The members' root secrets; drawn once, before anything is signed."""
    if not (directory.path / "secrets.json").is_file():
        drawn = [Stream.from_os(b"eppml/member").bytes(32).hex() for _ in range(clients + 1)]
        directory.write_json("secrets.json", {"roots": drawn}, private=True)
    try:
        roots = [bytes.fromhex(text) for text in directory.read_json("secrets.json")["roots"]]
    except (KeyError, TypeError, ValueError) as error:
        raise RunDirectoryError(f"{directory.path / 'secrets.json'} is damaged") from error
    if len(roots) != clients + 1:
        raise RunDirectoryError(
            f"{directory.path / 'secrets.json'} holds the secrets of another number of clients"
        )
    coordinator, *members = (MemberSecrets(root) for root in roots)
    return coordinator, dict(enumerate(members, start=1))


class Session:
    """An open run: everything a round needs, and what carries over from one round to the next."""

    def __init__(
        self,
        federation: Federation,
        directory: RunDirectory,
        store: LocalStore,
        keys: Keys,
        members: Mapping[int, MemberSecrets],
        deployment: Deployment,
        plan: Plan,
    ) -> None:
        self.federation, self.directory, self.store, self.keys = federation, directory, store, keys
        self.members, self.deployment, self.plan = members, deployment, plan
        self.publisher = Publisher(plan, federation.statement, keys.vk, store, deployment)
        self._test = _tensors(federation.dataset.test_x, federation.dataset.test_y)
        self.records: list[RoundRecord] = []
        for number in range(directory.rounds_done()):
            document = directory.read_json(directory.round_file(number))
            try:
                self.records.append(RoundRecord.from_bytes(store.get(document["record_cid"])))
            except (KeyError, TypeError, DecodeError) as error:
                raise RunDirectoryError(f"round {number} of {directory.path} is damaged: {error}") from error

    @property
    def model_cid(self) -> str:
        return self.records[-1].model if self.records else self.plan.initial_model

    def play_round(self, number: int, display: RunDisplay) -> dict[str, Any]:
        """Play round `number` from training to the ledger; returns what the run directory keeps of it."""
        setting = self._setting(number)
        parameters = from_safetensors(self.store.get(self.model_cid))
        clock = perf_counter()
        display.stage(f"round {number}: training")
        updates = {index: self._train(number, index, parameters) for index in setting.members}
        trained = perf_counter()
        display.stage(f"round {number}: proving")
        prepared = self._prepare(setting, updates, display)
        proved = perf_counter()
        display.stage(f"round {number}: aggregating")
        outcome, costs = self._exchange(setting, prepared)
        exchanged = perf_counter()
        display.stage(f"round {number}: writing to the ledger")
        after = parameters
        if outcome.total is not None:
            samples = sum(setting.members[index].samples for index in outcome.included)
            mean = self.plan.codec().decode_sum(outcome.total, total_weight=samples)
            after = (parameters + mean).astype(np.float32)
        record, record_cid, gas = self.publisher.publish(
            setting,
            outcome,
            self.model_cid,
            after,
            self.federation.model.evaluate(after, *self._test),
            self._banned(),
        )
        self.records.append(record)
        display.advance(len(self.plan.members) - len(setting.members))
        clients = [cost for party, cost in costs.items() if party != COORDINATOR]
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
                "chain": perf_counter() - exchanged,
            },
            "bytes": {
                "update_message": max(len(p.signed.to_bytes()) for p in prepared.values()),
                "sent_per_client": max(cost.bytes_sent for cost in clients),
                "received_per_client": max(cost.bytes_received for cost in clients),
                "coordinator_sent": server.bytes_sent,
                "coordinator_received": server.bytes_received,
                "float32_update": 4 * self.federation.model.size,
            },
            "rounds_of_messages": server.rounds,
            "gas": gas,
            "saturated": sum(p.saturated for p in prepared.values()),
        }

    def finish(self) -> str:
        """Write the final model; returns its CID."""
        self.directory.write("model.safetensors", self.store.get(self.model_cid))
        return self.model_cid

    def _setting(self, number: int) -> RoundSetting:
        banned = self._banned()
        return RoundSetting(
            plan=self.plan,
            plan_hash=self.plan.hash,
            number=number,
            statement=self.federation.statement,
            key=self.keys.vk,
            domain=self.deployment.domain,
            members={i: m for i, m in enumerate(self.plan.members, start=1) if i not in banned},
        )

    def _banned(self) -> set[int]:
        """Offenders of earlier rounds: named for certain once, they do not take part again."""
        return {
            client.client
            for record in self.records
            for client in record.clients
            if client.status == "rejected" and client.certain
        }

    def _train(self, number: int, index: int, parameters: NDArray[np.float32]) -> NDArray[np.float32]:
        federation = self.federation
        mine = federation.shards[index - 1]
        features, labels = _tensors(federation.dataset.train_x[mine], federation.dataset.train_y[mine])
        rng = generator(federation.terms.seed, "training", number, index)
        return federation.model.train(parameters, features, labels, federation.terms.training, rng)

    def _prepare(
        self, setting: RoundSetting, updates: Mapping[int, NDArray[np.float32]], display: RunDisplay
    ) -> dict[int, Prepared]:
        """Prove for all clients; the multi-exponentiations release the interpreter, so two threads use two cores."""

        def one(index: int) -> Prepared:
            secrets, update, key = self.members[index], updates[index], self.keys.pk
            kind = self.federation.cheats.get(index)
            if kind is None:
                return prepare(setting, index, secrets, update, key)
            return misbehave(kind, setting, index, secrets, update, key, self._previous(index))

        prepared: dict[int, Prepared] = {}
        with ThreadPoolExecutor(_PROVERS) as pool:
            for index, message in zip(updates, pool.map(one, updates), strict=True):
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
        beacon = generator(self.federation.terms.seed, "beacon", setting.number).bytes(32)
        rng = generator(self.federation.terms.seed, "vanish", setting.number)
        chances = {index: (rng.random(), int(rng.integers(1, _VANISH_BEFORE + 1))) for index in self.members}
        vanish = {
            i: first
            for i, (chance, first) in chances.items()
            if chance < self.federation.drop and i in prepared
        }
        result = run_local(
            {COORDINATOR: coordinator_round(setting, beacon)}
            | {i: client_round(setting, i, self.members[i], message) for i, message in prepared.items()},
            network=Network(vanish=vanish),
        )
        if COORDINATOR in result.errors:
            raise result.errors[COORDINATOR]
        outcome: RoundOutcome = result.results[COORDINATOR]
        return outcome, result.costs


def _tensors(features: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.ascontiguousarray(features)), torch.from_numpy(np.ascontiguousarray(labels))
