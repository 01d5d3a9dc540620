"""Membership inference: was this record among those a client trained on?

    loss threshold   a member's loss is smaller                                   Yeom et al. 2018
    LiRA             how likely is this confidence if it was in, if it was out?   Carlini et al. 2022

Both read one published model. For LiRA the attacker trains `shadows` models itself, half of them with the record, and
compares the confidence it sees with the two Gaussians it gets: Carlini's online attack with the variance shared between
records, which is what they recommend below 64 shadows; hence LiRA-lite.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mpc.errors import ParameterError

__all__ = ["confidence", "likelihood_ratio", "losses", "paired_halves"]

Floats = NDArray[np.float64]


def confidence(logits: Tensor, labels: Tensor) -> Floats:
    """log p / (1 - p) for the chance p of the right label: close to a Gaussian where p itself is crowded at 1.

    Shapes: logits [..., classes]; labels [...]; the result [...].
    Source: Carlini et al. 2022, equation (3); computed from the logits, so that p = 1 is not infinite.

    >>> confidence(torch.tensor([[100.0, 0.0]]), torch.tensor([0])).tolist()
    [100.0]
    """
    index = labels.unsqueeze(-1)
    right = logits.double().gather(-1, index)
    wrong = logits.double().scatter(-1, index, -torch.inf).logsumexp(-1, keepdim=True)
    result: Floats = (right - wrong).squeeze(-1).numpy()
    return result


def losses(logits: Tensor, labels: Tensor) -> Floats:
    """The cross-entropy of every record: what the loss threshold compares."""
    result: Floats = -logits.double().log_softmax(-1).gather(-1, labels.unsqueeze(-1)).squeeze(-1).numpy()
    return result


def paired_halves(worlds: int, records: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Who is in where: every world holds half of the records, every record lies in half of the worlds.

    Worlds come in pairs that split the records between them, so both halves are exact and all worlds are equally large.

    Shapes: the result [worlds, records].
    Raises: ParameterError unless both numbers are even.
    """
    if worlds % 2 or records % 2:
        raise ParameterError(f"halves need even numbers, got {worlds} worlds and {records} records")
    inside = np.zeros((worlds, records), dtype=np.bool_)
    for first in range(0, worlds, 2):
        inside[first, rng.permutation(records)[: records // 2]] = True
        inside[first + 1] = ~inside[first]
    return inside


def likelihood_ratio(observed: Floats, shadows: Floats, inside: NDArray[np.bool_]) -> Floats:
    """How much likelier each observed confidence is with the record inside than without, as a logarithm.

    Shapes: observed [..., records]; shadows and inside [worlds, records]; the result like `observed`.
    Raises: ParameterError unless every record is inside at least one shadow and outside at least one.
    Source: Carlini et al. 2022, Algorithm 1, with the global variance of section VI-A.
    """
    counts = inside.sum(axis=0)
    if counts.min() < 1 or counts.max() >= len(inside):
        raise ParameterError("every record must be in some shadow and missing from some other")
    result = np.zeros(np.shape(observed))
    for where, sign in ((inside, 1.0), (~inside, -1.0)):
        mean = np.where(where, shadows, 0.0).sum(axis=0) / where.sum(axis=0)
        squares = np.where(where, np.square(shadows - mean), 0.0).sum()
        freedom = where.sum() - where.shape[1]
        variance = max(squares / max(freedom, 1), 1e-12)
        result += sign * (-np.square(observed - mean) / (2 * variance) - 0.5 * np.log(variance))
    return result
