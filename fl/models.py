"""Models as one flat float32 vector of parameters, and their canonical file."""

import json
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fl.plan import Training
from fl.seeds import generator
from mpc.errors import DecodeError

__all__ = ["Evaluation", "SoftmaxRegression", "from_safetensors", "to_safetensors"]

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`accuracy` in [0, 1]; `loss` is the mean cross-entropy in nats."""

    accuracy: float
    loss: float


@dataclass(frozen=True, slots=True)
class SoftmaxRegression:
    """Multinomial logistic regression: `inputs` x `classes` weights, then `classes` biases.

    Shapes: parameters [size] with size = (inputs + 1) * classes; features [samples, inputs]; labels [samples].
    """

    inputs: int
    classes: int

    @property
    def size(self) -> int:
        return (self.inputs + 1) * self.classes

    def initial(self, seed: int) -> Vector:
        """Small random weights from the training seed tree."""
        return generator(seed, "initial").normal(0.0, 0.01, self.size).astype(np.float32)

    def _logits(self, parameters: Tensor, features: Tensor) -> Tensor:
        weights = parameters[: -self.classes].view(self.inputs, self.classes)
        return torch.addmm(parameters[-self.classes :], features, weights)

    def train(
        self, start: Vector, features: Tensor, labels: Tensor, how: Training, rng: np.random.Generator
    ) -> Vector:
        """The update (trained minus start) after `how.epochs` of minibatch SGD; `rng` orders the samples."""
        parameters = torch.from_numpy(start.copy()).requires_grad_(True)
        for _ in range(how.epochs):
            order = torch.from_numpy(rng.permutation(len(labels)))
            for batch in torch.split(order, how.batch):
                loss = functional.cross_entropy(self._logits(parameters, features[batch]), labels[batch])
                (gradient,) = torch.autograd.grad(loss, parameters)
                with torch.no_grad():
                    parameters -= how.learning_rate * gradient
        update: Vector = parameters.detach().numpy() - start
        return update

    def evaluate(self, parameters: Vector, features: Tensor, labels: Tensor) -> Evaluation:
        with torch.no_grad():
            logits = self._logits(torch.from_numpy(parameters), features)
            loss = functional.cross_entropy(logits, labels)
            right = (logits.argmax(1) == labels).float().mean()
        return Evaluation(accuracy=float(right), loss=float(loss))


def to_safetensors(parameters: Vector) -> bytes:
    """The canonical safetensors file of one flat model: the same vector always gives the same bytes.

    Written here, not by the library, because the bytes are hashed onto a ledger and must not move between releases.
    """
    header = {
        "parameters": {"dtype": "F32", "shape": [len(parameters)], "data_offsets": [0, 4 * len(parameters)]}
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + parameters.astype("<f4").tobytes()


def from_safetensors(data: bytes) -> Vector:
    """Read a model written by `to_safetensors`. Raises: DecodeError unless the bytes are exactly such a file."""
    body = data[8 + int.from_bytes(data[:8], "little") :]
    parameters = np.frombuffer(body[: len(body) // 4 * 4], dtype="<f4").astype(np.float32)
    if to_safetensors(parameters) != data:
        raise DecodeError("not a canonical model file")
    return parameters
