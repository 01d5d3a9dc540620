"""What an attacker sees and what it gets out of it: reconstruction and membership for each kind of release, with a word.

Rows without a verdict are one attack on one release; the rows with one sum up a view by the worst of its attacks.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from fl.data import Dataset
from fl.leakage.analytic import trap
from fl.leakage.pictures import Strip, gallery
from fl.leakage.roc import area, true_positives_at
from fl.leakage.scenes import ATTACKS, Reconstruction, Scene, Secrets, reconstruct
from fl.leakage.seen import IntegerNoise, Release
from fl.leakage.verdict import judge
from fl.leakage.victims import SigmoidLeNet, Victim
from fl.leakage.worlds import Clients, Worlds, infer, worlds
from fl.models.mlp import Perceptron
from fl.privacy.accountant import gaussian_epsilon
from fl.privacy.discrete_gaussian import discrete_gaussian
from fl.suite.cell import Row
from mpc.prg import Stream

__all__ = ["FULL", "SMOKE", "Size", "leakage"]

Rows = list[Row]

DELTA = 1e-5
_COLUMNS = 6
_MEMBERSHIP_UNITS = 32
_COSINE_FACTOR = 3
# a search for the records of a hundred clients takes half a minute and finds nothing: not repeated in every suite
_TOO_MANY = 100
_EPOCH = 200
_READ_OFF = ("analytic", "chosen weights")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured; `records` are what analytic attacks are scored on, `searches` sums for each search."""

    records: int
    searches: int
    steps: int
    clients: Clients
    targets: int
    shadows: int


SMOKE = Size(100, 1, 40, Clients(100, 20, 20, 0.1), targets=2, shadows=8)
FULL = Size(200, 6, 200, Clients(200, 20, 25, 0.1), targets=4, shadows=16)


@dataclass(frozen=True, slots=True)
class View:
    """One kind of release: how many clients are in the sum, and the noise of the whole sum over the clip.

    `chosen` means that the attacker also chose the weights the clients started from.
    """

    name: str
    clients: int
    noise: float = 0.0
    chosen: bool = False


VIEWS = (
    View("a raw update", 1),
    View("a sum of 10", 10),
    View("a sum of 100", 100),
    View("a sum of 10, weights chosen by the attacker", 10, chosen=True),
    View("a sum of 100, weights chosen by the attacker", 100, chosen=True),
    View("a raw update, noise 0.1", 1, 0.1),
    View("a raw update, noise 1", 1, 1.0),
    View("a sum of 100, noise 1", 100, 1.0),
)


def leakage(
    data: Dataset, size: Size, seed: int, say: Callable[[str], None] = lambda _: None
) -> tuple[Rows, str]:
    """All rows, and the gallery of hidden and reconstructed pictures as SVG.

    `epsilon` is that of the one release that is attacked, for one client (zero-out) at delta 1e-5; a run adds up.
    """
    at = worlds(
        Perceptron(data.inputs, data.classes, _MEMBERSHIP_UNITS),
        data.train_x,
        data.train_y,
        size.clients,
        targets=size.targets,
        shadows=size.shadows,
        most_clients=max(view.clients for view in VIEWS),
        seed=seed,
    )
    verdicts, details, strips, truth = Rows(), Rows(), list[Strip](), np.empty((0, 0))
    for view in VIEWS:
        say(view.name)
        noise = _noise(view, seed)
        base: Row = {
            "view": view.name,
            "epsilon": gaussian_epsilon(view.noise, 1, DELTA) if view.noise else None,
        }
        pictures = _reconstructions(data, size, view, noise, seed)
        found = [base | _row(scene, model, result) for scene, model, result in pictures]
        success, auc = max(row["success"] for row in found), None
        if not view.chosen:
            members = [base | row for row in _membership(at, view, noise, seed)]
            worst = max(members, key=lambda row: row["auc"])
            auc = (worst["auc"], worst["auc_low"], worst["auc_high"])
            found += members
        word = judge(success=success, auc=auc)
        verdicts.append(base | {"verdict": word.risk.value, "because": word.because})
        details += found
        strips += _strips(view, [result for scene, _, result in pictures if scene.records == 1])
        truth = pictures[0][2].truth if not len(truth) else truth
    rows = [row | {"seed": seed} for row in (*verdicts, *details)]
    hidden = Strip("the hidden records", data.name, truth[:_COLUMNS])
    return rows, gallery(f"Reconstructed from one round of {data.name}", [hidden, *strips]).text


def _reconstructions(
    data: Dataset, size: Size, view: View, noise: IntegerNoise, seed: int
) -> list[tuple[Scene, Victim, Reconstruction]]:
    """Every attack on the scenes of one view."""
    secrets = Secrets(data.train_x, data.train_y, data.classes)
    dense, smooth = Perceptron(data.inputs, data.classes), SigmoidLeNet(data.inputs, data.classes)
    # the attacker knows the distribution of brightness from pictures that nobody trains on
    trapped = trap(dense, data.test_x.mean(axis=1), seed)
    first, single = dense.initial(seed), Scene(view.clients, 1, view.noise)
    plan: list[tuple[Victim, NDArray[np.float32], str, Scene, int]] = []
    for scene in _scenes(view):
        sums = max(1, size.records // scene.together)
        plan.append(
            (dense, trapped, "chosen weights", scene, sums)
            if view.chosen
            else (dense, first, "analytic", scene, sums)
        )
    if view.clients < _TOO_MANY and not view.chosen:
        sums, searches = max(1, size.searches // view.clients), (a for a in ATTACKS if a not in _READ_OFF)
        plan += [(smooth, smooth.initial(seed), attack, single, sums) for attack in searches]
    found = []
    for model, weights, attack, scene, sums in plan:
        steps = size.steps * (_COSINE_FACTOR if attack == "cosine" else 1)
        result = reconstruct(
            attack, model, weights, secrets, scene, sums=sums, steps=steps, seed=seed, noise=noise
        )
        found.append((scene, model, result))
    return found


def _scenes(view: View) -> list[Scene]:
    """What the clients of a view may have sent: one record each, and without noise also more."""
    scenes = [Scene(view.clients, 1, view.noise)]
    if not view.noise:
        scenes += [Scene(view.clients, 8)]
    if not view.noise and view.clients == 1:
        scenes += [Scene(1, 32), Scene(1, _EPOCH, batch=32)]
    return scenes


def _row(scene: Scene, model: Victim, result: Reconstruction) -> Row:
    return {
        "sent": scene.detail,
        "attack": result.attack,
        "model": model.name,
        "scored": len(result.truth),
        "psnr": round(result.psnr, 2),
        "ssim": round(result.ssim, 3),
        "success": result.success,
        "seconds": round(result.seconds, 4),
    }


def _strips(view: View, results: Sequence[Reconstruction]) -> list[Strip]:
    """What was read off, and the search that came closest."""
    chosen = [result for result in results if result.attack in _READ_OFF]
    searches = [result for result in results if result.attack not in _READ_OFF]
    if searches:
        chosen.append(max(searches, key=lambda result: result.psnr))
    return [
        Strip(
            view.name,
            f"{result.attack}: {result.psnr:.1f} dB, SSIM {result.ssim:.2f}",
            result.found[:_COLUMNS],
        )
        for result in chosen
    ]


def _membership(at: Worlds, view: View, noise: IntegerNoise, seed: int) -> list[Row]:
    """Both membership attacks on one view; clients train for many epochs on few records, which exposes them most."""
    norm = at.typical_norm if view.noise else at.largest_norm
    began = time.process_time()
    attacks = infer(at, Release(view.clients, norm, view.noise), noise, seed)
    seconds = (time.process_time() - began) / len(attacks)
    rows = []
    for found in attacks:
        auc = area(found.members, found.others)
        rows.append(
            {
                "sent": at.how.detail,
                "attack": found.attack,
                "model": at.model.name,
                "scored": len(found.members) + len(found.others),
                "auc": round(auc.auc, 4),
                "auc_low": round(auc.low, 4),
                "auc_high": round(auc.high, 4),
                "tpr_at_1_fpr": round(true_positives_at(found.members, found.others, 0.01), 4),
                "seconds": round(seconds, 4),
            }
        )
    return rows


def _noise(view: View, seed: int) -> IntegerNoise:
    """The discrete Gaussian of a plan, repeatable because this is an experiment: the key is the public seed."""
    stream = Stream(sha256(f"leakage {seed}".encode()).digest(), b"experiment").derive(view.name)
    return lambda n, std: discrete_gaussian(stream, math.ceil(std * std), n)
