"""Proof-of-learning: a training run as a hash chain of checkpoints that validators re-execute in part.

A BASELINE THAT HAS BEEN SPOOFED. A prover who never trained can make a proof that passes, for much less than training
costs; `fl.baselines.spoof` does it, and a test shows it. It is here to be compared with, and decides nothing in a round.

    start --interval steps--> checkpoint 1 --> ... --> checkpoint n = the model that is claimed
      |                            |                        |
      +---- H(recipe, records) --> H(., checkpoint, order) --> ... --> head, published before validators choose

A validator replays the intervals in which the model moved furthest, and compares where it arrives with the next
checkpoint. Machines round differently, so it must allow a distance; that distance is what the spoof lives on.

Leakage: everything: the validators get checkpoints and records of the prover.
Assumes: nothing that holds: that no cheaper way leads to such a chain than training.
Source: Jia, Yaghini, Choquette-Choo, Dullerud, Thudi, Chandrasekaran, Papernot, "Proof-of-learning: definitions and
    practice" (2021), Algorithms 1 and 2; the hash chain orders what they sign piece by piece.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from chain_adapter.validators import Vote
from fl.models import Model, Vector
from fl.seeds import generator
from mpc.errors import ParameterError, ProofRejected

__all__ = ["Proof", "Recipe", "Replay", "opinion", "replay", "train", "verify"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the model was trained: plain SGD, a checkpoint after every `interval` steps."""

    model: Model
    batch: int
    learning_rate: float
    interval: int

    def __post_init__(self) -> None:
        if self.batch < 1 or self.interval < 1 or not self.learning_rate > 0:
            raise ParameterError(
                f"a recipe wants a batch, an interval and a learning rate above 0, got {self.batch}, "
                f"{self.interval} and {self.learning_rate}"
            )

    def steps(
        self,
        weights: Vector,
        features: NDArray[np.float32],
        labels: NDArray[np.int64],
        order: NDArray[np.int64],
    ) -> Vector:
        """Where SGD over the batches of `order` leads from `weights`. Shapes: order [steps, batch]."""
        now = torch.from_numpy(weights)[None].clone()
        share = torch.full((1, self.batch), 1 / self.batch)
        for rows in order:
            x, y = torch.from_numpy(features[rows])[None], torch.from_numpy(labels[rows])[None]
            now -= self.learning_rate * self.model.gradient(now, x, y, share)
        arrived: Vector = now[0].numpy()
        return arrived


@dataclass(frozen=True, slots=True, eq=False)
class Proof:
    """What a prover hands to the validators.

    Shapes: checkpoints [n + 1, size], start and claimed model included; features [records, inputs]; labels [records];
        order [n, interval, batch], rows of `features`.
    """

    recipe: Recipe
    checkpoints: NDArray[np.float32]
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    order: NDArray[np.int64]

    @property
    def head(self) -> bytes:
        """The last link of the chain, which binds the prover to the rest before anybody asks."""
        r = self.recipe
        terms = f"{r.model!r} {r.batch} {r.learning_rate!r} {r.interval} {self.checkpoints.shape} {self.features.shape}"
        link = hashlib.sha256(terms.encode()).digest()
        link = _link(link, self.features.astype("<f4"), self.labels.astype("<i8"))
        link = _link(link, self.checkpoints[0].astype("<f4"))
        for weights, order in zip(self.checkpoints[1:], self.order, strict=True):
            link = _link(link, weights.astype("<f4"), order.astype("<i8"))
        return link


@dataclass(frozen=True, slots=True)
class Replay:
    """One interval that a validator repeated: how far the prover moved, how far the repetition ended from there."""

    interval: int
    moved: float
    distance: float


def train(
    recipe: Recipe,
    start: Vector,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    *,
    intervals: int,
    seed: int,
) -> Proof:
    """Train honestly for `intervals` intervals and keep what a proof needs.

    Raises: ParameterError when there are fewer records than a batch.
    Source: Jia et al. 2021, Algorithm 1.
    """
    if len(labels) < recipe.batch:
        raise ParameterError(f"{len(labels)} records do not fill a batch of {recipe.batch}")
    rng, per_epoch = generator(seed, "proof of learning"), len(labels) // recipe.batch
    epochs = -(-intervals * recipe.interval // per_epoch)
    batches = np.concatenate(
        [
            rng.permutation(len(labels))[: per_epoch * recipe.batch].reshape(-1, recipe.batch)
            for _ in range(epochs)
        ]
    )
    order = batches[: intervals * recipe.interval].reshape(intervals, recipe.interval, recipe.batch)
    checkpoints = [start]
    for part in order:
        checkpoints.append(recipe.steps(checkpoints[-1], features, labels, part))
    return Proof(recipe, np.stack(checkpoints), features, labels, order)


def replay(proof: Proof, interval: int) -> Replay:
    """Repeat one interval from its first checkpoint."""
    before, after = proof.checkpoints[interval : interval + 2]
    arrived = proof.recipe.steps(before, proof.features, proof.labels, proof.order[interval])
    return Replay(interval, float(np.linalg.norm(after - before)), float(np.linalg.norm(arrived - after)))


def verify(
    proof: Proof, *, head: bytes, start: Vector, claimed: Vector, replays: int, tolerance: float
) -> list[Replay]:
    """What a validator does: check that the chain is the published one, leads from `start` to `claimed`, and repeats.

    Units: `tolerance` is an L2 distance between models; on the machine that trained, an honest proof repeats exactly.
    Raises: ProofRejected naming the check that failed.
    Source: Jia et al. 2021, Algorithm 2, with the largest updates first, as they recommend.
    """
    recipe, intervals = proof.recipe, len(proof.checkpoints) - 1
    _require(
        proof.order.shape == (intervals, recipe.interval, recipe.batch), "the order does not fit the recipe"
    )
    _require(
        proof.checkpoints.shape[1:] == (recipe.model.size,)
        and proof.features.shape == (len(proof.labels), recipe.model.inputs),
        "checkpoints or records do not fit the model",
    )
    _require(
        bool(np.isfinite(proof.checkpoints).all())
        and 0 <= proof.order.min() <= proof.order.max() < len(proof.labels),
        "the proof names values or records that do not exist",
    )
    _require(
        bool(((proof.features >= 0) & (proof.features <= 1)).all())
        and 0 <= proof.labels.min() <= proof.labels.max() < recipe.model.classes,
        "the records are no records of this task",
    )
    _require(proof.head == head, "the chain is not the one that was published")
    _require(np.array_equal(proof.checkpoints[0], start), "the chain does not begin where training did")
    _require(np.array_equal(proof.checkpoints[-1], claimed), "the chain does not end at the claimed model")
    moves = np.linalg.norm(np.diff(proof.checkpoints, axis=0), axis=1)
    found = []
    for interval in np.argsort(-moves, kind="stable")[:replays]:
        repeated = replay(proof, int(interval))
        _require(
            repeated.distance <= tolerance,
            f"interval {repeated.interval} repeats {repeated.distance:.3g} away, more than {tolerance:.3g}",
        )
        found.append(repeated)
    return found


def opinion(plan: bytes, round: int, record: bytes, accepted: Sequence[bool]) -> Vote:
    """A validator's vote on a recorded round: right if the proof of every update in its sum was accepted.

    `chain_adapter.validators` weighs it with the validator's stake: more than two thirds attest the round, a third
    doubts it. The contract slashes a validator for two different votes or for vouching for a round that a dispute voids;
    it cannot slash for a vote on a proof of learning, because no contract can replay one.
    """
    return Vote(plan, round, record, right=all(accepted))


def _link(previous: bytes, *parts: NDArray[np.generic]) -> bytes:
    digest = hashlib.sha256(previous)
    for part in parts:
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.digest()


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise ProofRejected(f"proof of learning: {reason}")
