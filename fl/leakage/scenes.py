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

from fl.leakage.analytic import FirstLayer, candidates
from fl.leakage.inversion import Search, cosine, dlg, idlg, label_of
from fl.leakage.metrics import best_match, psnr, ssim, succeeded
from fl.leakage.seen import IntegerNoise, Release
from fl.leakage.victims import SigmoidLeNet, Victim, gradients
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["ATTACKS", "Reconstruction", "Scene", "Secrets", "reconstruct"]

Floats = NDArray[np.float64]

ATTACKS = ("analytic", "DLG", "iDLG", "cosine")


@dataclass(frozen=True, slots=True)
class Scene:
    """`clients` in the sum, `records` of each; noise relative to a clip at the median norm, none without noise."""

    clients: int
    records: int
    noise_multiplier: float = 0.0

    @property
    def together(self) -> int:
        """Records behind one published sum."""
        return self.clients * self.records


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
    sent = [_gradients(model, weights, x, y) for x, y in zip(pictures, labels, strict=True)]
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
    if attack == "DLG":
        return _flat(dlg(search, rng.normal(size=(*labels.shape, classes))))
    known = np.array([[label_of(search.seen, classes)]]) if labels.size == 1 else labels
    by_name: dict[str, Callable[[Search, NDArray[np.int64]], Floats]] = {"iDLG": idlg, "cosine": cosine}
    return _flat(by_name[attack](search, known))


def first_layer(model: Victim) -> FirstLayer:
    """The dense first layer of a model of `fl.models`. Raises: ParameterError when its first layer is a convolution."""
    if isinstance(model, SigmoidLeNet):
        raise ParameterError("the analytic attack wants a dense first layer")
    hidden = getattr(model, "hidden", None)
    if hidden is None:
        classes: int = getattr(model, "classes")  # noqa: B009
        return FirstLayer(model.inputs, classes, model.inputs * classes)
    return FirstLayer(model.inputs, hidden, model.inputs * hidden)


def _gradients(
    model: Victim, weights: NDArray[np.float32], x: NDArray[np.float32], y: NDArray[np.int64]
) -> NDArray[np.float32]:
    sent: NDArray[np.float32] = gradients(
        model, torch.from_numpy(weights), torch.from_numpy(x), torch.from_numpy(y)
    ).numpy()
    return sent


def _flat(pictures: Floats) -> Floats:
    return pictures.reshape(-1, pictures.shape[-1])
