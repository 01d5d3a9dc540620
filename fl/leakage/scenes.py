"""One scene of reconstruction: clients with few records publish the gradient of a round, and an attack is run on it.

Scenes of one seed hide the same records in the same order, so that galleries line up: the first picture of every line is
the same record, seen through another release.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from fl.leakage.analytic import FirstLayer, between_thresholds, candidates
from fl.leakage.inversion import Search, cosine, dlg, idlg, label_of
from fl.leakage.metrics import best_match, psnr, ssim, succeeded
from fl.leakage.seen import IntegerNoise, Release
from fl.leakage.victims import Victim, gradients
from fl.models import SoftmaxRegression
from fl.models.mlp import Perceptron
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["ATTACKS", "Reconstruction", "Scene", "Secrets", "first_layer", "reconstruct"]

Floats = NDArray[np.float64]

ATTACKS = ("analytic", "chosen weights", "DLG", "iDLG", "cosine")

_LEARNING_RATE = 0.1


@dataclass(frozen=True, slots=True)
class Scene:
    """`clients` in the sum, `records` of each; noise relative to a clip at the median norm, no clip without noise.

    With `batch` a client sends what one epoch of SGD in such batches came to, as in FedAvg; without, one gradient.
    """

    clients: int
    records: int
    noise_multiplier: float = 0.0
    batch: int = 0

    @property
    def together(self) -> int:
        """Records behind one published sum."""
        return self.clients * self.records

    @property
    def detail(self) -> str:
        """What each client sends, in words."""
        records = "1 record" if self.records == 1 else f"{self.records} records"
        return (
            f"an epoch of {records} in batches of {self.batch}"
            if self.batch
            else f"the gradient of {records}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Secrets:
    """The records of all clients. Shapes: pictures [records, inputs] in [0, 1]; labels [records]."""

    pictures: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int


@dataclass(frozen=True, slots=True, eq=False)
class Reconstruction:
    """What one attack found. Shapes: truth and found [records, inputs]. Units: processor seconds for one sum."""

    attack: str
    truth: Floats
    found: Floats
    seconds: float

    @property
    def psnr(self) -> float:
        """Median over the records, in decibels."""
        return float(np.median(psnr(self.truth, self.found)))

    @property
    def ssim(self) -> float:
        """Median over the records."""
        return float(np.median(ssim(self.truth, self.found, round(self.truth.shape[1] ** 0.5))))

    @property
    def success(self) -> float:
        """The share of records that count as reconstructed."""
        return float(np.mean(succeeded(psnr(self.truth, self.found))))


def reconstruct(
    attack: str,
    model: Victim,
    weights: NDArray[np.float32],
    secrets: Secrets,
    scene: Scene,
    *,
    sums: int,
    steps: int,
    seed: int,
    noise: IntegerNoise | None = None,
) -> Reconstruction:
    """Publish `sums` sums of different records, attack each, and match what was found to the truth.

    `weights` are those of the round; "chosen weights" expects those of `fl.leakage.analytic.trap`.
    Labels are given to iDLG and cosine when more than one record is behind a sum; for a single one they are read off.
    Raises: ParameterError for an unknown attack or too few records.
    """
    if attack not in ATTACKS:
        raise ParameterError(f"unknown attack {attack!r}: there are {', '.join(ATTACKS)}")
    if sums * scene.together > len(secrets.labels):
        raise ParameterError(
            f"{sums} sums of {scene.together} records want more than the {len(secrets.labels)} there are"
        )
    order = generator(seed, "leakage", "records").permutation(len(secrets.labels))
    chosen = order[: sums * scene.together].reshape(sums, scene.clients, scene.records)
    pictures, labels = secrets.pictures[chosen], secrets.labels[chosen]
    sent = [_sent(model, weights, x, y, scene.batch) for x, y in zip(pictures, labels, strict=True)]
    norms = np.linalg.norm(np.concatenate(sent), axis=1)
    clip = float(np.median(norms) if scene.noise_multiplier else norms.max())
    release = Release(scene.clients, clip, scene.noise_multiplier)
    found, spent = [], 0.0
    for place, updates in enumerate(sent):
        rng = generator(seed, "leakage", attack, place)
        search = Search(
            model,
            weights,
            seen=release.mean(updates, noise),
            start=rng.random(pictures[place].shape),
            steps=steps,
            l2_clip=clip if scene.noise_multiplier else np.inf,
        )
        began = time.process_time()
        guess = _attack(attack, search, labels[place], secrets.classes, rng)
        spent += time.process_time() - began
        found.append(best_match(pictures[place].reshape(scene.together, -1), guess))
    truth = pictures.reshape(-1, model.inputs).astype(np.float64)
    return Reconstruction(attack, truth, np.concatenate(found), spent / sums)


def _attack(
    attack: str, search: Search, labels: NDArray[np.int64], classes: int, rng: np.random.Generator
) -> Floats:
    if attack == "analytic":
        return candidates(search.seen, first_layer(search.model))
    if attack == "chosen weights":
        return between_thresholds(search.seen, first_layer(search.model))
    if attack == "DLG":
        return _flat(dlg(search, rng.normal(size=(*labels.shape, classes))))
    known = np.array([[label_of(search.seen, classes)]]) if labels.size == 1 else labels
    by_name: dict[str, Callable[[Search, NDArray[np.int64]], Floats]] = {"iDLG": idlg, "cosine": cosine}
    return _flat(by_name[attack](search, known))


def first_layer(model: Victim) -> FirstLayer:
    """Where the dense first layer lies. Raises: ParameterError for a model that has none or whose layout is not known."""
    match model:
        case Perceptron():
            return FirstLayer(model.inputs, model.hidden, model.inputs * model.hidden)
        case SoftmaxRegression():
            return FirstLayer(model.inputs, model.classes, model.inputs * model.classes)
        case _:
            raise ParameterError(f"the analytic attack knows no dense first layer of {type(model).__name__}")


def _sent(
    model: Victim, weights: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.int64], batch: int
) -> NDArray[np.float32]:
    """What the clients send. Shapes: x [clients, records, inputs]; y [clients, records]; the result [clients, size]."""
    start, features, labels = torch.from_numpy(weights), torch.from_numpy(x), torch.from_numpy(y)
    if not batch:
        sent: NDArray[np.float32] = gradients(model, start, features, labels).numpy()
        return sent
    now = start.expand(len(x), -1)
    for part, known in zip(torch.split(features, batch, 1), torch.split(labels, batch, 1), strict=True):
        now = now - _LEARNING_RATE * gradients(model, now, part, known)
    moved: NDArray[np.float32] = (now - start).numpy()
    return moved


def _flat(pictures: Floats) -> Floats:
    return pictures.reshape(-1, pictures.shape[-1])
