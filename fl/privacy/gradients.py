"""Each record's gradient on its own, clipped, summed: what record-level privacy is made of.

For a linear softmax layer the gradient of a record is the outer product of (features, 1) and (chances - one hot), so its
norm is a product of two norms and clipping costs nothing. For every other model a record is treated as a client with
one record, which the batched gradients of the models are made for.

Source: the closed form is Goodfellow, "Efficient per-example gradient computations" (2015); clipping of single records
is Abadi et al., "Deep learning with differential privacy" (2016), Algorithm 1.
"""

import torch
from torch import Tensor

from fl.engine.cohort import Cohort
from fl.models.base import Model
from fl.models.softmax import SoftmaxRegression

__all__ = ["clip_factors", "clipped_sum", "clipped_sums", "record_gradients"]

_AT_ONCE = 256
# a factor a little too small keeps the norm below the clip whatever the multiplication rounds
_BELOW = 1 - 2.0**-40


def record_gradients(model: Model, parameters: Tensor, features: Tensor, labels: Tensor) -> Tensor:
    """The gradient of each record's cross-entropy. Shapes: parameters [size]; features [n, inputs]; result [n, size]."""
    each = parameters.expand(len(labels), -1)
    ones = torch.ones((len(labels), 1), dtype=parameters.dtype, device=parameters.device)
    return model.gradient(each, features[:, None], labels[:, None], ones)


def clip_factors(norms: Tensor, clip: float) -> Tensor:
    """What each gradient is multiplied with: at most 1, and 0 for a record whose gradient is not finite."""
    factors = (clip / norms).clamp(max=1) * _BELOW
    return torch.where(torch.isfinite(norms), factors, torch.zeros_like(norms))


def clipped_sum(model: Model, parameters: Tensor, features: Tensor, labels: Tensor, clip: float) -> Tensor:
    """The sum over records of gradients cut to the norm `clip`, in float64.

    Shapes: parameters [size]; features [n, inputs]; labels [n]; result [size].
    """
    total = torch.zeros(model.size, dtype=torch.float64, device=parameters.device)
    for x, y in zip(torch.split(features, _AT_ONCE), torch.split(labels, _AT_ONCE), strict=True):
        if isinstance(model, SoftmaxRegression):
            total += _linear(parameters, x, y, clip)
        else:
            gradients = record_gradients(model, parameters, x, y).double()
            factors = clip_factors(gradients.norm(dim=1), clip)
            # 0 times infinity is no number: what is not finite must be gone before the product
            total += factors @ torch.where((factors > 0)[:, None], gradients, torch.zeros_like(gradients))
    return total


def _linear(parameters: Tensor, features: Tensor, labels: Tensor, clip: float) -> Tensor:
    inputs = features.shape[1]
    classes = len(parameters) // (inputs + 1)
    x, w = features.double(), parameters.double()
    error = torch.softmax(torch.addmm(w[-classes:], x, w[:-classes].view(inputs, classes)), 1)
    error[torch.arange(len(labels), device=error.device), labels] -= 1
    norms = error.norm(dim=1) * (x.square().sum(1) + 1).sqrt()
    factors = clip_factors(norms, clip)[:, None]
    error = torch.where(factors > 0, error * factors, torch.zeros_like(error))
    x = torch.where(factors > 0, x, torch.zeros_like(x))
    return torch.cat([(x.T @ error).flatten(), error.sum(0)])


def clipped_sums(model: Model, cohort: Cohort, parameters: Tensor, clip: float) -> Tensor:
    """`clipped_sum` over all records of each client. Shapes: result [clients, size], float64."""
    return torch.stack(
        [
            clipped_sum(model, parameters, cohort.data_x[rows[:count]], cohort.data_y[rows[:count]], clip)
            for rows, count in zip(cohort.rows, cohort.counts, strict=True)
        ]
    )
