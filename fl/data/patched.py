"""A data set of images as fixed patch features, computed once and kept in the cache.

`mnist-patches` is mnist as `fl.models.patches` shows it. The root set from which that map comes is public and taken out
of the training records.
"""

import hashlib
import os
import zipfile
from dataclasses import dataclass, replace

import numpy as np

from fl.cache import cache_directory
from fl.data.dataset import Dataset
from mpc.errors import ParameterError

__all__ = ["RECIPES", "SUFFIX", "Recipe", "patched"]

SUFFIX = "-patches"


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the features of a data set are made; `root` public records of each class, the rest as `PatchFeatures.fit`."""

    root: int
    patches: int
    side: int
    grid: int
    components: int = 0
    sphering: float = 0.0
    power: float = 1.0
    whitening: float = 0.1
    mirrored: bool = False
    low_precision: bool = False


RECIPES = {
    # 28,800 features of 60,000 images: eleven minutes of one core, and 7 GB
    "cifar10": Recipe(
        root=100,
        patches=3200,
        side=6,
        grid=3,
        sphering=1e-5,
        power=0.5,
        whitening=0.3,
        mirrored=True,
        low_precision=True,
    ),
    "digits": Recipe(root=10, patches=24, side=4, grid=2, components=60),
    "mnist": Recipe(root=50, patches=48, side=7, grid=4, components=200),
}
# part of the names of cached files, to be raised when the map changes
_VERSION = 1
_SEED = 1


def patched(dataset: Dataset) -> Dataset:
    """`dataset` as patch features, from the cache or computed: half a minute for MNIST.

    Raises: ParameterError for a data set that has no recipe.
    """
    if dataset.name not in RECIPES:
        raise ParameterError(f"there are no patch features of {dataset.name}, only of {', '.join(RECIPES)}")
    recipe = RECIPES[dataset.name]
    key = hashlib.sha256(f"{_VERSION}:{dataset.sha256}:{recipe}:{_SEED}".encode()).hexdigest()
    file = cache_directory() / "features" / f"{dataset.name}-{key[:16]}.npz"
    try:
        with file.open("rb") as stored, np.load(stored, allow_pickle=False) as kept:
            arrays = {name: kept[name] for name in ("train_x", "train_y", "test_x")}
        return replace(dataset, name=dataset.name + SUFFIX, shape=arrays["train_x"].shape[1:], **arrays)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        made = _computed(dataset, recipe)  # not there, or damaged
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    with partial.open("wb") as out:
        np.savez(out, train_x=made.train_x, train_y=made.train_y, test_x=made.test_x)
    partial.replace(file)
    return made


def _computed(dataset: Dataset, recipe: Recipe) -> Dataset:
    from fl.models.patches import PatchFeatures, draw_root

    root = draw_root(dataset.train_y, recipe.root, _SEED)
    features = PatchFeatures.fit(
        dataset.train_x[root],
        dataset.shape,
        _SEED,
        patches=recipe.patches,
        side=recipe.side,
        grid=recipe.grid,
        components=recipe.components,
        sphering=recipe.sphering,
        power=recipe.power,
        whitening=recipe.whitening,
        mirrored=recipe.mirrored,
        low_precision=recipe.low_precision,
    )
    return replace(features.apply(dataset, root), name=dataset.name + SUFFIX)
