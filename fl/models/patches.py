"""Fixed features from image patches: a public map from images to vectors, on which a linear head is trained.

A dictionary of whitened patches comes from a small public root set, which is taken out of the training data. Each
place of an image is compared with all of them, small responses are cut off, and what is left is averaged over a grid of
cells. Nothing of the map is learned from the clients, so it costs no privacy and no communication, and a linear head on
it is a convex problem: what the federation learns does not depend on who holds which record.

Source: Coates, Ng, Lee, "An analysis of single-layer networks in unsupervised feature learning" (2011), section 3 (patches,
whitening, pooling); Coates, Ng, "The importance of encoding versus training with sparse coding and vector
quantization" (2011), section 3 (soft threshold, both signs). Random patches that are only whitened do as well as
learned ones: Thiry, Arbel, Belilovsky, Oyallon, "The unreasonable effectiveness of patches in deep convolutional
kernels methods" (2021). Powers of averages: Perronnin, Sánchez, Mensink, "Improving the Fisher kernel for large-scale
image classification" (2010), section 2.3.
"""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fl.data.dataset import Dataset
from fl.seeds import generator
from mpc.errors import ParameterError

__all__ = ["PatchFeatures", "draw_root"]

Floats = NDArray[np.float32]
Double = NDArray[np.float64]

# the variance of a patch below which it counts as blank: ten grey levels of 255, squared
_BLANK = (10 / 255) ** 2
_PATCHES = 30_000
_KMEANS_ROUNDS = 8
_BLOCK = 8
_CHUNK = 1000
# of the largest variance along an axis of the root set, added to all: small ones are noise
_RIDGE = 0.01


@dataclass(frozen=True, slots=True, eq=False)
class PatchFeatures:
    """The map: `filters` act on patches whose mean is 0 and variance 1, `offsets` centre them.

    `threshold` is what a response must exceed, in deviations of whitened patches; `grid` cells a side are averaged over,
    and an average is raised to the `power`. What comes out is centred by the root set's and projected, then stretched
    along `axes` by the factors `stretch`, so that a record of the root set has a norm near 1. Sphered, others
    are longer.

    Shapes: filters [patches, side * side * channels]; offsets [patches]; centre [averages], averages being
        grid * grid * 2 * patches; projection [averages, outputs], or [averages] for a scale each; axes
        [stretched, outputs], orthonormal; stretch [stretched].
    """

    shape: tuple[int, int, int]
    side: int
    grid: int
    threshold: float
    filters: Floats
    offsets: Floats
    centre: Floats
    projection: Floats
    axes: Floats
    stretch: Floats
    power: float = 1.0
    mirrored: bool = False
    low_precision: bool = False

    @property
    def outputs(self) -> int:
        """Features of one record."""
        return int(self.projection.shape[-1])

    @classmethod
    def fit(
        cls,
        root: Floats,
        shape: tuple[int, ...],
        seed: int,
        *,
        patches: int = 48,
        side: int = 7,
        grid: int = 4,
        threshold: float = 0.5,
        whitening: float = 0.1,
        components: int = 0,
        sphering: float = 0.0,
        power: float = 1.0,
        mirrored: bool = False,
        low_precision: bool = False,
    ) -> "PatchFeatures":
        """The map whose dictionary, means and projection come from the public images `root`.

        `whitening` is added to the variances of patches that are divided by: more of it keeps noise down. With
        `components`, the averages are projected on so many principal axes of the root set's and whitened: fewer
        features, on which gradient descent is fast and noise for privacy costs least. With `sphering`, all averages stay,
        and what the root set varies along is shrunk by the root of (its variance / sphering + 1): the features' variance is
        then much the same along every axis, and conjugate gradients need few steps. With `mirrored`, an image and its
        mirror image have the same features: half the patches are the others' mirror images. `low_precision` computes
        in bfloat16: twice as fast, and not the same to the bit on every processor.

        Shapes: root [images, inputs].
        Raises: ParameterError when the images are smaller than a patch, or fewer than the components, and for
            components together with sphering.
        """
        if components and sphering:
            raise ParameterError("patch features are projected on components or sphered, not both")
        if len(shape) != 3 or min(shape[:2]) < side or len(root) <= components:
            raise ParameterError(
                f"patches of side {side} need images at least as large, not {len(root)} of shape {shape}"
            )
        height, width, channels = shape
        rng = generator(seed, "patches")
        images = root.reshape(-1, height, width, channels)
        which = rng.integers(len(images), size=_PATCHES)
        down, across = (
            rng.integers(height - side + 1, size=_PATCHES),
            rng.integers(width - side + 1, size=_PATCHES),
        )
        line = np.arange(side)
        cut = images[
            which[:, None, None], (down[:, None] + line)[:, :, None], (across[:, None] + line)[:, None, :]
        ]
        if mirrored:
            cut = np.concatenate([cut, cut[:, :, ::-1]])
        samples = _normalized(cut.reshape(len(cut), -1).astype(np.float64))
        mean = samples.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(samples.T))
        whiten = axes @ np.diag((np.maximum(variances, 0) + whitening) ** -0.5) @ axes.T
        filters = _dictionary((samples - mean) @ whiten, patches // 2 if mirrored else patches, rng) @ whiten
        if mirrored:
            others = filters.reshape(-1, side, side, channels)[:, :, ::-1].reshape(filters.shape)
            filters = np.concatenate([filters, others])
        features = cls(
            shape=(height, width, channels),
            side=side,
            grid=grid,
            threshold=threshold,
            filters=filters.astype(np.float32),
            offsets=(filters @ mean).astype(np.float32),
            centre=np.zeros(0, dtype=np.float32),
            projection=np.zeros(0, dtype=np.float32),
            axes=np.zeros((0, 0), dtype=np.float32),
            stretch=np.zeros(0, dtype=np.float32),
            power=power,
            mirrored=mirrored,
            low_precision=low_precision,
        )
        averages = features._averages(root).astype(np.float64)
        centre = averages.mean(axis=0)
        projection = _projection(averages - centre, components)
        if sphering:
            projection, axes, stretch = _sphered(averages - centre, projection, sphering)
            features = replace(features, axes=axes.astype(np.float32), stretch=stretch.astype(np.float32))
        return replace(features, centre=centre.astype(np.float32), projection=projection.astype(np.float32))

    @property
    def sha256(self) -> str:
        """Digest of everything the map depends on."""
        flags = f"{self.power}:{self.mirrored}:{self.low_precision}"
        header = f"{self.shape}{self.side}:{self.grid}:{self.threshold}:{flags}"
        digest = hashlib.sha256(header.encode())
        for array in (self.filters, self.offsets, self.centre, self.projection, self.axes, self.stretch):
            digest.update(np.ascontiguousarray(array).reshape(-1).data)
        return digest.hexdigest()

    def transform(self, images: Floats) -> Floats:
        """Shapes: images [records, inputs]; the result [records, outputs]."""
        features = np.empty((len(images), self.outputs), dtype=np.float32)
        for first in range(0, len(images), _CHUNK):
            some = slice(first, first + _CHUNK)
            averages = self._averages(images[some]) - self.centre
            projected = (
                averages @ self.projection if self.projection.ndim == 2 else averages * self.projection
            )
            if len(self.axes):
                projected += (projected @ self.axes.T * (self.stretch - 1)) @ self.axes
            features[some] = projected
        return features

    def apply(self, dataset: Dataset, root: NDArray[np.int64]) -> Dataset:
        """`dataset` as features, without the training records `root`, which are public.

        Raises: ParameterError when the data set's records have another shape.
        """
        if dataset.shape != self.shape:
            raise ParameterError(f"{dataset.name} has records of shape {dataset.shape}, not {self.shape}")
        keep = np.setdiff1d(np.arange(len(dataset.train_y)), root)
        return replace(
            dataset,
            name=f"{dataset.name} as {self.outputs} patch features",
            shape=(self.outputs,),
            train_x=self.transform(dataset.train_x[keep]),
            train_y=dataset.train_y[keep],
            test_x=self.transform(dataset.test_x),
        )

    def _averages(self, images: Floats) -> Floats:
        """The power of the mean response of each cell, sign and patch; a block of images at a time stays in the cache."""
        height, width, channels = self.shape
        kind = torch.bfloat16 if self.low_precision else torch.float32
        cells = _cells(height - self.side + 1, width - self.side + 1, self.grid)
        # the last row takes the offsets and the threshold away from every response
        rows = np.concatenate([self.filters.T, -(self.offsets + self.threshold)[None]])
        weights = torch.from_numpy(np.ascontiguousarray(rows, dtype=np.float32)).to(kind)
        pool = torch.from_numpy(cells).to(kind)
        different = len(self.filters) // 2 if self.mirrored else len(self.filters)
        out = np.empty((len(images), len(cells) * 2 * different), dtype=np.float32)
        with torch.no_grad():
            for first in range(0, len(images), _BLOCK):
                block = torch.from_numpy(images[first : first + _BLOCK])
                pixels = block.view(-1, height, width, channels).permute(0, 3, 1, 2)
                places = self._places(pixels).to(kind)
                for index, place in enumerate(places):
                    out[first + index] = self._pooled(place @ weights, pool)
        return out if self.power == 1 else np.power(out, np.float32(self.power), out=out)

    def _places(self, pixels: Tensor) -> Tensor:
        """The normalized patch at every place, and a 1. Shapes: [images, places, side * side * channels + 1]."""
        channels, area = pixels.shape[1], self.side * self.side
        cut = functional.unfold(pixels, self.side).transpose(1, 2)
        # unfold has the channels outermost, the filters have them innermost
        cut = cut.view(len(cut), -1, channels, area).transpose(2, 3).flatten(2)
        variance, mean = torch.var_mean(cut, dim=2, keepdim=True, correction=0)
        return functional.pad((cut - mean) * torch.rsqrt(variance + _BLANK), (0, 1), value=1.0)

    def _pooled(self, above: Tensor, pool: Tensor) -> Floats:
        """`above` is response minus threshold; it is overwritten. Shapes: [places, patches] -> [outputs]."""
        positive = pool @ above.clamp(min=0)
        negative = pool @ above.add_(2 * self.threshold).clamp_(max=0)
        both: Floats = torch.stack([positive, -negative], dim=1).float().numpy()
        if self.mirrored:
            cells = both.reshape(self.grid, self.grid, 2, 2, -1)
            both = np.float32(0.5) * (cells[:, :, :, 0] + cells[:, ::-1, :, 1])
        return both.ravel()


def draw_root(labels: NDArray[np.int64], per_class: int, seed: int) -> NDArray[np.int64]:
    """Rows of a public root set: `per_class` training records of every class, ascending.

    Raises: ParameterError when a class has fewer.
    """
    rng = generator(seed, "root")
    rows: list[NDArray[np.int64]] = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < per_class:
            raise ParameterError(
                f"class {label} has {len(members)} records, fewer than the {per_class} of a root set"
            )
        rows.append(rng.choice(members, per_class, replace=False))
    return np.sort(np.concatenate(rows))


def _normalized(patches: Double) -> Double:
    centred: Double = patches - patches.mean(axis=1, keepdims=True)
    normalized: Double = centred / np.sqrt(patches.var(axis=1, keepdims=True) + _BLANK)
    return normalized


def _dictionary(samples: Double, size: int, rng: np.random.Generator) -> Double:
    """Directions that the samples cluster around, by k-means on the sphere in which a sample and its negative are one.

    Shapes: samples [n, inputs]; the result [size, inputs] of unit norm.
    """
    lengths = np.linalg.norm(samples, axis=1)
    units = samples[lengths > np.quantile(lengths, 0.25)]
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    centres: Double = units[rng.choice(len(units), size, replace=False)]
    for _ in range(_KMEANS_ROUNDS):
        likeness = units @ centres.T
        nearest = np.abs(likeness).argmax(axis=1)
        signs = np.sign(likeness[np.arange(len(units)), nearest])
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, units * signs[:, None])
        norms = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(norms > 0, sums / np.where(norms > 0, norms, 1), centres)
    return centres


def _projection(centred: Double, components: int) -> Double:
    """Scales, or principal axes over their deviations, such that the mean squared norm of what is projected is 1.

    Shapes: centred [n, averages]; the result [averages] or [averages, components].
    """
    if not components:
        deviations = centred.std(axis=0)
        # one that hardly moves in the root set must not become the loudest
        scales: Double = 1 / (deviations + 0.1 * deviations.mean())
        scales /= np.sqrt(((centred * scales) ** 2).sum(axis=1).mean())
        return scales
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    variances = singular**2 / len(centred)
    kept: Double = axes[:components].T / np.sqrt(variances[:components] + _RIDGE * variances[0])
    kept /= np.sqrt(((centred @ kept) ** 2).sum(axis=1).mean())
    return kept


def _sphered(centred: Double, scales: Double, added: float) -> tuple[Double, Double, Double]:
    """Scales, axes and stretch such that what varies along the axes is shrunk, and the mean squared norm is 1.

    Shapes: centred [n, averages]; scales [averages] -> [averages], [axes, averages], [axes].
    """
    scaled = centred * scales
    _, singular, axes = np.linalg.svd(scaled, full_matrices=False)
    variances = singular**2 / len(scaled)
    stretch = (variances / added + 1) ** -0.5
    return scales / np.sqrt((variances * stretch**2).sum()), axes, stretch


def _cells(height: int, width: int, grid: int) -> Floats:
    """Averages over a grid of cells, which overlap where sizes do not divide. Shapes: [grid * grid, height * width]."""

    def bands(length: int) -> Double:
        marks = np.arange(grid + 1) * length / grid
        band = np.zeros((grid, length))
        for row in range(grid):
            band[row, int(np.floor(marks[row])) : int(np.ceil(marks[row + 1]))] = 1
        band /= band.sum(axis=1, keepdims=True)
        return band

    cells: Floats = np.kron(bands(height), bands(width)).astype(np.float32)
    return cells
