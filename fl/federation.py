"""What a run trains on and with, and what is done to it; checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fl import data, schedule
from fl.aggregate.secagg import sum_parameters
from fl.engine import LocalEngine, Trained, Work
from fl.learning import algorithm_of
from fl.models import Evaluation, Model, Vector, model_for
from fl.optim import Algorithm
from fl.partition import split
from fl.plan import Terms, update_codec, update_noise
from fl.privacy import resolve
from zk.statements import NormBound

__all__ = ["Federation"]


@dataclass(frozen=True)
class Federation:
    """Data and model of a run, and what is done to it: who cheats, how often clients vanish."""

    terms: Terms
    cheats: Mapping[int, str]
    drop: float
    dataset: data.Dataset
    shards: Sequence[NDArray[np.int64]]
    model: Model
    algorithm: Algorithm
    statement: NormBound

    @classmethod
    def gather(
        cls,
        terms: Terms,
        cheats: Mapping[int, str],
        drop: float,
        directory: Path | None,
        *,
        allow_unverified: bool = False,
    ) -> "Federation":
        """Load and split the data, and refuse terms that cannot work.

        Raises: ParameterError, CodecError (naming the missing bits).
        """
        terms = replace(terms, privacy=resolve(terms.privacy, terms.rounds))
        algorithm = algorithm_of(terms)
        dataset = data.load(terms.dataset, directory, allow_unverified)
        model = model_for(terms.model, dataset.inputs, dataset.classes)
        shards = split(dataset.train_y, terms.clients, terms.partition, terms.seed, terms.training.batch)
        heaviest = max(weights_of(terms, shards))
        update_codec(terms, heaviest)
        statement = NormBound(dim=algorithm.payload_size(model.size), bits=terms.update.bits)
        update_noise(terms, statement.dim, heaviest, max(map(len, shards)))
        if terms.aggregation.mode == "secagg":
            everyone = tuple(range(1, terms.clients + 1))
            sum_parameters(everyone, terms.aggregation, statement.dim, statement.chunks, bytes(32))
        return cls(terms, cheats, drop, dataset, shards, model, algorithm, statement)

    @property
    def weights(self) -> list[int]:
        """What each client's update weighs in the mean: its samples, or 1 where all weigh the same."""
        return weights_of(self.terms, self.shards)

    def initial_state(self) -> Vector:
        """Where training starts: the model's first weights and the algorithm's server state. Shapes: [state_size]."""
        return self.algorithm.initial_state(self.model.initial(self.terms.seed))

    def engine(self, processes: int = 1, device: str = "cpu") -> LocalEngine:
        """What trains the clients; a context manager."""
        work = Work(
            self.model,
            self.algorithm,
            self.dataset.train_x,
            self.dataset.train_y,
            self.shards,
            self.terms.seed,
            device,
        )
        return LocalEngine(work, processes)

    def train(
        self,
        engine: LocalEngine,
        number: int,
        members: Sequence[int],
        states: Sequence[Vector],
        memories: Mapping[int, Vector],
    ) -> dict[int, Trained]:
        """What each of `members` makes of round `number`; `states[s]` is the state of `s` rounds ago.

        A client that starts from an old state sends its payload scaled down, as the plan says.
        """
        by_age: dict[int, list[int]] = {}
        for client in members:
            age = min(schedule.staleness(self.terms, number, client), len(states) - 1)
            by_age.setdefault(age, []).append(client)
        trained: dict[int, Trained] = {}
        for age, clients in sorted(by_age.items()):
            weight = np.float32(schedule.stale_weight(self.terms, age))
            for client, made in engine.train(number, states[age], clients, memories).items():
                if age and made.payload is not None:
                    made = replace(made, payload=made.payload * weight)
                trained[client] = made
        return trained

    def evaluate(self, state: Vector) -> Evaluation:
        """Accuracy and loss of the model in `state` on the held-out samples."""
        return self.model.evaluate(state[: self.model.size], self.dataset.test_x, self.dataset.test_y)


def weights_of(terms: Terms, shards: Sequence[NDArray[np.int64]]) -> list[int]:
    return [len(shard) if terms.weights == "samples" else 1 for shard in shards]
