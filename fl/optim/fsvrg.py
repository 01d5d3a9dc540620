"""Federated SVRG: steps that are exact where clients agree, and longer where a feature is rare among them.

Source: Konecny, McMahan, Ramage, Richtarik, "Federated optimization: distributed machine learning for on-device
intelligence", arXiv 1610.02527 (2016), section 3.6, Algorithm 4. There and here

    phi^j    = n^j / n        how often feature j occurs in all records
    phi_k^j  = n_k^j / n_k    ... in those of client k
    omega^j                   how many clients have it at all
    S_k = diag(phi^j / phi_k^j),  A = diag(K / omega^j),  h_k = h / n_k

(Reprints of the algorithm divide n_k^j by n, lose the range t = 1..n_k of the inner loop, or assign w^t in its last
line where w^{t+1} is meant.)
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from fl.engine import LocalSGD, full_gradient
from fl.engine.cohort import Cohort
from fl.models import Model, Vector
from fl.optim.base import Double, OneVector
from mpc.errors import ParameterError

__all__ = ["FSVRG", "frequency", "largest_counts", "relative_rarity", "require_linear"]


@dataclass(frozen=True, slots=True)
class FSVRG(OneVector):
    """Odd rounds move the model, with the gradient of all data that the even round before them summed.

    The step size h is `sgd.learning_rate`; a batch of more than one record takes h divided by the number of steps of
    a pass, which is h / n_k for single records, and so do all passes where there are several. With `sparse`, for
    linear models, S_k and A come from feature occurrence: the first two rounds sum phi and omega, so that no client
    shows which features it has. Without, both are the identity, as for data in which every feature occurs everywhere.

    Shapes: the state is [w | gradient], and with `sparse` [w | gradient | phi | A], `size` entries each.
    Assumes: the mean weights clients by their samples, as the gradient, phi and the last line of the algorithm do;
        with `sparse`, the plan's bounds leave room for `largest_counts`.
    Raises: ParameterError for local momentum or augmentation, under which the variance reduction is not defined.
    """

    name: ClassVar[str] = "fsvrg"

    sgd: LocalSGD = LocalSGD()
    sparse: bool = False

    def __post_init__(self) -> None:
        if self.sgd.momentum or self.sgd.augment:
            raise ParameterError("fsvrg takes neither training.momentum nor training.augment")

    def state_size(self, size: int) -> int:
        return 4 * size if self.sparse else 2 * size

    def initial_state(self, w: Vector) -> Vector:
        parts = [w, np.zeros_like(w)]
        if self.sparse:
            parts += [np.zeros_like(w), np.ones_like(w)]
        return np.concatenate(parts)

    def local(
        self, model: Model, cohort: Cohort, state: Vector, memory: Tensor, round: int
    ) -> tuple[Tensor, Tensor]:
        start, total, *counted = cohort.tensor(state).view(-1, model.size)
        if self.sparse and round < 2:
            return _phi_upload(model, cohort) if round == 0 else _omega_upload(model, cohort), memory
        if round % 2 == 0:
            return full_gradient(model, cohort, start), memory
        scale = relative_rarity(model, cohort, counted[0]) if self.sparse else None
        return self._pass(model, cohort, start, total, scale) - start, memory

    def step(self, state: Vector, mean: Double, share: float, round: int) -> Vector:
        parts = state.astype(np.float64).reshape(-1, mean.size)
        if self.sparse and round == 0:
            parts[2] = mean
        elif self.sparse and round == 1:
            # every client has the bias, whose entry comes last and so stands for K
            parts[3] = np.where(mean > 0, mean[-1] / np.where(mean > 0, mean, 1), 1)
        elif round % 2 == 0:
            parts[1] = mean
        else:
            parts[0] += parts[3] * mean if self.sparse else mean
        return parts.ravel().astype(np.float32)

    def _pass(
        self, model: Model, cohort: Cohort, start: Tensor, total: Tensor, scale: Tensor | None
    ) -> Tensor:
        """Lines 5 to 9 of the algorithm: where each client's variance-reduced steps end."""
        current = start.expand(len(cohort), -1).clone()
        steps = torch.tensor(cohort.steps(1, self.sgd.batch), device=cohort.device)[:, None]
        for batch in cohort.batches(self.sgd.epochs, self.sgd.batch):
            some = slice(batch.active)
            w = current[some]
            at_start = start.expand(batch.active, -1).contiguous()
            change = model.gradient(w, batch.features, batch.labels, batch.weights)
            change -= model.gradient(at_start, batch.features, batch.labels, batch.weights)
            if scale is not None:
                change *= scale[some]
            w -= self.sgd.learning_rate / steps[some] * (change + total)
        return current


def require_linear(model: Model) -> None:
    """Raises: ParameterError unless the model is linear: a weight for every feature and class, then biases."""
    if model.size != (model.inputs + 1) * model.classes:
        raise ParameterError(f"sparse fsvrg counts features for linear models only, not for {model.name}")


def largest_counts(model: Model, samples: int) -> tuple[float, float]:
    """The largest entry and the largest norm of what a client with `samples` uploads while features are counted."""
    return max((model.inputs + 1) ** -0.5, 1 / samples), max(1.0, model.size**0.5 / samples)


def frequency(model: Model, cohort: Cohort) -> Tensor:
    """phi_k^j: in which part of a client's records the feature is not zero; 1 for the bias, which comes last.

    Shapes: [clients, inputs + 1].
    Raises: ParameterError unless the model is linear.
    """
    require_linear(model)
    shares = torch.ones((len(cohort), model.inputs + 1), device=cohort.device)
    for client, n in enumerate(cohort.counts):
        shares[client, :-1] = (cohort.data_x[cohort.rows[client, :n]] != 0).float().mean(0)
    return shares


def relative_rarity(model: Model, cohort: Cohort, phi: Tensor) -> Tensor:
    """The diagonal of S_k; 1 where it cannot matter (a feature the client lacks) or is not known (one nobody counted).

    Shapes: phi [size], as `_phi_upload` lays it out; the result [clients, size].
    """
    own = frequency(model, cohort)
    whole = phi[: own.shape[1]] / phi[own.shape[1] - 1]
    known = (own > 0) & (whole > 0)
    scale = torch.where(known, whole / torch.where(known, own, 1.0), 1.0)
    return scale.repeat_interleave(model.classes, dim=1)


def _phi_upload(model: Model, cohort: Cohort) -> Tensor:
    """phi_k, whose mean over samples is phi, shrunk to a norm of at most 1; the last one, the bias's, tells by how much.

    Shapes: [clients, size], of which the first inputs + 1 are used.
    """
    own = frequency(model, cohort)
    upload = torch.zeros((len(cohort), model.size), device=cohort.device)
    upload[:, : own.shape[1]] = own / own.shape[1] ** 0.5
    return upload


def _omega_upload(model: Model, cohort: Cohort) -> Tensor:
    """1 / n_k where the client has the feature: weighted by samples, every client that has it counts the same.

    Shapes: [clients, size].
    """
    samples = torch.tensor(cohort.counts, device=cohort.device)[:, None]
    has = (frequency(model, cohort) > 0) / samples
    return has.repeat_interleave(model.classes, dim=1)
