"""Many worlds for membership inference: one client whose records are in question, among others, trained many times over.

    candidates   a world's client holds one half of them; which half is what the attacker wants to know
    others       the rest of the sum: real clients in the target worlds, the attacker's own simulations in its shadows

The attacker knows the distribution the others draw from, not their updates. One that does know them, because all others
collude, subtracts them: for that attacker every sum is a raw update.

Source: the evaluation of Carlini et al. 2022, section IV, carried over from models to sums of updates.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fl.leakage.membership import confidence, likelihood_ratio, losses, paired_halves
from fl.leakage.seen import IntegerNoise, Release
from fl.models import Model
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["Clients", "Membership", "Worlds", "infer", "worlds"]

Floats = NDArray[np.float64]

# clients trained at once: their weights and records stay in the cache
_COHORT = 25
_POPULATION = 1.5


@dataclass(frozen=True, slots=True)
class Clients:
    """How every client trains: `records` of its own, `epochs` passes of SGD."""

    records: int
    epochs: int
    batch: int
    learning_rate: float

    @property
    def detail(self) -> str:
        """What each client sends, in words."""
        return f"{self.epochs} epochs of {self.records} records in batches of {self.batch}"


@dataclass(frozen=True, slots=True, eq=False)
class Worlds:
    """Trained clients, before anything is released.

    Shapes: start [size]; features [candidates, inputs]; labels [candidates]; inside [targets + shadows, candidates];
        updates [targets + shadows, size]; real [others, size] and simulated [more others, size] fill the sums.
    """

    model: Model
    how: Clients
    start: NDArray[np.float32]
    features: Tensor
    labels: Tensor
    targets: int
    inside: NDArray[np.bool_]
    updates: NDArray[np.float32]
    real: NDArray[np.float32]
    simulated: NDArray[np.float32]

    @property
    def typical_norm(self) -> float:
        """Median L2 norm of an update: a clip that by itself cuts only half of them."""
        return float(np.median(np.linalg.norm(self.updates, axis=1)))

    @property
    def largest_norm(self) -> float:
        """A clip that cuts nothing."""
        return max(
            float(np.linalg.norm(u, axis=1).max(initial=0)) for u in (self.updates, self.real, self.simulated)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Membership:
    """Scores of one attack, of all target worlds together: higher means inside."""

    attack: str
    members: Floats
    others: Floats


def worlds(
    model: Model,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    how: Clients,
    *,
    targets: int,
    shadows: int,
    most_clients: int,
    seed: int,
) -> Worlds:
    """Train everybody: targets and shadows on halves of the candidates, the others on records that are no candidates.

    Raises: ParameterError when there are too few records, or an odd number of targets or shadows.
    """
    rng = generator(seed, "leakage", "worlds")
    if len(labels) < 3 * how.records:
        raise ParameterError(
            f"{how.records} records a client need {3 * how.records} in all, got {len(labels)}"
        )
    order = rng.permutation(len(labels))
    candidates, rest = order[: 2 * how.records], order[2 * how.records :]
    inside = np.concatenate(
        [paired_halves(count, len(candidates), rng) for count in (targets, shadows)], axis=0
    )
    others = most_clients - 1
    simulated = round(_POPULATION * others)
    held = [candidates[row] for row in inside]
    held += [rng.choice(rest, how.records, replace=False) for _ in range(others + simulated)]
    start = model.initial(seed)
    updates = _train(model, start, features, labels, np.stack(held), how, rng)
    return Worlds(
        model=model,
        how=how,
        start=start,
        features=torch.from_numpy(features[candidates]),
        labels=torch.from_numpy(labels[candidates]),
        targets=targets,
        inside=inside,
        updates=updates[: len(inside)],
        real=updates[len(inside) : len(inside) + others],
        simulated=updates[len(inside) + others :],
    )


def infer(at: Worlds, release: Release, noise: IntegerNoise | None, seed: int) -> list[Membership]:
    """Release every world's sum and attack the model it leads to: loss threshold and LiRA-lite."""
    rng = generator(seed, "leakage", "sums")
    seen = []
    for world, update in enumerate(at.updates):
        others = at.real if world < at.targets else at.simulated
        chosen = rng.permutation(len(others))[: release.clients - 1]
        seen.append(release.mean(np.concatenate([update[None], others[chosen]]), noise))
    weights = torch.from_numpy((at.start + np.stack(seen)).astype(np.float32))
    with torch.no_grad():
        logits = at.model.logits(weights, at.features.expand(len(weights), -1, -1))
    labels = at.labels.expand(len(weights), -1)
    confidences, count = confidence(logits, labels), at.targets
    ratio = likelihood_ratio(confidences[:count], confidences[count:], at.inside[count:])
    truth = at.inside[:count]
    return [
        Membership(name, scores[truth], scores[~truth])
        for name, scores in (("loss threshold", -losses(logits, labels)[:count]), ("LiRA-lite", ratio))
    ]


def _train(
    model: Model,
    start: NDArray[np.float32],
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    held: NDArray[np.int64],
    how: Clients,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """The update of every client by minibatch SGD. Shapes: held [clients, records]; the result [clients, size]."""
    updates = []
    for first in range(0, len(held), _COHORT):
        mine = held[first : first + _COHORT]
        x, y = torch.from_numpy(features[mine]), torch.from_numpy(labels[mine])
        weights = torch.from_numpy(start).repeat(len(mine), 1)
        for _ in range(how.epochs):
            order = torch.from_numpy(np.stack([rng.permutation(how.records) for _ in mine]))
            for batch in torch.split(order, how.batch, dim=1):
                chosen = x.gather(1, batch.unsqueeze(-1).expand(-1, -1, x.shape[2]))
                share = torch.full(batch.shape, 1 / batch.shape[1])
                weights -= how.learning_rate * model.gradient(weights, chosen, y.gather(1, batch), share)
        updates.append(weights.numpy() - start)
    return np.concatenate(updates)
