"""What a run trains on and with, and what is done to it; checked before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl import data
from fl.aggregate.secagg import sum_parameters
from fl.models import Evaluation, SoftmaxRegression
from fl.partition import split
from fl.plan import Terms, update_codec
from fl.seeds import generator
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
    model: SoftmaxRegression
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
        model = SoftmaxRegression(dataset.inputs, dataset.classes)
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
        mine = self.shards[index - 1]
        features, labels = _tensors(self.dataset.train_x[mine], self.dataset.train_y[mine])
        rng = generator(self.terms.seed, "training", number, index)
        return self.model.train(start, features, labels, self.terms.training, rng)

    def evaluate(self, parameters: NDArray[np.float32]) -> Evaluation:
        """Accuracy and loss on the held-out samples."""
        return self.model.evaluate(parameters, *_tensors(self.dataset.test_x, self.dataset.test_y))


def _tensors(features: NDArray[np.float32], labels: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(np.ascontiguousarray(features)), torch.from_numpy(np.ascontiguousarray(labels))
