"""Gradient inversion by search: find pictures whose gradient is the one that was seen.

    dlg      pictures and labels together, squared distance, L-BFGS            Zhu, Liu, Han 2019
    idlg     the label is read off the gradient, then as above                 Zhao, Mopuri, Bilen 2020
    cosine   direction only, total variation, signed Adam                      Geiping et al. 2020

The attacker knows the model, its weights, how many clients and records went into what it saw, and the norm the clients
clip to: its guess goes through the same clipping, so that clipping by itself hides nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fl.leakage.victims import Victim, gradients

__all__ = ["Search", "cosine", "dlg", "idlg", "label_of"]

Pictures = NDArray[np.float64]

_HISTORY = 100
_FIRST_STEP = 0.1


@dataclass(frozen=True, slots=True)
class Search:
    """What one attack knows and may spend.

    Shapes: weights [size]; seen [size], the mean of the clients' gradients; start [clients, records, inputs], where
        the search begins.
    Units: `steps` of the optimiser, each with one gradient of a gradient or, in a line search, a few.
    """

    model: Victim
    weights: NDArray[np.float32]
    seen: NDArray[np.float64]
    start: NDArray[np.float64]
    steps: int
    l2_clip: float = inf

    def mean_gradient(self, pictures: Tensor, targets: Tensor) -> Tensor:
        """What would have been seen, had the clients held `pictures`. Shapes: as `start`; the result [size]."""
        weights = torch.from_numpy(self.weights).to(pictures.dtype)
        if self.l2_clip == inf:
            # without clipping the clients' records are one batch, which is cheaper
            pictures, targets = pictures.flatten(0, 1)[None], targets.flatten(0, 1)[None]
        found = gradients(self.model, weights, pictures, targets, differentiable=True)
        if self.l2_clip < inf:
            found = found * (self.l2_clip / found.norm(dim=1, keepdim=True)).clamp(max=1.0)
        return found.mean(0)


def dlg(search: Search, start_labels: NDArray[np.float64]) -> Pictures:
    """Deep leakage from gradients: records and soft labels are optimised together.

    Shapes: start_labels [clients, records, classes], logits of the first guess; the result like `start`, in [0, 1].
    Source: Zhu, Liu, Han 2019, Algorithm 1.
    """
    labels = torch.from_numpy(start_labels).requires_grad_(True)
    return _lbfgs(search, [labels], lambda: labels.softmax(dim=-1))


def idlg(search: Search, labels: NDArray[np.int64]) -> Pictures:
    """The same search with the labels known: for one record `label_of` reads the label off exactly.

    Shapes: labels [clients, records]; the result like `start`, in [0, 1].
    Source: Zhao, Mopuri, Bilen 2020, Algorithm 1.
    """
    known = torch.from_numpy(labels)
    return _lbfgs(search, [], lambda: known)


def label_of(seen: NDArray[np.float64], classes: int) -> int:
    """The label of a single record: only its entry of the last bias gradient, chance minus one, is negative.

    Source: Zhao, Mopuri, Bilen 2020, section 3.1; the last `classes` parameters are the biases of the output layer.
    """
    return int(seen[-classes:].argmin())


def _lbfgs(search: Search, more: list[Tensor], targets: Callable[[], Tensor]) -> Pictures:
    seen = torch.from_numpy(search.seen)
    pictures = torch.from_numpy(search.start.copy()).requires_grad_(True)
    # a gradient of a trained model is tiny; dividing by its norm keeps the optimiser's tolerances meaningful
    scale = 1 / max(float(seen.norm()), 1e-30)
    optimiser = torch.optim.LBFGS(
        [pictures, *more],
        max_iter=search.steps,
        history_size=_HISTORY,
        line_search_fn="strong_wolfe",
        tolerance_grad=1e-12,
        tolerance_change=1e-14,
    )

    def closure() -> Tensor:
        distance = ((search.mean_gradient(pictures, targets()) - seen) * scale).square().sum()
        optimiser.zero_grad()
        torch.autograd.backward(distance, inputs=[pictures, *more])
        return distance

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return _inside(pictures)


def cosine(search: Search, labels: NDArray[np.int64], smoothness: float = 1e-3) -> Pictures:
    """Match the gradient's direction, prefer smooth pictures, step by the sign of Adam's direction inside the box [0, 1].

    Shapes: labels [clients, records]; the result like `start`.
    Source: Geiping, Bauermeister, Droege, Moeller 2020, equation (4) and section 5: signed Adam, step 0.1, divided by
        ten after 3/8, 5/8 and 7/8 of the steps.
    """
    seen, known = torch.from_numpy(search.seen).float(), torch.from_numpy(labels)
    pictures = torch.from_numpy(search.start).float().requires_grad_(True)
    optimiser = torch.optim.Adam([pictures], lr=_FIRST_STEP)
    turns = [round(search.steps * part) for part in (3 / 8, 5 / 8, 7 / 8)]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimiser, turns, gamma=0.1)
    for _ in range(search.steps):
        angle = 1 - functional.cosine_similarity(search.mean_gradient(pictures, known), seen, dim=0)
        (slope,) = torch.autograd.grad(angle + smoothness * _variation(pictures), pictures)
        pictures.grad = slope.sign()
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            pictures.clamp_(0, 1)
    return _inside(pictures)


def _variation(pictures: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels."""
    side = round(pictures.shape[-1] ** 0.5)
    grid = pictures.view(*pictures.shape[:-1], side, side)
    across, down = grid.diff(dim=-1), grid.diff(dim=-2)
    return across.abs().mean() + down.abs().mean()


def _inside(pictures: Tensor) -> Pictures:
    found: Pictures = pictures.detach().double().nan_to_num(0.0).clamp(0, 1).numpy()
    return found
