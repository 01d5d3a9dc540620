"""The published spoof of proof-of-learning: a chain to somebody else's model, without training.

    start ----> equal steps on a straight line, each shorter than the tolerance ----> the model that was copied
    records     changed until their gradient is almost zero: repeating an interval then stays where it began,
                which is within the tolerance of where the next checkpoint is

One changed batch serves many intervals; it is only touched up where the model has moved on too far. The records look
like records (pixels in [0, 1], labels in range); nothing in the proof says that they were ever anybody's data.

Source: Zhang, Liu, Ding, Wang, Wu, Ren, "Adversarial examples for proof-of-learning" (arXiv 2108.09454, 2022): checkpoints
    by interpolation, records by minimising the norm of the gradient. What else is broken: Fang, Jia, Thudi, Yaghini,
    Choquette-Choo, Dullerud, Chandrasekaran, Papernot, "Proof-of-learning is currently more broken than you think" (2023).
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.baselines.proof_of_learning import Proof, Recipe
from fl.leakage.victims import gradients
from fl.models import Vector
from mpc.errors import ParameterError

__all__ = ["Spoof", "spoof"]

_STEP, _SPARE = 0.1, 0.5
# the gradient changes slowly along the line: it is looked at in so many places, not at every checkpoint
_LOOKS = 20
# half of the tolerance for the step on the line, most of the rest for what the gradient still moves
_LINE, _DRIFT = 0.5, 0.45


@dataclass(frozen=True, slots=True, eq=False)
class Spoof:
    """The proof, and what it cost: gradients of a batch, a gradient of a gradient counted as three."""

    proof: Proof
    gradients: int


def spoof(
    recipe: Recipe,
    start: Vector,
    copied: Vector,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    tolerance: float,
    intervals: int = 0,
    most_steps: int = 200,
) -> Spoof:
    """A proof that `copied` was trained from `start`, which `fl.baselines.proof_of_learning.verify` accepts.

    `features` and `labels` are one batch to begin with, any pictures. `intervals` is how much training to claim; the
    straight line may need more of them.

    Shapes: features [batch, inputs]; labels [batch].
    Raises: ParameterError when the batch does not fit, or its gradient cannot be made small enough.
    """
    if len(labels) != recipe.batch:
        raise ParameterError(f"the spoof wants one batch of {recipe.batch} records, got {len(labels)}")
    length = float(np.linalg.norm(copied.astype(np.float64) - start))
    intervals = max(intervals, int(np.ceil(length / (_LINE * tolerance))), 1)
    along = np.linspace(0.0, 1.0, intervals + 1)[:, None]
    line = (start + along * (copied.astype(np.float64) - start)).astype(np.float32)
    line[0], line[-1] = start, copied
    allowed = _DRIFT * tolerance / (recipe.learning_rate * recipe.interval)
    pictures, answers = torch.from_numpy(features.copy()), torch.from_numpy(labels)
    batches, place, spent = [pictures.numpy()], np.zeros(intervals, np.int64), 0
    for first in range(0, intervals, -(-intervals // _LOOKS)):
        weights = torch.from_numpy(line[first])
        pictures, more = _quietened(recipe, weights, pictures, answers, allowed, most_steps)
        spent += more
        if more > 1:
            batches.append(pictures.numpy())
        place[first:] = len(batches) - 1
    order = np.arange(recipe.batch) + recipe.batch * place[:, None, None]
    proof = Proof(
        recipe,
        line,
        np.concatenate(batches),
        np.tile(labels, len(batches)),
        np.repeat(order, recipe.interval, axis=1),
    )
    return Spoof(proof, spent)


def _quietened(
    recipe: Recipe, weights: Tensor, pictures: Tensor, labels: Tensor, allowed: float, most_steps: int
) -> tuple[Tensor, int]:
    """Pictures whose gradient at `weights` is at most `allowed` long, and what finding them cost."""
    norm = gradients(recipe.model, weights, pictures[None], labels[None]).norm().item()
    if norm <= allowed:
        return pictures, 1
    leaf, best, found = pictures.clone().requires_grad_(True), norm, pictures
    optimiser = torch.optim.Adam([leaf], lr=_STEP)
    spent = 1
    for _ in range(most_steps):
        length = gradients(recipe.model, weights, leaf[None], labels[None], differentiable=True).norm()
        spent += 3
        if length.item() < best:
            best, found = length.item(), leaf.detach().clone()
        # a little further than needed, so that the batch serves more of the line
        if best <= _SPARE * allowed:
            break
        (leaf.grad,) = torch.autograd.grad(length, leaf)
        optimiser.step()
        with torch.no_grad():
            leaf.clamp_(0, 1)
    if best > allowed:
        raise ParameterError(
            f"the gradient stays {best:.3g} long where {allowed:.3g} is allowed: the tolerance is too small to spoof so"
        )
    return found, spent
