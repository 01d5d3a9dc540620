"""What a run trains on and with, and what is done to it; checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fl import data
from fl.aggregate.secagg import sum_parameters
from fl.engine import LocalSGD, Work
from fl.models import Evaluation, Model, model_for
from fl.optim import FedAvg
from fl.partition import split
from fl.plan import Terms, update_codec
from mpc.errors import ParameterError
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
    statement: NormBound

    @classmethod
    def gather(
        cls, terms: Terms, cheats: Mapping[int, str], drop: float, directory: Path | None
    ) -> "Federation":
        """Load and split the data, and refuse terms that cannot work.

        Raises: ParameterError, CodecError (naming the missing bits).
        """
        dataset = data.load(terms.dataset, directory)
        shards = split(dataset.train_y, terms.clients, terms.partition, terms.seed, terms.training.batch)
        model = model_for(terms.model, dataset.inputs, dataset.classes)
        update_codec(terms, max(map(len, shards)))
        statement = NormBound(dim=model.size, bits=terms.update.bits)
        if terms.aggregation.mode == "secagg":
            everyone = tuple(range(1, terms.clients + 1))
            sum_parameters(everyone, terms.aggregation, model.size, statement.chunks, bytes(32))
        return cls(terms, cheats, drop, dataset, shards, model, statement)

    def train(self, number: int, index: int, start: NDArray[np.float32]) -> NDArray[np.float32]:
        """The update of client `index` (from 1) in round `number`.

        Shapes: start and result [dim].
        """
        trained = self.work.train([index], start, {}, number)[index]
        if trained.payload is None:
            raise ParameterError(f"client {index}: {trained.reason}")
        return trained.payload

    @cached_property
    def work(self) -> Work:
        """What the clients train on, and how."""
        how = self.terms.training
        sgd = LocalSGD(epochs=how.epochs, batch=how.batch, learning_rate=how.learning_rate)
        features, labels = self.dataset.train_x, self.dataset.train_y
        return Work(self.model, FedAvg(sgd), features, labels, self.shards, self.terms.seed)

    def evaluate(self, parameters: NDArray[np.float32]) -> Evaluation:
        """Accuracy and loss on the held-out samples."""
        return self.model.evaluate(parameters, self.dataset.test_x, self.dataset.test_y)
