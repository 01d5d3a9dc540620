"""What every model offers: parameters as one flat vector, and many clients computed at once."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

__all__ = [
    "Evaluation",
    "Model",
    "Vector",
    "autograd_gradient",
    "evaluate_in_chunks",
    "rectifier_error",
    "softmax_error",
]

Vector = NDArray[np.float32]

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`accuracy` in [0, 1]; `loss` is the mean cross-entropy in nats."""

    accuracy: float
    loss: float


class Model(Protocol):
    """A frozen dataclass of shapes: it holds no parameters, so it pickles and can be written into a plan.

    Shapes: one model's parameters are float32 [size]. `logits` and `gradient` take as many models as there are
    clients: parameters [clients, size], features [clients, batch, inputs], labels and weights [clients, batch].
    """

    @property
    def name(self) -> str:
        """The name `model_for` knows it by."""

    @property
    def inputs(self) -> int:
        """Features of one record."""

    @property
    def classes(self) -> int:
        """Labels are 0 .. classes - 1."""

    @property
    def size(self) -> int:
        """Number of parameters."""

    @property
    def cohort(self) -> int:
        """How many clients are best trained at once on one core."""

    def initial(self, seed: int) -> Vector:
        """The weights everybody starts from. Shapes: [size]."""

    def logits(self, parameters: Tensor, features: Tensor) -> Tensor:
        """Unnormalised log-chances, differentiable by autograd. Shapes: [clients, batch, classes]."""

    def gradient(self, parameters: Tensor, features: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
        """The gradient of every client's sum over its batch of weight times cross-entropy.

        A mean is weights of 1 / batch; a record that is only padding has weight 0. Shapes: [clients, size].
        """

    def evaluate(
        self, parameters: Vector, features: Tensor | NDArray[np.float32], labels: Tensor | NDArray[np.int64]
    ) -> Evaluation:
        """Accuracy and loss of one model on held-out records. Shapes: [size], [records, inputs], [records]."""


def softmax_error(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The gradient of weight times cross-entropy with respect to the logits: weight * (chances - one hot).

    Classes are rows here, because along rows of so few the exponentials take ten times as long.
    Shapes: logits and result [clients, classes, batch]; labels and weights [clients, batch].
    """
    weights = weights.unsqueeze(1)
    return torch.softmax(logits, dim=1).mul_(weights).scatter_add_(1, labels.unsqueeze(1), -weights)


def rectifier_error(error: Tensor, active: Tensor) -> Tensor:
    """`error` (changed in place) where the rectifier's output `active` is positive, and zero elsewhere."""
    into: Tensor = torch.ops.aten.threshold_backward.grad_input(error, active, 0, grad_input=error)
    return into


def autograd_gradient(
    model: Model, parameters: Tensor, features: Tensor, labels: Tensor, weights: Tensor
) -> Tensor:
    """`Model.gradient` by differentiating `Model.logits`: the plain twin of the hand-written ones."""
    leaf = parameters.detach().requires_grad_(True)
    logits = model.logits(leaf, features)
    losses = functional.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    (gradient,) = torch.autograd.grad((losses * weights.flatten()).sum(), leaf)
    return gradient


def evaluate_in_chunks(
    model: Model,
    parameters: Vector,
    features: Tensor | NDArray[np.float32],
    labels: Tensor | NDArray[np.int64],
) -> Evaluation:
    """`Model.evaluate` for any model, a thousand records at a time."""
    samples, answers = torch.as_tensor(features), torch.as_tensor(labels)
    weights = torch.from_numpy(parameters).to(samples.device)[None]
    right, loss = 0, 0.0
    with torch.no_grad():
        for x, y in zip(torch.split(samples, _CHUNK), torch.split(answers, _CHUNK), strict=True):
            logits = model.logits(weights, x[None])[0]
            right += int((logits.argmax(1) == y).sum())
            loss += float(functional.cross_entropy(logits, y, reduction="sum"))
    return Evaluation(accuracy=right / len(answers), loss=loss / len(answers))
