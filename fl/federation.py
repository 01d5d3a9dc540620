"""What a run trains on and with, and what is done to it; checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fl import data, schedule
from fl.aggregate.secagg import sum_parameters
from fl.engine import LocalEngine, Trained, Work
from fl.learning import algorithm_of, require_fit
from fl.models import Evaluation, Model, Vector, model_for
from fl.optim import Algorithm
from fl.partition import split
from fl.plan import Terms, update_codec, update_noise
from fl.poisoning import poisoned_data, poisoned_payloads
from fl.privacy import resolve
from fl.robust import encode_directions
from fl.robust.directions import RootSet, gradient_directions
from fl.screening import require_rule, wants_directions
from fl.seeds import generator
from mpc.errors import ParameterError
from zk.statements import NormBound

if TYPE_CHECKING:  # Ray is an extra
    from fl.scale.ray_engine import RayEngine

__all__ = ["Federation"]


@dataclass(frozen=True)
class Federation:
    """Data and model of a run, and what is done to it: who cheats or attacks, how often clients vanish."""

    terms: Terms
    cheats: Mapping[int, str]
    attackers: Mapping[int, str]
    drop: float
    dataset: data.Dataset
    shards: Sequence[NDArray[np.int64]]
    model: Model
    algorithm: Algorithm
    statement: NormBound
    root: RootSet | None = None

    @classmethod
    def gather(
        cls,
        terms: Terms,
        cheats: Mapping[int, str],
        drop: float,
        directory: Path | None,
        *,
        attackers: Mapping[int, str] | None = None,
        allow_unverified: bool = False,
    ) -> "Federation":
        """Load and split the data, and refuse terms that cannot work.

        Raises: ParameterError, CodecError (naming the missing bits).
        """
        terms = replace(terms, privacy=resolve(terms.privacy, terms.rounds))
        schedule.require_members(terms)
        algorithm = algorithm_of(terms)
        dataset = data.load(terms.dataset, directory, allow_unverified)
        model = model_for(terms.model, dataset.inputs, dataset.classes)
        require_rule(terms)
        root, rest = _root_set(terms, dataset)
        parts = split(dataset.train_y[rest], terms.clients, terms.partition, terms.seed, terms.training.batch)
        shards = [rest[part] for part in parts]
        require_fit(terms, algorithm, model, [len(shard) for shard in shards])
        heaviest = max(weights_of(terms, shards))
        update_codec(terms, heaviest)
        statement = NormBound(dim=algorithm.payload_size(model.size), bits=terms.update.bits)
        update_noise(terms, statement.dim, heaviest, max(map(len, shards)))
        if terms.aggregation.mode == "secagg":
            everyone = tuple(range(1, terms.clients + 1))
            sum_parameters(everyone, terms.aggregation, statement.dim, statement.chunks, bytes(32))
        if root is not None and statement.dim != model.size:
            raise ParameterError(
                f"robustness.rule {terms.robustness.rule} judges whole model updates, and {algorithm.name} sends "
                f"{statement.dim} numbers for {model.size} parameters"
            )
        return cls(terms, cheats, attackers or {}, drop, dataset, shards, model, algorithm, statement, root)

    @property
    def weights(self) -> list[int]:
        """What each client's update weighs in the mean: its samples, or 1 where all weigh the same."""
        return weights_of(self.terms, self.shards)

    def initial_state(self) -> Vector:
        """Where training starts: the model's first weights and the algorithm's server state. Shapes: [state_size]."""
        return self.algorithm.initial_state(self.model.initial(self.terms.seed))

    def work(self, device: str = "cpu") -> Work:
        """Everything that training needs, for an engine."""
        features, labels, shards = self.dataset.train_x, self.dataset.train_y, self.shards
        if self.attackers:
            features, labels, shards = poisoned_data(self.dataset, shards, self.attackers, self.terms.seed)
        return Work(self.model, self.algorithm, features, labels, shards, self.terms.seed, device)

    def train(
        self,
        engine: "LocalEngine | RayEngine",
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
        if not self.attackers:
            return trained
        size = self.statement.dim
        last = states[0] - states[1] if len(states) > 1 else np.zeros_like(states[0])
        previous = last[:size] if len(last) >= size else np.zeros(size, dtype=np.float32)
        return poisoned_payloads(
            trained,
            self.attackers,
            previous,
            self.directions(states[0]),
            self.terms.clients,
            self.terms.seed,
            number,
        )

    def directions(self, state: Vector) -> NDArray[np.int64] | None:
        """The public directions that updates are judged by, from the root set and the model in `state`.

        Shapes: [classes, size]; None where the plan's rule needs none.
        """
        if self.root is None:
            return None
        return encode_directions(gradient_directions(self.model, state[: self.model.size], self.root))

    def evaluate(self, state: Vector) -> Evaluation:
        """Accuracy and loss of the model in `state` on the held-out samples."""
        return self.model.evaluate(state[: self.model.size], self.dataset.test_x, self.dataset.test_y)


def _root_set(terms: Terms, dataset: data.Dataset) -> tuple[RootSet | None, NDArray[np.int64]]:
    """The coordinator's public samples, `robustness.root` of each class, and the indices of all others."""
    everything = np.arange(len(dataset.train_y))
    if not wants_directions(terms):
        return None, everything
    rng = generator(terms.seed, "root set")
    chosen = np.concatenate(
        [
            rng.permutation(np.flatnonzero(dataset.train_y == label))[: terms.robustness.root]
            for label in range(dataset.classes)
        ]
    )
    root = RootSet(dataset.train_x[chosen], dataset.train_y[chosen], dataset.classes)
    return root, np.setdiff1d(everything, chosen)


def weights_of(terms: Terms, shards: Sequence[NDArray[np.int64]]) -> list[int]:
    return [len(shard) if terms.weights == "samples" else 1 for shard in shards]
